//! Formats output: answers go to standard output, everything else to standard error with the prefix
//! `rock-wrap:`.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use clap::ColorChoice;
use serde::{Serialize, Serializer};

use super::{CliError, hints};
use crate::doctor::{Finding, Severity};
use crate::operation::Messages;
pub use crate::support::error_chain::chain;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();
const GOOD: Style = AnsiColor::Green.on_default();

/// Applies `--color`.
pub fn set_color(choice: ColorChoice) {
    let choice = match choice {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

// A reader that closes its end (`rock-wrap status | head -1`) is not a failure, so all functions
// below ignore write errors.

/// Prints one line of the answer.
pub fn answer(line: impl Display) {
    let _ = writeln!(anstream::stdout(), "{line}");
}

/// Prints a finding as part of the answer.
pub fn finding(finding: &Finding) {
    let (word, style) = match finding.severity {
        Severity::Ok => ("ok", GOOD),
        Severity::Warning => ("warning", WARNING),
        Severity::Error => ("error", ERROR),
    };
    answer(format_args!(
        "{style}{word:>7}{style:#}  {}",
        finding.statement
    ));
    if let Some(evidence) = &finding.evidence {
        answer(format_args!("         {evidence}"));
    }
    if let Some(remedy) = &finding.remedy {
        answer(format_args!("         {HINT}remedy:{HINT:#} {remedy}"));
    }
}

/// Shows the current check on the terminal, in a line that the next one replaces.
pub fn progress(what: &str) {
    let _ = write!(anstream::stderr(), "\r\x1b[Krock-wrap: examining {what}");
}

/// Clears the last progress line.
pub fn end_progress() {
    let _ = write!(anstream::stderr(), "\r\x1b[K");
}

/// Prints the answer in JSON.
pub fn json(value: &impl Serialize) {
    let text = serde_json::to_string_pretty(value).expect("our own types are plain data");
    answer(text);
}

/// A path in JSON, for serde's `serialize_with`. JSON is text, so invalid UTF-8 becomes U+FFFD.
pub fn path<S: Serializer>(path: impl AsRef<Path>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&path.as_ref().display())
}

/// Like [`path`], for an optional path.
pub fn some_path<S: Serializer>(path: &Option<impl AsRef<Path>>, to: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(some) => self::path(some, to),
        None => to.serialize_none(),
    }
}

/// Prints a progress message.
pub fn note(line: impl Display) {
    say(&format!("rock-wrap: {line}\n"));
}

/// Prints a warning.
pub fn warning(line: impl Display) {
    say(&format!("rock-wrap: {WARNING}warning:{WARNING:#} {line}\n"));
}

/// Prints a hint for the preceding message.
pub fn hint(line: impl Display) {
    say(&format!("rock-wrap: {HINT}hint:{HINT:#} {line}\n"));
}

/// Prints a line for the program that reads our output, without a prefix.
pub fn command(line: impl Display) {
    say(&format!("{line}\n"));
}

/// Writes to standard error, which is unbuffered, in one call, so that the lines of two rock-wraps
/// that wait for each other do not mix.
fn say(text: &str) {
    let _ = anstream::stderr().write_all(text.as_bytes());
}

/// Prints an error, its sources and its hints.
pub fn error(error: &CliError) {
    let text = chain(error);
    say(&format!("rock-wrap: {ERROR}error:{ERROR:#} {text}\n"));
    hints::of(error).into_iter().for_each(hint);
}

/// Prints clap's message about an invalid command line in the form of our errors.
pub fn usage_error(error: &clap::Error) {
    let _ = write!(anstream::stderr(), "rock-wrap: {}", error.render().ansi());
}

/// Prints the messages of operations to standard error.
pub struct TerminalMessages;

impl Messages for TerminalMessages {
    fn note(&self, text: &str) {
        note(text);
    }

    fn warning(&self, text: &str) {
        warning(text);
    }
}
