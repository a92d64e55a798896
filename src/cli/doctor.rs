//! Implements `rock-wrap doctor`: checks whether caching is safe and works here. The checks
//! themselves are in [`doctor`](crate::doctor).

use std::io::IsTerminal;
use std::time::Instant;

use serde::Serialize;

use super::{CliError, DoctorArgs, Exit, output};
use crate::doctor::bench::Bench;
use crate::doctor::{self, Finding, Severity, Subject};
use crate::install::{Bin, Observed};
use crate::launcher::Launcher;
use crate::operation::{OperationError, installed_launcher};
use crate::rocm::Tree;

/// The output in JSON; see `docs/doctor.md`.
#[derive(Serialize)]
struct DoctorAnswer<'a> {
    /// The severity of the worst finding.
    verdict: Severity,
    /// How long the checks took.
    seconds: f32,
    findings: &'a [Finding],
}

/// Runs the checks and prints the findings.
pub fn main(args: &DoctorArgs) -> Result<Exit, CliError> {
    let start = Instant::now();
    let progress = Progress::new();
    progress.tell("the compiler's files");
    let tree = Tree::find_installed(args.tree.rocm_path.as_deref())?;
    let bin = Bin::open(&tree.bin)?;
    let observed = bin.observe()?;
    let launcher = launcher(args, &observed)?;
    let subject = Subject::new(tree, &observed, launcher)?;
    let bench = Bench::new(&subject).map_err(CliError::Bench)?;
    let findings = doctor::examine(&subject, &bench, &|title| progress.tell(title));
    // Stop the test cache's server and remove its files before the output is printed.
    drop(bench);
    drop(progress);
    let verdict = doctor::worst(&findings);
    if args.json {
        output::json(&DoctorAnswer {
            verdict,
            seconds: start.elapsed().as_secs_f32(),
            findings: &findings,
        });
    } else {
        findings.iter().for_each(output::finding);
        output::answer(sentence(verdict));
    }
    Ok(match verdict {
        Severity::Ok | Severity::Warning => Exit::Success,
        Severity::Error => Exit::Failed,
    })
}

/// Shows on a terminal which check is running, and clears the line at the end.
struct Progress {
    on_terminal: bool,
}

impl Progress {
    fn new() -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        Self { on_terminal }
    }

    fn tell(&self, title: &str) {
        if self.on_terminal {
            output::progress(title);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.on_terminal {
            output::end_progress();
        }
    }
}

/// The launcher that a build would use: the one named, HIP_CLANG_LAUNCHER, the installed one, or
/// one on PATH.
fn launcher(args: &DoctorArgs, observed: &Observed) -> Result<Launcher, CliError> {
    if let Some(word) = &args.launcher {
        return Ok(Launcher::find(word)?);
    }
    if let Some(launcher) = Launcher::from_environment()? {
        return Ok(launcher);
    }
    match installed_launcher(observed)? {
        (Some(launcher), _) => Ok(launcher),
        (None, _) => Ok(Launcher::find_any()?.ok_or(OperationError::NoLauncher)?),
    }
}

fn sentence(verdict: Severity) -> &'static str {
    match verdict {
        Severity::Ok => "caching is safe and works",
        Severity::Warning => "caching is safe and works; see the warnings",
        Severity::Error => "caching is not safe or does not work; see the errors",
    }
}
