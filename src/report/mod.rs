//! Reports what a build session did.
//!
//! Owns: watching the calls while the build runs, the [`Report`] built from them, and its forms: a
//! table, JSON (`docs/report.md`), GitHub Actions, a timeline. Pure except for [`Watch`] and [`Tail`];
//! printing and writing belong to [`cli`](crate::cli). Knows nothing of trees.

mod advice;
mod call;
mod collect;
pub mod diff;
pub mod github;
mod given;
pub mod history;
mod ingredients;
mod lanes;
mod ninja;
mod outcomes;
pub mod page;
mod parts;
mod process;
mod progress;
mod ranked;
mod saved;
pub mod stored;
mod tail;
mod text;
pub mod trace;
mod unit;
mod watch;
pub mod why;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;

pub use advice::{Advice, Weight};
pub use call::{BuildSide, EndTime, ObservedCall};
pub use ingredients::CompilerParts;
pub use outcomes::{assign, by_records};
pub use parts::SplitCounts;
pub use progress::Progress;
pub use tail::Tail;
pub use text::wrap;
pub use unit::Unit;
pub use watch::{Watch, Watched, since_boot};

use crate::launcher::CacheOutcome;
use crate::launcher::stats::{Counts, Tally};
use crate::shared::decision::reasons::Reason;
use ingredients::Ingredients;
use ninja::Step;
use ranked::{LargeUnit, SlowUnit, largest, slowest};
use saved::Saved;
use stored::StoredReport;
use why::{Cause, Why};

/// The version of the JSON form. Raised when a field changes its meaning or is removed.
const VERSION: u32 = 1;

/// The attachment of a build that ran without a launcher.
pub const UNATTACHED: &str = "none";

/// What is known about the session besides its calls.
#[derive(Clone, Debug)]
pub struct SessionFacts {
    /// The tree, for display.
    pub tree: String,
    /// How the calls reached the shim, for display.
    pub attachment: String,
    /// The launcher.
    pub launcher: LauncherFacts,
    /// The build's directory, for display.
    pub directory: String,
    /// The build's command.
    pub command: Vec<String>,
    /// When it began.
    pub started: SystemTime,
    /// The same moment as a time since boot, the clock of the calls.
    pub start: Duration,
    /// Its duration.
    pub elapsed: Duration,
    /// How it ended; `None` if it could not be run.
    pub ended: Option<crate::session::Ended>,
    /// The peak memory in bytes of the largest process that the build waited for.
    pub peak_memory: Option<u64>,
    /// A possible explanation if there were no calls.
    pub unseen: Option<Unseen>,
}

/// A possible explanation for a session without calls, for display.
#[derive(Clone, Debug, Default)]
pub struct Unseen {
    /// The compilers that were wrapped.
    pub wrapped: String,
    /// The compiler that hipcc says it calls.
    pub hipcc: String,
    /// The remedy if hipcc calls another compiler.
    pub remedy: Option<String>,
}

impl Unseen {
    /// The remedy.
    #[must_use]
    pub fn remedy(&self) -> &str {
        self.remedy
            .as_deref()
            .unwrap_or("find out which compiler the build calls, and name it with --compiler PATH")
    }
}

/// The launcher in a report.
#[derive(Clone, Debug, Serialize)]
pub struct LauncherFacts {
    /// Its path.
    pub path: String,
    /// `sccache`, `ccache` or `other`.
    pub kind: &'static str,
    /// Its version, if known.
    pub version: Option<String>,
}

impl From<&crate::launcher::Launcher> for LauncherFacts {
    fn from(launcher: &crate::launcher::Launcher) -> Self {
        Self {
            path: launcher.path.display().to_string(),
            kind: launcher.kind.as_str(),
            version: launcher.version.map(|version| version.to_string()),
        }
    }
}

/// A finished build session. `docs/report.md` documents every field.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    version: u32,
    session: SessionSummary,
    calls: Calls,
    cache: Option<CacheCounts>,
    cache_unknown: Option<String>,
    parts: Option<SplitCounts>,
    saved: Option<Saved>,
    slowest: Vec<SlowUnit>,
    largest: Vec<LargeUnit>,
    verdict: Verdict,
    advice: Vec<Advice>,
    why: Option<Why>,
    steps: Vec<Step>,
    /// Written by [`Report::write_json`].
    #[serde(skip)]
    units: Vec<Unit>,
    #[serde(skip)]
    ingredients: Ingredients,
    #[serde(skip)]
    unseen: Option<Unseen>,
}

#[derive(Clone, Debug, Serialize)]
struct SessionSummary {
    rock_wrap: &'static str,
    tree: String,
    attachment: String,
    launcher: LauncherFacts,
    directory: String,
    command: Vec<String>,
    started: f64,
    seconds: f64,
    exit_status: Option<i32>,
    signal: Option<i32>,
    peak_memory: Option<u64>,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Calls {
    launched: usize,
    launched_hip: usize,
    launched_host: usize,
    direct: usize,
    reasons: Vec<Reasons>,
}

/// The number of direct calls with one reason.
#[derive(Clone, Debug, Serialize)]
struct Reasons {
    reason: String,
    calls: usize,
    remedy: Option<&'static str>,
}

#[derive(Clone, Debug, Serialize)]
struct CacheCounts {
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

/// Whether the cache was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// There was not a single call.
    NothingSeen,
    /// Results were found in the cache or stored in it.
    Used,
    /// No call could have been cached.
    NothingToCache,
    /// Calls could have been cached, but nothing was found in the cache and nothing was stored.
    NothingSaved,
    /// The launcher does not report it.
    Unknown,
}

impl Report {
    /// The report of a session. `counts` is what the launcher counted during the session, or the reason why that is
    /// unknown.
    #[must_use]
    pub fn new(
        facts: SessionFacts,
        calls: &[ObservedCall],
        counts: Result<Counts, String>,
    ) -> Self {
        let (counts, cache_unknown) = match counts {
            Ok(counts) => (Some(counts), None),
            Err(why) => (None, Some(why)),
        };
        let unseen = facts.unseen.clone();
        let units = unit::units(&by_start(calls), facts.start);
        let mut report = Self {
            version: VERSION,
            session: facts.into(),
            calls: Calls::count(calls),
            cache: counts.map(|counts| CacheCounts::new(&counts, calls)),
            cache_unknown,
            parts: None,
            saved: counts.and_then(|counts| saved::estimate(calls, &counts)),
            slowest: slowest(calls),
            largest: largest(calls),
            verdict: Verdict::Unknown,
            advice: Vec::new(),
            why: None,
            steps: Vec::new(),
            units,
            ingredients: Ingredients::NONE,
            unseen,
        };
        report.verdict = report.judge();
        report.advice = advice::advice(&report);
        report
    }

    /// Adds the figures of compiles by architecture. The launcher's counts must not include them.
    #[must_use]
    pub fn with_parts(mut self, parts: Option<SplitCounts>) -> Self {
        self.parts = parts;
        self
    }

    /// Whether the cache was used.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The problems found, the weightiest first.
    #[must_use]
    pub fn advice(&self) -> &[Advice] {
        &self.advice
    }

    /// Adds what the results of `calls`, which this report is about, depend on. What a hit does not reveal is taken
    /// from `earlier`, the previous report of the same build, which also explains the misses.
    pub fn record(
        &mut self,
        calls: &[ObservedCall],
        compilers: Vec<CompilerParts>,
        earlier: Option<&StoredReport>,
    ) {
        self.ingredients = collect::collect(&by_start(calls), &mut self.units, compilers, earlier);
        self.steps = ninja::steps(&self.units, self.session.started);
        let missed = |unit: &Unit| unit.outcome == Some(CacheOutcome::Miss);
        if let Some(earlier) = earlier.filter(|_| self.units.iter().any(missed)) {
            // Both sides of the comparison are in the written form.
            let mut json = Vec::new();
            let written = self.write_json(&mut json).ok();
            let own = written.and_then(|()| StoredReport::parse(&json).ok());
            self.why = own.map(|own| why::explain(&own, earlier, None));
        }
    }

    /// Whether a later build can be compared with it.
    #[must_use]
    pub fn is_worth_keeping(&self) -> bool {
        self.calls.launched > 0
    }

    /// The three causes of most misses, if more than half of the launched calls missed.
    #[must_use]
    pub fn main_causes(&self) -> &[Cause] {
        const MAIN: usize = 3;
        match &self.why {
            Some(why) if why.missed * 2 > why.launched => &why.causes[..why.causes.len().min(MAIN)],
            _ => &[],
        }
    }

    /// Writes the report as JSON, with one line for each call.
    ///
    /// # Errors
    /// If `to` cannot be written to.
    pub fn write_json(&self, mut to: impl Write) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        // Lists that may have ten thousand items come last.
        text.truncate(text.len() - "\n}".len());
        to.write_all(&text)?;
        to.write_all(b",\n  \"ingredients\": ")?;
        serde_json::to_writer(&mut to, &self.ingredients)?;
        write_list(&mut to, "units", &self.units)?;
        to.write_all(b"\n}\n")?;
        to.flush()
    }

    /// Whether there was not a single call although compilers were wrapped. They are not wrapped if
    /// there is no working launcher.
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
            // For example a configure script's test compiles.
            Some(cache) if cache.failed >= compiles as u64 => Verdict::NothingToCache,
            Some(_) => Verdict::NothingSaved,
        }
    }
}

impl From<SessionFacts> for SessionSummary {
    fn from(facts: SessionFacts) -> Self {
        use crate::session::Ended;
        let started = facts.started.duration_since(SystemTime::UNIX_EPOCH);
        let (exit_status, signal) = match facts.ended {
            Some(Ended::Exited(status)) => (Some(status), None),
            Some(Ended::Killed(signal)) => (None, Some(signal)),
            None => (None, None),
        };
        Self {
            rock_wrap: env!("CARGO_PKG_VERSION"),
            tree: facts.tree,
            attachment: facts.attachment,
            launcher: facts.launcher,
            directory: facts.directory,
            command: facts.command,
            started: started.unwrap_or_default().as_secs_f64(),
            seconds: facts.elapsed.as_secs_f64(),
            exit_status,
            signal,
            peak_memory: facts.peak_memory,
        }
    }
}

impl Calls {
    /// The number of launched calls that a cache could answer.
    fn compiles(&self) -> usize {
        self.launched_hip + self.launched_host
    }

    fn count(calls: &[ObservedCall]) -> Self {
        let mut counted = Self::default();
        let mut reasons = BTreeMap::<&str, usize>::new();
        for call in calls {
            if call.event.launched {
                counted.launched += 1;
                match call.side() {
                    Some(BuildSide::Hip) => counted.launched_hip += 1,
                    Some(BuildSide::Host) => counted.launched_host += 1,
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

impl CacheCounts {
    fn new(counts: &Counts, calls: &[ObservedCall]) -> Self {
        let (before, after) = counts.store;
        Self {
            hits: counts.all.hits,
            misses: counts.all.misses,
            errors: counts.all.errors,
            hip: side_tally(calls, counts, BuildSide::Hip),
            host: side_tally(calls, counts, BuildSide::Host),
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

/// The count for one side: the launcher's own, or else from the outcomes of the calls.
fn side_tally(calls: &[ObservedCall], counts: &Counts, side: BuildSide) -> Option<Tally> {
    let told = match side {
        BuildSide::Hip => counts.hip,
        BuildSide::Host => counts.host(),
    };
    told.or_else(|| outcomes::tally(calls, side))
}

fn by_start(calls: &[ObservedCall]) -> Vec<&ObservedCall> {
    let mut by_start: Vec<_> = calls.iter().collect();
    by_start.sort_by_key(|call| call.event.start);
    by_start
}

/// Writes one more field of an object: a list with one item per line.
fn write_list<T: Serialize>(to: &mut impl Write, name: &str, items: &[T]) -> io::Result<()> {
    write!(to, ",\n  \"{name}\": [")?;
    for (index, item) in items.iter().enumerate() {
        to.write_all(if index == 0 { b"\n    " } else { b",\n    " })?;
        serde_json::to_writer(&mut *to, item)?;
    }
    to.write_all(if items.is_empty() { b"]" } else { b"\n  ]" })
}

/// A path as text; invalid UTF-8 becomes U+FFFD.
fn show(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests;
