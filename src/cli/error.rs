//! Every way in which a command can fail, with its exit code and what can be done about it.

use std::path::PathBuf;

use super::Exit;
use crate::attach::AttachError;
use crate::doctor::scratch::Trouble;
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
    #[error("cannot find a launcher: neither sccache nor ccache is on PATH")]
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
    #[error("{what} succeeded, but the tree is still marked as wrapped for a build session only")]
    StillShared {
        /// `install` or `restore`.
        what: &'static str,
        /// Why.
        source: DivertError,
    },
    /// `run` was asked for a compiler that an installation in the tree leaves out.
    #[error("{dir} is already wrapped, but {name} in it is not")]
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
    #[error("cannot start the session's guard process")]
    Guard(#[source] std::io::Error),
    /// The build could not be run.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// A signal came before anything was done.
    #[error("interrupted by signal {0}; nothing was changed")]
    Interrupted(i32),
    /// Signals cannot be watched.
    #[error("cannot set up signal handling")]
    Signals(#[source] std::io::Error),
    /// `run` cannot make the file in which the shims count their calls.
    #[error("cannot create the session's call log in {}", std::env::temp_dir().display())]
    Events(#[source] std::io::Error),
    /// `status` found other content in the compiler than its shims' fingerprint was taken of.
    #[error(
        "the compiler was modified after the installation in a way that shims cannot detect: {}",
        .0.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    Rewritten(Vec<PathBuf>),
    /// `doctor` has no place to compile in.
    #[error("cannot set up the test compiles")]
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
    /// `run --require-cache`: calls could have been cached, but none was.
    #[error("--require-cache: the build found nothing in the cache and stored nothing in it")]
    NothingSaved,
    /// `run --require-cache`: nothing came that could have been cached or not.
    #[error(
        "--require-cache: the build called none of the wrapped compilers ({}); {}",
        .0.wrapped, .0.hipcc
    )]
    NothingSeen(Unseen),
    /// `run --require-cache` with a launcher that does not tell.
    #[error("--require-cache: the launcher does not report whether the cache was used")]
    UseUnknown,
    /// `explain` was given a compiler that is not there.
    #[error("{0}: no such compiler")]
    NoCompiler(PathBuf),
    /// `explain` was given an argument that no call can have.
    #[error("an argument contains a NUL byte")]
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
        if let Self::Failed {
            failure:
                Failure {
                    after: After::Unfinished { state, .. },
                    ..
                },
            ..
        } = self
        {
            return vec![
                "run `rock-wrap restore` to finish".to_owned(),
                format!("the directory now holds: {}", state.join("; ")),
            ];
        }
        let hint = match self {
            Self::Tree(TreeError::Missing { .. } | TreeError::NotFound { .. }) => {
                "name the ROCm tree with --rocm-path DIR, or its compiler with --compiler PATH"
            }
            Self::Tree(TreeError::NoCompiler { .. }) => {
                "pass the directory that contains lib/llvm/bin to --rocm-path, or name another \
                 compiler with --compiler NAME or --compiler PATH"
            }
            Self::Tree(TreeError::NotInDirectory { held, .. }) if held.is_empty() => {
                "leave --compiler out to wrap the compilers that hipcc calls (`hipconfig -l` prints \
                 their directory)"
            }
            Self::Tree(TreeError::NotInDirectory { .. }) => {
                "name one of the compilers that are there"
            }
            Self::Tree(TreeError::TwoDirectories(..)) => {
                "run `rock-wrap install` once for each directory"
            }
            Self::Tree(TreeError::NotOfTree { .. }) => {
                "leave --rocm-path out, or name a compiler of that tree"
            }
            Self::NothingSeen(unseen) => {
                return vec![unseen.remedy().to_owned()];
            }
            Self::Launcher(LauncherError::NotFound(_)) => {
                "install it, or name another launcher with --launcher NAME|PATH"
            }
            Self::Launcher(LauncherError::NotExecutable(_)) => {
                "name a program that this user may execute"
            }
            Self::Health(error) => {
                return vec![
                    error.remedy().to_owned(),
                    "to build without a cache, pass --on-launcher-failure direct".to_owned(),
                ];
            }
            Self::Attach(AttachError::NoPlace) => {
                "set XDG_CACHE_HOME to the absolute path of a directory that this user may write to"
            }
            Self::OtherNames { .. } => {
                "wrap it too with `rock-wrap install --compiler NAME`, or run `rock-wrap restore` first"
            }
            Self::Launcher(LauncherError::Run { .. } | LauncherError::Broken { .. }) => {
                "reinstall it, or name another launcher with --launcher NAME|PATH"
            }
            Self::Launcher(LauncherError::Shim(_)) => "name a launcher such as sccache or ccache",
            Self::NoLauncher => {
                "install sccache or ccache, or name a launcher with --launcher PATH"
            }
            Self::Wrap(WrapError::Compiler(CompilerError::Foreign { .. })) => {
                "have the tool that put the wrapper there remove it, or move the original compiler \
                 back yourself"
            }
            Self::Wrap(WrapError::Compiler(CompilerError::Script(_))) => {
                "name the compiler that the script runs, with --rocm-path and --compiler"
            }
            Self::Wrap(WrapError::Compiler(
                CompilerError::Run { .. } | CompilerError::NotClang { .. },
            )) => "run it by hand with --version; a missing shared library is the usual cause",
            Self::Identity(IdentityError::Ask { .. })
            | Self::Wrap(WrapError::Identity(IdentityError::Ask { .. })) => {
                "run it by hand with --version; a missing shared library is the usual cause"
            }
            Self::Identity(IdentityError::Changes(_))
            | Self::Wrap(WrapError::Identity(IdentityError::Changes(_))) => {
                "wait until the compiler's installation has finished, and try again"
            }
            Self::Rewritten(_) => {
                "run `rock-wrap install` to take a new fingerprint; objects cached since the change \
                 may be the old compiler's"
            }
            Self::Bench(trouble) => trouble.remedy(),
            Self::Wrap(WrapError::Unfinished(_)) => "run `rock-wrap restore` first",
            Self::Wrap(WrapError::CcacheName(_)) => {
                "rename the compiler so that its name does not begin with `ccache`"
            }
            Self::Wrap(WrapError::TwoCompilers(..)) => {
                "name one of them with --compiler, or use --attach in-place"
            }
            Self::Wrap(WrapError::EqualsSign(_)) => {
                "use another path to the tree, such as a symlink without `=`"
            }
            Self::Refused {
                refusal: Refusal::MissingButKept { .. },
                ..
            } => "run `rock-wrap restore` first",
            Self::Refused {
                refusal: Refusal::Foreign { .. },
                ..
            } => "move that file elsewhere and try again",
            Self::Refused {
                refusal: Refusal::Lost { .. },
                ..
            } => "reinstall the package that the compiler belongs to, then run `rock-wrap restore`",
            Self::Events(_) => "set TMPDIR to a directory that this user may write to",
            Self::StillShared {
                what: "restore", ..
            } => "run `rock-wrap restore` again",
            Self::StillShared { .. } => {
                "run `rock-wrap install` again, or the end of the session restores the original compilers"
            }
            Self::Divert(DivertError::Changed { .. } | DivertError::Locked { .. }) => {
                "try again when nobody else changes the directory"
            }
            Self::Divert(cause) if is_denied(cause) => {
                "run it as the directory's owner or as root, or use `rock-wrap run --attach shadow`, \
                 which does not write to the tree"
            }
            Self::Failed { failure, .. } => match (&failure.after, &failure.cause) {
                (After::Restored, _) => "run `rock-wrap restore` to finish",
                (_, cause) if is_denied(cause) => "run it as the directory's owner or as root",
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
