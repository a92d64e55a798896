//! Response files: `@file` on the command line.
//!
//! Owns: clang's GNU quoting, and the limits for following files. Must never read more than [`BUDGET`]
//! bytes for one call, and never panic on any content.
//!
//! Follows LLVM 19 (`Support/CommandLine.cpp`: `TokenizeGNUCommandLine`, `ExpansionContext`): white space
//! separates arguments; a backslash makes the next byte literal, including inside both kinds of quotes; an
//! empty pair of quotes is not an argument; names are relative to the working directory, including names
//! inside a file. If the file does not exist, `@file` stays an ordinary argument.

use crate::shared::decision::reasons::Reason;
use crate::shared::machine::Machine;
use core::ffi::CStr;

/// The limit on nested files. clang itself stops only at a cycle.
const DEPTH: usize = 8;

/// The limit on the bytes of response files that one call may use.
pub const BUDGET: usize = 64 << 20;

/// Passes every argument in the file at `path` to `take`; an error from `take` stops the walk.
pub fn expand<M: Machine + ?Sized, E: From<Reason>>(
    machine: &M,
    path: &CStr,
    take: &mut dyn FnMut(&CStr) -> Result<(), E>,
) -> Result<(), E> {
    let mut left = BUDGET;
    walk(machine, path, DEPTH, &mut left, take)
}

#[cold]
fn walk<M: Machine + ?Sized, E: From<Reason>>(
    machine: &M,
    path: &CStr,
    depth: usize,
    left: &mut usize,
    take: &mut dyn FnMut(&CStr) -> Result<(), E>,
) -> Result<(), E> {
    let unreadable = || E::from(Reason::ResponseFile);
    let depth = depth.checked_sub(1).ok_or_else(unreadable)?;
    let mut text = machine.read(path).ok_or_else(unreadable)?;
    *left = left.checked_sub(text.len()).ok_or_else(unreadable)?;
    // LLVM converts UTF-16 and truncates arguments at a NUL; neither is worth supporting.
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") || text.contains(&0) {
        return Err(unreadable());
    }
    // A UTF-8 byte order mark is skipped.
    let start = if text.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    // The NUL after an argument always fits: it replaces the byte that ended the argument.
    text.push(b' ');
    tokenize(
        &mut text,
        start,
        &mut |argument| match argument.to_bytes_with_nul().split_first() {
            Some((b'@', name)) if name.len() > 1 => match CStr::from_bytes_until_nul(name) {
                Ok(name) => walk(machine, name, depth, left, take),
                Err(_) => Err(unreadable()),
            },
            _ => take(argument),
        },
    )
}

/// Splits `text` into arguments in place, from `start` on. Linear in the length of `text`, whose last byte
/// must be a space.
pub fn tokenize<E>(
    text: &mut [u8],
    start: usize,
    take: &mut dyn FnMut(&CStr) -> Result<(), E>,
) -> Result<(), E> {
    let end = text.len();
    // An argument is never longer than its source, so `write` never overtakes `read`.
    let (mut read, mut write, mut begin) = (start, start, start);
    let mut quote = None;
    while let Some(&byte) = text.get(read) {
        read += 1;
        let literal = match (byte, quote) {
            // The last byte is the added one; LLVM takes a backslash at the very end literally.
            (b'\\', _) if read + 1 < end => {
                let next = text.get(read).copied();
                read += 1;
                next
            }
            (_, Some(open)) if byte == open => {
                quote = None;
                None
            }
            (b'"' | b'\'', None) => {
                quote = Some(byte);
                None
            }
            (b' ' | b'\t' | b'\r' | b'\n', None) => {
                emit(text, begin, write, take)?;
                begin = read;
                write = read;
                None
            }
            // Inside an unclosed quote, the added byte is not content.
            (_, Some(_)) if read == end => None,
            _ => Some(byte),
        };
        if let (Some(byte), Some(slot)) = (literal, text.get_mut(write)) {
            *slot = byte;
            write += 1;
        }
    }
    emit(text, begin, write, take)
}

/// Passes on `text[begin..write]` if it is not empty.
fn emit<E>(
    text: &mut [u8],
    begin: usize,
    write: usize,
    take: &mut dyn FnMut(&CStr) -> Result<(), E>,
) -> Result<(), E> {
    if write == begin {
        return Ok(());
    }
    if let Some(slot) = text.get_mut(write) {
        *slot = 0;
    }
    match text.get(begin..).map(CStr::from_bytes_until_nul) {
        Some(Ok(argument)) => take(argument),
        _ => Ok(()),
    }
}
