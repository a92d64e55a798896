//! Computes relative paths and the user's cache directory.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use crate::shared::paths::user_cache;

/// `$XDG_CACHE_HOME/rock-wrap`, or else `~/.cache/rock-wrap`; `None` if neither variable holds an
/// absolute path. The directory need not exist.
#[must_use]
pub fn cache_dir() -> Option<PathBuf> {
    let dir = user_cache(|name| std::env::var_os(name).map(OsString::into_vec))?;
    Some(OsString::from_vec(dir).into())
}

/// `to` relative to the directory `from`; both without links.
#[must_use]
pub fn relative(from: &Path, to: &Path) -> PathBuf {
    let shared = from
        .components()
        .zip(to.components())
        .take_while(|(a, b)| a == b)
        .count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_leads_to_its_neighbour_or_out_of_the_directory() {
        let from = Path::new("/opt/rocm/lib/llvm/bin");
        for (to, expected) in [
            ("/opt/rocm/lib/llvm/bin/clang-19", "clang-19"),
            ("/opt/rocm/lib/real/clang-19", "../../real/clang-19"),
            ("/usr/lib/llvm/clang", "../../../../../usr/lib/llvm/clang"),
        ] {
            assert_eq!(relative(from, Path::new(to)), Path::new(expected));
        }
    }
}
