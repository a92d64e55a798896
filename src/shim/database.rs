//! The entry of a compilation database that `-MJ` writes.
//!
//! Owns: replacing the compiler's alias in it by the compiler's own name. clang writes the path of its executable
//! there, and if the executable moved to an alias (Debian's layout), that path no longer exists after a restore.

use alloc::vec::Vec;
use core::ffi::CStr;

use crate::shared::machine::Machine;
use crate::shared::paths::{ALIAS_SUFFIX, base_name};
use crate::shared::sys::{self, File};
use crate::shared::this_machine::ThisMachine;

/// The file named by `-MJ`; the last one wins, as in clang. `None` for standard output.
pub fn named<'a>(argv: &[&'a CStr]) -> Option<&'a CStr> {
    let at = argv
        .iter()
        .rposition(|word| word.to_bytes().starts_with(b"-MJ"))?;
    let joined = argv[at].to_bytes_with_nul().get(3..)?;
    let file = match joined {
        b"\0" => argv.get(at + 1).copied()?,
        joined => CStr::from_bytes_until_nul(joined).ok()?,
    };
    (file != c"-").then_some(file)
}

/// Removes the alias suffix from every compiler named in `file`.
pub fn mend(file: &CStr) {
    let Some(text) = ThisMachine::new(&|| b"").read(file) else {
        return;
    };
    let end = [ALIAS_SUFFIX, b"\""].concat();
    let mut mended = Vec::with_capacity(text.len());
    let mut rest = &text[..];
    while let Some(at) = rest.windows(end.len()).position(|part| part == end) {
        let (before, behind) = rest.split_at(at);
        mended.extend_from_slice(before);
        let is_compiler = base_name(before).starts_with(b"clang");
        mended.extend_from_slice(if is_compiler { b"\"" } else { &end });
        rest = behind.get(end.len()..).unwrap_or_default();
    }
    mended.extend_from_slice(rest);
    if mended.len() != text.len()
        && let Ok(file) = File::replace(file)
    {
        sys::write_all(file.descriptor(), &mended);
    }
}
