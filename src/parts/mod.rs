//! The parts program: compiles a call for several architectures one architecture at a time, so that the launcher looks
//! up and stores each one separately.
//!
//! Owns: what happens between a launcher's miss and its second look-up of the whole compile. The shim and the stand-in
//! become this program; [`shared::parts`](crate::shared::parts) says when. It runs the compiler's own commands, as
//! `-###` prints them, in another order and with other names for intermediate files. If it does not recognise
//! something, or if a part fails, the compile is made whole.
//!
//! ```text
//! commands    the driver's commands, parsed                                      (pure)
//! pipeline    which of them make a part, and which put the parts together        (pure)
//! arguments   what a launcher is called with for a part; which calls are whole   (pure)
//! wrapper     the commands behind clang-linker-wrapper
//! layout      whether a part that a launcher found is the right one
//! directory   the compile's directory
//! permits     how many parts may run at once
//! tokens      holding a job server's tokens
//! children    running commands, and passing signals on to them
//! compile     what the stand-in is asked to do
//! make        what the shim is asked to do
//! ```

mod arguments;
mod children;
mod commands;
mod compile;
mod directory;
mod layout;
mod make;
mod permits;
mod pipeline;
mod tokens;
mod wrapper;

pub use arguments::refusal;
pub use commands::Command;

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use crate::shared::parts::{COMPILER, MAKER};

/// Runs the parts program, if this process was started as that. Otherwise returns `None`.
#[must_use]
pub fn main(mut args: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let name = args.next()?;
    if name.as_bytes() == MAKER.to_bytes() {
        return Some(make::main(args.collect()));
    }
    if name.as_bytes() == COMPILER.to_bytes() {
        return Some(compile::main(&args.collect::<Vec<_>>()));
    }
    (name.as_bytes() == tokens::HOLDER.to_bytes()).then(tokens::main)
}

/// Converts words to C strings. A word of a command line has no NUL.
fn c_strings<'a>(words: impl Iterator<Item = &'a [u8]>) -> Vec<CString> {
    words
        .map(|word| CString::new(word).unwrap_or_default())
        .collect()
}
