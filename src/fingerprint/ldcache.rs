//! The loader's cache, `/etc/ld.so.cache`: which file stands for a name where no path of the
//! object itself leads to one.
//!
//! The layout is glibc's (`sysdeps/generic/dl-cache.h`): a header of 48 bytes that begins with
//! `glibc-ld.so.cache1.1`, entries of 24 bytes, strings. Releases before 2.32 put an older table in
//! front of it, which is skipped by looking for the mark. Entries for particular processors
//! (`hwcap` is not 0) are passed over; see [`super::loader`].

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Where glibc keeps it.
pub const PATH: &str = "/etc/ld.so.cache";

const MARK: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const ENTRY: usize = 24;

/// Names and the files that stand for them, in the loader's order of preference. More than one
/// where libraries of several architectures are installed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LdCache(HashMap<OsString, Vec<PathBuf>>);

impl LdCache {
    /// Reads the file. Without one (musl, Nix) or where it does not make sense the loader goes on to
    /// its default directories, and so do we.
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
