//! Reads the counters of sccache and ccache, and computes the difference between two moments.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::{ChangedEnvironment, Launcher};
use crate::rocm::ProgramError;
use crate::shared::launchers::kind::LauncherKind;

/// Requests by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Compiles answered from the cache.
    pub hits: u64,
    /// Compiles that ran because the cache had no answer.
    pub misses: u64,
    /// Failures of the cache itself.
    pub errors: u64,
}

/// The counts between two moments, and the cache's size at both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All languages.
    pub all: Tally,
    /// HIP only; `None` if the launcher does not distinguish languages (ccache).
    pub hip: Option<Tally>,
    /// Calls that the launcher passed on without caching.
    pub uncached: u64,
    /// Compiles that failed.
    pub failed: u64,
    /// Results that were written to the cache.
    pub writes: u64,
    /// How often the cache was cleaned up to stay below its limit; `None` if this is not counted
    /// (sccache).
    pub cleanups: Option<u64>,
    /// The state of the cache at the first and at the second moment.
    pub store: (Store, Store),
}

impl Counts {
    /// All but HIP; `None` if the launcher does not distinguish languages.
    #[must_use]
    pub fn host(&self) -> Option<Tally> {
        let hip = self.hip?;
        Some(Tally {
            hits: self.all.hits.saturating_sub(hip.hits),
            misses: self.all.misses.saturating_sub(hip.misses),
            errors: self.all.errors.saturating_sub(hip.errors),
        })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_hip = |count: fn(Tally) -> u64| match self.hip {
            Some(hip) => format!(" (HIP: {})", count(hip)),
            None => String::new(),
        };
        let Tally {
            hits,
            misses,
            errors,
        } = self.all;
        let (hip_hits, hip_misses) = (of_hip(|hip| hip.hits), of_hip(|hip| hip.misses));
        write!(
            f,
            "{hits} hits{hip_hits}, {misses} misses{hip_misses}, {} uncached, {errors} errors",
            self.uncached
        )
    }
}

/// The size of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Store {
    /// Size in bytes; `None` if the launcher does not report it (remote caches).
    pub size: Option<u64>,
    /// Limit in bytes.
    pub limit: Option<u64>,
}

/// A launcher's counters at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    kind: LauncherKind,
    counters: BTreeMap<String, u64>,
    store: Store,
}

/// The launcher's counters could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StatsError {
    /// This kind of launcher has no counters that we can read.
    #[error("{0} has no statistics that rock-wrap can read")]
    Unknown(String),
    /// It could not be asked.
    #[error("cannot query the launcher's statistics")]
    Ask(#[source] ProgramError),
    /// It failed, or its output could not be parsed.
    #[error("cannot parse the launcher's statistics ({0})")]
    Read(String),
}

impl Snapshot {
    /// Reads the current counters of `launcher`.
    ///
    /// # Errors
    /// See [`StatsError`].
    pub fn take(launcher: &Launcher) -> Result<Self, StatsError> {
        Self::take_in(&ChangedEnvironment::default(), launcher)
    }

    /// As [`Snapshot::take`], in another environment, which may select another cache.
    ///
    /// # Errors
    /// As [`Snapshot::take`].
    pub fn take_in(
        environment: &ChangedEnvironment,
        launcher: &Launcher,
    ) -> Result<Self, StatsError> {
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
        match launcher.kind {
            LauncherKind::Sccache => Self::of_sccache(&text),
            _ => Ok(Self::of_ccache(&text)),
        }
    }

    /// The counts since `earlier`. A counter that decreased was reset in between or belongs to a
    /// new server; its value is then the count.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Counts {
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
        let store = (earlier.store, self.store);
        let tally = |language: &str| Tally {
            hits: sum(&format!("hits/{language}")),
            misses: sum(&format!("misses/{language}")),
            errors: sum(&format!("errors/{language}")),
        };
        let sums = |names: &[&str]| names.iter().copied().map(sum).sum();
        match self.kind {
            LauncherKind::Sccache => Counts {
                all: tally(""),
                hip: Some(tally("HIP")),
                uncached: sum("uncached/"),
                failed: sum("failed"),
                writes: sum("writes"),
                cleanups: None,
                store,
            },
            LauncherKind::Ccache | LauncherKind::Other => Counts {
                all: Tally {
                    hits: sums(&["direct_cache_hit", "preprocessed_cache_hit"]),
                    // With recaching on, ccache acts as after a miss.
                    misses: sums(&["cache_miss", "recache"]),
                    errors: sums(&CCACHE_ERRORS) + sums(&CCACHE_REMOTE_ERRORS),
                },
                hip: None,
                uncached: sums(&CCACHE_UNCACHED),
                failed: sum("compile_failed"),
                writes: sums(&["local_storage_write", "remote_storage_write"]),
                cleanups: Some(sum("cleanups_performed")),
                store,
            },
        }
    }

    /// Parses `ccache --print-stats`, one counter a line (4.7.5 and 4.14.2; the latter also offers
    /// JSON).
    fn of_ccache(text: &str) -> Self {
        let counter = |line: &str| {
            let (name, value) = line.split_once('\t')?;
            Some((name.to_owned(), value.trim().parse().ok()?))
        };
        let counters: BTreeMap<_, _> = text.lines().filter_map(counter).collect();
        let bytes = |name| Some(*counters.get(name)? * 1024);
        let store = Store {
            size: bytes("cache_size_kibibyte"),
            // Not in 4.7.5.
            limit: bytes("max_cache_size_kibibyte"),
        };
        Self {
            kind: LauncherKind::Ccache,
            counters,
            store,
        }
    }

    /// Parses `sccache --show-stats --stats-format json`.
    fn of_sccache(text: &str) -> Result<Self, StatsError> {
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
            ("cache_writes", "writes"),
            ("compile_fails", "failed"),
        ] {
            let count = stats
                .get(field)
                .and_then(serde_json::Value::as_u64)
                .unwrap_or(0);
            counters.insert(name.to_owned(), count);
        }
        // A level that cannot be written is in no other counter (0.16, measured).
        let levels = stats
            .get("multi_level")
            .and_then(serde_json::Value::as_array);
        let failures = levels.into_iter().flatten();
        let failures = failures.filter_map(|level| level.get("write_failures")?.as_u64());
        counters.insert("errors/write to a level".to_owned(), failures.sum());
        let bytes = |field| json.get(field).and_then(serde_json::Value::as_u64);
        let location = json.get("cache_location").and_then(|value| value.as_str());
        let store = Store {
            // A server opens its cache for the first compile and cannot report the size before
            // (0.4, 0.16).
            size: bytes("cache_size").or_else(|| size_on_disk(local_disk(location?)?)),
            limit: bytes("max_cache_size"),
        };
        Ok(Self {
            kind: LauncherKind::Sccache,
            counters,
            store,
        })
    }
}

/// The directory in `Local disk: "/home/me/.cache/sccache"`.
fn local_disk(location: &str) -> Option<&Path> {
    let quoted = location.strip_prefix("Local disk: \"")?;
    quoted.strip_suffix('"').map(Path::new)
}

/// The size of the cache that sccache will find in `dir`. Its results are in directories of one
/// hexadecimal digit each.
fn size_on_disk(dir: &Path) -> Option<u64> {
    fn size(dir: &Path) -> std::io::Result<u64> {
        let mut sum = 0;
        for entry in dir.read_dir()? {
            let entry = entry?;
            sum += match entry.file_type()?.is_dir() {
                true => size(&entry.path())?,
                false => entry.metadata()?.len(),
            };
        }
        Ok(sum)
    }
    if !dir.exists() {
        return Some(0);
    }
    (0..16).try_fold(0, |sum, digit| {
        let part = dir.join(format!("{digit:x}"));
        Some(sum + if part.exists() { size(&part).ok()? } else { 0 })
    })
}

/// ccache's counters of calls that it could not cache (`ccache --print-stats`, 4.7.5 and 4.14.2).
const CCACHE_UNCACHED: [&str; 11] = [
    "autoconf_test",
    "called_for_link",
    "called_for_preprocessing",
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
pub(super) const CCACHE_ERRORS: [&str; 9] = [
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

/// ccache's counters of failures of a remote cache. The call itself is a hit or a miss.
const CCACHE_REMOTE_ERRORS: [&str; 2] = ["remote_storage_error", "remote_storage_timeout"];

#[cfg(test)]
mod tests {
    use super::*;

    fn sccache(text: &str) -> Snapshot {
        Snapshot::of_sccache(text).unwrap()
    }

    #[test]
    fn sccache_is_counted_by_language_and_as_a_difference() {
        let before = sccache(
            r#"{"stats":{"cache_hits":{"counts":{"HIP":2}},"cache_misses":{"counts":{}},
                "cache_errors":{"counts":{}},"requests_not_cacheable":1,"cache_writes":7},
                "cache_size":1000,"max_cache_size":5000}"#,
        );
        let after = sccache(
            r#"{"stats":{"cache_hits":{"counts":{"HIP":5,"C/C++":4}},
                "cache_misses":{"counts":{"HIP":1}},"cache_errors":{"counts":{"HIP":1}},
                "requests_not_cacheable":3,"cache_writes":8,"compile_fails":2,
                "cache_write_errors":1},"cache_size":1500,"max_cache_size":5000}"#,
        );
        let tally = |hits, misses, errors| Tally {
            hits,
            misses,
            errors,
        };
        let store = |size| Store {
            size: Some(size),
            limit: Some(5000),
        };
        let counts = Counts {
            all: tally(7, 1, 2),
            hip: Some(tally(3, 1, 1)),
            uncached: 2,
            failed: 2,
            writes: 1,
            cleanups: None,
            store: (store(1000), store(1500)),
        };
        assert_eq!(after.since(&before), counts);
    }

    #[test]
    fn a_level_that_cannot_be_written_is_an_error() {
        let before = sccache(r#"{"stats":{"multi_level":null}}"#);
        let after = sccache(
            r#"{"stats":{"multi_level":[{"name":"L0 (disk)","write_failures":0},
                {"name":"L1 (webdav)","write_failures":2}]}}"#,
        );
        assert_eq!(after.since(&before).all.errors, 2);
    }

    #[test]
    fn counters_of_a_server_that_was_started_anew_count_from_zero() {
        let before = sccache(r#"{"stats":{"cache_hits":{"counts":{"HIP":9}}}}"#);
        let after = sccache(r#"{"stats":{"cache_hits":{"counts":{"HIP":2}}}}"#);
        assert_eq!(after.since(&before).all.hits, 2);
    }

    #[test]
    fn a_server_that_has_not_opened_its_cache_yet_is_answered_for() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("cache");
        let size = || {
            let location = format!("Local disk: {cache:?}");
            let json =
                serde_json::json!({"stats": {}, "cache_size": null, "cache_location": location});
            sccache(&json.to_string()).store.size
        };
        assert_eq!(size(), Some(0));
        for part in ["2/4", "f/0", "preprocessor/a"] {
            std::fs::create_dir_all(cache.join(part)).unwrap();
            std::fs::write(cache.join(part).join("entry"), [0; 100]).unwrap();
        }
        assert_eq!(size(), Some(200));
        let remote = r#"{"stats":{},"cache_size":null,"cache_location":"S3, bucket: b"}"#;
        assert_eq!(sccache(remote).store.size, None);
    }

    #[test]
    fn ccache_is_counted_from_its_tab_separated_form() {
        let before = Snapshot::of_ccache("direct_cache_hit\t1\ncache_size_kibibyte\t4\n");
        let text = "stats_updated_timestamp\t1700000000\ndirect_cache_hit\t4\n\
                    preprocessed_cache_hit\t1\ncache_miss\t2\ncalled_for_link\t3\ninternal_error\t1\n\
                    remote_storage_error\t2\n\
                    cache_size_kibibyte\t8\nmax_cache_size_kibibyte\t100\ncleanups_performed\t1\n\
                    compile_failed\t2\nlocal_storage_write\t5\n";
        let counts = Snapshot::of_ccache(text).since(&before);
        let all = Tally {
            hits: 4,
            misses: 2,
            errors: 3,
        };
        assert_eq!((counts.all, counts.hip), (all, None));
        assert_eq!((counts.uncached, counts.failed, counts.writes), (3, 2, 5));
        assert_eq!(counts.cleanups, Some(1));
        let (before, after) = counts.store;
        assert_eq!((before.size, before.limit), (Some(4096), None));
        assert_eq!((after.size, after.limit), (Some(8192), Some(102_400)));
    }

    #[test]
    fn statistics_that_are_no_json_are_an_error() {
        assert!(Snapshot::of_sccache("sccache: error").is_err());
    }
}
