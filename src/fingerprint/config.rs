//! Finds clang's configuration files and the files that they include.
//!
//! A file is a list of options with shell-like quoting. `@FILE` includes another file, relative to
//! the directory of the including file. `<CFGDIR>` stands for that directory (clang's manual,
//! "Configuration files").

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::fingerprint::{IdentityError, is_missing};

/// `files`, and every file that they include, directly or indirectly.
///
/// # Errors
/// If a file cannot be read. A missing file is left out; clang reports it itself.
pub fn with_included(files: &BTreeSet<PathBuf>) -> Result<BTreeSet<PathBuf>, IdentityError> {
    let mut found = BTreeSet::new();
    let mut left: Vec<_> = files.iter().cloned().collect();
    while let Some(file) = left.pop() {
        match std::fs::read(&file) {
            Ok(text) => {
                if found.insert(file.clone()) {
                    left.extend(included(&String::from_utf8_lossy(&text), &file));
                }
            }
            Err(source) if is_missing(&source) => {}
            Err(source) => return Err(IdentityError::read(&file, source)),
        }
    }
    Ok(found)
}

/// The files that `text`, the content of `file`, includes.
fn included(text: &str, file: &Path) -> Vec<PathBuf> {
    let dir = file.parent().unwrap_or(Path::new("/"));
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(str::split_whitespace)
        .map(|word| word.trim_matches(['"', '\'']))
        .filter_map(|word| word.strip_prefix('@'))
        .map(|name| {
            let name = name.trim_matches(['"', '\'']);
            dir.join(name.replace("<CFGDIR>", &dir.to_string_lossy()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::testing::Fixture;

    #[test]
    fn includes_are_followed_once_each() {
        let dir = Fixture::new();
        let top = dir.write("clang.cfg", b"# @no.cfg\n-O2 @sub/rocm.cfg '@gone.cfg'\n");
        let rocm = dir.write("sub/rocm.cfg", b"@<CFGDIR>/more.cfg\n");
        let more = dir.write("sub/more.cfg", b"@rocm.cfg -DX=@y\n");
        let found = with_included(&[top.clone()].into()).unwrap();
        assert_eq!(found, [top, rocm, more].into());
    }
}
