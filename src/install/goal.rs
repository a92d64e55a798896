//! What can be asked of the engine, and why it can say no.
//!
//! Owns: the words of a request. Must never look at a directory.

use std::ffi::OsString;

use crate::install::fs::{Attrs, Time};
use crate::install::names;

/// How the original of a name is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The name is the real ELF itself: it moves to the alias.
    Move,
    /// The name is a symlink or a stub: it is put aside, and the alias is a symlink to the ELF.
    Aside {
        /// The alias's text, `clang-19`.
        alias_target: OsString,
    },
}

/// A shim that is wanted at a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The name, `clang++`.
    pub name: OsString,
    /// The shim: an image stamped for this name.
    pub image: Vec<u8>,
    /// The bytes of the program at the stand-in's name. `None` where the shim knows of none, as one
    /// of an older release: then what stands there is removed when no process uses it.
    pub stand_in: Option<Vec<u8>>,
    /// How to keep the original. Only asked where an original stands at the name: a shim that is
    /// already there stays with the layout that it has.
    pub keep: Keep,
    /// The real compiler's permission bits. The shim has none of them that let others write it.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// The real compiler's time of change.
    pub mtime: Time,
}

impl Want {
    pub(super) fn attrs(&self) -> Attrs {
        let mode = self.mode & 0o755;
        Attrs {
            mode: if mode & 0o111 == 0 {
                mode | 0o111
            } else {
                mode
            },
            uid: self.uid,
            gid: self.gid,
            mtime: self.mtime,
        }
    }
}

/// What is wanted of the directory.
#[derive(Clone, Debug)]
pub enum Goal {
    /// These shims, in this order: a name whose alias leads through another's comes after it.
    /// Names that are ours and not among them stay as they are.
    Install(Vec<Want>),
    /// Every original back, nothing of ours left.
    Restore,
}

impl Goal {
    pub(super) fn wants(&self) -> &[Want] {
        match self {
            Self::Install(wants) => wants,
            Self::Restore => &[],
        }
    }
}

/// Why a goal cannot be had. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant's message says it")]
pub enum Refusal {
    #[error("{name:?} is not a name that rock-wrap can manage")]
    BadName { name: OsString },
    #[error("{name:?} was requested twice")]
    Twice { name: OsString },
    #[error("the image for {name:?} is not a shim for that name")]
    BadImage { name: OsString },
    #[error("{name:?} does not exist")]
    Missing { name: OsString },
    #[error("{name:?} is gone, but its original is kept")]
    MissingButKept { name: OsString },
    #[error("{name:?} is neither a regular file nor a symlink")]
    Odd { name: OsString },
    #[error(
        "{name:?} is a symlink and cannot be moved to {:?}",
        names::alias(name)
    )]
    MoveOfLink { name: OsString },
    #[error("{path:?} is in the way and does not belong to rock-wrap")]
    Foreign { path: OsString },
    #[error("{target:?}, the compiler behind {name:?}, is not a file")]
    Target { name: OsString, target: OsString },
    #[error("{name:?} is a shim, and the original compiler is gone")]
    Lost { name: OsString },
    #[error(
        "the directory is sticky and user {owner} owns {name:?}: only that user, the directory's \
         owner or root can replace it"
    )]
    Sticky { name: OsString, owner: u32 },
}
