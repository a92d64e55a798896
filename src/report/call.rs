//! One compiler call of a session.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::launcher::Outcome;
use crate::shared::call_log;
use crate::shared::call_log::Event;
use crate::shared::decision::language::Language;

/// A call, from the shim's line in the log and from what was seen of it afterwards.
#[derive(Clone, Debug)]
pub struct Call {
    /// What the shim said.
    pub event: Event,
    /// When its process ended.
    pub end: End,
    /// What the launcher made of it, where it tells that for each call.
    pub outcome: Option<Outcome>,
}

/// The end of a call's process, since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was seen.
    At(Duration),
    /// It was over when it was noticed, at this time.
    Before(Duration),
    /// Nobody knows: it outlived the build, or could not be watched.
    Unknown,
}

/// The side of a build that a call belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// HIP.
    Hip,
    /// C and C++.
    Host,
}

impl Call {
    /// The calls in a log that nobody has watched.
    #[must_use]
    pub fn unwatched(log: &Path) -> Vec<Self> {
        let calls = call_log::read(&std::fs::read(log).unwrap_or_default());
        let call = |event| Self {
            event,
            end: End::Unknown,
            outcome: None,
        };
        calls.into_iter().map(call).collect()
    }

    /// How long it took, if both ends were seen.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        match self.end {
            End::At(end) => Some(end.saturating_sub(self.event.start)),
            End::Before(_) | End::Unknown => None,
        }
    }

    /// How long it took at most.
    #[must_use]
    pub fn took_at_most(&self) -> Option<Duration> {
        match self.end {
            End::At(end) | End::Before(end) => Some(end.saturating_sub(self.event.start)),
            End::Unknown => None,
        }
    }

    /// Which side it belongs to, if it compiles anything.
    #[must_use]
    pub fn side(&self) -> Option<Side> {
        self.event.language.map(|language| match language {
            // Tensile writes assembler for devices; hardly any build has some for the host.
            Language::Hip | Language::Assembler => Side::Hip,
            Language::C | Language::Cxx => Side::Host,
        })
    }
}
