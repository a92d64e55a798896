//! `rock-wrap restore`.

use serde::Serialize;

use super::{CliError, Exit, RestoreArgs, install, output};
use crate::install::{Bin, Did, Goal, Locked, NameDid, Outcome, Plan};
use crate::rocm::Tree;
use crate::support::signals::Signals;

/// The answer in JSON.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(serialize_with = "output::path")]
    bin: &'a std::path::Path,
    names: &'a [NameDid],
    warnings: &'a [String],
    /// How many processes kept the real compilers' second names from being removed.
    in_use: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a Plan>,
}

/// Restores.
pub fn main(args: &RestoreArgs) -> Result<Exit, CliError> {
    let tree = Tree::find_installed(args.tree.rocm_path.as_deref())?;
    let bin = Bin::open(&tree.bin)?;
    if args.plan.dry_run {
        let plan = install::plan_for(&tree, &bin, &Goal::Restore)?;
        show_plan(&tree, &plan, args.plan.json);
        return Ok(Exit::Success);
    }
    let signals = Signals::watch().map_err(CliError::Signals)?;
    let locked = install::lock(&bin, Some(&signals))?;
    let keeper = locked.keeper()?;
    let outcome = restore(&tree, &bin, &locked, &signals)?;
    // Whatever session may have wrapped it has nothing to restore any more.
    install::end_sharing("restore", &locked, keeper)?;
    drop(locked);
    if args.plan.json {
        output::json(&Answer {
            bin: &tree.bin,
            names: &outcome.names,
            warnings: &outcome.warnings,
            in_use: outcome.in_use.unwrap_or(0),
            plan: None,
        });
    } else {
        show(&tree, &outcome);
    }
    let lost = outcome.names.iter().any(|name| name.did == Did::Lost);
    Ok(if outcome.in_use.is_some() || lost {
        Exit::Incomplete
    } else {
        Exit::Success
    })
}

/// Puts the originals back.
pub fn restore(
    tree: &Tree,
    bin: &Bin,
    locked: &Locked<'_>,
    signals: &Signals,
) -> Result<Outcome, CliError> {
    let plan = install::plan_for(tree, bin, &Goal::Restore)?;
    install::apply("restore", locked, &plan, signals)
}

fn show_plan(tree: &Tree, plan: &Plan, json: bool) {
    if json {
        let (names, warnings) = (&plan.names, &plan.warnings);
        output::json(&Answer {
            bin: &tree.bin,
            names,
            warnings,
            in_use: 0,
            plan: Some(plan),
        });
        return;
    }
    output::answer(format_args!("would do in {}:", tree.bin.display()));
    for line in plan.to_string().lines() {
        output::answer(format_args!("  {line}"));
    }
    if plan.is_empty() {
        output::answer("  nothing: it is not wrapped");
    }
    plan.warnings.iter().for_each(output::warning);
}

fn show(tree: &Tree, outcome: &Outcome) {
    output::answer(format_args!("compilers in {}:", tree.bin.display()));
    for NameDid { name, did } in &outcome.names {
        output::answer(format_args!("  {}: {}", name.display(), sentence(*did)));
    }
    if outcome.names.is_empty() {
        output::answer("  not wrapped; nothing to do");
    }
    tell(outcome);
}

/// What a person must know in any case.
pub fn tell(outcome: &Outcome) {
    outcome.warnings.iter().for_each(output::warning);
    for NameDid { name, did } in &outcome.names {
        if matches!(did, Did::KeptNewer | Did::Gone | Did::Lost | Did::LeftAlone) {
            output::warning(format_args!("{}: {}", name.display(), sentence(*did)));
        }
    }
    if let Some(processes) = outcome.in_use {
        output::warning(format_args!(
            "the originals are back; {processes} processes still use the compilers' second names, \
             which `rock-wrap restore` removes when they have ended"
        ));
    }
}

fn sentence(did: Did) -> &'static str {
    match did {
        Did::Installed | Did::Switched => "wrapped",
        Did::AlreadyInstalled => "already wrapped",
        Did::Restored => "restored",
        Did::PutBackMissing => "it was gone; its original is back",
        Did::Recreated => "its original was gone; made anew from the record",
        Did::KeptNewer => "not our shim any more: kept as it is, and what was left of ours removed",
        Did::ClearedUp => "the original stood there already; what was left of ours is removed",
        Did::Gone => "somebody removed it, and its original leads nowhere: nothing to put back",
        Did::Lost => "its original is gone: the shim was left; reinstall the package it came with",
        Did::LeftAlone => "files that look like ours and are not: left alone",
    }
}
