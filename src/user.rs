//! The user's own place for what rock-wrap keeps between calls.

use std::path::PathBuf;

/// `$XDG_CACHE_HOME/rock-wrap`, or else `~/.cache/rock-wrap`; `None` where neither variable holds an
/// absolute path. It need not exist.
#[must_use]
pub fn cache_dir() -> Option<PathBuf> {
    let absolute = |name| {
        let value = std::env::var_os(name).map(PathBuf::from);
        value.filter(|path| path.is_absolute())
    };
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    cache.map(|cache| cache.join("rock-wrap"))
}
