//! Estimates the time that the cache saved.
//!
//! A hit is assumed to have replaced a compile that takes as long as the average miss of the same
//! side. ccache reports which calls missed. sccache reports only their number, so the slowest calls
//! of the side are taken as the misses. Without a miss there is no estimate.

use std::cmp::Reverse;
use std::time::Duration;

use serde::Serialize;

use super::{BuildSide, ObservedCall, side_tally};
use crate::launcher::CacheOutcome;
use crate::launcher::stats::{Counts, Tally};

/// An estimate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Saved {
    /// Seconds of compile time, summed over all calls as if they had run one after the other.
    pub seconds: f64,
    /// The number of hits that the estimate covers.
    pub hits: u64,
    /// The number of misses that it is based on.
    pub misses: u64,
}

/// The sum for both sides; `None` if there were no hits, or no misses to base an estimate on.
pub fn estimate(calls: &[ObservedCall], counts: &Counts) -> Option<Saved> {
    let sides = [BuildSide::Hip, BuildSide::Host].map(|side| {
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

/// `None` also if the launcher counted more calls than these, because the others cannot be told apart.
fn of_side<'a>(calls: impl Iterator<Item = &'a ObservedCall>, tally: Tally) -> Option<Saved> {
    let compiled = |call: &&ObservedCall| {
        let outcome = call.outcome;
        outcome.is_none_or(|outcome| matches!(outcome, CacheOutcome::Hit | CacheOutcome::Miss))
    };
    let mut took: Vec<(bool, Duration)> = calls
        .filter(compiled)
        .filter_map(|call| {
            Some((
                call.outcome == Some(CacheOutcome::Miss),
                call.took_at_most()?,
            ))
        })
        .collect();
    // If no outcome is known, this sorts by time only.
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
