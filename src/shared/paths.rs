//! Names and directories that both programs must agree on.

use alloc::vec::Vec;

/// Appended to a compiler's name to form its alias, the name under which a launcher is given the real compiler:
/// digits after a dot (`rock` on a telephone keypad, so that nobody else uses them). The alias is in the compiler's
/// own directory, because clang's resource directory and configuration files depend on it.
///
/// This is the only kind of suffix that clang ignores everywhere (measured on clang 15 and 19, `clang`, `clang++`
/// and `clang++-15`): driver mode, configuration files and the name in front of its messages stay those of
/// `clang++`. In front of its messages clang 19 prints argv[0] without its extension, and the launcher chooses
/// argv[0]: a prefix such as `clang++.7625` shows in every warning. For the same reason, sccache 0.16 recognises
/// the name as a known compiler's and saves a probe.
pub const ALIAS_SUFFIX: &[u8] = b".7625";

/// Appended to a compiler's name to form its stand-in, the program that a launcher is given as the compiler. The
/// digits spell `wrap` on a telephone keypad, as `.7625` spells `rock`. It is the same kind of suffix as
/// [`ALIAS_SUFFIX`], for the same reason.
pub const STAND_IN_SUFFIX: &[u8] = b".9727";

/// The file name of a shim that is called as a launcher. A value of HIP_CLANG_LAUNCHER with this name is rock-wrap
/// itself, whatever its directory.
pub const LAUNCHER_NAME: &[u8] = b"rock-wrap-launcher";

/// The part of `path` after the last slash.
#[must_use]
pub fn base_name(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => &path[slash + 1..],
        None => path,
    }
}

/// rock-wrap's directory in the user's cache, without a trailing slash. `value` looks up XDG_CACHE_HOME and HOME.
/// `None` if neither is an absolute path: a relative one must be ignored (XDG Base Directory Specification),
/// because it would mean a different directory for every working directory.
pub fn user_cache<V: AsRef<[u8]>>(value: impl Fn(&'static str) -> Option<V>) -> Option<Vec<u8>> {
    let below = |name, rest: &[u8]| {
        let dir = value(name)?;
        let dir = dir.as_ref();
        (dir.first() == Some(&b'/')).then(|| [dir, rest].concat())
    };
    below("XDG_CACHE_HOME", b"/rock-wrap").or_else(|| below("HOME", b"/.cache/rock-wrap"))
}
