//! Which launcher a program is, and its version.

use crate::shared::paths::base_name;

/// A program through which a compile can be forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LauncherKind {
    /// Mozilla's sccache.
    Sccache,
    /// ccache.
    Ccache,
    /// Anything else: distcc, icecc, a script. It gets the compile, and nothing is assumed about it.
    Other,
}

impl LauncherKind {
    /// The kind, by the file name of `path`. The launchers apply the same rule: ccache acts as a launcher
    /// only if its name begins with `ccache` (ccache 4.14.2, `ccache.cpp`).
    #[must_use]
    pub fn of_path(path: &[u8]) -> Self {
        let name = base_name(path);
        if name.starts_with(b"ccache") {
            Self::Ccache
        } else if name == b"sccache"
            || name.starts_with(b"sccache-")
            || name.starts_with(b"sccache.")
        {
            Self::Sccache
        } else {
            Self::Other
        }
    }

    /// The name for messages: `sccache`, `ccache` or `other`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sccache => "sccache",
            Self::Ccache => "ccache",
            Self::Other => "other",
        }
    }

    /// The variable that adds to this launcher's cache key.
    #[must_use]
    pub fn key_variable(self) -> Option<&'static [u8]> {
        match self {
            // sccache adds it to both of its keys, the direct-mode key and the main key (0.16, `c.rs` and
            // `preprocessor_cache.rs`).
            LauncherKind::Sccache => Some(b"SCCACHE_C_CUSTOM_CACHE_BUSTER"),
            // Passed in the environment: 4.7.5 takes the same setting on its command line for the compiler.
            LauncherKind::Ccache => Some(b"CCACHE_COMPILERCHECK"),
            LauncherKind::Other => None,
        }
    }
}

/// A launcher's version: major, minor, patch. Ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16, pub u16, pub u16);
#[cfg(not(rock_wrap_shim))]
impl core::fmt::Display for Version {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}
