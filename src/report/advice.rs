//! Finds problems in a session, and their remedies.
//!
//! Owns: the table of rules. Each is a pure function of the report. The meaning and remedy of a
//! direct call's reason belong to [`decision`](crate::shared::decision).

use serde::Serialize;

use super::{Report, Verdict};

/// How much a piece of advice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Time is lost, or the figures are misleading. Printed even with `--quiet`, and as an
    /// annotation in GitHub Actions.
    Warning,
    /// Useful to know.
    Note,
}

impl Weight {
    /// The word that is printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A problem and its remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// The rule that found it; stable.
    pub id: &'static str,
    /// How much it matters.
    pub weight: Weight,
    /// The problem.
    pub text: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// The result of a rule: weight, problem, remedy.
type Problem = (Weight, String, Option<String>);

type AdviceRule = fn(&Report) -> Option<Problem>;

/// The rules, by their ids.
const RULES: [(&str, AdviceRule); 8] = [
    ("nothing-saved", nothing_saved),
    ("no-calls", no_calls),
    ("statistics-unknown", statistics_unknown),
    ("launcher-errors", launcher_errors),
    ("cache-full", cache_full),
    ("all-missed", all_missed),
    ("dominant-reason", dominant_reason),
    ("shared-statistics", shared_statistics),
];

/// From this many misses on, the absence of hits is no coincidence.
const MANY_MISSES: u64 = 10;

/// Applies every rule. Sorts by weight, the weightiest first, then in the order of the table.
pub fn advice(report: &Report) -> Vec<Advice> {
    let mut advice: Vec<_> = RULES
        .iter()
        .filter_map(|(id, rule)| {
            let (weight, text, remedy) = rule(report)?;
            Some(Advice {
                id,
                weight,
                text,
                remedy,
            })
        })
        .collect();
    advice.sort_by_key(|advice| advice.weight);
    advice
}

fn nothing_saved(report: &Report) -> Option<Problem> {
    if report.verdict != Verdict::NothingSaved {
        return None;
    }
    let launcher = report.session.launcher.kind;
    let (text, remedy) = match report.calls.compiles() {
        0 => (
            "no compile was launched, so nothing was cached".to_owned(),
            "see the reasons above, and `rock-wrap explain` for one call".to_owned(),
        ),
        compiles => (
            format!(
                "{compiles} compiles were launched, and the cache gave nothing and took nothing"
            ),
            format!(
                "check that {launcher} may write its cache, and that the cache is where you expect it"
            ),
        ),
    };
    Some((Weight::Warning, text, Some(remedy)))
}

fn no_calls(report: &Report) -> Option<Problem> {
    let unseen = report.unseen.as_ref().filter(|_| report.saw_nothing())?;
    let text = format!(
        "the build has not called the compilers that are wrapped ({}); {}",
        unseen.wrapped, unseen.hipcc
    );
    Some((Weight::Note, text, Some(unseen.remedy().to_owned())))
}

fn statistics_unknown(report: &Report) -> Option<Problem> {
    let why = report.cache_unknown.clone()?;
    let weight = match report.session.launcher.kind {
        // The user chose this launcher, and it promises no statistics.
        "other" => Weight::Note,
        _ => Weight::Warning,
    };
    Some((weight, why, None))
}

fn launcher_errors(report: &Report) -> Option<Problem> {
    let errors = report.cache.as_ref()?.errors;
    let launcher = report.session.launcher.kind;
    let remedy = match launcher {
        "sccache" => "SCCACHE_LOG=debug and SCCACHE_ERROR_LOG=FILE, set for its server, tell more",
        _ => "CCACHE_LOGFILE=FILE tells more",
    };
    (errors > 0).then(|| {
        let text = format!("{launcher} counted {errors} errors of its own");
        (Weight::Warning, text, Some(remedy.to_owned()))
    })
}

fn cache_full(report: &Report) -> Option<Problem> {
    let cache = report.cache.as_ref()?;
    let full = cache
        .bytes
        .zip(cache.bytes_limit)
        .is_some_and(|(bytes, limit)| limit > 0 && bytes >= limit / 20 * 19);
    let cleaned = cache.cleanups.is_some_and(|cleanups| cleanups > 0);
    let variable = match report.session.launcher.kind {
        "sccache" => "SCCACHE_CACHE_SIZE",
        _ => "CCACHE_MAXSIZE",
    };
    (full || cleaned).then(|| {
        let text = "the cache is at its limit and drops what it may need again".to_owned();
        let remedy = format!("give it more room by {variable}");
        (Weight::Warning, text, Some(remedy))
    })
}

fn all_missed(report: &Report) -> Option<Problem> {
    let cache = report.cache.as_ref()?;
    let warm = cache.bytes_before.is_some_and(|bytes| bytes > 0);
    (warm && cache.hits == 0 && cache.misses >= MANY_MISSES).then(|| {
        let text = format!(
            "all {} compiles missed, although the cache was not empty",
            cache.misses
        );
        let remedy = "if it was filled by this build, something differs each time: paths, options \
                      or the compiler; `rock-wrap why` names it";
        (Weight::Warning, text, Some(remedy.to_owned()))
    })
}

/// The most frequent reason with a remedy, if it keeps at least a quarter of the calls that could
/// be launched from being launched.
fn dominant_reason(report: &Report) -> Option<Problem> {
    let remediable = || report.calls.reasons.iter().filter(|of| of.remedy.is_some());
    let first = remediable().next()?;
    let could_be: usize = report.calls.compiles() + remediable().map(|of| of.calls).sum::<usize>();
    let weight = match first.calls {
        calls if calls * 2 >= could_be => Weight::Warning,
        calls if calls * 4 >= could_be => Weight::Note,
        _ => return None,
    };
    let text = format!(
        "{} of {could_be} compiles are direct: {}",
        first.calls, first.reason
    );
    Some((weight, text, first.remedy.map(ToOwned::to_owned)))
}

fn shared_statistics(report: &Report) -> Option<Problem> {
    let cache = report.cache.as_ref()?;
    let counted = cache.hits + cache.misses;
    let launched = report.calls.launched as u64;
    (counted > launched).then(|| {
        let text = format!(
            "{} counted {counted} compiles, {} of them not from here: other builds, or compilers \
             that are not wrapped",
            report.session.launcher.kind,
            counted - launched
        );
        (Weight::Note, text, None)
    })
}
