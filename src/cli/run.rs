//! Implements `rock-wrap run`: runs one build with everything around it.
//!
//! ```text
//! look for command and launcher -> health of the launcher -> attach -> guard -> count
//!     -> build -> detach -> report
//! ```

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::NamedTempFile;

use super::report::ReportOutputs;
use super::{CliError, Exit, OnLauncherFailure, RunArgs, job, output};
use crate::fingerprint::{Identity, Memo};
use crate::launcher::alive::Alive;
use crate::launcher::{HIP_CLANG_LAUNCHER, Launcher, health};
use crate::operation::{self, OperationError, Request};
use crate::report::{CompilerParts, UNATTACHED, Unseen};
use crate::rocm::{CompilerName, Hipcc, Tree};
use crate::session::{self, Ended, SessionError};
use crate::shared::call_log;
use crate::support::paths;
use crate::support::signals::{Signals, die_by};

/// Paths below this directory are the same in every checkout; see
/// [`decision`](crate::shared::decision).
const BASE_DIR: &str = "ROCK_WRAP_BASE_DIR";

/// Set in a session's processes to the directory of its compilers.
const SESSION: &str = "ROCK_WRAP_SESSION";

/// Runs one build through the launcher.
pub fn main(args: &RunArgs) -> Result<Exit, CliError> {
    let (program, rest) = args.command.split_first().expect("clap requires a command");
    let program = session::find_command(program)?;
    let mut command = Command::new(&program);
    command.args(rest);
    if let Some(bin) = around(args) {
        output::note(format_args!(
            "within a session for {bin} already; joining that, whose options and report count"
        ));
        return Err(become_command(&program, command));
    }
    let launcher = job::find_launcher(args.wrap.launcher.as_deref())?;
    let outputs = args.report.open()?;
    let signals = Signals::watch().map_err(CliError::Signals)?;
    if let Err(error) = health::check(&launcher, health::LIMIT) {
        if args.on_launcher_failure == OnLauncherFailure::Fail {
            return Err(error.into());
        }
        return without_launcher(
            args,
            program,
            command,
            &launcher,
            outputs,
            &signals,
            &error.into(),
        );
    }

    let calls = NamedTempFile::with_prefix("rock-wrap-events-").map_err(CliError::Events)?;
    let request = Request {
        rocm_path: args.tree.rocm_path.as_deref(),
        compilers: &args.wrap.compilers,
        attach: args.attach,
        policy: args.wrap.policy(),
        host: !args.no_host,
    };
    let attached = operation::attach(&request, &launcher, &signals, &output::TerminalMessages)?;
    let reporting = outputs.begin(&launcher, calls.path());
    reporting.prepare(&mut command);
    for (name, value) in attached.variables() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .env(call_log::VARIABLE, calls.path())
        .env(SESSION, attached.bin());
    if std::env::var_os(BASE_DIR).is_none()
        && let Ok(here) = std::env::current_dir()
    {
        command.env(BASE_DIR, here);
    }
    let watched = attached.guard().watch_over(&mut command);
    let awake = Alive::keep(&launcher);
    let ended = match watched {
        Ok(()) => session::run(program, command, &signals).map_err(CliError::from),
        Err(error) => Err(OperationError::Guard(error).into()),
    };
    drop(awake);
    let built = reporting.built();
    // Detach first, however the build ended.
    let (tree, way) = (attached.tree().clone(), attached.way());
    let detached = attached.detach(&signals, &output::TerminalMessages);
    let command = &args.command;
    let (root, ended_by) = (&tree.root, ended.as_ref().ok().copied());
    let missed = || unseen(&tree);
    let reported = built.report(
        root,
        compilers(&tree),
        way.as_str(),
        command,
        ended_by,
        missed,
    );
    detached?;
    // The process ends below without running destructors, so remove the log now.
    drop(calls);
    match ended? {
        Ended::Exited(0) => reported.map(|()| Exit::Success),
        ended => end(ended),
    }
}

/// Runs the build as it would run without rock-wrap, but reports it.
fn without_launcher(
    args: &RunArgs,
    program: PathBuf,
    mut command: Command,
    launcher: &Launcher,
    outputs: ReportOutputs<'_>,
    signals: &Signals,
    why: &CliError,
) -> Result<Exit, CliError> {
    let why = output::chain(why);
    output::warning(format_args!("building without a cache: {why}"));
    let calls = NamedTempFile::with_prefix("rock-wrap-events-").map_err(CliError::Events)?;
    let reporting = outputs.begin_without(launcher, calls.path(), why);
    command
        .env("ROCK_WRAP_DISABLE", "1")
        .env(call_log::VARIABLE, calls.path())
        // A hipcc that knows the variable would call the launcher itself.
        .env_remove(HIP_CLANG_LAUNCHER);
    let ended = session::run(program, command, signals);
    let tree = args.tree.rocm_path.clone().unwrap_or_default();
    let ended_by = ended.as_ref().ok().copied();
    let reported = reporting.built().report(
        &tree,
        Vec::new(),
        UNATTACHED,
        &args.command,
        ended_by,
        Unseen::default,
    );
    drop(calls);
    match ended? {
        Ended::Exited(0) => {
            reported?;
            args.report.without_cache().map(|()| Exit::Success)
        }
        ended => end(ended),
    }
}

/// The files of the tree's compilers. They were recorded when the tree was wrapped; only what has changed since is read
/// again. Returns nothing if there is no cache directory: no builds are compared then.
fn compilers(tree: &Tree) -> Vec<CompilerParts> {
    if paths::cache_dir().is_none() {
        return Vec::new();
    }
    let memo = Memo::of_user();
    let parts = |name: &CompilerName| {
        let path = tree.bin.join(name.as_os_str());
        let identity = Identity::take(&path, Some(&tree.root), &memo).ok()?;
        let name = name.as_os_str().display().to_string();
        Some(CompilerParts::of(name, tree.version(), &identity))
    };
    tree.names.iter().filter_map(parts).collect()
}

/// An explanation if there were no calls: what was wrapped, and what hipcc calls.
fn unseen(tree: &Tree) -> Unseen {
    let wrapped = tree.shown_names();
    let Some(hipcc) = tree.hipcc.clone().or_else(Hipcc::on_path) else {
        return Unseen {
            wrapped,
            hipcc: "no hipcc is on PATH".to_owned(),
            remedy: None,
        };
    };
    let path = hipcc.path.display();
    match hipcc.ask() {
        Ok(calls) => Unseen {
            wrapped,
            hipcc: format!("{path} calls {}", calls.display()),
            remedy: (!tree.covers(&calls)).then(|| {
                format!(
                    "to wrap the compiler that {path} calls, pass --compiler {}",
                    calls.display()
                )
            }),
        },
        Err(why) => Unseen {
            wrapped,
            hipcc: format!("{path} does not say which compiler it calls: {why}"),
            remedy: None,
        },
    }
}

/// Ends as the build did.
fn end(ended: Ended) -> Result<Exit, CliError> {
    match ended {
        Ended::Exited(code) => std::process::exit(code),
        Ended::Killed(signal) => die_by(signal),
    }
}

/// The compilers' directory of the session around this process, if it is for the same tree.
fn around(args: &RunArgs) -> Option<String> {
    let bin = std::env::var_os(SESSION)?;
    let log = std::env::var_os(call_log::VARIABLE)?;
    let tree = Tree::find(args.tree.rocm_path.as_deref(), &args.wrap.compilers).ok()?;
    (tree.bin == bin && Path::new(&log).exists()).then(|| tree.bin.display().to_string())
}

/// Executes the command in place of this process; returns only on failure.
fn become_command(program: &Path, mut command: Command) -> CliError {
    SessionError::Start {
        path: program.to_owned(),
        source: command.exec(),
    }
    .into()
}
