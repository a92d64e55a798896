//! Implements `rock-wrap man`: the manual pages, made from the definition of the command line.

use std::fs::create_dir_all;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::variables::SETTINGS;
use super::{Cli, CliError, Exit, ManArgs, exit, output};

/// Prints `rock-wrap.1`, or writes all pages to a directory.
pub fn main(args: &ManArgs) -> Result<Exit, CliError> {
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    let Some(dir) = &args.output else {
        output::answer(page(&cli).trim_end());
        return Ok(Exit::Success);
    };
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| CliError::Output { path, source }
    };
    create_dir_all(dir).map_err(failed(dir))?;
    let shown = cli.get_subcommands().filter(|it| !it.is_hide_set());
    for command in shown.chain([&cli]) {
        let file: PathBuf = dir.join(Man::new(command.clone()).get_filename());
        std::fs::write(&file, page(command)).map_err(failed(&file))?;
    }
    Ok(Exit::Success)
}

/// The manual page of one command. Examples and tables are rendered here: clap does not define them as such, and the
/// crate would fill their lines like prose.
fn page(command: &Command) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let man = Man::new(command.clone())
        // No date: the pages of one version are the same whenever they are made.
        .date("\"\"")
        .source(format!("rock-wrap {version}"))
        .manual("rock-wrap");
    let mut page = Vec::new();
    let mut sections = vec![
        Man::render_title,
        Man::render_name_section,
        Man::render_synopsis_section,
        Man::render_description_section,
        Man::render_options_section,
    ];
    if command.has_subcommands() {
        sections.push(Man::render_subcommands_section);
    }
    for section in sections {
        section(&man, &mut page).expect("a vector can be written to");
    }
    let more = if command.has_subcommands() {
        tables()
    } else {
        examples(command)
    };
    // Two breaks around an empty line are one blank line, which mandoc warns about.
    let page = String::from_utf8_lossy(&page).replace(".br\n\n.br\n", ".sp\n");
    // `to_roff` leaves out the string for apostrophes, which the sections before have defined.
    page + &more.to_roff()
}

/// The environment variables and exit statuses.
fn tables() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["ENVIRONMENT"]);
    for (names, meaning) in SETTINGS.variables {
        entry(&mut roff, names, meaning);
    }
    roff.control("SH", ["EXIT STATUS"]);
    for exit in Exit::ALL {
        entry(&mut roff, &(exit as u8).to_string(), exit.meaning());
    }
    roff.control("PP", []);
    roff.text([roman(exit::OTHERWISE)]);
    roff
}

fn entry(roff: &mut Roff, name: &str, meaning: &str) {
    roff.control("TP", []);
    roff.text([roman(name)]);
    roff.text([roman(meaning)]);
}

/// The examples of a command, and the notes that follow them in its help.
fn examples(command: &Command) -> Roff {
    let help = command.get_after_help().map(ToString::to_string);
    let help = help.unwrap_or_default();
    let (examples, rest) = help.split_once("\n\n").unwrap_or((&help, ""));
    let mut roff = Roff::new();
    if !rest.is_empty() {
        roff.control("SH", ["NOTES"]);
        roff.text([roman(rest)]);
    }
    roff.control("SH", ["EXAMPLES"]);
    roff.control("nf", []);
    for line in examples.lines().skip(1) {
        roff.text([roman(line.trim_start())]);
    }
    roff.control("fi", []);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("rock-wrap(1)")]);
    roff
}
