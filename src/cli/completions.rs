//! Implements `rock-wrap completions`: prints a script that completes the command line in a shell.

use clap::{Command, CommandFactory};

use super::{Cli, CompletionsArgs, Exit, output};

/// Prints the script.
pub fn main(args: &CompletionsArgs) -> Exit {
    let mut command = shown(&Cli::command());
    let mut script = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    output::answer(String::from_utf8_lossy(&script).trim_end());
    Exit::Success
}

/// The command line without hidden commands, which would be completed too.
pub fn shown(cli: &Command) -> Command {
    let shown = cli.get_subcommands().filter(|it| !it.is_hide_set());
    Command::new("rock-wrap")
        .version(env!("CARGO_PKG_VERSION"))
        .args(cli.get_arguments().cloned())
        .subcommands(shown.cloned())
}
