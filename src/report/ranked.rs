//! Finds the slowest units, and the units that took most memory.

use std::cmp::Reverse;

use serde::Serialize;

use super::call::ObservedCall;
use super::show;
use crate::launcher::CacheOutcome;

/// How many of the slowest units are listed.
const SLOWEST: usize = 5;

/// How many of the compiles with the most memory are listed.
const LARGEST: usize = 3;

/// One of the slowest units.
#[derive(Clone, Debug, Serialize)]
pub struct SlowUnit {
    pub source: String,
    pub output: Option<String>,
    pub seconds: f64,
    pub language: &'static str,
    pub archs: u32,
    pub launched: bool,
    pub reason: Option<String>,
    pub outcome: Option<CacheOutcome>,
}

/// One of the compiles with the most memory.
#[derive(Clone, Debug, Serialize)]
pub struct LargeUnit {
    pub source: String,
    pub output: Option<String>,
    pub peak_memory: u64,
    pub language: &'static str,
    pub archs: u32,
}

/// The calls that took longest, the slowest first.
pub fn slowest(calls: &[ObservedCall]) -> Vec<SlowUnit> {
    let unit = |call: &ObservedCall| {
        let event = &call.event;
        Some(SlowUnit {
            source: show(event.source.as_deref()?),
            output: event.output.as_deref().map(show),
            seconds: call.took()?.as_secs_f64(),
            language: event.language?.as_str(),
            archs: event.archs,
            launched: event.launched,
            reason: (!event.launched).then(|| event.detail.clone()),
            outcome: call.outcome,
        })
    };
    let mut units: Vec<_> = calls.iter().filter_map(unit).collect();
    units.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    units.truncate(SLOWEST);
    units
}

/// The compiles that took most memory, the largest first.
pub fn largest(calls: &[ObservedCall]) -> Vec<LargeUnit> {
    let unit = |call: &ObservedCall| {
        let event = &call.event;
        Some(LargeUnit {
            source: show(event.source.as_deref()?),
            output: event.output.as_deref().map(show),
            peak_memory: call.peak_memory()?,
            language: event.language?.as_str(),
            archs: event.archs,
        })
    };
    let mut units: Vec<_> = calls.iter().filter_map(unit).collect();
    units.sort_by_key(|unit| Reverse(unit.peak_memory));
    units.truncate(LARGEST);
    units
}
