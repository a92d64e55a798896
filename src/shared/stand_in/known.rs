//! Digests of files, remembered while a compile is made by architecture.
//!
//! Owns: the form in which digests are kept. The first call for a compile reads every file that its texts name. The
//! later calls name all or some of these files and would otherwise read them again. The caller decides which file may
//! be looked up here: never a file that has changed since the first call. Pure.

use crate::shared::bytes;
use crate::shared::key::hash::{LEN, push_hex};
use alloc::vec::Vec;

/// The name of the file that holds the digests, in the compile's directory.
pub const FILE: &[u8] = b"digests";

const DATED: u8 = b'd';

/// Appends the digest of the file `name`, and whether it names a macro for the date.
pub fn push(kept: &mut Vec<u8>, name: &[u8], digest: &[u8; LEN], dated: bool) {
    push_hex(kept, digest);
    kept.push(if dated { DATED } else { b' ' });
    kept.extend_from_slice(name);
    kept.push(b'\n');
}

/// Digests that were kept.
pub struct KnownDigests<'a> {
    all: &'a [u8],
    /// The lines after the last one that was found. Names are mostly looked up in the order in which they were kept.
    rest: &'a [u8],
}

impl<'a> KnownDigests<'a> {
    /// The digests in `kept`, which [`push`] wrote.
    #[must_use]
    pub fn new(kept: &'a [u8]) -> Self {
        Self {
            all: kept,
            rest: kept,
        }
    }

    /// The digest of the file `name` in hexadecimal digits, and whether it names a macro for the date.
    pub fn get(&mut self, name: &[u8]) -> Option<(&'a [u8], bool)> {
        let (digest, dated, rest) = find(self.rest, name).or_else(|| find(self.all, name))?;
        self.rest = rest;
        Some((digest, dated))
    }
}

/// The digest and the date mark in the first line for `name`, and the lines after it.
fn find<'a>(mut lines: &'a [u8], name: &[u8]) -> Option<(&'a [u8], bool, &'a [u8])> {
    loop {
        let end = bytes::find(lines, b'\n')?;
        let (line, rest) = (lines.get(..end)?, lines.get(end + 1..)?);
        let (digest, flagged) = line.split_at_checked(2 * LEN)?;
        let (flag, known) = flagged.split_first()?;
        if known == name {
            return Some((digest, *flag == DATED, rest));
        }
        lines = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_were_kept_are_found_in_any_order() {
        let mut kept = Vec::new();
        push(&mut kept, b"a", &[1; LEN], false);
        push(&mut kept, b"a b", &[2; LEN], true);
        push(&mut kept, b"c", &[3; LEN], false);
        let mut known = KnownDigests::new(&kept);
        let hex = |byte: &str| byte.repeat(LEN).into_bytes();
        assert_eq!(known.get(b"A"), None);
        assert_eq!(known.get(b"c"), Some((&hex("03")[..], false)));
        assert_eq!(known.get(b"a b"), Some((&hex("02")[..], true)));
        assert_eq!(known.get(b"b"), None);
        assert_eq!(known.get(b"c"), Some((&hex("03")[..], false)));
        assert_eq!(known.get(b"d"), None);
    }

    #[test]
    fn a_line_that_was_cut_short_is_not_used() {
        let mut kept = Vec::new();
        push(&mut kept, b"a", &[1; LEN], false);
        for len in 0..kept.len() {
            assert_eq!(KnownDigests::new(&kept[..len]).get(b"a"), None);
        }
    }
}
