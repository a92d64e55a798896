//! Implements `rock-wrap install`.

use serde::Serialize;

use super::{CliError, Exit, InstallArgs, WrapArgs, output};
use crate::install::shims::Policy;
use crate::install::{Applied, Bin, Did, Plan};
use crate::launcher::Launcher;
use crate::operation::{Change, Prepared, prepare};
use crate::rocm::{CompilerName, Tree};
use crate::support::signals::Signals;

/// Runs the command.
pub fn main(args: &InstallArgs) -> Result<Exit, CliError> {
    let named = args.wrap.launcher.as_deref().map(Launcher::find);
    let named = named.transpose()?;
    let tree = Tree::find(args.tree.rocm_path.as_deref(), &args.wrap.compilers)?;
    let bin = Bin::open(&tree.bin)?;
    let prepare = || -> Result<_, CliError> {
        let observed = bin.observe()?;
        Ok(prepare(&tree, &bin, observed, named, args.wrap.policy())?)
    };
    if args.plan.dry_run {
        let prepared = prepare()?;
        show(
            &tree,
            &prepared,
            args.plan.json,
            Done::Planned(&prepared.plan),
        );
        return Ok(Exit::Success);
    }
    let signals = Signals::watch().map_err(CliError::Signals)?;
    let change = Change::begin("install", &bin, Some(&signals), &output::TerminalMessages)?;
    let prepared = prepare()?;
    let outcome = change.apply_for_good(&prepared.plan, &signals)?;
    show(&tree, &prepared, args.plan.json, Done::Done(&outcome));
    Ok(Exit::Success)
}

impl WrapArgs {
    /// How the launcher is used.
    pub fn policy(&self) -> Policy {
        Policy {
            per_arch: self.per_arch,
            strict: self.strict,
            exact: self.exact,
        }
    }
}

/// The result of an install.
enum Done<'a> {
    Planned(&'a Plan),
    Done(&'a Applied),
}

/// The output in JSON.
#[derive(Serialize)]
struct InstallAnswer<'a> {
    #[serde(serialize_with = "output::path")]
    rocm_path: &'a std::path::Path,
    found_by: &'a str,
    rocm_version: Option<String>,
    #[serde(serialize_with = "output::path")]
    bin: &'a std::path::Path,
    compilers: Vec<AnswerCompiler<'a>>,
    launcher: Option<String>,
    #[serde(serialize_with = "output::some_path")]
    hipcc: Option<&'a std::path::Path>,
    hipcc_knows_launcher: Option<bool>,
    warnings: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a Plan>,
}

#[derive(Serialize)]
struct AnswerCompiler<'a> {
    name: String,
    layout: String,
    #[serde(serialize_with = "output::path")]
    real: &'a std::path::Path,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    did: Option<Did>,
}

fn show(tree: &Tree, prepared: &Prepared, json: bool, done: Done<'_>) {
    let (survey, launcher) = (&prepared.survey, prepared.launcher.as_ref());
    let missed = tree.misses_hipcc();
    let (plan, dids, late) = match done {
        Done::Planned(plan) => (Some(plan), &plan.names, &plan.warnings),
        Done::Done(outcome) => (None, &outcome.names, &outcome.warnings),
    };
    let did = |name: &CompilerName| {
        dids.iter()
            .find(|did| did.name == name.as_os_str())
            .map(|did| did.did)
    };
    let warnings: Vec<&str> = survey
        .warnings
        .iter()
        .chain(&missed)
        .chain(late)
        .map(String::as_str)
        .collect();
    if json {
        output::json(&InstallAnswer {
            rocm_path: &tree.root,
            found_by: tree.found_by,
            rocm_version: tree.version(),
            bin: &tree.bin,
            compilers: survey
                .compilers
                .iter()
                .map(|compiler| AnswerCompiler {
                    name: compiler.name.to_string(),
                    layout: compiler.layout.to_string(),
                    real: &compiler.real,
                    version: &compiler.version,
                    did: did(&compiler.name),
                })
                .collect(),
            launcher: launcher.map(ToString::to_string),
            hipcc: survey.hipcc.as_ref().map(|hipcc| hipcc.path.as_path()),
            hipcc_knows_launcher: survey.hipcc.as_ref().map(|hipcc| hipcc.knows_launcher),
            warnings,
            plan,
        });
        return;
    }
    let version = tree
        .version()
        .unwrap_or_else(|| "of unknown version".to_owned());
    output::answer(format_args!(
        "ROCm {version} at {} (from {})",
        tree.root.display(),
        tree.found_by
    ));
    output::answer(format_args!("compilers in {}:", tree.bin.display()));
    for compiler in &survey.compilers {
        let did = match (plan, did(&compiler.name)) {
            (Some(_), _) | (_, None) => "",
            (_, Some(Did::AlreadyInstalled)) => ": already wrapped",
            (_, Some(Did::Switched)) => ": wrapped anew",
            (_, Some(_)) => ": wrapped",
        };
        output::answer(format_args!(
            "  {} ({}; {}; {}){did}",
            compiler.name,
            compiler.layout,
            compiler.version,
            compiler.real.display(),
        ));
    }
    match launcher {
        Some(launcher) => output::answer(format_args!("launcher: {launcher}")),
        None => output::answer(
            "launcher: none; nothing is cached unless HIP_CLANG_LAUNCHER is set, or until \
             `rock-wrap install --launcher NAME`",
        ),
    }
    if let Some(hipcc) = &survey.hipcc {
        let knows = if hipcc.knows_launcher {
            "obeys"
        } else {
            "does not know"
        };
        output::answer(format_args!(
            "hipcc: {} {knows} HIP_CLANG_LAUNCHER",
            hipcc.path.display()
        ));
    }
    if let Some(plan) = plan {
        output::answer("would do:");
        for line in plan.to_string().lines() {
            output::answer(format_args!("  {line}"));
        }
        if plan.is_empty() {
            output::answer("  nothing");
        }
    }
    for warning in warnings {
        output::warning(warning);
    }
}
