//! One compile of one file: what a launch needs to know about it.

use crate::shared::decision::language::Language;
use alloc::borrow::Cow;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

/// A word of the command line: borrowed from `argv`, or a copy if it comes from a file.
pub type Text<'a> = Cow<'a, CStr>;

/// What a launched compile reads and writes, for the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit<'a> {
    /// The only input.
    pub input: Text<'a>,
    /// Its language.
    pub language: Language,
    /// Words that matter besides the input, in command-line order.
    pub words: Vec<(WordRole, Text<'a>)>,
    /// Whether a dependency file is written (`-MD`, `-MMD`).
    pub writes_depfile: bool,
    /// Whether there may be debug information, which contains the working directory.
    pub debug_info: bool,
    /// Whether LLVM bitcode is written instead of an object (`-emit-llvm`).
    pub bitcode: bool,
    /// Whether the call itself determines `__hip_cuid_*` (`-cuid=`, `-fuse-cuid=none`).
    pub has_cuid: bool,
    /// Which sides of a HIP compile are compiled.
    pub sides: Sides,
    /// Whether clang's new offload driver compiles it, if it is HIP. Its `-E` prints only the host's text.
    pub new_driver: bool,
    /// Whether device code is linked later (`-fgpu-rdc`).
    pub relocatable_device_code: bool,
    /// Architectures named by `--offload-arch` and `--cuda-gpu-arch`, in command-line order.
    pub archs: Vec<CString>,
    /// Whether other options remove some of them, by rules that only clang knows.
    pub drops_archs: bool,
    /// Whether one of them is `native`, the machine's own architectures.
    pub native: bool,
    /// Replacements for arguments, in a spelling that launchers know, with the argument's index in `argv`.
    pub respelled: Vec<(usize, CString)>,
    /// The indexes in `argv`, in order, of arguments that ccache has to be told to pass on unchanged.
    pub verbatim: Vec<usize>,
}

/// The sides of a HIP compile that are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    /// Host and device.
    Both,
    /// The host only (`--offload-host-only`).
    Host,
    /// The device only (`--offload-device-only`).
    Device,
}

/// The role of a word in [`Unit::words`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordRole {
    /// The value of `-o`, at most one. If there is none, the output is the [`default_output`].
    Output,
    /// The value of `-MF`, at most one.
    Depfile,
    /// A value of `-MT` or `-MQ`.
    Target,
    /// A value of `-include`.
    Include,
    /// The location of device libraries and headers, as written: `--rocm-path=...`, `--hip-path=...`,
    /// `--rocm-device-lib-path=...`, `--hip-device-lib-path=...`, `-resource-dir=...`, or only the value of
    /// `-resource-dir`.
    Library,
    /// A configuration file named by the call. Its options count as the call's own.
    ConfigFile,
    /// An option that sets the directory in debug information, as written: `-fdebug-prefix-map=OLD=NEW`,
    /// `-ffile-prefix-map=OLD=NEW`, `-fdebug-compilation-dir=DIR`, `-ffile-compilation-dir=DIR`.
    PrefixMap,
    /// An option that changes the directory in `__builtin_FILE()` and similar built-ins, as written:
    /// `-fmacro-prefix-map=OLD=NEW`.
    MacroPrefixMap,
    /// Macros for the preprocessor only, as written: `-Wp,-DNAME,-UNAME`.
    Preprocessor,
}

impl Unit<'_> {
    /// Whether the compiler's own `-E` of this call omits device code, so that a launcher would miss an
    /// edit of it (clang 19, 22 and 23 with the new driver, measured). If only one side is compiled, `-E`
    /// prints that side; for the device side of several architectures, clang 23 crashes
    /// (llvm-project#207375).
    pub fn hides_device_text(&self) -> bool {
        self.language == Language::Hip
            && self.new_driver
            && match self.sides {
                Sides::Both => true,
                Sides::Host => false,
                Sides::Device => self.archs.len() > 1 || self.drops_archs,
            }
    }

    /// Whether every compiler replaces an existing output with a new file, whose mode depends on the umask.
    /// If a program other than the front end writes the output (the bundler, the packager, lld, the
    /// assembler), some versions write into the existing file and keep its mode (clang 15 to 23, measured).
    #[must_use]
    pub fn replaces_output(&self) -> bool {
        match self.language {
            Language::Hip => self.sides != Sides::Device && !self.bitcode,
            Language::Assembler => false,
            _ => true,
        }
    }

    /// The file that the object is written to.
    #[must_use]
    pub fn output(&self) -> Text<'_> {
        match self.word(WordRole::Output) {
            Some(output) => Cow::Borrowed(output),
            None => Cow::Owned(CString::new(default_output(&self.input)).unwrap_or_default()),
        }
    }

    /// The dependency file, if one is written.
    #[must_use]
    pub fn depfile(&self) -> Option<Text<'_>> {
        self.writes_depfile
            .then(|| match self.word(WordRole::Depfile) {
                Some(depfile) => Cow::Borrowed(depfile),
                None => Cow::Owned(CString::new(default_depfile(self)).unwrap_or_default()),
            })
    }

    /// The first word with this role.
    #[must_use]
    pub fn word(&self, role: WordRole) -> Option<&CStr> {
        let word = self.words.iter().find(|(is, _)| *is == role);
        word.map(|(_, text)| &**text)
    }

    /// The arguments of `argv` for a launcher. An argument in a spelling that launchers do not know is
    /// replaced by an equivalent spelling. `--ccache-skip` is put before each argument that ccache would
    /// change; ccache passes that argument on unchanged and adds it to its key.
    #[must_use]
    pub fn arguments<'s>(&'s self, argv: &[&'s CStr]) -> Vec<&'s CStr> {
        // Room for an id and the end of a list.
        let mut arguments = Vec::with_capacity(argv.len() + self.verbatim.len() + 1);
        arguments.extend_from_slice(argv.get(1..).unwrap_or_default());
        for (at, text) in &self.respelled {
            if let Some(argument) = arguments.get_mut(at.wrapping_sub(1)) {
                *argument = text;
            }
        }
        for at in self.verbatim.iter().rev() {
            arguments.insert(at - 1, c"--ccache-skip");
        }
        arguments
    }
}

/// The object that clang writes for `input` without `-o`: in the working directory, with the last extension
/// replaced.
#[must_use]
pub fn default_output(input: &CStr) -> Vec<u8> {
    with_extension(crate::shared::paths::base_name(input.to_bytes()), b".o")
}

/// The dependency file that clang writes for `-MD` without `-MF`: the output's name with the last extension
/// replaced, or without `-o` the input's name, in the working directory (`getDependencyFileName` in clang
/// 15 to 23; measured on 15, 19, 22 and 23).
#[must_use]
pub fn default_depfile(unit: &Unit<'_>) -> Vec<u8> {
    let name = match unit.word(WordRole::Output) {
        Some(output) => output.to_bytes(),
        None => crate::shared::paths::base_name(unit.input.to_bytes()),
    };
    with_extension(name, b".d")
}

/// `path` with the extension of its last component replaced by `extension`, which includes the dot.
fn with_extension(path: &[u8], extension: &[u8]) -> Vec<u8> {
    let name = crate::shared::paths::base_name(path);
    let cut = name.iter().rposition(|byte| *byte == b'.');
    let cut = cut.map_or(0, |dot| name.len() - dot);
    [&path[..path.len() - cut], extension].concat()
}
