//! Implements the checks of `rock-wrap doctor`: whether caching is safe and works, by trying it.
//!
//! Owns: the lists of checks and the meaning of their results. A check is a function from the
//! [`Subject`] and the [`Bench`] to [`Finding`]s. Its conclusions are a separate pure function.
//! Must never change the tree, or stop a server other than its own.

pub mod bench;
pub mod subject;

mod clocks;
mod compiler;
mod judge;
mod launcher;
mod own_cache;
mod proof;
pub mod scratch;
mod surroundings;

use serde::Serialize;

use bench::Bench;
use scratch::DoctorError;
pub use subject::Subject;

use crate::support::error_chain::chain;

/// How bad a finding is, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Caching is safe and works, but something may be unexpected.
    Warning,
    /// Caching is not safe or does not work.
    Error,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check's stable id.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The result, in one line.
    pub statement: String,
    /// What it is based on.
    pub evidence: Option<String>,
    /// What the user can do about it.
    pub remedy: Option<String>,
}

impl Finding {
    fn new(check: &'static str, severity: Severity, statement: impl Into<String>) -> Self {
        Self {
            check,
            severity,
            statement: statement.into(),
            evidence: None,
            remedy: None,
        }
    }

    fn ok(check: &'static str, statement: impl Into<String>) -> Self {
        Self::new(check, Severity::Ok, statement)
    }

    fn warning(check: &'static str, statement: impl Into<String>) -> Self {
        Self::new(check, Severity::Warning, statement)
    }

    fn error(check: &'static str, statement: impl Into<String>) -> Self {
        Self::new(check, Severity::Error, statement)
    }

    fn evidence(mut self, evidence: impl Into<String>) -> Self {
        self.evidence = Some(evidence.into());
        self
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// One check, or several that use the same observation.
struct Check {
    /// Shown as progress.
    title: &'static str,
    run: fn(&Subject, &Bench) -> Result<Vec<Finding>, DoctorError>,
}

/// Checks that only inspect.
#[rustfmt::skip]
const LOOKS: &[Check] = &[
    Check { title: "the compiler", run: compiler::identity },
    Check { title: "the installation", run: compiler::installation },
    Check { title: "the launcher and its cache", run: launcher::cache },
    Check { title: "the environment", run: surroundings::environment },
    Check { title: "the clocks", run: clocks::clocks },
];

/// Checks that compile. Each builds on the previous ones, so the first error ends them.
#[rustfmt::skip]
const PROOFS: &[Check] = &[
    Check { title: "a cache of its own", run: proof::own_cache },
    Check { title: "a HIP compile, twice", run: proof::twice },
    Check { title: "edits that only device code sees", run: proof::edits },
    Check { title: "a changed device library", run: proof::bitcode },
    Check { title: "two outputs of one source", run: proof::names },
    Check { title: "a dependency file", run: proof::depfile },
    Check { title: "probes", run: proof::probes },
    Check { title: "remote storage", run: proof::remote },
    Check { title: "your own cache", run: proof::live },
];

/// Runs every check; calls `progress` before each.
pub fn examine(subject: &Subject, bench: &Bench, progress: &dyn Fn(&str)) -> Vec<Finding> {
    let run = |check: &Check| {
        progress(check.title);
        (check.run)(subject, bench).unwrap_or_else(|trouble| {
            let statement = format!("could not check {}", check.title);
            let finding = Finding::error("examination", statement).evidence(chain(&trouble));
            vec![finding.remedy(trouble.remedy())]
        })
    };
    let mut findings: Vec<_> = LOOKS.iter().flat_map(run).collect();
    for proof in PROOFS {
        if worst(&findings) == Severity::Error {
            let statement = "the remaining test compiles were skipped";
            let remedy = "fix the errors above and run `rock-wrap doctor` again";
            findings.push(Finding::warning("examination", statement).remedy(remedy));
            break;
        }
        findings.extend(run(proof));
    }
    findings
}

/// The severity of the worst finding.
#[must_use]
pub fn worst(findings: &[Finding]) -> Severity {
    let severities = findings.iter().map(|finding| finding.severity);
    severities.max().unwrap_or(Severity::Ok)
}
