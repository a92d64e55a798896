//! A configuration file that a call names: `--config=FILE`, `--config FILE`.
//!
//! Owns: which calls name such a file, and its options. clang reads them before those of the command line
//! (16 to 23, `Driver.cpp`, `loadConfigFiles`). Only plain files are supported: no file that includes another,
//! continues a line or refers to its own directory, and no name that clang would search for.

use crate::shared::decision::reasons::Reason;
use crate::shared::decision::response;
use crate::shared::machine::Machine;
use alloc::vec::Vec;
use core::ffi::CStr;

/// The file that `word` names, or that `next`, the word after it, names.
pub fn named<'a>(word: &'a CStr, next: Option<&&'a CStr>) -> Option<&'a CStr> {
    match word.to_bytes_with_nul().strip_prefix(b"--config")? {
        [b'=', path @ ..] => CStr::from_bytes_until_nul(path).ok(),
        b"\0" => next.copied(),
        _ => None,
    }
}

/// Passes every option in the file at `path` to `take`; an error from `take` stops the walk.
pub fn expand<M: Machine + ?Sized>(
    machine: &M,
    path: &CStr,
    take: &mut dyn FnMut(&CStr) -> Result<(), Reason>,
) -> Result<(), Reason> {
    if !path.to_bytes().contains(&b'/') {
        return Err(Reason::ConfigFile);
    }
    let text = machine.read(path).ok_or(Reason::ConfigFile)?;
    let odd = text
        .iter()
        .any(|byte| matches!(byte, b'\\' | b'@' | b'<' | 0));
    if odd {
        return Err(Reason::ConfigFile);
    }
    let mut options = Vec::with_capacity(text.len() + 2);
    for line in text.split(|byte| *byte == b'\n') {
        if !line.trim_ascii_start().starts_with(b"#") {
            options.extend_from_slice(line);
            options.push(b'\n');
        }
    }
    // The NUL after an option replaces the byte that ended it.
    options.push(b' ');
    response::tokenize(&mut options, 0, take)
}
