//! A call of the compiler, as both programs see it.

use crate::shared::paths::user_cache;
use crate::shared::shim_config::Config;
use alloc::vec::Vec;
use core::ffi::CStr;

/// A call of the compiler.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The arguments, the program's name first.
    pub argv: &'a [&'a CStr],
    /// The path by which the compiler was found: its name in `argv`, or where that has no slash, what the
    /// caller's search of `PATH` came to.
    pub called: &'a CStr,
    /// The environment, `NAME=VALUE`.
    pub env: &'a [&'a CStr],
    /// What the shim was installed with.
    pub config: &'a Config<'a>,
}

/// The value of a variable.
pub fn lookup<'a>(env: &[&'a CStr], name: &[u8]) -> Option<&'a CStr> {
    env.iter().find_map(|entry| {
        let value = entry
            .to_bytes_with_nul()
            .strip_prefix(name)?
            .strip_prefix(b"=")?;
        CStr::from_bytes_until_nul(value).ok()
    })
}

/// rock-wrap's directory in the user's cache, by a call's environment.
#[must_use]
pub fn user_cache_of(env: &[&CStr]) -> Option<Vec<u8>> {
    user_cache(|name| lookup(env, name.as_bytes()).map(CStr::to_bytes))
}
