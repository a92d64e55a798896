//! The ways in which a build's compiler calls come to rock-wrap.
//!
//! Owns: the choice among them, and what has to be made and set for those that leave the tree as it
//! is. Must never write below the tree: to stand in the compilers' own place is
//! [`divert`](crate::install)'s.

pub mod file;
pub mod shadow;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::rocm::Hipcc;

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Attach {
    /// `launcher` if the tree's hipcc supports it, else `in-place` if the tree is writable, else `shadow`
    #[default]
    Auto,
    /// Put shims in the compilers' place while the build runs
    InPlace,
    /// Put shims in a private directory and point HIP_CLANG_PATH at it; the tree is not written to
    Shadow,
    /// Set HIP_CLANG_LAUNCHER and CMAKE_HIP_COMPILER_LAUNCHER to a shim; the tree is not written to
    Launcher,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Shims stand at the compilers' names.
    InPlace,
    /// Shims stand in a private directory.
    Shadow,
    /// One shim is called as a launcher.
    Launcher,
}

impl Way {
    /// The word for it, as `--attach` takes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InPlace => "in-place",
            Self::Shadow => "shadow",
            Self::Launcher => "launcher",
        }
    }
}

/// What the choice depends on.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Whether shims stand in the tree already.
    pub wrapped: bool,
    /// The hipcc that belongs to the tree.
    pub hipcc: Option<&'a Hipcc>,
    /// Whether this user may change the compilers' directory.
    pub writable: bool,
}

/// The way to take, and why it was chosen where it was not asked for.
#[must_use]
pub fn choose(asked: Attach, facts: Facts<'_>) -> (Way, Option<String>) {
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

/// Something that could not be made outside of the tree.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// There is no place for it: neither HOME nor XDG_CACHE_HOME is an absolute path.
    #[error("cannot find a cache directory: neither XDG_CACHE_HOME nor HOME is an absolute path")]
    NoPlace,
    /// A directory cannot be made, opened or locked.
    #[error("cannot use the directory {0}")]
    Directory(PathBuf, #[source] io::Error),
    /// A directory cannot be listed.
    #[error("cannot list {0}")]
    List(PathBuf, #[source] io::Error),
    /// A file or link cannot be made.
    #[error("cannot create {0}")]
    Make(PathBuf, #[source] io::Error),
    /// What was made cannot be removed again.
    #[error("cannot remove {0}")]
    Remove(PathBuf, #[source] io::Error),
}

/// Changes of the build's environment: a value, or `None` for a variable to be removed.
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
        let facts = |wrapped, hipcc, writable| Facts {
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
