//! What is different from launcher to launcher.
//!
//! Owns: the choice of the launcher, what each gets wrong, and the environment that it is given.
//! Must assume the worst of a launcher whose version is not known.

pub mod edits;
pub mod failure;
pub mod kind;
pub mod sccache;
pub mod settings;

use self::edits::Edits;
use crate::shared::decision::language::Language;
use crate::shared::decision::reasons::Reason;
use crate::shared::decision::unit::{Unit, WordRole};
use crate::shared::launchers::kind::{LauncherKind, Version};
use crate::shared::paths::{LAUNCHER_NAME, base_name};
use crate::shared::shim_config::Config;
use core::ffi::CStr;

/// The releases in which something that matters here changed. Every decision by version is by one of
/// these.
pub mod since {
    use super::kind::Version;

    /// sccache caches HIP (mozilla/sccache#2045).
    pub const SCCACHE_HIP: Version = Version(0, 8, 0);
    /// sccache's server can listen at a path, and its protocol has the form that it has today.
    pub const SCCACHE_SOCKETS: Version = Version(0, 9, 0);
    /// A hit in sccache's direct mode writes a dependency file only where `-MF` names it.
    pub const SCCACHE_NAMED_DEPFILE: Version = Version(0, 11, 0);
    /// sccache takes base directories off the paths that it hashes (`SCCACHE_BASEDIRS`), so that checkouts
    /// share entries (measured).
    pub const SCCACHE_BASE_DIRS: Version = Version(0, 14, 0);
    /// sccache's client can do the server's work itself (`SCCACHE_CLIENT_SIDE`).
    pub const SCCACHE_CLIENT_SIDE: Version = Version(0, 17, 0);
    /// The first sccache whose protocol was not compared with what [`sccache`](super::sccache)
    /// says.
    pub const SCCACHE_UNKNOWN: Version = Version(0, 20, 0);
    /// ccache keeps a `-Xarch_host` or `-Xarch_device` pair in command and key.
    pub const CCACHE_XARCH: Version = Version(4, 12, 1);
    /// ccache puts what `native` stands for into its key.
    pub const CCACHE_NATIVE: Version = Version(4, 13, 0);
    /// ccache notices `#embed`, and passes colours on that were asked for.
    pub const CCACHE_EMBED_AND_COLOURS: Version = Version(4, 14, 0);
}

/// Where the launcher was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `HIP_CLANG_LAUNCHER`.
    Environment,
    /// `rock-wrap install`.
    Installed,
}

/// A launcher as it was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedLauncher<'a> {
    /// A path, or a name to look up on `PATH` if it has no slash.
    pub word: &'a [u8],
    /// Which launcher it is, by its file name.
    pub kind: LauncherKind,
    /// Known only of the installed launcher.
    pub version: Option<Version>,
    /// Who named it.
    pub from: Source,
    /// Whether its server is asked for a compile, and itself only where nobody answers there.
    pub asks_server: bool,
}

impl<'a> NamedLauncher<'a> {
    /// The launcher for a call: `HIP_CLANG_LAUNCHER` if it is set and not empty, as hipcc 7.13 and
    /// later have it (one word, spaces included), else the installed one.
    #[must_use]
    pub fn choose(environment: Option<&'a [u8]>, config: &Config<'a>) -> Option<Self> {
        let (word, from) = match environment {
            // That it names rock-wrap itself is how the call came here, or would come here again.
            Some(word) if !word.is_empty() && base_name(word) != LAUNCHER_NAME => {
                (word, Source::Environment)
            }
            _ => (config.launcher, Source::Installed),
        };
        let known = word == config.launcher;
        (!word.is_empty()).then(|| Self {
            word,
            kind: LauncherKind::of_path(word),
            version: config.launcher_version.filter(|_| known),
            from,
            asks_server: config.asks_server && known,
        })
    }

    /// Whether the version is known and at least `version`.
    #[must_use]
    pub fn since(&self, version: Version) -> bool {
        self.version.is_some_and(|own| own >= version)
    }

    /// Whether the version is known and older than `version`.
    #[must_use]
    pub fn before(&self, version: Version) -> bool {
        self.version.is_some_and(|own| own < version)
    }

    /// Whether `-march=native` and its like are safe: ccache puts what they stand for into the key
    /// (4.13, `argprocessing.cpp`; 4.7.5 does not, measured), sccache 0.16 the word `native` itself
    /// (llvm-project#196477).
    pub fn resolves_native(&self) -> bool {
        match self.kind {
            LauncherKind::Sccache => false,
            LauncherKind::Ccache => self.since(since::CCACHE_NATIVE),
            LauncherKind::Other => true,
        }
    }

    /// Whether it caches a call with `--config=FILE` (ccache 4.7.5 and 4.14.2 do; sccache 0.4 to 0.17 do not,
    /// measured).
    pub fn reads_config_files(&self) -> bool {
        self.kind == LauncherKind::Ccache
    }

    /// Whether colours that were asked for reach whoever reads the messages, be it a terminal or not
    /// (ccache 4.7.5 takes them out, 4.14.2 does not; measured).
    pub fn keeps_colours(&self) -> bool {
        self.kind != LauncherKind::Ccache || self.since(since::CCACHE_EMBED_AND_COLOURS)
    }

    /// Whether `-Xarch_<architecture> <value>` reaches the compiler as it was given.
    ///
    /// ccache 4.14.2 drops the pair from command and key for an architecture, 4.9 to 4.12.0 for
    /// `host` and `device` too, 4.7.5 swallows the argument behind it (measured; the middle by
    /// source). sccache 0.16 sorts options by class: `-I`, `-include` and their like leave their
    /// `-Xarch_` behind, those listed here stay with it in command and key (measured on a HIP
    /// compile with one of each: same object as the bare compiler's).
    pub fn keeps_xarch(&self, architecture: &[u8], value: &[u8]) -> bool {
        let class = value.get(..2).unwrap_or_default();
        let plain = matches!(class, b"-D" | b"-U" | b"-f" | b"-m" | b"-O" | b"-W" | b"-g")
            // -Wa, -Wl, -Wp: for another program.
            && !(class == b"-W" && value.contains(&b','));
        let colour = value.starts_with(b"-fcolor-diagnostics")
            || value.starts_with(b"-fno-color-diagnostics")
            || value.starts_with(b"-fdiagnostics-color");
        match self.kind {
            LauncherKind::Sccache => plain && !colour,
            LauncherKind::Ccache => {
                let side = architecture == b"host" || architecture == b"device";
                plain && side && self.since(since::CCACHE_XARCH)
            }
            LauncherKind::Other => plain || class == b"-I",
        }
    }

    /// Whether the compiler would not see SOURCE_DATE_EPOCH, which clang from 16 on puts into
    /// `__DATE__`, and LD_PRELOAD: sccache takes both out of the environment (0.16, `cmdline.rs`).
    pub fn hides_variables(&self) -> bool {
        self.kind == LauncherKind::Sccache
    }

    /// Whether the launcher can do nothing for a HIP compile.
    pub fn lacks_hip(&self) -> Option<Reason> {
        // One of unknown version passes HIP on, uncached at worst.
        let lacks = self.kind == LauncherKind::Sccache && self.before(since::SCCACHE_HIP);
        lacks.then_some(Reason::LauncherWithoutHip)
    }

    /// The directive by which a source names a file whose content this launcher does not look at, as
    /// a mark and the word behind it: sccache caches `.incbin` by the file's name, with and without
    /// direct mode (0.4 and 0.16); ccache leaves that alone, but in direct mode does not know of
    /// `#embed` (4.7.5; 4.14.2 does). Of a source in assembler both hash no more than
    /// the text, in which `.include` may stand too. All measured.
    pub fn blind_to(&self, exact: bool, language: Language) -> Option<(u8, &'static [u8])> {
        match self.kind {
            LauncherKind::Sccache | LauncherKind::Ccache if language == Language::Assembler => {
                Some((b'.', b"inc"))
            }
            LauncherKind::Sccache => Some((b'.', b"incbin")),
            LauncherKind::Ccache if !exact && !self.since(since::CCACHE_EMBED_AND_COLOURS) => {
                Some((b'#', b"embed"))
            }
            LauncherKind::Ccache | LauncherKind::Other => None,
        }
    }

    /// Whether the dependency file of `unit` has to be named to the launcher, since the call leaves its
    /// name to clang (measured with sccache 0.14, 0.16 and 0.17; 0.8.2 and 0.10.0 are right). The other
    /// half of that fault, a file with the first compile's target, is the key's to prevent.
    pub fn wants_depfile_named(&self, unit: &Unit<'_>) -> bool {
        self.kind == LauncherKind::Sccache
            && unit.writes_depfile
            && unit.word(WordRole::Depfile).is_none()
            && !self.before(since::SCCACHE_NAMED_DEPFILE)
    }

    /// The environment for a call. `exact`: without direct mode.
    #[must_use]
    pub fn edits(&self, exact: bool) -> Edits {
        Edits {
            kind: self.kind,
            no_direct_mode: exact,
            sloppiness: None,
        }
    }

    /// The environment for a compile through ccache and the stand-in, likewise; `sloppiness` is that
    /// variable's entry.
    #[must_use]
    pub fn edits_for_ccache(&self, exact: bool, sloppiness: &'static CStr) -> Edits {
        Edits {
            sloppiness: Some(sloppiness),
            ..self.edits(exact)
        }
    }
}
