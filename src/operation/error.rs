//! Why an operation on a tree has failed.

use std::path::PathBuf;

use crate::attach::AttachError;
use crate::install::shims::WrapError;
use crate::install::{Error as InstallError, Failure, Refusal};
use crate::launcher::LauncherError;
use crate::rocm::Name;
use crate::rocm::tree::TreeError;

/// An operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// There is no usable tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The launcher cannot be used.
    #[error(transparent)]
    Launcher(#[from] LauncherError),
    /// No launcher was named, and none is installed.
    #[error("cannot find a launcher: neither sccache nor ccache is on PATH")]
    NoLauncher,
    /// The compilers cannot be wrapped.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// What stands in the directory does not allow it.
    #[error("{dir}: {refusal}")]
    Refused {
        /// The compilers' directory.
        dir: PathBuf,
        /// Why.
        refusal: Refusal,
    },
    /// The directory could not be opened, looked at or locked.
    #[error(transparent)]
    Directory(#[from] InstallError),
    /// An install or restore failed half-way.
    #[error("{what}")]
    Failed {
        /// `install` or `restore`.
        what: &'static str,
        /// What became of it.
        #[source]
        failure: Failure,
    },
    /// An install or restore succeeded, but the file remains by which the tree counts as wrapped for
    /// a session.
    #[error("{what} succeeded, but the tree is still marked as wrapped for a build session only")]
    StillShared {
        /// `install` or `restore`.
        what: &'static str,
        /// Why.
        source: InstallError,
    },
    /// A session was asked for a compiler that an installation in the tree leaves out.
    #[error("{dir} is already wrapped, but {name} in it is not")]
    OtherNames {
        /// The compilers' directory.
        dir: PathBuf,
        /// The compiler.
        name: Name,
    },
    /// Something beside the tree could not be made.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The process that would detach should this one be killed.
    #[error("cannot start the session's guard process")]
    Guard(#[source] std::io::Error),
    /// A signal came before anything was done.
    #[error("interrupted by signal {0}; nothing was changed")]
    Interrupted(i32),
}

impl OperationError {
    /// The signal that broke the operation off, if one did.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        match self {
            Self::Interrupted(signal) => Some(*signal),
            Self::Failed {
                failure:
                    Failure {
                        cause: InstallError::Interrupted { signal },
                        ..
                    },
                ..
            } => Some(*signal),
            _ => None,
        }
    }
}
