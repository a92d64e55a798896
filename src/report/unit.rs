//! The form in which a report keeps the calls of a session.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ingredients::CallIngredients;
use super::lanes::Lanes;
use super::parts::{ObservedPart, Part};
use super::{EndTime, ObservedCall, show};
use crate::launcher::CacheOutcome;
use crate::shared::decision::language::Language;

/// A call of a finished session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unit {
    /// Seconds from the start of the build to the shim's decision.
    pub start: f64,
    /// Its duration in seconds.
    pub seconds: Option<f64>,
    /// `seen`, `before` (then `seconds` is an upper limit) or `unknown`.
    pub end: String,
    /// The row of the timeline.
    pub lane: usize,
    /// The source, as the call names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The output, as the call names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The directory that relative names belong to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// `c`, `c++`, `hip` or `assembler`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The number of offload architectures.
    pub arch_count: u32,
    /// The names of the architectures, if the call was seen while it ran.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub archs: Vec<String>,
    /// Whether it went to the launcher.
    pub launched: bool,
    /// Why it was not launched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The launcher's result, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<CacheOutcome>,
    /// Its parts, if it was compiled by architecture.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// The peak memory in bytes of the compile's largest process, if it was compiled and this is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
    /// The process ID.
    pub process: u32,
    /// What its result depends on, if it was launched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_of: Option<CallIngredients>,
}

impl Unit {
    /// The source, or else the output, with its directory.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        let name = self.source.as_ref().or(self.output.as_ref())?;
        match &self.directory {
            Some(directory) if !name.starts_with('/') => Some(format!("{directory}/{name}")),
            _ => Some(name.clone()),
        }
    }
}

/// Converts the calls of a session that began at `start`. The calls are in the order of their starts.
#[must_use]
pub fn units(calls: &[&ObservedCall], start: Duration) -> Vec<Unit> {
    let mut lanes = Lanes::default();
    let mut unit = |call: &ObservedCall| {
        let event = &call.event;
        let took = call.took_at_most();
        let path = |path: &Option<_>| path.as_deref().map(show);
        let end = event.start + took.unwrap_or_default();
        Unit {
            start: seconds(event.start.saturating_sub(start)),
            seconds: took.map(seconds),
            end: call.end.as_str().to_owned(),
            lane: lanes.lane(event.start, end.saturating_sub(LATE)),
            source: path(&event.source),
            output: path(&event.output),
            directory: path(&event.cwd),
            language: event.language.map(Language::as_str).map(ToOwned::to_owned),
            arch_count: event.archs,
            archs: archs(call),
            launched: event.launched,
            reason: (!event.launched).then(|| event.detail.clone()),
            outcome: call.outcome,
            parts: call
                .parts
                .iter()
                .map(|part| self::part(part, start))
                .collect(),
            peak_memory: call.peak_memory(),
            process: event.pid,
            made_of: None,
        }
    };
    calls.iter().map(|call| unit(call)).collect()
}

fn part(part: &ObservedPart, start: Duration) -> Part {
    Part {
        arch: part.arch.clone(),
        outcome: part.outcome,
        start: part
            .time
            .map(|(began, _)| seconds(began.saturating_sub(start))),
        seconds: part.time.map(|(_, took)| seconds(took)),
        peak_memory: part.memory,
    }
}

/// The architectures that a call names.
fn archs(call: &ObservedCall) -> Vec<String> {
    let words = call.given.iter().flat_map(|given| &given.words);
    let named = words.filter_map(|word| word.strip_prefix("--offload-arch="));
    let mut archs: Vec<String> = Vec::new();
    for arch in named.flat_map(|list| list.split(',')) {
        if !archs.iter().any(|known| known == arch) {
            archs.push(arch.to_owned());
        }
    }
    archs
}

/// How late the end of a call may be noticed: the next call in the same row may have begun by then.
const LATE: Duration = Duration::from_millis(2);

/// Whole microseconds: more digits mean nothing and take space.
fn seconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e6
}

impl EndTime {
    /// The word for output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::At(_) => "seen",
            Self::Before(_) => "before",
            Self::Unknown => "unknown",
        }
    }
}
