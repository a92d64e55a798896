//! Formats the report as a table.

use std::fmt::Write;
use std::time::Duration;

use super::ranked::{LargeUnit, SlowUnit};
use super::{Calls, Report};
use crate::launcher::stats::Tally;

/// The width of the first column, and of columns with numbers.
const LABEL: usize = 8;
const NUMBER: usize = 8;

impl Report {
    /// The lines of the table, none longer than `width` characters. For a session without calls,
    /// only the headline.
    #[must_use]
    pub fn lines(&self, width: usize) -> Vec<String> {
        let mut lines = vec![self.headline()];
        if self.calls.launched + self.calls.direct > 0 {
            lines.extend(self.tallies());
            lines.extend(self.rest());
            lines.extend(self.parts());
            lines.extend(direct(&self.calls, width));
            lines.extend(self.time());
            lines.extend(self.store());
            lines.extend(slowest(&self.slowest));
            lines.extend(largest(&self.largest));
        }
        for line in &mut lines {
            *line = cut(line, width);
        }
        lines
    }

    fn headline(&self) -> String {
        let launcher = &self.session.launcher;
        let version = launcher.version.as_deref().unwrap_or_default();
        let took = elapsed(Duration::from_secs_f64(self.session.seconds));
        let launcher = format!("{} {version}", launcher.kind);
        format!(
            "{took} with {}, {}",
            launcher.trim_end(),
            self.session.attachment
        )
    }

    /// A row for each side if the launcher distinguishes them, otherwise a single row.
    fn tallies(&self) -> Vec<String> {
        let calls = &self.calls;
        let mut lines = vec![row("", &["calls", "hits", "misses", "errors"])];
        let mut tally = |label, calls: usize, tally: Option<Tally>| {
            let numbers = match tally {
                Some(Tally {
                    hits,
                    misses,
                    errors,
                }) => [hits, misses, errors].map(|n| n.to_string()),
                None => ["?", "?", "?"].map(ToOwned::to_owned),
            };
            let [hits, misses, errors] = &numbers;
            lines.push(row(label, &[&calls.to_string(), hits, misses, errors]));
        };
        let cache = self.cache.as_ref();
        let sides = cache.and_then(|cache| Some((cache.hip?, cache.host?)));
        if let Some((hip, host)) = sides {
            tally("HIP", calls.launched_hip, Some(hip));
            tally("host", calls.launched_host, Some(host));
        } else {
            let all = cache.map(|cache| Tally {
                hits: cache.hits,
                misses: cache.misses,
                errors: cache.errors,
            });
            tally("launched", calls.launched, all);
        }
        lines
    }

    /// The calls that were neither hits nor misses.
    fn rest(&self) -> Option<String> {
        let cache = self.cache.as_ref()?;
        let parts = [
            (cache.failed, "failed to compile"),
            (cache.uncached, "passed on uncached"),
        ];
        let parts = parts.into_iter().filter(|(calls, _)| *calls > 0);
        let parts: Vec<_> = parts
            .map(|(calls, what)| format!("{calls} {what}"))
            .collect();
        (!parts.is_empty()).then(|| labelled("others", &parts.join(", ")))
    }

    /// The misses that were compiled by architecture.
    fn parts(&self) -> Option<String> {
        let parts = self.parts.as_ref()?;
        let mut text = format!(
            "{} units of {} parts: {} found, {} compiled",
            parts.units,
            parts.hits + parts.misses,
            parts.hits,
            parts.misses
        );
        if parts.whole > 0 {
            let _ = write!(text, "; {} whole", parts.whole);
        }
        Some(labelled("by arch", &text))
    }

    fn time(&self) -> Option<String> {
        let hits = self.cache.as_ref()?.hits;
        let Some(saved) = self.saved else {
            let text = "an unknown time: no compile missed that could be compared";
            return (hits > 0).then(|| labelled("saved", text));
        };
        let time = elapsed(Duration::from_secs_f64(saved.seconds));
        let text = format!(
            "about {time} of compiling, going by {} misses",
            saved.misses
        );
        Some(labelled("saved", &text))
    }

    fn store(&self) -> Option<String> {
        let cache = self.cache.as_ref()?;
        let size = cache.bytes?;
        let mut text = bytes(size);
        if let Some(limit) = cache.bytes_limit.filter(|limit| *limit > 0) {
            let _ = write!(text, " of {}", bytes(limit));
        }
        match cache
            .bytes_before
            .map(|before| (size.checked_sub(before), before))
        {
            Some((Some(0), _)) => text.push_str(", as before"),
            Some((Some(grown), _)) => {
                let _ = write!(text, ", {} more than before", bytes(grown));
            }
            Some((None, before)) => {
                let _ = write!(text, ", {} less than before", bytes(before - size));
            }
            None => {}
        }
        Some(labelled("cache", &text))
    }
}

/// The direct calls and their reasons, the most frequent first.
fn direct(calls: &Calls, width: usize) -> Vec<String> {
    let head = row("direct", &[&calls.direct.to_string()]);
    let reasons = calls.reasons.iter();
    // A no-break space keeps a reason and its number on one line.
    let reasons = reasons.map(|of| format!("{}\u{a0}{}", of.reason, of.calls));
    let reasons = reasons.collect::<Vec<_>>().join(", ");
    let indent = head.len() + 2;
    let mut lines = wrap(&reasons, width.saturating_sub(indent));
    if lines.is_empty() {
        return vec![head];
    }
    for (index, line) in lines.iter_mut().enumerate() {
        let start = if index == 0 { &*head } else { "" };
        *line = format!("{start:<indent$}{}", line.replace('\u{a0}', " "));
    }
    lines
}

/// Breaks `text` at spaces into lines of at most `width` characters; longer words stay whole.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::<String>::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn slowest(units: &[SlowUnit]) -> Vec<String> {
    let line = |(index, unit): (usize, &SlowUnit)| {
        let what = match (unit.outcome, &unit.reason) {
            (Some(outcome), _) => outcome.as_str(),
            (None, Some(_)) => "direct",
            (None, None) => "",
        };
        let language = language(unit.language, unit.archs);
        let label = if index == 0 { "slowest" } else { "" };
        let took = elapsed(Duration::from_secs_f64(unit.seconds));
        format!(
            "{} {what:<9}{language:<8}{}",
            row(label, &[&took]),
            unit.source
        )
    };
    units.iter().enumerate().map(line).collect()
}

/// The compiles with the most memory, aligned with the list of the slowest.
fn largest(units: &[LargeUnit]) -> Vec<String> {
    let line = |(index, unit): (usize, &LargeUnit)| {
        let label = if index == 0 { "memory" } else { "" };
        // One character wider than a number.
        format!(
            "{label:<width$}{:>9} {:<9}{:<8}{}",
            bytes(unit.peak_memory),
            "",
            language(unit.language, unit.archs),
            unit.source,
            width = LABEL - 1,
        )
    };
    units.iter().enumerate().map(line).collect()
}

/// A language, and the number of architectures that it is compiled for.
fn language(language: &str, archs: u32) -> String {
    match archs {
        0 => language.to_owned(),
        archs => format!("{language} x{archs}"),
    }
}

fn row(label: &str, cells: &[&str]) -> String {
    let mut row = format!("{label:<LABEL$}");
    for cell in cells {
        let _ = write!(row, "{cell:>NUMBER$}");
    }
    row
}

fn labelled(label: &str, text: &str) -> String {
    format!("{label:<LABEL$}  {text}")
}

/// Shortens a line in the middle, since the end of a path is its most useful part.
fn cut(line: &str, width: usize) -> String {
    let chars: Vec<char> = line.chars().collect();
    let Some(excess) = chars.len().checked_sub(width).filter(|excess| *excess > 0) else {
        return line.to_owned();
    };
    let keep = (LABEL + NUMBER + 18).min(width / 2);
    let head: String = chars[..keep].iter().collect();
    let tail: String = chars[keep + excess + 3..].iter().collect();
    format!("{head}...{tail}")
}

/// Formats a duration: `4.2s`, `1m32s`, `2h05m`.
pub fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1}s", time.as_secs_f64()),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// Formats a size in powers of 1024: `512 B`, `12.3 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1023.95 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_short() {
        let time = |millis| elapsed(Duration::from_millis(millis));
        assert_eq!([40, 9_940, 59_999].map(time), ["0.0s", "9.9s", "59s"]);
        assert_eq!([92_000, 7_500_000].map(time), ["1m32s", "2h05m"]);
        let sizes = [0, 1023, 1024, 12_345_678, 10_737_418_240].map(bytes);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "11.8 MiB", "10.0 GiB"]);
    }

    #[test]
    fn text_is_broken_at_spaces() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("", 8), [""; 0]);
    }

    #[test]
    fn a_line_that_is_too_long_keeps_its_end() {
        let line = format!("slowest    1.2s  {}/kernel.hip", "x".repeat(90));
        let cut = cut(&line, 69);
        assert_eq!(cut.chars().count(), 69);
        assert!(
            cut.starts_with("slowest    1.2s") && cut.ends_with("/kernel.hip"),
            "{cut}"
        );
    }
}
