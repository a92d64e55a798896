//! The texts that users read: every help text and every error message, compared with files in `tests/snapshots/`.

mod errors;

use std::fmt::Write as _;
use std::io::{Error as IoError, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

use self::errors::*;
use crate::support::golden::{assert_current, source};
use crate::support::rocm::{ran, rock_wrap};
use clap::{Command, CommandFactory};
use rock_wrap::attach::AttachError;
use rock_wrap::ci::CiError;
use rock_wrap::cli::{Cli, CliError, hints};
use rock_wrap::doctor::scratch::DoctorError;
use rock_wrap::fingerprint::IdentityError;
use rock_wrap::install::shims::WrapError;
use rock_wrap::install::{After, Error as DivertError, Failure, Refusal};
use rock_wrap::launcher::LauncherError;
use rock_wrap::launcher::health::{HealthError, LauncherMessage};
use rock_wrap::launcher::stats::StatsError;
use rock_wrap::operation::OperationError;
use rock_wrap::report::Unseen;
use rock_wrap::report::stored::StoredError;
use rock_wrap::rocm::compiler::CompilerError;
use rock_wrap::rocm::{CompilerName, ProgramError, TreeError};
use rock_wrap::session::SessionError;
use rock_wrap::shared::launchers::kind::Version;
use rock_wrap::shim_image::TooLong;
use rock_wrap::support::error_chain::chain;

#[test]
fn help_reads_as_committed() {
    let mut cli = Cli::command().term_width(100);
    cli.build();
    let hold = |command: &Command| {
        let text = format!(
            "{}\n\n=== the short form, -h ===\n\n{}\n",
            trimmed(&command.clone().render_long_help().to_string()),
            trimmed(&command.clone().render_help().to_string())
        );
        assert_current(
            &format!("tests/snapshots/help/{}.txt", command.get_name()),
            &text,
        );
    };
    hold(&cli);
    cli.get_subcommands()
        .filter(|command| command.get_name() != "help")
        .for_each(hold);
}

fn trimmed(text: &str) -> String {
    text.lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn messages_about_a_wrong_command_line_read_as_committed() {
    let mut text = String::new();
    for words in [
        &["install", "--no-such-option"][..],
        &["no-such-command"],
        &["install", "extra"],
        &["install", "--rocm-path"],
        &["install", "--compiler", "g++"],
        &["status", "--color", "pink"],
        &["run"],
        &["run", "make"],
        &["run", "--attach", "magic", "--", "make"],
        &["explain", "--"],
    ] {
        let message = ran(&mut rock_wrap(words)).refused(2);
        writeln!(text, "$ rock-wrap {}\n{message}", words.join(" ")).unwrap();
    }
    assert_current("tests/snapshots/usage.txt", &text);
}

#[test]
fn errors_read_as_committed() {
    type Family = (&'static str, fn() -> Vec<CliError>);
    let families: [Family; 8] = [
        ("The tree", trees),
        ("The launcher", launchers),
        ("The compiler and its fingerprint", compilers),
        ("What the directory does not allow", refusals),
        ("Install and restore", failures),
        ("run and explain", sessions),
        ("doctor and status", examinations),
        ("The commands for CI", ci),
    ];
    let mut text = String::new();
    for (title, family) in families {
        writeln!(text, "=== {title} ===\n").unwrap();
        for error in family() {
            let status = match error.ends_by() {
                Some(signal) => format!("signal {signal}"),
                None => (error.exit() as u8).to_string(),
            };
            writeln!(text, "[{status}] error: {}", chain(&error)).unwrap();
            for hint in hints::of(&error) {
                writeln!(text, "    hint: {hint}").unwrap();
            }
            text.push('\n');
        }
    }
    assert_current("tests/snapshots/errors.txt", &text);
}

#[test]
fn errors_quoted_in_troubleshooting_are_those_of_the_program() {
    let read = |path| std::fs::read_to_string(source(path)).unwrap();
    let errors = read("tests/snapshots/errors.txt");
    let document = read("docs/troubleshooting.md");
    let quoted = document
        .lines()
        .filter_map(|line| line.strip_prefix("rock-wrap: error: "));
    let mut seen = 0;
    for quote in quoted {
        seen += 1;
        let beginning = quote.split("...").next().unwrap();
        assert!(errors.contains(&format!("] error: {beginning}")), "{quote}");
    }
    assert!(seen > 0);
}
