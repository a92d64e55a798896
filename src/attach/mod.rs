//! Chooses how a build's compiler calls reach rock-wrap.
//!
//! Owns: this choice, and what has to be created and set for the ways that leave the tree
//! unchanged. Must never write below the tree: shims in the compilers' place belong to
//! [`install`](crate::install).

pub mod file;
pub mod shadow;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::rocm::Hipcc;

/// The way that the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Attach {
    /// `launcher` if the tree's hipcc supports it, else `in-place` if the tree is writable, else `shadow`
    #[default]
    Auto,
    /// Replace the compilers with shims while the build runs
    InPlace,
    /// Put shims in a private directory and point HIP_CLANG_PATH at it; the tree does not change
    Shadow,
    /// Set HIP_CLANG_LAUNCHER and CMAKE_HIP_COMPILER_LAUNCHER to a shim; the tree does not change
    Launcher,
}

/// The way that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Shims have the compilers' names.
    InPlace,
    /// Shims are in a private directory.
    Shadow,
    /// One shim is called as a launcher.
    Launcher,
}

impl Way {
    /// The way's name, as `--attach` accepts it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InPlace => "in-place",
            Self::Shadow => "shadow",
            Self::Launcher => "launcher",
        }
    }
}

/// The input of the choice.
#[derive(Clone, Copy, Debug)]
pub struct AttachFacts<'a> {
    /// Whether the tree already has shims.
    pub wrapped: bool,
    /// The tree's hipcc.
    pub hipcc: Option<&'a Hipcc>,
    /// Whether this user may change the compilers' directory.
    pub writable: bool,
}

/// The way to use, and a reason if the user did not name it.
#[must_use]
pub fn choose(asked: Attach, facts: AttachFacts<'_>) -> (Way, Option<String>) {
    let hipcc = facts.hipcc;
    let of_hipcc = |what| hipcc.map(|hipcc| format!("{} {what}", hipcc.path.display()));
    match asked {
        Attach::InPlace => (Way::InPlace, None),
        Attach::Shadow => (Way::Shadow, None),
        Attach::Launcher => (Way::Launcher, None),
        Attach::Auto if facts.wrapped => {
            (Way::InPlace, Some("the tree is wrapped already".to_owned()))
        }
        Attach::Auto if hipcc.is_some_and(|hipcc| hipcc.knows_launcher) => {
            (Way::Launcher, of_hipcc("obeys HIP_CLANG_LAUNCHER"))
        }
        Attach::Auto if facts.writable => {
            (Way::InPlace, of_hipcc("does not know HIP_CLANG_LAUNCHER"))
        }
        Attach::Auto => {
            let why = "the tree cannot be written to";
            (Way::Shadow, Some(why.to_owned()))
        }
    }
}

/// A file outside the tree could not be created or removed.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// There is no cache directory: neither XDG_CACHE_HOME nor HOME is an absolute path.
    #[error("cannot find a cache directory: neither XDG_CACHE_HOME nor HOME is an absolute path")]
    NoPlace,
    /// A directory cannot be created, opened or locked.
    #[error("cannot use the directory {0}")]
    Directory(PathBuf, #[source] io::Error),
    /// A directory cannot be listed.
    #[error("cannot list {0}")]
    List(PathBuf, #[source] io::Error),
    /// A file or link cannot be created.
    #[error("cannot create {0}")]
    Make(PathBuf, #[source] io::Error),
    /// A file cannot be removed again.
    #[error("cannot remove {0}")]
    Remove(PathBuf, #[source] io::Error),
}

/// Changes to the build's environment: a value, or `None` to remove the variable.
pub type Variables = Vec<(&'static str, Option<OsString>)>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_takes_what_changes_the_least_and_reaches_the_compiles() {
        let [old, new] = [false, true].map(|knows_launcher| Hipcc {
            path: "/opt/rocm/bin/hipcc".into(),
            knows_launcher,
        });
        let (old, new) = (Some(&old), Some(&new));
        let facts = |wrapped, hipcc, writable| AttachFacts {
            wrapped,
            hipcc,
            writable,
        };
        for (facts, expected, why) in [
            (facts(true, new, true), Way::InPlace, "wrapped already"),
            (facts(true, old, false), Way::InPlace, "wrapped already"),
            (facts(false, new, true), Way::Launcher, "hipcc obeys"),
            (facts(false, new, false), Way::Launcher, "hipcc obeys"),
            (facts(false, old, true), Way::InPlace, "hipcc does not know"),
            (facts(false, None, true), Way::InPlace, ""),
            (facts(false, old, false), Way::Shadow, "cannot be written"),
            (facts(false, None, false), Way::Shadow, "cannot be written"),
        ] {
            let (way, said) = choose(Attach::Auto, facts);
            assert_eq!(way, expected, "{facts:?}");
            assert_eq!(said.is_some(), !why.is_empty(), "{said:?}");
            assert!(said.unwrap_or_default().contains(why), "{facts:?}");
            assert_eq!(choose(Attach::Shadow, facts), (Way::Shadow, None));
        }
    }
}
