//! What a launcher's own configuration file says about its direct mode.
//!
//! Owns: the location of that file, and the few settings in it that a variable could override only together
//! with other, harmless settings. Parses only lines of the form `NAME = VALUE`.

use crate::shared::call::lookup;
use crate::shared::machine::Machine;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

/// Settings with which sccache's direct mode returns stale results for headers that have changed (0.16,
/// `preprocessor_cache.rs`): with the first it compares only the first header, with the second it compares
/// the timestamps of a link instead of those of its target.
const UNSAFE_IN_SCCACHE: [&[u8]; 2] = [b"ignore_time_macros", b"file_stat_matches"];

/// Whether sccache's configuration makes its direct mode unsafe. No variable overrides these settings.
pub fn sccache_is_sloppy<M: Machine + ?Sized>(env: &[&CStr], machine: &M) -> bool {
    let named = lookup(env, b"SCCACHE_CONF").map(|path| path.to_bytes().to_vec());
    let file = named.or_else(|| user_file(env, b"/sccache/config"));
    let Some(text) = file.and_then(|path| content(path, machine)) else {
        return false;
    };
    text.split(|byte| *byte == b'\n').any(|line| {
        UNSAFE_IN_SCCACHE
            .iter()
            .any(|name| value(line, name).is_some_and(|value| !value.starts_with(b"false")))
    })
}

/// The part of ccache's `sloppiness` that is kept: only what tolerates a header that changes during the
/// compile. All other values have no effect behind the stand-in, or return results that the compiler would
/// not produce.
pub fn ccache_sloppiness<M: Machine + ?Sized>(env: &[&CStr], machine: &M) -> &'static CStr {
    let own = match lookup(env, b"CCACHE_SLOPPINESS") {
        Some(value) => Some(value.to_bytes().to_vec()),
        None => ccache_file(env)
            .and_then(|path| content(path, machine))
            .and_then(|text| {
                let mut lines = text.split(|byte| *byte == b'\n');
                let found = lines.rfind(|line| value(line, b"sloppiness").is_some());
                found.map(<[u8]>::to_vec)
            }),
    };
    let own = own.unwrap_or_default();
    match (
        holds(&own, b"include_file_ctime"),
        holds(&own, b"include_file_mtime"),
    ) {
        (true, true) => c"CCACHE_SLOPPINESS=include_file_ctime,include_file_mtime",
        (true, false) => c"CCACHE_SLOPPINESS=include_file_ctime",
        (false, true) => c"CCACHE_SLOPPINESS=include_file_mtime",
        (false, false) => c"CCACHE_SLOPPINESS=",
    }
}

/// ccache's configuration file with the user's settings (4.14, `config.cpp`).
fn ccache_file(env: &[&CStr]) -> Option<Vec<u8>> {
    if let Some(path) = lookup(env, b"CCACHE_CONFIGPATH") {
        return Some(path.to_bytes().to_vec());
    }
    match lookup(env, b"CCACHE_DIR") {
        Some(dir) => Some([dir.to_bytes(), b"/ccache.conf"].concat()),
        None => user_file(env, b"/ccache/ccache.conf"),
    }
}

/// A file in the user's configuration directory.
fn user_file(env: &[&CStr], name: &[u8]) -> Option<Vec<u8>> {
    let dir = |variable: &[u8]| {
        let dir = lookup(env, variable)?.to_bytes();
        (dir.first() == Some(&b'/')).then_some(dir)
    };
    match dir(b"XDG_CONFIG_HOME") {
        Some(dir) => Some([dir, name].concat()),
        None => dir(b"HOME").map(|home| [home, b"/.config", name].concat()),
    }
}

fn content<M: Machine + ?Sized>(path: Vec<u8>, machine: &M) -> Option<Vec<u8>> {
    machine.read(&CString::new(path).ok()?)
}

/// The value that `line` assigns to `name`, on a line of its own or in an inline table.
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    if line.trim_ascii_start().first() == Some(&b'#') {
        return None;
    }
    let at = line.windows(name.len()).position(|part| part == name)?;
    let rest = line.get(at + name.len()..)?.trim_ascii_start();
    let rest = rest.strip_prefix(b"\"").unwrap_or(rest).trim_ascii_start();
    rest.strip_prefix(b"=").map(<[u8]>::trim_ascii)
}

fn holds(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_read_in_the_forms_that_configuration_files_have() {
        for (line, expected) in [
            (
                "sloppiness = time_macros, modules",
                Some("time_macros, modules"),
            ),
            ("  file_stat_matches=true", Some("true")),
            ("mode = { file_stat_matches = true }", Some("true }")),
            ("\"file_stat_matches\" = true", Some("true")),
            ("# sloppiness = none", None),
            ("sloppiness", None),
            ("", None),
        ] {
            let name: &[u8] = match line.contains("sloppiness") {
                true => b"sloppiness",
                false => b"file_stat_matches",
            };
            assert_eq!(
                value(line.as_bytes(), name),
                expected.map(str::as_bytes),
                "{line}"
            );
        }
    }
}
