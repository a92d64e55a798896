//! What each launched call's result depends on, as a report keeps it.
//!
//! No program is run for this: arguments and variables were read from the process, the stand-in recorded the files with
//! their digests, and the compiler's files are in its recorded fingerprint. A hit in a launcher's direct mode starts no
//! stand-in. An earlier call with the same ingredients stored the entry, so an earlier report provides them.
//!
//! Ten thousand calls name millions of files. Files that always occur together are listed once, as a group.

use serde::{Deserialize, Serialize};

use crate::fingerprint::Identity;

/// The tables into which the ingredients of all calls are indices.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ingredients {
    /// The tree's compilers.
    pub compilers: Vec<CompilerParts>,
    /// Arguments and environment entries.
    pub words: Vec<String>,
    /// Files and the first digits of their digests.
    pub files: Vec<(String, String)>,
    /// Files that always occur together.
    pub groups: Vec<Vec<u32>>,
}

/// The files of one compiler.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompilerParts {
    /// Its name in the tree.
    pub name: String,
    /// The digest of all files.
    pub fingerprint: String,
    /// The release that the tree states, or the line in which the compiler prints its version.
    pub version: Option<String>,
    /// Role, name and digest of each file.
    pub members: Vec<(String, String, String)>,
}

/// The ingredients of one call. Numbers are indices into [`Ingredients`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallIngredients {
    /// The arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Vec<u32>>,
    /// The environment entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Vec<u32>>,
    /// The groups of files that its texts name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<u32>>,
    /// The digest of literals and directives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub literals: Option<String>,
    /// Whether the compiler may read a file that the texts do not name.
    #[serde(skip_serializing_if = "is_false")]
    pub unnamed: bool,
    /// Whether the texts contain a date or a time.
    #[serde(skip_serializing_if = "is_false")]
    pub dated: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_false(value: &bool) -> bool {
    !value
}

impl CompilerParts {
    /// The files of the compiler `name`, taken from its identity.
    #[must_use]
    pub fn of(name: String, release: Option<String>, identity: &Identity) -> Self {
        let members = identity.members.iter().map(|member| {
            let digest = member.digest.to_string();
            let short = digest.get(..16).unwrap_or(&digest).to_owned();
            (member.role.as_str().to_owned(), member.name.clone(), short)
        });
        Self {
            name,
            fingerprint: identity.digest.to_string(),
            version: release.or_else(|| identity.version.clone()),
            members: members.collect(),
        }
    }
}

impl Ingredients {
    /// An empty table.
    pub const NONE: Self = Self {
        compilers: Vec::new(),
        words: Vec::new(),
        files: Vec::new(),
        groups: Vec::new(),
    };

    /// The files of a call, if they are known.
    pub fn files_of(&self, call: &CallIngredients) -> Option<Vec<&(String, String)>> {
        let groups = call.groups.as_ref()?.iter();
        let groups = groups.filter_map(|group| self.groups.get(*group as usize));
        let files = groups
            .flatten()
            .filter_map(|file| self.files.get(*file as usize));
        Some(files.collect())
    }

    /// The words with these numbers.
    pub fn texts(&self, words: &[u32]) -> Vec<&str> {
        let texts = words
            .iter()
            .filter_map(|word| self.words.get(*word as usize));
        texts.map(String::as_str).collect()
    }
}
