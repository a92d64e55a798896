//! The user's own place for what rock-wrap keeps between calls.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use crate::decide::trouble::user_cache;

/// `$XDG_CACHE_HOME/rock-wrap`, or else `~/.cache/rock-wrap`; `None` where neither variable holds an
/// absolute path. It need not exist.
#[must_use]
pub fn cache_dir() -> Option<PathBuf> {
    let dir = user_cache(|name| std::env::var_os(name).map(OsString::into_vec))?;
    Some(OsString::from_vec(dir).into())
}
