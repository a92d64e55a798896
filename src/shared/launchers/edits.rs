//! The environment that a launcher runs in.

use crate::shared::decision::nesting::GUARD;
use crate::shared::launchers::kind::LauncherKind;
use core::ffi::CStr;

/// Variables that enable or disable a launcher's direct mode.
const DIRECT_MODE: [&[u8]; 3] = [b"SCCACHE_DIRECT", b"CCACHE_DIRECT", b"CCACHE_NODIRECT"];

/// Changes to the launcher's environment. They apply entry by entry, so that the environment need not be
/// copied: an entry that is not [kept](Edits::keeps) is dropped, then the entries of
/// [`added`](Edits::added) are appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edits {
    pub(super) kind: LauncherKind,
    pub(super) no_direct_mode: bool,
    /// What ccache may be lax about. If set, ccache must get its preprocessed text from the stand-in, and
    /// its results must match the compiler's.
    pub(super) sloppiness: Option<&'static CStr>,
}

/// Variables that make ccache's results differ from the compiler's by changing what it preprocesses or
/// ignores. The configuration file can set the same things.
const CCACHE_SETTINGS: [&[u8]; 10] = [
    b"CCACHE_BASEDIR",
    b"CCACHE_CPP2",
    b"CCACHE_DEPEND",
    b"CCACHE_HASHDIR",
    b"CCACHE_IGNOREHEADERS",
    b"CCACHE_IGNOREOPTIONS",
    b"CCACHE_NOCPP2",
    b"CCACHE_NODEPEND",
    b"CCACHE_NOHASHDIR",
    b"CCACHE_SLOPPINESS",
];

/// Settings that make ccache's results match the compiler's. An empty value overrides the configuration
/// file.
///
/// In depend mode ccache never preprocesses, and clang's dependency file omits headers that only device
/// code includes (4.7.5 and 4.14.2, measured). The stand-in's text covers all sides of a HIP compile and
/// ends with digests; without `CCACHE_CPP2`, 4.7.5 would compile that text.
const CCACHE_STRICT: [&CStr; 6] = [
    c"CCACHE_NODEPEND=1",
    c"CCACHE_CPP2=1",
    c"CCACHE_BASEDIR=",
    c"CCACHE_HASHDIR=1",
    c"CCACHE_IGNOREHEADERS=",
    c"CCACHE_IGNOREOPTIONS=",
];

impl Edits {
    /// Whether the `NAME=VALUE` entry is kept.
    ///
    /// sccache 0.8 to 0.16 refuses every call if `CARGO_INCREMENTAL=1` is set, and does not start if a
    /// `SCCACHE_` variable is empty. ccache would run the compiler that `CCACHE_COMPILER` names.
    #[must_use]
    pub fn keeps(&self, entry: &[u8]) -> bool {
        let split = entry.iter().position(|byte| *byte == b'=');
        let (name, value) = entry.split_at(split.unwrap_or(entry.len()));
        if name == GUARD.as_bytes() || self.kind.key_variable() == Some(name) {
            return false;
        }
        if self.no_direct_mode && DIRECT_MODE.contains(&name) {
            return false;
        }
        let empty = value.len() < 2;
        match self.kind {
            LauncherKind::Sccache => {
                !(name == b"CARGO_INCREMENTAL"
                    || name == b"CARGO_BUILD_INCREMENTAL"
                    || (empty && name.starts_with(b"SCCACHE_")))
            }
            LauncherKind::Ccache => {
                !(name == b"CCACHE_COMPILER"
                    || (self.sloppiness.is_some() && CCACHE_SETTINGS.contains(&name)))
            }
            LauncherKind::Other => true,
        }
    }

    /// The `NAME=VALUE` entries to add.
    pub fn added(&self) -> impl Iterator<Item = &'static CStr> + use<> {
        // An empty value overrides the configuration file.
        let compiler = (self.kind == LauncherKind::Ccache).then_some(c"CCACHE_COMPILER=");
        let direct = match self.kind {
            LauncherKind::Sccache => Some(c"SCCACHE_DIRECT=false"),
            LauncherKind::Ccache => Some(c"CCACHE_NODIRECT=1"),
            LauncherKind::Other => None,
        };
        let direct = direct.filter(|_| self.no_direct_mode);
        let strict: &[&CStr] = match self.sloppiness {
            Some(_) => &CCACHE_STRICT,
            None => &[],
        };
        let guard = Some(c"ROCK_WRAP_GUARD=1");
        [guard, compiler, direct, self.sloppiness]
            .into_iter()
            .flatten()
            .chain(strict.iter().copied())
    }
}
