//! Assigns results to calls, for a launcher that reports results by source file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{BuildSide, EndTime, ObservedCall};
use crate::launcher::CacheOutcome;
use crate::launcher::stats::{Counts, Tally};

/// Gives each launched call its outcome if it is certain. `results` has the source of each call, as
/// the call names it, and its outcome, in the order in which the calls ended.
///
/// Calls with the same source name are told apart by the order of their ends. If there are more results than calls
/// (other builds may write to the log too), the calls get an outcome only if all results are the same; if there are
/// fewer, they get none.
pub fn assign(calls: &mut [ObservedCall], results: &[(PathBuf, CacheOutcome)]) {
    let mut outcomes = HashMap::<&Path, Vec<CacheOutcome>>::new();
    for (source, outcome) in results {
        outcomes.entry(source).or_default().push(*outcome);
    }
    let mut of_source = HashMap::<PathBuf, Vec<&mut ObservedCall>>::new();
    for call in calls.iter_mut().filter(|call| call.event.launched) {
        if let Some(source) = call.event.source.clone() {
            of_source.entry(source).or_default().push(call);
        }
    }
    for (source, mut calls) in of_source {
        let Some(outcomes) = outcomes.get(source.as_path()) else {
            continue;
        };
        let alike = outcomes.iter().all(|outcome| *outcome == outcomes[0]);
        if alike && outcomes.len() >= calls.len() {
            for call in calls {
                call.outcome = Some(outcomes[0]);
            }
        } else if outcomes.len() == calls.len() {
            calls.sort_by_key(|call| match call.end {
                EndTime::At(end) | EndTime::Before(end) => end,
                EndTime::Unknown => call.event.start,
            });
            for (call, outcome) in calls.into_iter().zip(outcomes) {
                call.outcome = Some(*outcome);
            }
        }
    }
}

/// Sets the outcomes of launched calls if the launcher reports only totals (sccache), from what the stand-in recorded.
/// A call that was compiled was a miss. A call that was not compiled looks like a hit even if the launcher passed it on
/// or failed. So hits are set only if the launcher counted no such call, and no fewer hits than there seem to be.
pub fn by_records(calls: &mut [ObservedCall], counts: &Counts) {
    let mut found = Vec::new();
    let own = calls
        .iter_mut()
        .filter(|call| call.event.launched && !call.event.forwarded && call.outcome.is_none());
    for call in own {
        match (call.compiled, call.produced) {
            (true, Some(false)) if counts.failed > 0 => call.outcome = Some(CacheOutcome::Failed),
            (true, _) => call.outcome = Some(CacheOutcome::Miss),
            (false, Some(true)) => found.push(call),
            (false, _) => {}
        }
    }
    let others = counts.uncached + counts.all.errors;
    if others == 0 && found.len() as u64 <= counts.all.hits {
        for call in found {
            call.outcome = Some(CacheOutcome::Hit);
        }
    }
}

/// Counts the outcomes of one side's launched calls; `None` unless every outcome is known.
#[must_use]
pub fn tally(calls: &[ObservedCall], side: BuildSide) -> Option<Tally> {
    let mut tally = Tally::default();
    let launched = calls.iter().filter(|call| call.event.launched);
    for call in launched.filter(|call| call.side() == Some(side)) {
        match call.outcome? {
            CacheOutcome::Hit => tally.hits += 1,
            CacheOutcome::Miss => tally.misses += 1,
            CacheOutcome::Error => tally.errors += 1,
            CacheOutcome::Failed | CacheOutcome::Uncached => {}
        }
    }
    Some(tally)
}
