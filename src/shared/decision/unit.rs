//! One compile of one file, as a launch needs to know it.

use crate::shared::decision::language::Language;
use alloc::borrow::Cow;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

/// A word of the command line: borrowed where it is in `argv`, a copy where it is in a file.
pub type Text<'a> = Cow<'a, CStr>;

/// What a launched compile reads and writes, for the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit<'a> {
    /// The only input.
    pub input: Text<'a>,
    /// Its language.
    pub language: Language,
    /// Words that count beside the input, in the order of the command line.
    pub words: Vec<(WordRole, Text<'a>)>,
    /// Whether a dependency file is written (`-MD`, `-MMD`).
    pub writes_depfile: bool,
    /// Whether there may be debug information, which holds the working directory.
    pub debug_info: bool,
    /// Whether LLVM's bitcode is written in the place of an object (`-emit-llvm`).
    pub bitcode: bool,
    /// Whether the call settles `__hip_cuid_*` itself (`-cuid=`, `-fuse-cuid=none`).
    pub has_cuid: bool,
    /// Which of a HIP compile's sides are compiled.
    pub sides: Sides,
    /// Whether clang's new offload driver compiles it, if it is HIP. Its `-E` prints the host's text alone.
    pub new_driver: bool,
    /// Whether device code is linked later (`-fgpu-rdc`).
    pub relocatable_device_code: bool,
    /// Architectures named by `--offload-arch` and `--cuda-gpu-arch`, in their order.
    pub archs: Vec<CString>,
    /// Whether some of them are taken away again, in ways that clang alone knows.
    pub drops_archs: bool,
    /// Whether one of them is `native`: those of the machine.
    pub native: bool,
    /// Arguments in the spelling that launchers know, by their index in `argv`.
    pub respelled: Vec<(usize, CString)>,
}

/// The sides of a HIP compile that are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    /// The host's and the device's.
    Both,
    /// The host's alone (`--offload-host-only`).
    Host,
    /// The device's alone (`--offload-device-only`).
    Device,
}

/// What a word of [`Unit::words`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordRole {
    /// The value of `-o`, at most one. Without one the output is the [`default_output`].
    Output,
    /// The value of `-MF`, at most one.
    Depfile,
    /// A value of `-MT` or `-MQ`.
    Target,
    /// A value of `-include`.
    Include,
    /// Where device libraries and headers are, as it is written: `--rocm-path=...`,
    /// `--hip-path=...`, `--rocm-device-lib-path=...`, `--hip-device-lib-path=...`,
    /// `-resource-dir=...`, and the value alone of `-resource-dir`.
    Library,
    /// A configuration file that is named, whose options count as the call's.
    ConfigFile,
    /// What decides which directory debug information names, as it is written:
    /// `-fdebug-prefix-map=OLD=NEW`, `-ffile-prefix-map=OLD=NEW`, `-fdebug-compilation-dir=DIR`,
    /// `-ffile-compilation-dir=DIR`.
    PrefixMap,
    /// Another directory in what `__builtin_FILE()` and its like give, as it is written:
    /// `-fmacro-prefix-map=OLD=NEW`.
    MacroPrefixMap,
    /// Macros that are given to the preprocessor alone, as it is written: `-Wp,-DNAME,-UNAME`.
    Preprocessor,
}

impl Unit<'_> {
    /// Whether the compiler's own `-E` of this call leaves device code out, so that a launcher would not
    /// notice an edit of it (clang 19, 22 and 23 under the new driver, measured). With one side alone it prints that side;
    /// the device's for several architectures makes clang 23 crash (llvm-project#207375).
    pub fn hides_device_text(&self) -> bool {
        self.language == Language::Hip
            && self.new_driver
            && match self.sides {
                Sides::Both => true,
                Sides::Host => false,
                Sides::Device => self.archs.len() > 1 || self.drops_archs,
            }
    }

    /// Whether every compiler replaces an output that is there by a new file, whose mode the umask decides. Where
    /// another program than the front end has the last word (the bundler, the packager, lld, the assembler), some
    /// write into the file that is there and leave its mode as it was (clang 15 to 23, measured).
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

    /// The first word in `role`.
    #[must_use]
    pub fn word(&self, role: WordRole) -> Option<&CStr> {
        let word = self.words.iter().find(|(is, _)| *is == role);
        word.map(|(_, text)| &**text)
    }

    /// The arguments of `argv` as a launcher is given them: those that mean the same to the compiler and
    /// that launchers do not know in their spelling are put in another.
    #[must_use]
    pub fn arguments<'s>(&'s self, argv: &[&'s CStr]) -> Vec<&'s CStr> {
        // Room for an id and the end of a list.
        let mut arguments = Vec::with_capacity(argv.len() + 1);
        arguments.extend_from_slice(argv.get(1..).unwrap_or_default());
        for (at, text) in &self.respelled {
            if let Some(argument) = arguments.get_mut(at.wrapping_sub(1)) {
                *argument = text;
            }
        }
        arguments
    }
}

/// The name of the object that clang makes of `input` without `-o`: in the working directory, with
/// the last extension replaced.
#[must_use]
pub fn default_output(input: &CStr) -> Vec<u8> {
    with_extension(crate::shared::paths::base_name(input.to_bytes()), b".o")
}

/// The name of the dependency file that clang writes for `-MD` without `-MF`: the output's with the
/// last extension replaced, or without `-o` the input's, in the working directory (`getDependencyFileName`
/// of clang 15 to 23; measured on 15, 19, 22 and 23).
#[must_use]
pub fn default_depfile(unit: &Unit<'_>) -> Vec<u8> {
    let name = match unit.word(WordRole::Output) {
        Some(output) => output.to_bytes(),
        None => crate::shared::paths::base_name(unit.input.to_bytes()),
    };
    with_extension(name, b".d")
}

/// `path` with `extension`, which has its dot, in the place of that of its last part.
fn with_extension(path: &[u8], extension: &[u8]) -> Vec<u8> {
    let name = crate::shared::paths::base_name(path);
    let cut = name.iter().rposition(|byte| *byte == b'.');
    let cut = cut.map_or(0, |dot| name.len() - dot);
    [&path[..path.len() - cut], extension].concat()
}
