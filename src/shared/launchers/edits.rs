//! The environment that a launcher is given.

use crate::shared::decision::nesting::GUARD;
use crate::shared::launchers::kind::LauncherKind;
use core::ffi::CStr;

/// Variables that say whether a launcher may use its direct mode.
const DIRECT_MODE: [&[u8]; 3] = [b"SCCACHE_DIRECT", b"CCACHE_DIRECT", b"CCACHE_NODIRECT"];

/// What is changed in the launcher's environment. Applied entry by entry, so that nothing has to
/// be copied: an entry that is not [kept](Edits::keeps) is dropped, then those of
/// [`added`](Edits::added) come on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edits {
    pub(super) kind: LauncherKind,
    pub(super) no_direct_mode: bool,
    /// What ccache may be lax about. Where it is set, ccache has to ask the stand-in for text, and its answers
    /// have to be the compiler's.
    pub(super) sloppiness: Option<&'static CStr>,
}

/// What makes ccache's answers differ from the compiler's, by variable and not only by configuration file:
/// what it is told to ask or to overlook.
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

/// The values of these that make them the compiler's. An empty one overrules the configuration file's.
///
/// In depend mode ccache never asks for text, and clang's dependency file leaves out headers that only the device
/// includes (4.7.5 and 4.14.2, measured). The text has every side of HIP in it, and digests behind; 4.7.5 would
/// compile it.
const CCACHE_STRICT: [&CStr; 6] = [
    c"CCACHE_NODEPEND=1",
    c"CCACHE_CPP2=1",
    c"CCACHE_BASEDIR=",
    c"CCACHE_HASHDIR=1",
    c"CCACHE_IGNOREHEADERS=",
    c"CCACHE_IGNOREOPTIONS=",
];

impl Edits {
    /// Whether the `NAME=VALUE` entry stays.
    ///
    /// sccache 0.8 to 0.16 refuses every call under `CARGO_INCREMENTAL=1`, and to start with empty
    /// `SCCACHE_` variables. ccache would run the compiler that `CCACHE_COMPILER` names.
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

    /// Entries to add, as `NAME=VALUE`.
    pub fn added(&self) -> impl Iterator<Item = &'static CStr> + use<> {
        // An empty value overrules the configuration file's.
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
