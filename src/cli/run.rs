//! `rock-wrap run`: install, build, restore, report.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::process::Command;

use tempfile::NamedTempFile;

use super::install;
use super::{CliError, Exit, RunArgs, output};
use crate::image::LauncherKind;
use crate::launcher::Launcher;
use crate::launcher::stats::{Snapshot, StatsError};
use crate::session::{self, Ended};
use crate::shim::events;
use crate::signals::{Signals, die_by};

/// Paths below it are the same in every checkout; see [`decide`](crate::decide).
const BASE_DIR: &str = "ROCK_WRAP_BASE_DIR";

/// Names the launcher for hipcc and for the shim; one word.
const HIP_CLANG_LAUNCHER: &str = "HIP_CLANG_LAUNCHER";

/// Runs one build through the launcher.
pub fn main(args: &RunArgs) -> Result<Exit, CliError> {
    let (program, rest) = args.command.split_first().expect("clap requires a command");
    let program = session::find_command(program)?;
    let launcher = choose_launcher(args)?;
    let signals = Signals::watch().map_err(CliError::Signals)?;

    let calls = NamedTempFile::with_prefix("rock-wrap-events-").map_err(CliError::Events)?;
    let attached = install::attach(&args.tree, &args.wrap, &launcher, &signals)?;
    let before = Snapshot::take(&launcher);
    let mut command = Command::new(&program);
    command.args(rest).env(events::VARIABLE, calls.path());
    if attached.stays() {
        // The shims may know another launcher; this build's is the one that was chosen here.
        command.env(HIP_CLANG_LAUNCHER, &launcher.path);
    } else {
        // The shims know it. In the environment it would have a new hipcc put the launcher in
        // front of the shim as well.
        command.env_remove(HIP_CLANG_LAUNCHER);
    }
    if std::env::var_os(BASE_DIR).is_none()
        && let Ok(here) = std::env::current_dir()
    {
        command.env(BASE_DIR, here);
    }
    let ended = session::run(program, command, &signals);
    // Whatever became of the build, the tree comes first.
    let detached = attached.detach(&signals);
    report_calls(&calls);
    report_launcher(&launcher, before);
    detached?;
    // The process ends below without dropping anything: the log must go now.
    drop(calls);
    match ended? {
        Ended::Exited(code) => std::process::exit(code),
        Ended::Killed(signal) => die_by(signal),
    }
}

/// The launcher for this run: the one named, the one that hipcc would use, or one that is there.
fn choose_launcher(args: &RunArgs) -> Result<Launcher, CliError> {
    let from_environment = || std::env::var_os(HIP_CLANG_LAUNCHER).filter(|word| !word.is_empty());
    match args.wrap.launcher.clone().or_else(from_environment) {
        Some(word) => Ok(Launcher::find(&word)?),
        None => Launcher::find_any()?.ok_or(CliError::NoLauncher),
    }
}

/// Says how many calls went where. `5 launched, 12 direct (not-a-compile 9, disabled 3)`.
fn report_calls(log: &NamedTempFile) {
    let log = std::fs::read(log.path()).unwrap_or_default();
    let events = events::read(&log);
    let launched = events.iter().filter(|event| event.launched).count();
    let mut reasons = BTreeMap::<&str, usize>::new();
    for event in events.iter().filter(|event| !event.launched) {
        *reasons.entry(&event.detail).or_default() += 1;
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| Reverse(*count));
    let direct = events.len() - launched;
    let reasons = reasons
        .iter()
        .map(|(reason, count)| format!("{reason} {count}"));
    let reasons = reasons.collect::<Vec<_>>().join(", ");
    let reasons = if direct > 0 {
        format!(" ({reasons})")
    } else {
        reasons
    };
    output::note(format_args!(
        "calls: {launched} launched, {direct} direct{reasons}"
    ));
}

/// Says what the launcher counted during the build.
fn report_launcher(launcher: &Launcher, before: Result<Snapshot, StatsError>) {
    if launcher.kind == LauncherKind::Other {
        return;
    }
    let counts =
        before.and_then(|before| Ok(Snapshot::take(launcher)?.since(&before, launcher.kind)));
    match counts {
        Ok(counts) => output::note(format_args!("{}: {counts}", launcher.kind.as_str())),
        Err(error) => {
            let source = std::error::Error::source(&error);
            let source = source
                .map(|source| format!(": {source}"))
                .unwrap_or_default();
            output::warning(format_args!("{error}{source}"));
        }
    }
}
