//! What sccache and ccache counted, as a difference between two moments.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{Environment, Launcher};
use crate::image::LauncherKind;
use crate::rocm::ProgramError;

/// What was counted between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Compiles of HIP sources answered from the cache; `None` where the launcher does not tell
    /// languages apart (ccache).
    pub hip_hits: Option<u64>,
    /// Compiles of HIP sources that ran; as above.
    pub hip_misses: Option<u64>,
    /// Compiles of every language answered from the cache.
    pub hits: u64,
    /// Compiles of every language that ran and were stored.
    pub misses: u64,
    /// Calls that the launcher passed on without caching.
    pub uncached: u64,
    /// Failures of the cache itself.
    pub errors: u64,
}

/// The launcher's own counters at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    counters: BTreeMap<String, u64>,
}

/// The launcher did not tell its counters.
#[derive(Debug, thiserror::Error)]
pub enum StatsError {
    /// A launcher of this kind has no counters that we can read.
    #[error("{0} has no statistics that rock-wrap can read")]
    Unknown(String),
    /// It could not be asked.
    #[error("cannot ask the launcher for its statistics")]
    Ask(#[source] ProgramError),
    /// It failed, or what it printed is not what it should be.
    #[error("the launcher's statistics cannot be read ({0})")]
    Read(String),
}

impl Snapshot {
    /// Reads the counters of `launcher` as they are now.
    ///
    /// # Errors
    /// See [`StatsError`].
    pub fn take(launcher: &Launcher) -> Result<Self, StatsError> {
        Self::take_in(&Environment::default(), launcher)
    }

    /// The same in another environment, which may lead to another cache.
    ///
    /// # Errors
    /// As [`Snapshot::take`].
    pub fn take_in(environment: &Environment, launcher: &Launcher) -> Result<Self, StatsError> {
        let args: &[&str] = match launcher.kind {
            LauncherKind::Sccache => &["--show-stats", "--stats-format", "json"],
            LauncherKind::Ccache => &["--print-stats"],
            LauncherKind::Other => return Err(StatsError::Unknown(launcher.to_string())),
        };
        let answer = environment
            .program(&launcher.path)
            .args(args)
            .ask()
            .map_err(StatsError::Ask)?;
        if !answer.status.success() {
            let said = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
            return Err(StatsError::Read(format!("{}: {said}", answer.status)));
        }
        let text = String::from_utf8_lossy(&answer.stdout);
        let counters = match launcher.kind {
            LauncherKind::Sccache => sccache_counters(&text)?,
            _ => ccache_counters(&text),
        };
        Ok(Self { counters })
    }

    /// What was counted since `earlier`. A counter that went back was zeroed in between, or belongs
    /// to a new server: then its value is what was counted since.
    #[must_use]
    pub fn since(&self, earlier: &Self, kind: LauncherKind) -> Counts {
        let sum = |prefix: &str| -> u64 {
            self.counters
                .range(prefix.to_owned()..)
                .take_while(|(name, _)| name.starts_with(prefix))
                .map(|(name, now)| {
                    let before = earlier.counters.get(name).copied().unwrap_or(0);
                    now.checked_sub(before).unwrap_or(*now)
                })
                .sum()
        };
        match kind {
            LauncherKind::Sccache => Counts {
                hip_hits: Some(sum("hits/HIP")),
                hip_misses: Some(sum("misses/HIP")),
                hits: sum("hits/"),
                misses: sum("misses/"),
                uncached: sum("uncached/"),
                errors: sum("errors/"),
            },
            LauncherKind::Ccache | LauncherKind::Other => Counts {
                hip_hits: None,
                hip_misses: None,
                hits: sum("direct_cache_hit") + sum("preprocessed_cache_hit"),
                misses: sum("cache_miss"),
                uncached: CCACHE_UNCACHED.iter().copied().map(sum).sum(),
                errors: CCACHE_ERRORS.iter().copied().map(sum).sum(),
            },
        }
    }
}

/// ccache's counters of calls that it could not cache (`ccache --print-stats`, 4.7.5 and 4.14.2).
const CCACHE_UNCACHED: [&str; 12] = [
    "autoconf_test",
    "called_for_link",
    "called_for_preprocessing",
    "compile_failed",
    "could_not_use_modules",
    "could_not_use_precompiled_header",
    "multiple_source_files",
    "no_input_file",
    "output_to_stdout",
    "preprocessor_error",
    "unsupported_code_directive",
    "unsupported_compiler_option",
];

/// ccache's counters of its own failures.
const CCACHE_ERRORS: [&str; 9] = [
    "bad_compiler_arguments",
    "bad_output_file",
    "compiler_check_failed",
    "compiler_produced_empty_output",
    "compiler_produced_no_output",
    "could_not_find_compiler",
    "error_hashing_extra_file",
    "internal_error",
    "missing_cache_file",
];

fn ccache_counters(text: &str) -> BTreeMap<String, u64> {
    text.lines()
        .filter_map(|line| {
            let (name, value) = line.split_once('\t')?;
            Some((name.to_owned(), value.trim().parse().ok()?))
        })
        .collect()
}

fn sccache_counters(text: &str) -> Result<BTreeMap<String, u64>, StatsError> {
    let json: serde_json::Value =
        serde_json::from_str(text).map_err(|error| StatsError::Read(error.to_string()))?;
    let stats = json
        .get("stats")
        .ok_or_else(|| StatsError::Read("no \"stats\"".to_owned()))?;
    let mut counters = BTreeMap::new();
    for (field, prefix) in [
        ("cache_hits", "hits"),
        ("cache_misses", "misses"),
        ("cache_errors", "errors"),
    ] {
        // A language is absent until its first count.
        let counts = stats.get(field).and_then(|value| value.get("counts"));
        for (language, count) in counts
            .and_then(|value| value.as_object())
            .into_iter()
            .flatten()
        {
            counters.insert(format!("{prefix}/{language}"), count.as_u64().unwrap_or(0));
        }
    }
    for (field, name) in [
        ("requests_not_cacheable", "uncached/not cacheable"),
        ("requests_not_compile", "uncached/not a compile"),
        (
            "requests_unsupported_compiler",
            "errors/unsupported compiler",
        ),
        ("cache_timeouts", "errors/timeout"),
        ("cache_write_errors", "errors/write"),
    ] {
        let count = stats
            .get(field)
            .and_then(serde_json::Value::as_u64)
            .unwrap_or(0);
        counters.insert(name.to_owned(), count);
    }
    Ok(counters)
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_hip = |count: Option<u64>| match count {
            Some(count) => format!(" (HIP: {count})"),
            None => String::new(),
        };
        write!(
            f,
            "{} hits{}, {} misses{}, {} uncached, {} errors",
            self.hits,
            of_hip(self.hip_hits),
            self.misses,
            of_hip(self.hip_misses),
            self.uncached,
            self.errors
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sccache(text: &str) -> Snapshot {
        Snapshot {
            counters: sccache_counters(text).unwrap(),
        }
    }

    #[test]
    fn sccache_is_counted_by_language_and_as_a_difference() {
        let before = sccache(
            r#"{"stats":{"cache_hits":{"counts":{"HIP":2}},"cache_misses":{"counts":{}},
                "cache_errors":{"counts":{}},"requests_not_cacheable":1}}"#,
        );
        let after = sccache(
            r#"{"stats":{"cache_hits":{"counts":{"HIP":5,"C/C++":4}},
                "cache_misses":{"counts":{"HIP":1}},"cache_errors":{"counts":{"HIP":1}},
                "requests_not_cacheable":3}}"#,
        );
        let counts = after.since(&before, LauncherKind::Sccache);
        assert_eq!(
            counts.to_string(),
            "7 hits (HIP: 3), 1 misses (HIP: 1), 2 uncached, 1 errors"
        );
    }

    #[test]
    fn counters_of_a_server_that_was_started_anew_count_from_zero() {
        let before = sccache(r#"{"stats":{"cache_hits":{"counts":{"HIP":9}}}}"#);
        let after = sccache(r#"{"stats":{"cache_hits":{"counts":{"HIP":2}}}}"#);
        assert_eq!(after.since(&before, LauncherKind::Sccache).hits, 2);
    }

    #[test]
    fn ccache_is_counted_from_its_tab_separated_form() {
        let before = Snapshot {
            counters: ccache_counters("direct_cache_hit\t1\n"),
        };
        let text = "stats_updated_timestamp\t1700000000\ndirect_cache_hit\t4\n\
                    preprocessed_cache_hit\t1\ncache_miss\t2\ncalled_for_link\t3\ninternal_error\t1\n";
        let after = Snapshot {
            counters: ccache_counters(text),
        };
        let counts = after.since(&before, LauncherKind::Ccache);
        assert_eq!(counts.to_string(), "4 hits, 2 misses, 3 uncached, 1 errors");
    }

    #[test]
    fn statistics_that_are_no_json_are_an_error() {
        assert!(sccache_counters("sccache: error").is_err());
    }
}
