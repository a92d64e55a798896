//! Reads a report that was written as JSON.

use std::io;
use std::path::Path;

use serde::Deserialize;

use super::ingredients::Ingredients;
use super::{Unit, VERSION};
use crate::support::time::when;

/// A report of an earlier session, with the fields that are compared.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredReport {
    /// The version of the JSON form.
    pub version: Option<u32>,
    /// The session.
    pub session: StoredSession,
    /// The numbers of calls.
    pub calls: StoredCalls,
    /// What the launcher counted.
    pub cache: Option<StoredCache>,
    /// Every call.
    pub units: Vec<Unit>,
    /// What the calls' results depend on.
    pub ingredients: Option<Ingredients>,
    /// Why calls missed, if that was found out at the end of the build.
    pub why: Option<serde_json::Value>,
}

/// The session of an earlier report.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredSession {
    /// The tree.
    pub tree: String,
    /// The version of rock-wrap.
    pub rock_wrap: String,
    /// The directory of the build.
    pub directory: String,
    /// The build command.
    pub command: Vec<String>,
    /// The launcher.
    pub launcher: StoredLauncher,
    /// When it began, in seconds since 1970.
    pub started: f64,
    /// How long it took.
    pub seconds: f64,
    /// The peak memory in bytes of the largest process.
    pub peak_memory: Option<u64>,
}

/// The launcher of an earlier report.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredLauncher {
    /// Its kind.
    pub kind: String,
    /// Its version, if known.
    pub version: Option<String>,
}

/// The numbers of calls in an earlier report.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredCalls {
    /// The number of launched calls.
    pub launched: u64,
    /// The number of direct calls.
    pub direct: u64,
    /// The reasons of the direct calls.
    pub reasons: Vec<StoredReason>,
}

/// A reason of direct calls in an earlier report.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredReason {
    /// The reason.
    pub reason: String,
    /// The number of calls.
    pub calls: u64,
}

/// What the launcher counted in an earlier report.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StoredCache {
    /// The number of hits.
    pub hits: u64,
    /// The number of misses.
    pub misses: u64,
    /// The size of the cache before the build.
    pub bytes_before: Option<u64>,
    /// The size of the cache afterwards.
    pub bytes: Option<u64>,
}

/// A file is not a report that this version can read.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// The file is not JSON, or its fields have other types.
    #[error("it is not a report in JSON")]
    Json(#[from] serde_json::Error),
    /// The file is JSON of something else.
    #[error("it is JSON, but not a report of `rock-wrap run --report`")]
    NoReport,
    /// A later release wrote the file.
    #[error("it has version {0}, and this rock-wrap reads versions up to {VERSION}")]
    Newer(u32),
}

impl StoredSession {
    /// When it began, in UTC, for people to read.
    #[must_use]
    pub fn when(&self) -> String {
        when(self.started)
    }
}

impl StoredReport {
    /// The ingredients, empty if there are none.
    #[must_use]
    pub fn parts(&self) -> &Ingredients {
        static NONE: Ingredients = Ingredients::NONE;
        self.ingredients.as_ref().unwrap_or(&NONE)
    }

    /// Reads the report at `path`.
    ///
    /// # Errors
    /// See [`StoredError`].
    pub fn read(path: &Path) -> Result<Self, StoredError> {
        Self::parse(&std::fs::read(path)?)
    }

    /// Reads a report.
    ///
    /// # Errors
    /// See [`StoredError`].
    pub fn parse(json: &[u8]) -> Result<Self, StoredError> {
        let report: Self = serde_json::from_slice(json)?;
        match report.version {
            Some(1..=VERSION) => Ok(report),
            None | Some(0) => Err(StoredError::NoReport),
            Some(version) => Err(StoredError::Newer(version)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_report_is_told_from_one_of_a_later_release() {
        let parse = |json: &str| StoredReport::parse(json.as_bytes());
        assert!(matches!(parse("nonsense"), Err(StoredError::Json(_))));
        assert!(matches!(
            parse(r#"{"traceEvents": []}"#),
            Err(StoredError::NoReport)
        ));
        assert!(matches!(
            parse(r#"{"version": 99}"#),
            Err(StoredError::Newer(99))
        ));
        // Written by a release that did not list calls.
        let old = parse(r#"{"version": 1, "session": {"seconds": 2.5}, "new": []}"#).unwrap();
        assert_eq!((old.session.seconds, old.units.len()), (2.5, 0));
    }
}
