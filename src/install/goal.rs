//! What can be requested of the engine, and why a request can be refused.
//!
//! Owns: the types of a request. Must never access a directory.

use std::ffi::OsString;

use crate::install::fs::Attrs;
use crate::rocm::names;
use crate::support::time::Time;

/// How the original of a name is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The name is the real ELF file, which is moved to the alias.
    Move,
    /// The name is a symlink or a stub. It is put aside, and the alias is a symlink to the ELF file.
    Aside {
        /// The alias's target, such as `clang-19`.
        alias_target: OsString,
    },
}

/// A shim to install at a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The name, such as `clang++`.
    pub name: OsString,
    /// The shim's image, configured for this name.
    pub image: Vec<u8>,
    /// The bytes of the stand-in. `None` for a shim of an older release that uses none: a stand-in that
    /// exists is then removed when no process uses it.
    pub stand_in: Option<Vec<u8>>,
    /// How to keep the original. Used only if the name is an original: a shim that is already there
    /// keeps its layout.
    pub keep: Keep,
    /// The real compiler's permission bits. The shim gets them without write permission for others.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// The real compiler's modification time.
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

/// The wanted state of the directory.
#[derive(Clone, Debug)]
pub enum Goal {
    /// Install these shims in this order: a name whose alias leads through another's follows it. Other
    /// wrapped names stay as they are.
    Install(Vec<Want>),
    /// Put every original back and remove all of rock-wrap's files.
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

/// Why a goal is refused. Nothing was changed.
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
