//! The time that the cache has saved: an estimate.
//!
//! A hit would have taken as long as the misses of the same side took on average, instead of what it
//! took. Which calls missed is known from ccache; of sccache's only the number, and there the
//! misses are taken to be the slowest calls of the side. Without a miss there is nothing to go by.

use std::cmp::Reverse;
use std::time::Duration;

use serde::Serialize;

use super::{Call, Side, side_tally};
use crate::launcher::Outcome;
use crate::launcher::stats::{Counts, Tally};

/// An estimate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Saved {
    /// Compile time, summed over all calls as if one had run after the other.
    pub seconds: f64,
    /// The hits that it is an estimate for.
    pub hits: u64,
    /// The misses by whose compile time it was estimated.
    pub misses: u64,
}

/// Sums up both sides; `None` where there were no hits or nothing to estimate by.
pub fn estimate(calls: &[Call], counts: &Counts) -> Option<Saved> {
    let sides = [Side::Hip, Side::Host].map(|side| {
        let tally = side_tally(calls, counts, side)?;
        let launched = calls.iter().filter(|call| call.event.launched);
        of_side(launched.filter(|call| call.side() == Some(side)), tally)
    });
    sides.into_iter().flatten().reduce(|a, b| Saved {
        seconds: a.seconds + b.seconds,
        hits: a.hits + b.hits,
        misses: a.misses + b.misses,
    })
}

/// `None` also where more was counted than these calls: then they cannot be told from others.
fn of_side<'a>(calls: impl Iterator<Item = &'a Call>, tally: Tally) -> Option<Saved> {
    let compiled = |call: &&Call| {
        let outcome = call.outcome;
        outcome.is_none_or(|outcome| matches!(outcome, Outcome::Hit | Outcome::Miss))
    };
    let mut took: Vec<(bool, Duration)> = calls
        .filter(compiled)
        .filter_map(|call| Some((call.outcome == Some(Outcome::Miss), call.took_at_most()?)))
        .collect();
    // Where no outcome is known, by time alone.
    took.sort_by_key(|&(missed, took)| Reverse((missed, took)));
    let misses = usize::try_from(tally.misses).ok()?;
    let hits = usize::try_from(tally.hits).ok()?;
    let (missed, rest) = took.split_at_checked(misses)?;
    let hit = rest.get(rest.len().checked_sub(hits)?..)?;
    if missed.is_empty() || hit.is_empty() {
        return None;
    }
    let sum = |calls: &[(bool, Duration)]| {
        calls
            .iter()
            .map(|(_, took)| took.as_secs_f64())
            .sum::<f64>()
    };
    let mean = sum(missed) / misses as f64;
    Some(Saved {
        seconds: (mean * hits as f64 - sum(hit)).max(0.0),
        hits: tally.hits,
        misses: tally.misses,
    })
}
