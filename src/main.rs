//! Runs the `rock-wrap` command, which [`rock_wrap::cli`] implements.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = rock_wrap::parts::main(std::env::args_os()) {
        return code;
    }
    rock_wrap::cli::main().into()
}
