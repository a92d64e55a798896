//! Which result belongs to which call, for a launcher that tells results by source.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{Call, End, Side};
use crate::launcher::Outcome;
use crate::launcher::stats::Tally;

/// Gives each launched call its outcome, as far as that is certain. `results` has the source of a
/// call, as that names it, and what became of it, in the order in which the calls ended.
///
/// Calls that name their sources alike are told apart by the order of their ends; where there are
/// more or fewer results than calls (a log that others write too), only if all results are alike.
pub fn assign(calls: &mut [Call], results: &[(PathBuf, Outcome)]) {
    let mut outcomes = HashMap::<&Path, Vec<Outcome>>::new();
    for (source, outcome) in results {
        outcomes.entry(source).or_default().push(*outcome);
    }
    let mut of_source = HashMap::<PathBuf, Vec<&mut Call>>::new();
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
                End::At(end) | End::Before(end) => end,
                End::Unknown => call.event.start,
            });
            for (call, outcome) in calls.into_iter().zip(outcomes) {
                call.outcome = Some(*outcome);
            }
        }
    }
}

/// How often what became of the launched calls of one side; `None` unless that is known of every one.
#[must_use]
pub fn tally(calls: &[Call], side: Side) -> Option<Tally> {
    let mut tally = Tally::default();
    let launched = calls.iter().filter(|call| call.event.launched);
    for call in launched.filter(|call| call.side() == Some(side)) {
        match call.outcome? {
            Outcome::Hit => tally.hits += 1,
            Outcome::Miss => tally.misses += 1,
            Outcome::Error => tally.errors += 1,
            Outcome::Failed | Outcome::Uncached => {}
        }
    }
    Some(tally)
}
