//! A call of the compiler, as seen by both programs.

use crate::shared::paths::user_cache;
use crate::shared::shim_config::Config;
use alloc::vec::Vec;
use core::ffi::CStr;

/// A call of the compiler.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The arguments, starting with the program's name.
    pub argv: &'a [&'a CStr],
    /// The path by which the compiler was found: its name in `argv` or, if that has no slash, the result of the
    /// caller's `PATH` search.
    pub called: &'a CStr,
    /// The environment, `NAME=VALUE`.
    pub env: &'a [&'a CStr],
    /// The configuration that the shim was installed with.
    pub config: &'a Config<'a>,
}

/// Looks up the value of a variable.
pub fn lookup<'a>(env: &[&'a CStr], name: &[u8]) -> Option<&'a CStr> {
    env.iter().find_map(|entry| {
        let value = entry
            .to_bytes_with_nul()
            .strip_prefix(name)?
            .strip_prefix(b"=")?;
        CStr::from_bytes_until_nul(value).ok()
    })
}

/// rock-wrap's directory in the user's cache, derived from a call's environment.
#[must_use]
pub fn user_cache_of(env: &[&CStr]) -> Option<Vec<u8>> {
    user_cache(|name| lookup(env, name.as_bytes()).map(CStr::to_bytes))
}
