//! Implements `rock-wrap report`: shows reports of earlier builds.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{CliError, Exit};
use crate::report::page;
use crate::report::stored::{StoredError, StoredReport};

/// What to show.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ReportsArgs {
    /// A report that `run --report` wrote
    #[arg(value_name = "FILE", required = true)]
    file: Option<PathBuf>,
    /// Write it to OUT as a page for a browser
    #[arg(long, value_name = "OUT", required = true)]
    html: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<ReportsCommand>,
}

#[derive(Debug, Subcommand)]
enum ReportsCommand {}

/// Shows reports.
pub fn main(args: &ReportsArgs) -> Result<Exit, CliError> {
    if let (Some(file), Some(html)) = (&args.file, &args.html) {
        let (_, json) = read(file)?;
        write_page(html, &json)?;
    }
    Ok(Exit::Success)
}

/// A report, and its text.
pub fn read(path: &Path) -> Result<(StoredReport, Vec<u8>), CliError> {
    let refused = |source| CliError::Report {
        path: path.to_owned(),
        source,
    };
    let json = std::fs::read(path).map_err(|error| refused(StoredError::Read(error)))?;
    let report = StoredReport::parse(&json).map_err(refused)?;
    Ok((report, json))
}

/// Writes the page of a report in JSON.
pub fn write_page(path: &Path, json: &[u8]) -> Result<(), CliError> {
    let written = File::create(path).and_then(|file| page::write(BufWriter::new(file), json));
    written.map_err(|source| CliError::Output {
        path: path.to_owned(),
        source,
    })
}
