//! What differs between launchers.
//!
//! Owns: the choice of the launcher, the known faults of each one, and the environment that it gets. Must
//! assume the worst of a launcher of unknown version.

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

/// Releases that changed something relevant here. Every version check compares with one of these.
pub mod since {
    use super::kind::Version;

    /// sccache caches HIP (mozilla/sccache#2045).
    pub const SCCACHE_HIP: Version = Version(0, 8, 0);
    /// sccache's server can listen on a Unix socket, and its protocol has today's form.
    pub const SCCACHE_SOCKETS: Version = Version(0, 9, 0);
    /// A hit in sccache's direct mode writes a dependency file only if `-MF` names it.
    pub const SCCACHE_NAMED_DEPFILE: Version = Version(0, 11, 0);
    /// sccache strips base directories from the paths that it hashes (`SCCACHE_BASEDIRS`), so that
    /// checkouts share entries (measured).
    pub const SCCACHE_BASE_DIRS: Version = Version(0, 14, 0);
    /// sccache has a local cache in front of a remote one (`SCCACHE_MULTILEVEL_CHAIN`).
    pub const SCCACHE_LEVELS: Version = Version(0, 15, 0);
    /// sccache can be restricted to reading with any kind of storage (`SCCACHE_S3_RW_MODE` and the like).
    pub const SCCACHE_ACCESS: Version = Version(0, 16, 0);
    /// sccache writes to its other cache levels if one level is read-only. With such a level, 0.16 and 0.17
    /// store nothing at all (measured).
    pub const SCCACHE_READ_ONLY_LEVEL: Version = Version(0, 18, 0);
    /// sccache's client can do the server's work itself (`SCCACHE_CLIENT_SIDE`).
    pub const SCCACHE_CLIENT_SIDE: Version = Version(0, 17, 0);
    /// The first sccache whose protocol has not been compared with the one in [`sccache`](super::sccache).
    pub const SCCACHE_UNKNOWN: Version = Version(0, 20, 0);
    /// ccache has the setting `remote_storage`.
    pub const CCACHE_REMOTE: Version = Version(4, 7, 0);
    /// ccache keeps the order of options, including an option behind `--ccache-skip` among preprocessor options.
    pub const CCACHE_XARCH: Version = Version(4, 12, 1);
    /// ccache resolves `native` and adds the result to its key.
    pub const CCACHE_NATIVE: Version = Version(4, 13, 0);
    /// ccache starts helper programs for remote storage, which support what ccache itself does not, such as TLS.
    pub const CCACHE_HELPERS: Version = Version(4, 13, 0);
    /// ccache detects `#embed`, and keeps colours that were requested.
    pub const CCACHE_EMBED_AND_COLOURS: Version = Version(4, 14, 0);
}

/// Where the launcher was configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `HIP_CLANG_LAUNCHER`.
    Environment,
    /// `rock-wrap install`.
    Installed,
}

/// A launcher as it was configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedLauncher<'a> {
    /// A path, or a name to look up in `PATH` if it contains no slash.
    pub word: &'a [u8],
    /// Which launcher it is, by its file name.
    pub kind: LauncherKind,
    /// Its version. Known only for the installed launcher.
    pub version: Option<Version>,
    /// Where it was configured.
    pub from: Source,
    /// Whether the shim sends a compile to the launcher's server itself, and runs the launcher only if no
    /// server answers.
    pub asks_server: bool,
}

impl<'a> NamedLauncher<'a> {
    /// The launcher for a call: `HIP_CLANG_LAUNCHER` if it is set and not empty (a single word, spaces
    /// included, as in hipcc 7.13 and later), else the installed launcher.
    #[must_use]
    pub fn choose(environment: Option<&'a [u8]>, config: &Config<'a>) -> Option<Self> {
        let (word, from) = match environment {
            // A value that names rock-wrap itself brought the call here, or would bring it here again.
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

    /// Whether `-march=native` and similar options are safe: ccache resolves them and adds the result to
    /// its key (4.13, `argprocessing.cpp`; 4.7.5 does not, measured), sccache 0.16 adds only the word
    /// `native` (llvm-project#196477).
    pub fn resolves_native(&self) -> bool {
        match self.kind {
            LauncherKind::Sccache => false,
            LauncherKind::Ccache => self.since(since::CCACHE_NATIVE),
            LauncherKind::Other => true,
        }
    }

    /// Whether it caches a call with `--config=FILE` (ccache 4.7.5 and 4.14.2 do; sccache 0.4 to 0.17 do
    /// not, measured).
    pub fn reads_config_files(&self) -> bool {
        self.kind == LauncherKind::Ccache
    }

    /// Whether requested colours reach the reader of the messages, with and without a terminal (ccache
    /// 4.7.5 strips them, 4.14.2 does not; measured).
    pub fn keeps_colours(&self) -> bool {
        self.kind != LauncherKind::Ccache || self.since(since::CCACHE_EMBED_AND_COLOURS)
    }

    /// Whether the launcher can be made to pass `-Xarch_<architecture> <value>` on unchanged and to add it to its key.
    ///
    /// Without further measures, ccache drops the pair from its command and its key (4.14.2 for an architecture, 4.9 to
    /// 4.12.0 in every form) or swallows the next argument (4.7.5), and it does not cache a call with two such options
    /// (measured; 4.9 to 4.12.0 by source). Behind `--ccache-skip` it passes both words on and adds them to the key
    /// (4.14.2, measured; from 4.12.1 on by source), but 4.7.5 puts them in front of `-D` (measured; before 4.12.1 by
    /// source). sccache 0.16 sorts options by class: it separates `-I`, `-include` and similar options from their
    /// `-Xarch_`, but keeps the options listed here together with their `-Xarch_` in command and key (measured on a HIP
    /// compile with one of each: same object as from the bare compiler).
    pub fn keeps_xarch(&self, value: &[u8]) -> bool {
        let class = value.get(..2).unwrap_or_default();
        let plain = matches!(class, b"-D" | b"-U" | b"-f" | b"-m" | b"-O" | b"-W" | b"-g")
            // -Wa,... -Wl,... and -Wp,... are for other programs.
            && !(class == b"-W" && value.contains(&b','));
        let colour = value.starts_with(b"-fcolor-diagnostics")
            || value.starts_with(b"-fno-color-diagnostics")
            || value.starts_with(b"-fdiagnostics-color");
        match self.kind {
            LauncherKind::Sccache => plain && !colour,
            // Behind `--ccache-skip`, ccache does not see that `-g` makes the object name the working directory.
            LauncherKind::Ccache => {
                plain
                    && !colour
                    && (class != b"-g" || value == b"-g0")
                    && self.since(since::CCACHE_XARCH)
            }
            LauncherKind::Other => plain || class == b"-I",
        }
    }

    /// Whether the launcher hides SOURCE_DATE_EPOCH, which clang 16 and later use for `__DATE__`, and
    /// LD_PRELOAD from the compiler: sccache removes both from the environment (0.16, `cmdline.rs`).
    pub fn hides_variables(&self) -> bool {
        self.kind == LauncherKind::Sccache
    }

    /// Why the launcher cannot cache any HIP compile, if it cannot.
    pub fn lacks_hip(&self) -> Option<Reason> {
        // An sccache of unknown version passes HIP through, at worst uncached.
        let lacks = self.kind == LauncherKind::Sccache && self.before(since::SCCACHE_HIP);
        lacks.then_some(Reason::LauncherWithoutHip)
    }

    /// The directive with which a source names a file whose content this launcher ignores, as a mark and
    /// the word after it. sccache hashes only the file name of `.incbin`, with and without direct mode (0.4
    /// and 0.16). ccache does not cache such a source, but its direct mode does not know `#embed` (4.7.5;
    /// 4.14.2 does). For an assembler source both hash only the text, which may also contain `.include`.
    /// All measured.
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

    /// Whether the launcher needs an explicit name for the dependency file of `unit`, because the call
    /// leaves the name to clang (measured with sccache 0.14, 0.16 and 0.17; 0.8.2 and 0.10.0 are correct).
    /// The other half of that fault, a file that holds the first compile's target, is prevented by the key.
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

    /// The environment for a compile through ccache and the stand-in. `exact`: without direct mode.
    /// `sloppiness` is the entry for `CCACHE_SLOPPINESS`.
    #[must_use]
    pub fn edits_for_ccache(&self, exact: bool, sloppiness: &'static CStr) -> Edits {
        Edits {
            sloppiness: Some(sloppiness),
            ..self.edits(exact)
        }
    }
}
