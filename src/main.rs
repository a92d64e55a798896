//! Runs the `rock-wrap` command, which [`rock_wrap::cli`] implements.

use std::process::ExitCode;

fn main() -> ExitCode {
    rock_wrap::cli::main().into()
}
