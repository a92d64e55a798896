//! Represents one compiler call of a session.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::given::{Given, Texts};
use super::parts::ObservedPart;
use crate::launcher::CacheOutcome;
use crate::shared::call_log;
use crate::shared::call_log::Event;
use crate::shared::decision::language::Language;

/// A call: the shim's line in the log, and what was observed afterwards.
#[derive(Clone, Debug)]
pub struct ObservedCall {
    /// The shim's line in the log.
    pub event: Event,
    /// When its process ended.
    pub end: EndTime,
    /// The launcher's result, if it is known.
    pub outcome: Option<CacheOutcome>,
    /// Its arguments and environment, if it ran long enough for them to be read.
    pub given: Option<Given>,
    /// What its preprocessed texts depend on, if the launcher asked for them.
    pub texts: Option<Texts>,
    /// Whether the launcher ran the compiler for it.
    pub compiled: bool,
    /// Its parts, if it was compiled by architecture.
    pub parts: Vec<ObservedPart>,
    /// The peak memory in bytes of the compile's largest process, if the stand-in waited for it.
    pub memory: Option<u64>,
    /// Whether its output existed when it ended, if that was observed.
    pub produced: Option<bool>,
}

/// When a call's process ended, as a time since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndTime {
    /// The end was observed.
    At(Duration),
    /// The process had already ended when it was noticed, at this time.
    Before(Duration),
    /// Unknown: it outlived the build, or could not be watched.
    Unknown,
}

/// The side of a build that a call belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildSide {
    /// HIP.
    Hip,
    /// C and C++.
    Host,
}

impl ObservedCall {
    /// The calls in a log of a session that was not watched.
    #[must_use]
    pub fn unwatched(log: &Path) -> Vec<Self> {
        let calls = call_log::read(&std::fs::read(log).unwrap_or_default());
        calls
            .into_iter()
            .map(|event| Self::new(event, EndTime::Unknown))
            .collect()
    }

    /// A call of which nothing more is known yet.
    #[must_use]
    pub fn new(event: Event, end: EndTime) -> Self {
        Self {
            event,
            end,
            outcome: None,
            given: None,
            texts: None,
            compiled: false,
            parts: Vec::new(),
            memory: None,
            produced: None,
        }
    }

    /// Its duration, if both its start and its end were observed.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        match self.end {
            EndTime::At(end) => Some(end.saturating_sub(self.event.start)),
            EndTime::Before(_) | EndTime::Unknown => None,
        }
    }

    /// An upper limit for its duration.
    #[must_use]
    pub fn took_at_most(&self) -> Option<Duration> {
        match self.end {
            EndTime::At(end) | EndTime::Before(end) => Some(end.saturating_sub(self.event.start)),
            EndTime::Unknown => None,
        }
    }

    /// The peak memory in bytes of its largest process, if known: that of the compile, or that of the compiled parts.
    #[must_use]
    pub fn peak_memory(&self) -> Option<u64> {
        let parts = self.parts.iter().filter_map(|part| part.memory);
        parts.chain(self.memory).max()
    }

    /// The side that it belongs to, if it is a compile.
    #[must_use]
    pub fn side(&self) -> Option<BuildSide> {
        self.event.language.map(|language| match language {
            // Tensile writes assembler for devices; hardly any build has assembler for the host.
            Language::Hip | Language::Assembler => BuildSide::Hip,
            Language::C | Language::Cxx => BuildSide::Host,
        })
    }
}
