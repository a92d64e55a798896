//! Every way in which a command can fail, with its exit code and what can be done about it.

use std::path::PathBuf;

use super::Exit;
use crate::attach::AttachError;
use crate::doctor::bench::Trouble;
use crate::fingerprint::IdentityError;
use crate::install::shims::WrapError;
use crate::install::{After, Error as DivertError, Failure, Refusal};
use crate::launcher::LauncherError;
use crate::launcher::health::HealthError;
use crate::report::Unseen;
use crate::rocm::Name;
use crate::rocm::compiler::CompilerError;
use crate::rocm::tree::TreeError;
use crate::session::SessionError;
use crate::support::access;
use crate::support::access::Closed;

/// A command that failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// There is no usable tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The launcher cannot be used.
    #[error(transparent)]
    Launcher(#[from] LauncherError),
    /// `run` without a launcher: there would be nothing to run for.
    #[error("no launcher: neither sccache nor ccache is on PATH")]
    NoLauncher,
    /// The compilers cannot be wrapped.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// What the compiler is made of cannot be found out.
    #[error(transparent)]
    Identity(#[from] IdentityError),
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
    Divert(#[from] DivertError),
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
    #[error("{what}: done, but the tree still counts as wrapped for a build session only")]
    StillShared {
        /// `install` or `restore`.
        what: &'static str,
        /// Why.
        source: DivertError,
    },
    /// `run` was asked for a compiler that an installation in the tree leaves out.
    #[error("{dir} is wrapped already, and {name} is not among what is")]
    OtherNames {
        /// The compilers' directory.
        dir: PathBuf,
        /// The compiler.
        name: Name,
    },
    /// The launcher is there and does not work.
    #[error(transparent)]
    Health(#[from] HealthError),
    /// Something beside the tree could not be made.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The process that would detach should this one be killed.
    #[error("cannot start a guard for the session")]
    Guard(#[source] std::io::Error),
    /// The build could not be run.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// A signal came before anything was done.
    #[error("interrupted by signal {0}; nothing was changed")]
    Interrupted(i32),
    /// Signals cannot be watched.
    #[error("cannot watch for signals")]
    Signals(#[source] std::io::Error),
    /// `run` cannot make the file in which the shims count their calls.
    #[error("cannot make a file for the session's calls in {}", std::env::temp_dir().display())]
    Events(#[source] std::io::Error),
    /// `status` found other content in the compiler than its shims' fingerprint was taken of.
    #[error(
        "the compiler was written to since the install, which no shim can see; of these files: {}",
        .0.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    Rewritten(Vec<PathBuf>),
    /// `doctor` has no place to compile in.
    #[error("cannot prepare the examination")]
    Bench(#[source] Trouble),
    /// `run` cannot write what it is asked to write.
    #[error("cannot write {path}")]
    Output {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// `run --require-cache`: calls could have been cached, and none was.
    #[error("the cache was of no use to the build, and --require-cache asks for it")]
    NothingSaved,
    /// `run --require-cache`: nothing came that could have been cached or not.
    #[error(
        "no compiler call was seen, and --require-cache asks for a cache that is used; wrapped: {}; {}",
        .0.wrapped, .0.hipcc
    )]
    NothingSeen(Unseen),
    /// `run --require-cache` with a launcher that does not tell.
    #[error("whether the cache was of use cannot be known, and --require-cache asks for it")]
    UseUnknown,
    /// `explain` was given a compiler that is not there.
    #[error("{0}: no such compiler")]
    NoCompiler(PathBuf),
    /// `explain` was given an argument that no call can have.
    #[error("an argument has a NUL byte in it")]
    Nul,
}

impl CliError {
    /// The signal that broke the command off, if one did.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        match self {
            Self::Interrupted(signal) => Some(*signal),
            Self::Failed {
                failure:
                    Failure {
                        cause: DivertError::Interrupted { signal },
                        ..
                    },
                ..
            } => Some(*signal),
            _ => None,
        }
    }

    /// The signal that the command ends by: the one that broke it off, unless the exit code has
    /// something to say that a signal cannot.
    #[must_use]
    pub fn ends_by(&self) -> Option<i32> {
        self.signal().filter(|_| self.exit() == Exit::Failed)
    }

    /// How the command ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Session(SessionError::NotFound(_)) => Exit::NotFound,
            Self::Session(SessionError::NotExecutable(_) | SessionError::Start { .. }) => {
                Exit::NotExecutable
            }
            Self::Failed { failure, .. } => match failure.after {
                After::AsBefore => Exit::Failed,
                After::Restored | After::Unfinished { .. } => Exit::Incomplete,
            },
            Self::StillShared { .. } => Exit::Incomplete,
            Self::Session(SessionError::Wait { .. })
            | Self::Interrupted(_)
            | Self::Signals(_)
            | Self::Guard(_)
            | Self::Attach(_)
            | Self::Events(_)
            | Self::Rewritten(_)
            | Self::Bench(_) => Exit::Failed,
            Self::NothingSaved | Self::NothingSeen(_) | Self::UseUnknown => Exit::NothingSaved,
            Self::Tree(_)
            | Self::Launcher(_)
            | Self::Health(_)
            | Self::NoLauncher
            | Self::OtherNames { .. }
            | Self::Wrap(_)
            | Self::Identity(_)
            | Self::Refused { .. }
            | Self::Divert(_)
            | Self::Output { .. }
            | Self::NoCompiler(_)
            | Self::Nul => Exit::Refused,
        }
    }

    /// What a person can do about it, a line for each.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        if let Self::Identity(error) | Self::Wrap(WrapError::Identity(error)) = self
            && let Some(closed) = closed_to_us(error)
        {
            return vec![closed.to_string()];
        }
        let hint = match self {
            Self::Tree(TreeError::Missing { .. } | TreeError::NotFound { .. }) => {
                "name the ROCm tree with --rocm-path DIR, or its compiler with --compiler PATH"
            }
            Self::Tree(TreeError::NoCompiler { .. }) => {
                "--rocm-path takes the directory that holds lib/llvm/bin; other compilers are named \
                 with --compiler NAME or --compiler PATH"
            }
            Self::Tree(TreeError::NotInDirectory { held, .. }) if held.is_empty() => {
                "`hipconfig -l` prints the directory of the compilers that hipcc calls; without \
                 --compiler that is what is wrapped"
            }
            Self::Tree(TreeError::NotInDirectory { .. }) => "name one of those",
            Self::Tree(TreeError::TwoDirectories(..)) => {
                "run `rock-wrap install` for each directory, or name compilers of one"
            }
            Self::Tree(TreeError::NotOfTree { .. }) => "leave --rocm-path out",
            Self::NothingSeen(unseen) => {
                return vec![unseen.remedy().to_owned()];
            }
            Self::Launcher(LauncherError::NotFound(_)) => {
                "install it, or name another one with --launcher NAME|PATH"
            }
            Self::Launcher(LauncherError::NotExecutable(_)) => {
                "is it a program, with its x bit set?"
            }
            Self::Health(error) => {
                return vec![
                    error.remedy().to_owned(),
                    "--on-launcher-failure direct builds without a cache".to_owned(),
                ];
            }
            Self::Attach(AttachError::NoPlace) => {
                "set XDG_CACHE_HOME to a directory that this user may write to"
            }
            Self::OtherNames { .. } => {
                "wrap it too with `rock-wrap install --compiler NAME`, or run `rock-wrap restore` first"
            }
            Self::Launcher(LauncherError::Shim(_)) => {
                "--launcher takes sccache, ccache or the like"
            }
            Self::NoLauncher => {
                "install sccache or ccache, or name a launcher with --launcher PATH"
            }
            Self::Wrap(WrapError::Compiler(CompilerError::Foreign { .. })) => {
                "another tool put a wrapper there; have that tool remove it, or move the original \
                 back, and try again"
            }
            Self::Wrap(WrapError::Compiler(CompilerError::Script(_))) => {
                "name the compiler that the script runs with --rocm-path and --compiler"
            }
            Self::Wrap(WrapError::Compiler(
                CompilerError::Run { .. } | CompilerError::NotClang { .. },
            )) => "does it run by hand? a missing shared library is the usual reason",
            Self::Identity(IdentityError::Ask { .. }) => {
                "does it run by hand? a missing shared library is the usual reason"
            }
            Self::Identity(IdentityError::Changes(_)) => {
                "wait until the compiler is installed, and try again"
            }
            Self::Rewritten(_) => {
                "run `rock-wrap install`, which takes a new fingerprint; what was compiled since may \
                 be the old compiler's"
            }
            Self::Bench(trouble) => trouble.remedy(),
            Self::Wrap(WrapError::Unfinished(_)) => "run `rock-wrap restore` first",
            Self::Wrap(WrapError::EqualsSign(_)) => "reach the tree by another path",
            Self::Refused {
                refusal: Refusal::MissingButKept { .. },
                ..
            } => "run `rock-wrap restore` first",
            Self::StillShared {
                what: "restore", ..
            } => "run `rock-wrap restore` again",
            Self::StillShared { .. } => {
                "run `rock-wrap install` again; else the originals come back with the session's end"
            }
            Self::Divert(cause) if is_denied(cause) => {
                "run it as the owner of the directory or as root; `rock-wrap run --attach shadow` \
                 writes nothing to it"
            }
            Self::Failed { failure, .. } => match (&failure.after, &failure.cause) {
                (After::Restored | After::Unfinished { .. }, _) => "run `rock-wrap restore`",
                (_, cause) if is_denied(cause) => "run it as the owner of the directory or as root",
                _ => return Vec::new(),
            },
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

/// What keeps this user from a file of the compiler.
fn closed_to_us(error: &IdentityError) -> Option<Closed> {
    match error {
        IdentityError::Read { path, source } | IdentityError::Find { path, source } => {
            let denied = source.kind() == std::io::ErrorKind::PermissionDenied;
            denied.then(|| access::closed(path))?
        }
        _ => None,
    }
}

/// Whether the system has refused a right, which another user may have.
fn is_denied(error: &DivertError) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .is_some_and(|source| source.kind() == std::io::ErrorKind::PermissionDenied)
}
