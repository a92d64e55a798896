//! Implements `rock-wrap report` and `rock-wrap why`: what reports of earlier builds tell.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{CliError, Exit, output};
use crate::report::diff::Difference;
use crate::report::history::History;
use crate::report::page;
use crate::report::stored::{StoredError, StoredReport};
use crate::report::why::{self, Why};
use crate::support::paths;

/// What to show.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ReportsArgs {
    /// A report written by `run --report`
    #[arg(value_name = "FILE", required = true)]
    file: Option<PathBuf>,
    /// Write it to OUT as an HTML page
    #[arg(long, value_name = "OUT", required = true)]
    html: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<ReportsCommand>,
}

#[derive(Debug, Subcommand)]
enum ReportsCommand {
    /// Show what changed between two builds
    Diff(DiffArgs),
}

#[derive(Debug, Args)]
struct DiffArgs {
    /// The report of the earlier build
    #[arg(value_name = "BEFORE")]
    before: PathBuf,
    /// The report of the later build
    #[arg(value_name = "AFTER")]
    after: PathBuf,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    /// Write the later report, with the changes, to OUT as an HTML page
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,
}

/// Which misses to explain.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// Show only units whose path contains UNIT, with everything that differs
    #[arg(value_name = "UNIT")]
    unit: Option<String>,
    /// The report of the build [default: the last build's in this directory]
    #[arg(long, value_name = "NEW")]
    report: Option<PathBuf>,
    /// The report of the build to compare with [default: the previous run's of the same build]
    #[arg(long, value_name = "OLD")]
    against: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// Shows reports.
pub fn main(args: &ReportsArgs) -> Result<Exit, CliError> {
    match (&args.command, &args.file, &args.html) {
        (Some(ReportsCommand::Diff(args)), _, _) => diff(args)?,
        (None, Some(file), Some(html)) => {
            let (_, json) = read(file)?;
            write_page(html, value(&json))?;
        }
        (None, _, _) => {}
    }
    Ok(Exit::Success)
}

fn diff(args: &DiffArgs) -> Result<(), CliError> {
    let (before, _) = read(&args.before)?;
    let (after, json) = read(&args.after)?;
    let difference = Difference::between(&before, &after);
    if let Some(html) = &args.html {
        let mut page = value(&json);
        page["difference"] = serde_json::to_value(&difference).expect("plain data");
        page["why"] =
            serde_json::to_value(why::explain(&after, &before, None)).expect("plain data");
        write_page(html, page)?;
    }
    if args.json {
        output::json(&difference);
    } else if args.html.is_none() {
        difference.lines().iter().for_each(output::answer);
    }
    Ok(())
}

/// Explains why calls missed.
pub fn why(args: &WhyArgs) -> Result<Exit, CliError> {
    let history = paths::cache_dir().map(|cache| History::within(&cache));
    let here = std::env::current_dir()
        .unwrap_or_default()
        .display()
        .to_string();
    let last = || history.as_ref()?.last(&here);
    let new = match &args.report {
        Some(path) => read(path)?.0,
        None => { last() }
            .and_then(|build| build.last())
            .ok_or(CliError::NoBuild)?,
    };
    let old = match &args.against {
        Some(path) => read(path)?.0,
        None => before(&new, history.as_ref()).ok_or(CliError::NoEarlierBuild)?,
    };
    let why = why::explain(&new, &old, args.unit.as_deref());
    if args.json {
        output::json(&why);
    } else {
        show(&why, args.unit.is_some());
    }
    Ok(Exit::Success)
}

/// The latest run of the same build that began before `new`.
fn before(new: &StoredReport, history: Option<&History>) -> Option<StoredReport> {
    let build = history?.build(&new.session.directory, &new.session.command);
    let runs = [build.last(), build.before()].into_iter().flatten();
    { runs }.find(|old| old.session.started < new.session.started)
}

fn show(why: &Why, each: bool) {
    const FEW: usize = 5;
    output::answer(&why.text);
    for cause in &why.causes {
        let count = cause.units.len();
        let units = if count == 1 { "unit" } else { "units" };
        output::answer(format_args!("{}: {count} {units}", cause.text));
        if let Some(remedy) = cause.remedy {
            output::answer(format_args!("    remedy: {remedy}"));
        }
        let shown = if each { count } else { FEW };
        for unit in cause.units.iter().take(shown) {
            output::answer(format_args!("    {unit}"));
        }
        if count > shown {
            output::answer(format_args!("    and {} more", count - shown));
        }
    }
}

/// A report, and its text.
fn read(path: &Path) -> Result<(StoredReport, Vec<u8>), CliError> {
    let refused = |source| CliError::Report {
        path: path.to_owned(),
        source,
    };
    let json = std::fs::read(path).map_err(|error| refused(StoredError::Read(error)))?;
    let report = StoredReport::parse(&json).map_err(refused)?;
    Ok((report, json))
}

fn value(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("it was read before")
}

/// Writes the page of a report.
fn write_page(path: &Path, report: Value) -> Result<(), CliError> {
    let written = File::create(path).and_then(|file| page::write(BufWriter::new(file), report));
    written.map_err(|source| CliError::Output {
        path: path.to_owned(),
        source,
    })
}
