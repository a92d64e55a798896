//! Times as file systems keep them.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A point in time, to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time {
    /// Seconds since the epoch.
    pub sec: i64,
    /// Nanoseconds within the second.
    pub nsec: u32,
}

impl Time {
    /// The time of the system's clock. A clock before the epoch counts as the epoch.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            sec: since.as_secs().try_into().unwrap_or(i64::MAX),
            nsec: since.subsec_nanos(),
        }
    }
}

/// Formats a time in seconds since 1970 for people: `2026-11-30 17:03 UTC`.
#[must_use]
pub fn when(seconds: f64) -> String {
    let minutes = (seconds / 60.0) as i64;
    let (days, minute) = (minutes.div_euclid(24 * 60), minutes.rem_euclid(24 * 60));
    let mut year = 1970;
    let mut left = days;
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while left >= 365 + i64::from(leap(year)) {
        left -= 365 + i64::from(leap(year));
        year += 1;
    }
    let february = 28 + i64::from(leap(year));
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for days in months {
        if left < days {
            break;
        }
        left -= days;
        month += 1;
    }
    let (hour, minute) = (minute / 60, minute % 60);
    format!(
        "{year}-{month:02}-{:02} {hour:02}:{minute:02} UTC",
        left + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_as_date_does() {
        for (seconds, shown) in [
            (0.0, "1970-01-01 00:00 UTC"),
            (951_782_400.5, "2000-02-29 00:00 UTC"),
            (1_790_000_000.0, "2026-09-21 14:13 UTC"),
            (4_107_542_399.0, "2100-02-28 23:59 UTC"),
        ] {
            assert_eq!(when(seconds), shown);
        }
    }
}
