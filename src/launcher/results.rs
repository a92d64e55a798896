//! Reads the result of each call from a launcher that reports it: ccache, in its statistics log.
//!
//! Owns: the log's format and the variable that requests it. sccache does not report results to its
//! client (0.16: the answer to a compile is the compiler's output; `SCCACHE_LOG=trace` only adds
//! `CompileStarted`).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::stats::CCACHE_ERRORS;
use super::{ChangedEnvironment, Launcher};
use crate::shared::launchers::kind::LauncherKind;

/// Names the file to which ccache appends the result of each call (`stats_log`; 4.7.5 and 4.14.2).
pub const CCACHE_VARIABLE: &str = "CCACHE_STATSLOG";

/// The launcher's result of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheOutcome {
    /// Answered from the cache.
    Hit,
    /// Compiled and stored.
    Miss,
    /// Compiled without success.
    Failed,
    /// Passed on to the compiler without caching.
    Uncached,
    /// The cache itself failed.
    Error,
}

impl CacheOutcome {
    /// The outcome as one word for output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Failed => "failed",
            Self::Uncached => "uncached",
            Self::Error => "error",
        }
    }
}

/// The user's own stats_log, set by environment or configuration. Do not override it.
#[must_use]
pub fn users_log(launcher: &Launcher) -> Option<PathBuf> {
    if launcher.kind != LauncherKind::Ccache {
        return None;
    }
    let answer = ChangedEnvironment::default()
        .program(&launcher.path)
        .args(["--get-config", "stats_log"])
        .ask()
        .ok()?;
    let path = answer.stdout.trim_ascii_end();
    let path = PathBuf::from(OsString::from_vec(path.to_vec()));
    (answer.status.success() && path.is_absolute()).then_some(path)
}

/// Parses the complete lines of the log: the source of each call, as the call named it, and the
/// outcome.
///
/// An entry is `# source`, followed by the name of each counter that the call incremented.
#[must_use]
pub fn read(log: &[u8]) -> Vec<(PathBuf, CacheOutcome)> {
    let mut results = Vec::new();
    for line in log.split(|byte| *byte == b'\n') {
        if let Some(source) = line.strip_prefix(b"# ") {
            let source = PathBuf::from(OsString::from_vec(source.to_vec()));
            results.push((source, CacheOutcome::Uncached));
        } else if let (Some((_, outcome)), Some(now)) = (results.last_mut(), outcome(line)) {
            *outcome = now;
        }
    }
    results
}

/// The outcome that a counter indicates; `None` for counters that indicate none or
/// [`CacheOutcome::Uncached`].
fn outcome(counter: &[u8]) -> Option<CacheOutcome> {
    match counter {
        b"direct_cache_hit" | b"preprocessed_cache_hit" => Some(CacheOutcome::Hit),
        b"cache_miss" | b"recache" => Some(CacheOutcome::Miss),
        b"compile_failed" => Some(CacheOutcome::Failed),
        _ => CCACHE_ERRORS
            .iter()
            .any(|error| error.as_bytes() == counter)
            .then_some(CacheOutcome::Error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_of_ccaches_log_is_one_result() {
        // As 4.7.5 and 4.14.2 write it.
        let log = b"# a.c\ncache_miss\ndirect_cache_miss\nlocal_storage_write\n\
            # /src/a b.hip\ndirect_cache_hit\nlocal_storage_hit\n# bad.c\ncompile_failed\n\
            direct_cache_miss\n# \nno_input_file\n# a.c\ninternal_error\n";
        let results = read(log);
        let results: Vec<_> = results
            .iter()
            .map(|(source, outcome)| (source.to_str().unwrap(), *outcome))
            .collect();
        assert_eq!(
            results,
            [
                ("a.c", CacheOutcome::Miss),
                ("/src/a b.hip", CacheOutcome::Hit),
                ("bad.c", CacheOutcome::Failed),
                ("", CacheOutcome::Uncached),
                ("a.c", CacheOutcome::Error),
            ]
        );
    }
}
