//! What a build session did, and what it says at its end.
//!
//! Owns: watching the calls while the build runs, the [`Report`] that is made of them, and its forms:
//! a table, JSON (`docs/report.md`), what GitHub Actions shows, a timeline. Pure but for
//! [`Watch`], [`Tail`] and [`Title`]: who prints and writes is [`cli`](crate::cli). Knows nothing of trees.

mod advice;
mod call;
pub mod github;
mod outcomes;
mod process;
mod saved;
mod tail;
mod text;
mod title;
pub mod trace;
mod watch;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;

pub use advice::{Advice, Weight};
pub use call::{Call, End, Side};
pub use outcomes::assign;
pub use tail::Tail;
pub use text::wrap;
pub use title::Title;
pub use watch::{Watch, since_boot};

use crate::launcher::Outcome;
use crate::launcher::stats::{Counts, Tally};
use crate::shared::decision::reasons::Reason;
use saved::Saved;

/// The version of the JSON form: raised when a field changes its meaning or goes away.
const VERSION: u32 = 1;

/// The attachment of a build that was run without a launcher.
pub const UNATTACHED: &str = "none";

/// How many of the slowest units are named.
const SLOWEST: usize = 5;

/// What the session knows besides its calls.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The tree, for a person.
    pub tree: String,
    /// How the calls were brought to the shim, for a person.
    pub attachment: String,
    /// The launcher.
    pub launcher: Launcher,
    /// The build's command.
    pub command: Vec<String>,
    /// When it began.
    pub started: SystemTime,
    /// How long it took.
    pub elapsed: Duration,
    /// How it ended; `None` where it could not be run.
    pub ended: Option<crate::session::Ended>,
    /// What explains it where no call has come.
    pub unseen: Option<Unseen>,
}

/// What may explain that no call has come, for a person.
#[derive(Clone, Debug, Default)]
pub struct Unseen {
    /// The compilers that were wrapped.
    pub wrapped: String,
    /// What hipcc says that it calls.
    pub hipcc: String,
    /// What to do about it, where hipcc calls another compiler.
    pub remedy: Option<String>,
}

impl Unseen {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &str {
        self.remedy
            .as_deref()
            .unwrap_or("find out which compiler the build calls, and name it with --compiler PATH")
    }
}

/// The launcher, as a report names it.
#[derive(Clone, Debug, Serialize)]
pub struct Launcher {
    /// Its path.
    pub path: String,
    /// `sccache`, `ccache` or `other`.
    pub kind: &'static str,
    /// Its version, where that is known.
    pub version: Option<String>,
}

impl From<&crate::launcher::Launcher> for Launcher {
    fn from(launcher: &crate::launcher::Launcher) -> Self {
        Self {
            path: launcher.path.display().to_string(),
            kind: launcher.kind.as_str(),
            version: launcher.version.map(|version| version.to_string()),
        }
    }
}

/// A build session, when it is over. `docs/report.md` documents every field.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    version: u32,
    session: Session,
    calls: Calls,
    cache: Option<Cache>,
    cache_unknown: Option<String>,
    saved: Option<Saved>,
    slowest: Vec<Unit>,
    verdict: Verdict,
    advice: Vec<Advice>,
    #[serde(skip)]
    unseen: Option<Unseen>,
}

#[derive(Clone, Debug, Serialize)]
struct Session {
    tree: String,
    attachment: String,
    launcher: Launcher,
    command: Vec<String>,
    started: f64,
    seconds: f64,
    exit_status: Option<i32>,
    signal: Option<i32>,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Calls {
    launched: usize,
    launched_hip: usize,
    launched_host: usize,
    direct: usize,
    reasons: Vec<Reasons>,
}

/// Direct calls with one reason.
#[derive(Clone, Debug, Serialize)]
struct Reasons {
    reason: String,
    calls: usize,
    remedy: Option<&'static str>,
}

#[derive(Clone, Debug, Serialize)]
struct Cache {
    hits: u64,
    misses: u64,
    errors: u64,
    hip: Option<Tally>,
    host: Option<Tally>,
    uncached: u64,
    failed: u64,
    writes: u64,
    cleanups: Option<u64>,
    bytes_before: Option<u64>,
    bytes: Option<u64>,
    bytes_limit: Option<u64>,
}

/// One of the slowest units.
#[derive(Clone, Debug, Serialize)]
struct Unit {
    source: String,
    output: Option<String>,
    seconds: f64,
    language: &'static str,
    archs: u32,
    launched: bool,
    reason: Option<String>,
    outcome: Option<Outcome>,
}

/// Whether the cache was of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// No call has come at all.
    NothingSeen,
    /// Something came out of it, or was put into it.
    Used,
    /// There was nothing that could have been cached.
    NothingToCache,
    /// Calls could have been cached; nothing came out of the cache, and nothing was put into it.
    NothingSaved,
    /// The launcher does not tell.
    Unknown,
}

impl Report {
    /// The report of a session. `counts` is what the launcher counted during it, or why that is not
    /// known.
    #[must_use]
    pub fn new(facts: Facts, calls: &[Call], counts: Result<Counts, String>) -> Self {
        let (counts, cache_unknown) = match counts {
            Ok(counts) => (Some(counts), None),
            Err(why) => (None, Some(why)),
        };
        let unseen = facts.unseen.clone();
        let mut report = Self {
            version: VERSION,
            session: facts.into(),
            calls: Calls::count(calls),
            cache: counts.map(|counts| Cache::new(&counts, calls)),
            cache_unknown,
            saved: counts.and_then(|counts| saved::estimate(calls, &counts)),
            slowest: slowest(calls),
            verdict: Verdict::Unknown,
            advice: Vec::new(),
            unseen,
        };
        report.verdict = report.judge();
        report.advice = advice::advice(&report);
        report
    }

    /// Whether the cache was of use.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// What is off, the weightiest first.
    #[must_use]
    pub fn advice(&self) -> &[Advice] {
        &self.advice
    }

    /// Whether no call has come, although compilers were wrapped: without a launcher that works, none
    /// is.
    fn saw_nothing(&self) -> bool {
        self.session.attachment != UNATTACHED && self.calls.launched + self.calls.direct == 0
    }

    fn judge(&self) -> Verdict {
        let compiles = self.calls.compiles();
        let remediable = self.calls.reasons.iter().any(|of| of.remedy.is_some());
        match &self.cache {
            _ if self.saw_nothing() => Verdict::NothingSeen,
            _ if compiles == 0 && remediable => Verdict::NothingSaved,
            _ if compiles == 0 => Verdict::NothingToCache,
            None => Verdict::Unknown,
            Some(cache) if cache.hits > 0 || cache.writes > 0 => Verdict::Used,
            // Such as a configure script's attempts.
            Some(cache) if cache.failed >= compiles as u64 => Verdict::NothingToCache,
            Some(_) => Verdict::NothingSaved,
        }
    }
}

impl From<Facts> for Session {
    fn from(facts: Facts) -> Self {
        use crate::session::Ended;
        let started = facts.started.duration_since(SystemTime::UNIX_EPOCH);
        let (exit_status, signal) = match facts.ended {
            Some(Ended::Exited(status)) => (Some(status), None),
            Some(Ended::Killed(signal)) => (None, Some(signal)),
            None => (None, None),
        };
        Self {
            tree: facts.tree,
            attachment: facts.attachment,
            launcher: facts.launcher,
            command: facts.command,
            started: started.unwrap_or_default().as_secs_f64(),
            seconds: facts.elapsed.as_secs_f64(),
            exit_status,
            signal,
        }
    }
}

impl Calls {
    /// What of the launched calls a cache has something to give for.
    fn compiles(&self) -> usize {
        self.launched_hip + self.launched_host
    }

    fn count(calls: &[Call]) -> Self {
        let mut counted = Self::default();
        let mut reasons = BTreeMap::<&str, usize>::new();
        for call in calls {
            if call.event.launched {
                counted.launched += 1;
                match call.side() {
                    Some(Side::Hip) => counted.launched_hip += 1,
                    Some(Side::Host) => counted.launched_host += 1,
                    None => {}
                }
            } else {
                counted.direct += 1;
                *reasons.entry(&call.event.detail).or_default() += 1;
            }
        }
        let reasons = reasons.into_iter().map(|(reason, calls)| Reasons {
            reason: reason.to_owned(),
            calls,
            remedy: Reason::ALL
                .iter()
                .find(|known| known.as_str() == reason)
                .and_then(|known| known.remedy()),
        });
        counted.reasons = reasons.collect();
        counted.reasons.sort_by_key(|of| Reverse(of.calls));
        counted
    }
}

impl Cache {
    fn new(counts: &Counts, calls: &[Call]) -> Self {
        let (before, after) = counts.store;
        Self {
            hits: counts.all.hits,
            misses: counts.all.misses,
            errors: counts.all.errors,
            hip: side_tally(calls, counts, Side::Hip),
            host: side_tally(calls, counts, Side::Host),
            uncached: counts.uncached,
            failed: counts.failed,
            writes: counts.writes,
            cleanups: counts.cleanups,
            bytes_before: before.size,
            bytes: after.size,
            bytes_limit: after.limit,
        }
    }
}

/// What was counted for one side: by the launcher, or by the outcomes that it told.
fn side_tally(calls: &[Call], counts: &Counts, side: Side) -> Option<Tally> {
    let told = match side {
        Side::Hip => counts.hip,
        Side::Host => counts.host(),
    };
    told.or_else(|| outcomes::tally(calls, side))
}

fn slowest(calls: &[Call]) -> Vec<Unit> {
    let unit = |call: &Call| {
        let event = &call.event;
        Some(Unit {
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

/// A path as text; bytes that are none show as U+FFFD.
fn show(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests;
