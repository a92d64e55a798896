//! `rock-wrap install`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{CliError, Exit, InstallArgs, WrapArgs, output};
use crate::install::shims;
use crate::install::shims::{Policy, Survey};
use crate::install::{
    Bin, Did, Entry, Error, Goal, Keeper, Locked, Outcome, Plan, ProcDrain, plan,
};
use crate::launcher::Launcher;
use crate::rocm::{Name, Tree};
use crate::shim_image;
use crate::support::signals::Signals;

/// How long another install or restore is waited for. Each takes milliseconds of its own, and may
/// itself wait as long as [`DRAIN_LIMIT`].
const LOCK_LIMIT: Duration = Duration::from_secs(60);

/// How long running compiles that still need the real compiler's second name are waited for.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// Installs.
pub fn main(args: &InstallArgs) -> Result<Exit, CliError> {
    let named = args.wrap.launcher.as_deref().map(Launcher::find);
    let named = named.transpose()?;
    let tree = Tree::find(args.tree.rocm_path.as_deref(), &args.wrap.compilers)?;
    let missed = tree.misses_hipcc();
    let names = tree.names.clone();
    let bin = Bin::open(&tree.bin)?;
    let (launcher, policy) = match named {
        Some(launcher) => (Some(launcher), args.wrap.policy()),
        None => {
            let (launcher, kept) = installed(&bin)?;
            let policy = Policy {
                strict: kept.strict || args.wrap.strict,
                exact: kept.exact || args.wrap.exact,
            };
            (launcher, policy)
        }
    };
    if args.plan.dry_run {
        let (mut survey, plan) = prepare(&tree, &bin, &names, launcher.as_ref(), policy)?;
        survey.warnings.extend(missed);
        show(
            &tree,
            &survey,
            launcher.as_ref(),
            args.plan.json,
            Done::Planned(&plan),
        );
        return Ok(Exit::Success);
    }
    let signals = Signals::watch().map_err(CliError::Signals)?;
    let locked = lock(&bin, Some(&signals))?;
    let (mut survey, plan) = prepare(&tree, &bin, &names, launcher.as_ref(), policy)?;
    survey.warnings.extend(missed);
    let keeper = locked.keeper()?;
    let outcome = apply("install", &locked, &plan, &signals)?;
    // From now on it is wrapped for good, whatever session may have wrapped it.
    end_sharing("install", &locked, keeper)?;
    show(
        &tree,
        &survey,
        launcher.as_ref(),
        args.plan.json,
        Done::Done(&outcome),
    );
    Ok(Exit::Success)
}

/// The launcher of the shims that stand there, and how they use it: what an install keeps
/// that names none.
pub fn installed(bin: &Bin) -> Result<(Option<Launcher>, Policy), CliError> {
    let observed = bin.observe(&Goal::Restore)?;
    let shims = observed.names.iter().filter_map(|known| match &known.at {
        Entry::Shim { image, .. } => shim_image::read(image)?.ok(),
        _ => None,
    });
    let Some(config) = shims.into_iter().find(|config| !config.launcher.is_empty()) else {
        return Ok((None, Policy::default()));
    };
    let launcher = Launcher::find(OsStr::from_bytes(config.launcher))?;
    let policy = Policy {
        strict: config.strict,
        exact: config.exact,
    };
    Ok((Some(launcher), policy))
}

impl WrapArgs {
    /// How the launcher is to be used.
    pub fn policy(&self) -> Policy {
        Policy {
            strict: self.strict,
            exact: self.exact,
        }
    }
}

/// Keeps other installs and restores out, telling a person whom we wait for. A signal among `signals`
/// ends the wait.
pub fn lock<'a>(bin: &'a Bin, signals: Option<&Signals>) -> Result<Locked<'a>, CliError> {
    /// How long a signal may go unnoticed.
    const SLICE: Duration = Duration::from_millis(100);
    let start = Instant::now();
    let mut told = false;
    let mut tell = |pid: Option<u32>| {
        match pid {
            _ if told => {}
            Some(pid) => output::note(format_args!(
                "waiting for process {pid}, which changes the tree"
            )),
            None => output::note("waiting for somebody else who changes the tree"),
        }
        told = true;
    };
    loop {
        match bin.lock(SLICE, &mut tell) {
            Err(Error::Locked { .. }) if start.elapsed() < LOCK_LIMIT => {}
            locked => return Ok(locked?),
        }
        if let Some(signal) = signals.and_then(Signals::pending) {
            return Err(CliError::Interrupted(signal));
        }
    }
}

/// Runs a plan; a signal takes it back.
pub fn apply(
    what: &'static str,
    locked: &Locked<'_>,
    plan: &Plan,
    signals: &Signals,
) -> Result<Outcome, CliError> {
    tracing::debug!("plan:\n{plan}");
    let drain = ProcDrain { limit: DRAIN_LIMIT };
    locked
        .apply(plan, &|| signals.pending(), &drain)
        .map_err(|failure| CliError::Failed { what, failure })
}

/// Takes the tree from the sessions that wrapped it, if any did, now that `what` has succeeded. Not
/// before: after a failure everything is as it was, and so the sessions still have to restore.
pub fn end_sharing(
    what: &'static str,
    locked: &Locked<'_>,
    keeper: Keeper,
) -> Result<(), CliError> {
    match keeper {
        Keeper::Nobody => Ok(()),
        Keeper::Abandoned | Keeper::Sessions => locked
            .forget()
            .map_err(|source| CliError::StillShared { what, source }),
    }
}

/// The plan for a goal, from what stands in the directory now.
pub fn plan_for(tree: &Tree, bin: &Bin, goal: &Goal) -> Result<Plan, CliError> {
    let observed = bin.observe(goal)?;
    plan(&observed, goal).map_err(|refusal| CliError::Refused {
        dir: tree.bin.clone(),
        refusal,
    })
}

/// The plan for shims for `names`, from what stands in the directory now.
pub fn prepare(
    tree: &Tree,
    bin: &Bin,
    names: &[Name],
    launcher: Option<&Launcher>,
    policy: Policy,
) -> Result<(Survey, Plan), CliError> {
    let observed = bin.observe(&Goal::Restore)?;
    let survey = shims::survey(tree, &observed, names, launcher, policy)?;
    let plan = plan_for(tree, bin, &survey.goal)?;
    Ok((survey, plan))
}

/// What became of an install.
enum Done<'a> {
    Planned(&'a Plan),
    Done(&'a Outcome),
}

/// The answer in JSON.
#[derive(Serialize)]
struct Answer<'a> {
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

fn show(tree: &Tree, survey: &Survey, launcher: Option<&Launcher>, json: bool, done: Done<'_>) {
    let (plan, dids, late) = match done {
        Done::Planned(plan) => (Some(plan), &plan.names, &plan.warnings),
        Done::Done(outcome) => (None, &outcome.names, &outcome.warnings),
    };
    let did = |name: &Name| {
        dids.iter()
            .find(|did| did.name == name.as_os_str())
            .map(|did| did.did)
    };
    let warnings: Vec<&str> = survey
        .warnings
        .iter()
        .chain(late)
        .map(String::as_str)
        .collect();
    if json {
        output::json(&Answer {
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
        None => output::answer("launcher: none; a pass-through unless HIP_CLANG_LAUNCHER is set"),
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
