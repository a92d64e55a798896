//! How answers, warnings and errors look: answers on standard output, everything else on standard
//! error behind `rock-wrap:`.

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

/// Obeys `--color`.
pub fn set_color(choice: ColorChoice) {
    let choice = match choice {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

// A reader that has gone away (`rock-wrap status | head -1`) is no reason to fail: all writes below
// let errors pass.

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

/// Tells a person who waits at a terminal what is being done, in a line that the next one replaces.
pub fn progress(what: &str) {
    let _ = write!(anstream::stderr(), "\r\x1b[Krock-wrap: examining {what}");
}

/// Takes the last such line away.
pub fn end_progress() {
    let _ = write!(anstream::stderr(), "\r\x1b[K");
}

/// Prints the answer in JSON.
pub fn json(value: &impl Serialize) {
    let text = serde_json::to_string_pretty(value).expect("our own types are plain data");
    answer(text);
}

/// A path in JSON, for serde's `serialize_with`. JSON is text: bytes that are none show as U+FFFD.
pub fn path<S: Serializer>(path: impl AsRef<Path>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&path.as_ref().display())
}

/// The same for a path that may be absent.
pub fn some_path<S: Serializer>(path: &Option<impl AsRef<Path>>, to: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(some) => self::path(some, to),
        None => to.serialize_none(),
    }
}

/// Tells a person what is going on.
pub fn note(line: impl Display) {
    say(&format!("rock-wrap: {line}\n"));
}

/// Warns a person.
pub fn warning(line: impl Display) {
    say(&format!("rock-wrap: {WARNING}warning:{WARNING:#} {line}\n"));
}

/// Tells a person what can be done about what was said before.
pub fn hint(line: impl Display) {
    say(&format!("rock-wrap: {HINT}hint:{HINT:#} {line}\n"));
}

/// Says something to the program that reads our output, as it wants to hear it.
pub fn command(line: impl Display) {
    say(&format!("{line}\n"));
}

/// Writes to standard error, which has no buffer, at once: the lines of two rock-wraps that wait for
/// each other do not mix.
fn say(text: &str) {
    let _ = anstream::stderr().write_all(text.as_bytes());
}

/// Prints an error, its sources and what can be done about it.
pub fn error(error: &CliError) {
    let text = chain(error);
    say(&format!("rock-wrap: {ERROR}error:{ERROR:#} {text}\n"));
    hints::of(error).into_iter().for_each(hint);
}

/// Prints what clap says of a wrong command line, as one of our errors.
pub fn usage_error(error: &clap::Error) {
    let _ = write!(anstream::stderr(), "rock-wrap: {}", error.render().ansi());
}

/// What operations have to say goes to standard error.
pub struct Terminal;

impl Messages for Terminal {
    fn note(&self, text: &str) {
        note(text);
    }

    fn warning(&self, text: &str) {
        warning(text);
    }
}
