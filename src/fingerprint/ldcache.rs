//! Reads the loader's cache, `/etc/ld.so.cache`. It maps library names to files, for names that are
//! not found by an object's own search paths.
//!
//! The layout is glibc's (`sysdeps/generic/dl-cache.h`): a header of 48 bytes that begins with
//! `glibc-ld.so.cache1.1`, entries of 24 bytes, strings. Releases before 2.32 put an older table in
//! front of it; the search for the mark skips it. Entries for particular processors (`hwcap` is not
//! 0) are ignored; see [`super::loader`].

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// glibc's path of the cache.
pub const PATH: &str = "/etc/ld.so.cache";

const MARK: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const ENTRY: usize = 24;

/// Files by library name, in the loader's order of preference. A name has several files if
/// libraries of several architectures are installed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LdCache(HashMap<OsString, Vec<PathBuf>>);

impl LdCache {
    /// Reads the file. If it is missing (musl, Nix) or malformed, the result is empty: the loader
    /// then goes on to its default directories, and so does the caller.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_default();
        parse(&bytes).map(Self).unwrap_or_default()
    }

    /// The files for `name`.
    #[must_use]
    pub fn get(&self, name: &OsString) -> &[PathBuf] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

fn parse(bytes: &[u8]) -> Option<HashMap<OsString, Vec<PathBuf>>> {
    let at = bytes
        .windows(MARK.len())
        .position(|window| window == MARK)?;
    let table = &bytes[at..];
    let count = word(table, MARK.len())?;
    let mut files: HashMap<_, Vec<_>> = HashMap::new();
    for index in 0..count {
        let entry = table.get(HEADER + index * ENTRY..)?.get(..ENTRY)?;
        if entry[16..] != [0; 8] {
            continue;
        }
        let name = string(table, word(entry, 4)?)?;
        let path = PathBuf::from(string(table, word(entry, 8)?)?);
        files.entry(name).or_default().push(path);
    }
    Some(files)
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_ne_bytes(bytes)).ok()
}

fn string(table: &[u8], at: usize) -> Option<OsString> {
    let text = table.get(at..)?.split(|byte| *byte == 0).next()?;
    Some(OsString::from_vec(text.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_own_cache_knows_libc() {
        let cache = LdCache::read(Path::new(PATH));
        let found = cache.get(&"libc.so.6".into());
        assert!(found.iter().any(|path| path.exists()), "{found:?}");
    }

    #[test]
    fn a_cut_or_foreign_file_is_an_empty_cache() {
        let whole = std::fs::read(PATH).unwrap();
        assert_eq!(parse(&whole[..whole.len() / 8]), None);
        assert_eq!(parse(b"something else"), None);
        assert_eq!(LdCache::read(Path::new("/nonexistent")), LdCache::default());
    }

    #[test]
    fn an_older_table_in_front_is_skipped() {
        let whole = std::fs::read(PATH).unwrap();
        let compatible = [b"ld.so-1.7.0\0\0\0\0\0".as_slice(), &whole].concat();
        assert_eq!(parse(&compatible), parse(&whole));
    }
}
