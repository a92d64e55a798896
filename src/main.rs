//! The `rock-wrap` command. What it does is in [`rock_wrap::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    rock_wrap::cli::main().into()
}
