//! What a session compiled by architecture.
//!
//! Owns: reading the parts program's lines in the session's log, and subtracting its look-ups from the launcher's
//! counts, so that a call counts once: as the hit or the miss of the whole compile.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ObservedCall;
use crate::launcher::CacheOutcome;
use crate::launcher::stats::{Counts, Tally};

/// The compiles that were split.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SplitCounts {
    /// Compiles that the launcher did not have as a whole and whose parts were put together.
    pub units: u64,
    /// Compiles that the launcher did not have and that were compiled whole after all.
    pub whole: u64,
    /// Parts that the launcher had.
    pub hits: u64,
    /// Parts that were compiled.
    pub misses: u64,
    /// Hits and misses by architecture.
    pub archs: BTreeMap<String, ArchCounts>,
    /// Parts that were found but compiled again, because files whose layout matters had changed.
    #[serde(skip)]
    found_in_vain: u64,
    /// Parts that failed, or that the parts program kept from being stored.
    #[serde(skip)]
    declined: u64,
    #[serde(skip)]
    calls: HashSet<u32>,
}

/// The parts for one architecture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ArchCounts {
    /// Parts that the launcher had.
    pub hits: u64,
    /// Parts that were compiled.
    pub misses: u64,
}

/// A part of a call: the compile for one architecture, or the final steps (the host's compile and the bundling).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The architecture, or `host`.
    pub arch: String,
    /// The launcher's result. The host's part is never looked up, and has [`CacheOutcome::Uncached`].
    pub outcome: CacheOutcome,
    /// Seconds from the start of the build to the start of the part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<f64>,
    /// Its duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// The peak memory in bytes of its largest process, if it was compiled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
}

/// A part as the parts program logs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedPart {
    /// The architecture, or `host`.
    pub arch: String,
    /// The launcher's result.
    pub outcome: CacheOutcome,
    /// Whether the launcher found it, and it was compiled again all the same.
    pub again: bool,
    /// When it began, since boot, and its duration.
    pub time: Option<(Duration, Duration)>,
    /// The peak memory in bytes of its largest process.
    pub memory: Option<u64>,
}

/// Parses a line of the parts program: the process ID of the call, and its parts.
pub fn of_line(line: &str) -> Option<(u32, Vec<ObservedPart>)> {
    let mut fields = line.strip_prefix("parts\t")?.split('\t');
    let call = fields.next()?.parse().ok()?;
    let part = |(arch, said): (&str, &str)| {
        let mut said = said.split(',');
        let word = said.next();
        let outcome = match word {
            Some("hit") => CacheOutcome::Hit,
            Some("host") => CacheOutcome::Uncached,
            Some("failed") => CacheOutcome::Failed,
            _ => CacheOutcome::Miss,
        };
        let mut number = || said.next()?.parse().ok();
        let time = number().map(Duration::from_nanos);
        ObservedPart {
            arch: arch.to_owned(),
            outcome,
            again: word == Some("again"),
            time: time.zip(number().map(Duration::from_nanos)),
            memory: number(),
        }
    };
    let parts = fields.filter_map(|field| field.rsplit_once('='));
    Some((call, parts.map(part).collect()))
}

impl SplitCounts {
    /// Reads a session's log. `None` if nothing was split.
    #[must_use]
    pub fn read(log: &[u8]) -> Option<Self> {
        let mut counts = Self::default();
        for line in log.split(|byte| *byte == b'\n') {
            let Ok(line) = str::from_utf8(line) else {
                continue;
            };
            let Some((call, split)) = of_line(line) else {
                continue;
            };
            counts.calls.insert(call);
            let mut is_whole = true;
            for part in split {
                match part.outcome {
                    // The host's part comes last, when all others are done.
                    CacheOutcome::Uncached => is_whole = false,
                    CacheOutcome::Hit => {
                        counts.hits += 1;
                        counts.archs.entry(part.arch).or_default().hits += 1;
                    }
                    CacheOutcome::Miss => {
                        counts.misses += 1;
                        counts.found_in_vain += u64::from(part.again);
                        counts.archs.entry(part.arch).or_default().misses += 1;
                    }
                    CacheOutcome::Failed | CacheOutcome::Error => counts.declined += 1,
                }
            }
            match is_whole {
                true => counts.whole += 1,
                false => counts.units += 1,
            }
        }
        (!counts.calls.is_empty()).then_some(counts)
    }

    /// The launcher's counts without the look-ups of parts, and without compiles that were only declined.
    #[must_use]
    pub fn taken_out_of(&self, counts: Counts) -> Counts {
        let without = |tally: Tally| Tally {
            hits: tally.hits.saturating_sub(self.hits + self.found_in_vain),
            misses: tally.misses.saturating_sub(self.misses),
            ..tally
        };
        Counts {
            all: without(counts.all),
            hip: counts.hip.map(without),
            failed: counts
                .failed
                .saturating_sub(self.units + self.whole + self.declined),
            ..counts
        }
    }

    /// Sets the outcome of the calls that were split. Returns the launcher's `results` for the other sources.
    pub fn assign(
        &self,
        calls: &mut [ObservedCall],
        results: Vec<(PathBuf, CacheOutcome)>,
    ) -> Vec<(PathBuf, CacheOutcome)> {
        let mut sources = HashMap::new();
        let is_split =
            |call: &&mut ObservedCall| call.event.launched && self.calls.contains(&call.event.pid);
        for call in calls.iter_mut().filter(is_split) {
            call.outcome = Some(CacheOutcome::Miss);
            sources.insert(call.event.source.clone(), ());
        }
        let mut results = results;
        results.retain(|(source, _)| !sources.contains_key(&Some(source.clone())));
        results
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &[u8] = b"launch\tccache\thip\t2\t7\t1\t-\t/k.hip\t/k.o\n\
        parts\t7\tgfx90a=hit,1000000000,5000000\tgfx942:xnack-=miss,1000000000,2000000000,4096\thost=host,3000000000,1000\n\
        parts\t8\tgfx90a=again\thost=host\nparts\t9\tgfx90a=failed,1,2\tgfx942=failed,1,2\n12\n";

    #[test]
    fn a_part_has_its_time_and_the_memory_of_what_was_compiled() {
        let line = str::from_utf8(LOG).unwrap().lines().nth(1).unwrap();
        let (call, parts) = of_line(line).unwrap();
        let (second, millis) = (Duration::from_secs(1), Duration::from_millis);
        let expected = [
            ("gfx90a", CacheOutcome::Hit, second, millis(5), None),
            (
                "gfx942:xnack-",
                CacheOutcome::Miss,
                second,
                2 * second,
                Some(4096),
            ),
            (
                "host",
                CacheOutcome::Uncached,
                3 * second,
                Duration::from_micros(1),
                None,
            ),
        ];
        let expected = expected.map(|(arch, outcome, start, took, memory)| ObservedPart {
            arch: arch.to_owned(),
            outcome,
            again: false,
            time: Some((start, took)),
            memory,
        });
        assert_eq!((call, parts), (7, expected.to_vec()));
    }

    #[test]
    fn parts_are_counted_by_architecture() {
        let counts = SplitCounts::read(LOG).unwrap();
        assert_eq!(
            (counts.units, counts.whole, counts.hits, counts.misses),
            (2, 1, 1, 2)
        );
        let gfx90a = ArchCounts { hits: 1, misses: 1 };
        assert_eq!(counts.archs["gfx90a"], gfx90a);
        assert_eq!(counts.archs["gfx942:xnack-"].misses, 1);
        assert_eq!(SplitCounts::read(b"direct\tnot-a-compile\n"), None);
    }

    #[test]
    fn a_split_compile_counts_as_one_miss() {
        let counts = SplitCounts::read(LOG).unwrap();
        // Two units with three parts in all, one of them found in vain; one unit that was compiled whole after two
        // parts had failed; one plain hit, and one plain failure.
        let tally = Tally {
            hits: 3,
            misses: 5,
            errors: 0,
        };
        let told = Counts {
            all: tally,
            hip: Some(tally),
            failed: 6,
            ..Counts::default()
        };
        let rest = counts.taken_out_of(told);
        let expected = Tally {
            hits: 1,
            misses: 3,
            errors: 0,
        };
        assert_eq!(
            (rest.all, rest.hip, rest.failed),
            (expected, Some(expected), 1)
        );
    }
}
