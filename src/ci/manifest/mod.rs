//! The record of a build: what made it, what it was made from, and what it made.
//!
//! Owns: the form of the record, TheRock's form of the sources, and the record's file name.
//! `docs/manifest.schema.json` is the schema.

pub mod archs;
pub mod artifact;
pub mod source;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

pub use artifact::Artifact;
pub use source::Source;

use super::{CiContext, Policy};

/// Raised when a field changes its meaning or is removed.
pub const SCHEMA_VERSION: u32 = 1;

/// The version of TheRock's source manifest that is written.
const THEROCK_VERSION: u32 = 1;

/// A value, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Known<T> {
    /// The value.
    Is(T),
    /// There is none.
    Not {
        /// Always null.
        value: Option<()>,
        /// Why.
        reason: String,
    },
}

impl<T> Known<T> {
    /// No value, for this reason.
    pub fn not(reason: impl Into<String>) -> Self {
        Self::Not {
            value: None,
            reason: reason.into(),
        }
    }

    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Not { .. } => None,
        }
    }
}

impl<T> From<Result<T, String>> for Known<T> {
    fn from(result: Result<T, String>) -> Self {
        match result {
            Ok(value) => Self::Is(value),
            Err(reason) => Self::not(reason),
        }
    }
}

/// A program and its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProgramRecord {
    /// Where it is.
    pub path: String,
    /// The version that it prints.
    pub version: String,
}

/// The compiler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CompilerRecord {
    /// Where it is.
    pub path: String,
    /// The line in which it states its version.
    pub version: Option<String>,
    /// The digest of all members.
    pub fingerprint: String,
    /// The files that decide its output.
    pub members: Vec<MemberRecord>,
}

/// A file of the compiler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberRecord {
    /// Its role in the compiler.
    pub role: &'static str,
    /// The name by which the compiler looks for it.
    pub name: String,
    /// The BLAKE3 digest of its content.
    pub digest: String,
}

/// The ROCm release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RocmRecord {
    /// Where it is.
    pub root: String,
    /// The release that it states.
    pub version: Known<String>,
}

/// The record.
#[derive(Clone, Debug, Serialize)]
pub struct Manifest {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// When it was written, in UTC.
    pub created: String,
    /// rock-wrap's version.
    pub rock_wrap: String,
    /// The ROCm tree.
    pub rocm: RocmRecord,
    /// The tree's hipcc.
    pub hipcc: Known<ProgramRecord>,
    /// The compiler.
    pub clang: CompilerRecord,
    /// The launcher.
    pub launcher: Known<ProgramRecord>,
    /// The policy under which `rock-wrap env` set the job up.
    pub policy: Known<Policy>,
    /// What the launcher says about its cache.
    pub cache_mode: Known<Value>,
    /// The report of `rock-wrap run`.
    pub report: Known<Value>,
    /// What the CI system says about the job.
    pub ci: CiContext,
    /// The Python of the build.
    pub python: Known<ProgramRecord>,
    /// The checkouts that were built, by name.
    pub sources: BTreeMap<String, Source>,
    /// The sources in the form of TheRock's source manifest.
    pub therock: Value,
    /// The files that the build made.
    pub artifacts: Vec<Artifact>,
}

/// TheRock's source manifest: an object for each source with its repository and commit. Leaves out sources for which
/// these are not known.
#[must_use]
pub fn therock(sources: &BTreeMap<String, Source>) -> Value {
    let mut manifest = Map::new();
    manifest.insert("schema_version".to_owned(), THEROCK_VERSION.into());
    for (name, source) in sources {
        let (Some(repo), Some(commit)) = (source.repo.value(), source.commit.value()) else {
            continue;
        };
        let mut entry = Map::new();
        entry.insert("repo".to_owned(), repo.clone().into());
        entry.insert("commit".to_owned(), commit.clone().into());
        let more = [
            ("branch", source.branch.value()),
            ("version", source.version.as_ref()),
        ];
        for (name, value) in more {
            if let Some(value) = value {
                entry.insert(name.to_owned(), value.clone().into());
            }
        }
        manifest.insert(name.replace('-', "_"), entry.into());
    }
    manifest.into()
}

/// The file name of the record of `what`, such as `rock-wrap-manifest_torch_py3.12_release-2.9.json`.
#[must_use]
pub fn file_name(what: &str, python: Option<&str>, reference: Option<&str>) -> String {
    let plain = |text: &str| -> String {
        let keep = |c: char| match c {
            _ if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+') => c,
            _ => '-',
        };
        text.chars().map(keep).collect()
    };
    let mut name = format!("rock-wrap-manifest_{}", plain(what));
    if let Some(python) = python {
        name.push_str(&format!("_py{}", plain(python)));
    }
    if let Some(reference) = reference {
        name.push_str(&format!("_{}", plain(reference)));
    }
    name + ".json"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_the_name_that_users_know() {
        for (what, python, reference, expected) in [
            (
                "torch",
                Some("3.12"),
                Some("release/2.9"),
                "torch_py3.12_release-2.9",
            ),
            ("torch", None, None, "torch"),
            (
                "vllm",
                Some("3.12"),
                Some("a b/../c"),
                "vllm_py3.12_a-b-..-c",
            ),
        ] {
            let name = file_name(what, python, reference);
            assert_eq!(name, format!("rock-wrap-manifest_{expected}.json"));
            assert!(!name.contains('/'));
        }
    }

    #[test]
    fn therocks_form_has_what_is_known_of_each_source() {
        let known = Source {
            repo: Known::Is("https://github.com/ROCm/pytorch".to_owned()),
            commit: Known::Is("abc".to_owned()),
            branch: Known::not("no branch is checked out"),
            version: Some("2.9.0".to_owned()),
            ..Source::unknown("", "")
        };
        let unknown = Source::unknown("/src/apex", "there is no git repository");
        let sources = [("pytorch", known), ("py-apex", unknown)];
        let sources = sources
            .map(|(name, source)| (name.to_owned(), source))
            .into();
        let expected = serde_json::json!({
            "schema_version": 1,
            "pytorch": {
                "repo": "https://github.com/ROCm/pytorch", "commit": "abc", "version": "2.9.0",
            },
        });
        assert_eq!(therock(&sources), expected);
    }
}
