//! Names and directories that both programs must agree on.

use alloc::vec::Vec;

/// What is appended to a compiler's name to make its alias, the name under which a launcher is given
/// the real compiler: digits behind a dot (`rock` on a telephone's keys, so that they are nobody
/// else's). The alias lies in the compiler's own directory, on which clang's resource directory and
/// configuration files depend.
///
/// clang ignores such an ending everywhere, and no other kind (measured on clang 15 and 19, `clang`,
/// `clang++` and `clang++-15`): driver mode, configuration files and the prefix of its messages stay those
/// of `clang++`. The prefix of clang 19's messages is `argv[0]`, which the launcher chooses, without its
/// extension; any other addition to the name would show in every warning. For the same reason sccache 0.16
/// recognises the name as that of a known compiler, which saves a probe.
pub const ALIAS_SUFFIX: &[u8] = b".7625";

/// What is appended to a compiler's name to make its stand-in, the program that a launcher is given as
/// the compiler. These are the digits of `wrap` on a telephone's keys, as `.7625` are those of `rock`.
/// It is the same kind of ending as [`ALIAS_SUFFIX`], and for the same reason.
pub const STAND_IN_SUFFIX: &[u8] = b".9727";

/// The file name of a shim that is called as a launcher. A value of HIP_CLANG_LAUNCHER with this
/// name is rock-wrap itself, whatever directory it is in.
pub const LAUNCHER_NAME: &[u8] = b"rock-wrap-launcher";

/// The part of `path` behind the last slash.
#[must_use]
pub fn base_name(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => &path[slash + 1..],
        None => path,
    }
}

/// rock-wrap's directory in the user's cache, without a slash at its end, by what `value` says of
/// XDG_CACHE_HOME and HOME. `None` where neither is an absolute path: a relative one is to be ignored
/// (XDG Base Directory Specification), and would be another directory for each that is worked in.
pub fn user_cache<V: AsRef<[u8]>>(value: impl Fn(&'static str) -> Option<V>) -> Option<Vec<u8>> {
    let below = |name, rest: &[u8]| {
        let dir = value(name)?;
        let dir = dir.as_ref();
        (dir.first() == Some(&b'/')).then(|| [dir, rest].concat())
    };
    below("XDG_CACHE_HOME", b"/rock-wrap").or_else(|| below("HOME", b"/.cache/rock-wrap"))
}
