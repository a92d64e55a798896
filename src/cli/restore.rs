//! Implements `rock-wrap restore`.

use serde::Serialize;

use super::{CliError, Exit, RestoreArgs, output};
use crate::install::{Applied, Bin, Did, NameDid, Plan};
use crate::operation::{Change, restore_plan};
use crate::rocm::Tree;
use crate::support::signals::Signals;

/// The output in JSON.
#[derive(Serialize)]
struct RestoreAnswer<'a> {
    #[serde(serialize_with = "output::path")]
    bin: &'a std::path::Path,
    names: &'a [NameDid],
    warnings: &'a [String],
    /// The number of processes that kept the real compilers' aliases from being removed.
    in_use: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a Plan>,
}

/// Runs the command.
pub fn main(args: &RestoreArgs) -> Result<Exit, CliError> {
    let tree = Tree::find_installed(args.tree.rocm_path.as_deref())?;
    let bin = Bin::open(&tree.bin)?;
    if args.plan.dry_run {
        let plan = restore_plan(&tree, &bin)?;
        show_plan(&tree, &plan, args.plan.json);
        return Ok(Exit::Success);
    }
    let signals = Signals::watch().map_err(CliError::Signals)?;
    let change = Change::begin("restore", &bin, Some(&signals), &output::TerminalMessages)?;
    let outcome = change.apply_for_good(&restore_plan(&tree, &bin)?, &signals)?;
    drop(change);
    if args.plan.json {
        output::json(&RestoreAnswer {
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

fn show_plan(tree: &Tree, plan: &Plan, json: bool) {
    if json {
        let (names, warnings) = (&plan.names, &plan.warnings);
        output::json(&RestoreAnswer {
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

fn show(tree: &Tree, outcome: &Applied) {
    output::answer(format_args!("compilers in {}:", tree.bin.display()));
    for NameDid { name, did } in &outcome.names {
        output::answer(format_args!("  {}: {}", name.display(), did.sentence()));
    }
    if outcome.names.is_empty() {
        output::answer("  not wrapped; nothing to do");
    }
    outcome.notable().iter().for_each(output::warning);
}
