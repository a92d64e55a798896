//! The base names of the files that an installation adds to a compiler's directory.
//!
//! Owns: which companion belongs to which name, and which names can be managed. Must never build a
//! path: the installation engine works on base names relative to one directory descriptor.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::shared::paths::{ALIAS_SUFFIX, STAND_IN_SUFFIX};

/// The record of what was installed.
pub const JOURNAL: &str = ".rockwrap-journal";

/// Exists while the directory is wrapped for build sessions and not permanently.
pub const SESSION: &str = ".rockwrap-session";

const KEPT_PREFIX: &[u8] = b".rockwrap-orig-";
const TEMP_PREFIX: &[u8] = b".rockwrap-tmp-";
const HIDDEN_PREFIX: &[u8] = b".rockwrap-";

/// The longest base name that Linux file systems allow.
const NAME_MAX: usize = 255;

/// `N.7625`: the alias, by which the real compiler is called while N is wrapped.
#[must_use]
pub fn alias(name: &OsStr) -> OsString {
    OsString::from_vec([name.as_bytes(), ALIAS_SUFFIX].concat())
}

/// `N.9727`: the program that a launcher is given as the compiler.
#[must_use]
pub fn stand_in(name: &OsStr) -> OsString {
    OsString::from_vec([name.as_bytes(), STAND_IN_SUFFIX].concat())
}

/// `.rockwrap-orig-N`: the kept original if it is a symlink or a stub and not the ELF file.
#[must_use]
pub fn kept(name: &OsStr) -> OsString {
    prefixed(KEPT_PREFIX, name)
}

/// An unpredictable temporary name.
pub fn temp() -> std::io::Result<OsString> {
    let mut random = [0_u8; 16];
    let flags = rustix::rand::GetRandomFlags::empty();
    if rustix::rand::getrandom(&mut random[..], flags)? != random.len() {
        return Err(std::io::Error::other(
            "the system gave too few random bytes",
        ));
    }
    let hex = format!("{:032x}", u128::from_ne_bytes(random));
    Ok(prefixed(TEMP_PREFIX, OsStr::new(&hex)))
}

/// Whether `entry` is a temporary file of rock-wrap.
pub fn is_temp(entry: &OsStr) -> bool {
    entry.as_bytes().starts_with(TEMP_PREFIX)
}

/// Whether `entry` is a companion that processes execute: an alias or a stand-in.
pub fn is_run(entry: &OsStr) -> bool {
    let bytes = entry.as_bytes();
    bytes.ends_with(ALIAS_SUFFIX) || bytes.ends_with(STAND_IN_SUFFIX)
}

/// Whether `entry` is a file that an installation adds beside the compilers: an alias, a stand-in, or
/// a hidden file.
#[must_use]
pub fn is_companion(entry: &OsStr) -> bool {
    is_run(entry) || entry.as_bytes().starts_with(HIDDEN_PREFIX)
}

/// The name whose alias, stand-in or kept original `entry` would be.
pub fn owner_of(entry: &OsStr) -> Option<&OsStr> {
    let bytes = entry.as_bytes();
    let name = bytes
        .strip_prefix(KEPT_PREFIX)
        .or_else(|| bytes.strip_suffix(ALIAS_SUFFIX))
        .or_else(|| bytes.strip_suffix(STAND_IN_SUFFIX))?;
    let name = OsStr::from_bytes(name);
    is_manageable(name).then_some(name)
}

/// Whether a name can be managed: a single component, not a name of a companion, with room for companions' names.
pub fn is_manageable(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    !bytes.is_empty()
        && bytes != b"."
        && bytes != b".."
        && !bytes.contains(&b'/')
        && !bytes.contains(&0)
        && !is_run(name)
        && !bytes.starts_with(HIDDEN_PREFIX)
        && KEPT_PREFIX.len() + bytes.len() <= NAME_MAX
}

fn prefixed(prefix: &[u8], name: &OsStr) -> OsString {
    OsString::from_vec([prefix, name.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn companions_lead_back_to_their_name() {
        let name = OsStr::new("clang++");
        assert_eq!(owner_of(&alias(name)), Some(name));
        assert_eq!(owner_of(&stand_in(name)), Some(name));
        assert_eq!(owner_of(&kept(name)), Some(name));
        assert_eq!(owner_of(name), None);
        assert_eq!(owner_of(OsStr::new(".7625")), None);
        assert_eq!(owner_of(OsStr::new(".9727")), None);
        assert_eq!(owner_of(OsStr::new("clang.7625.9727")), None);
    }

    #[test]
    fn paths_and_our_own_names_cannot_be_managed() {
        for bad in [
            "",
            ".",
            "..",
            "../clang",
            "a/b",
            "clang.7625",
            "clang.9727",
            JOURNAL,
        ] {
            assert!(!is_manageable(OsStr::new(bad)), "{bad:?}");
        }
        let longest = "x".repeat(NAME_MAX - KEPT_PREFIX.len());
        assert!(is_manageable(OsStr::new(&longest)));
        assert!(!is_manageable(OsStr::new(&format!("{longest}x"))));
    }

    #[test]
    fn temporary_names_differ_and_are_known_again() {
        let (one, two) = (temp().unwrap(), temp().unwrap());
        assert_ne!(one, two);
        assert!(is_temp(&one) && is_temp(&two));
    }
}
