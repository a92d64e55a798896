//! The model of one command line: one pass over its arguments, including response files.
//!
//! Owns: what the call is (one compile of one file, or not) and what a cache key needs to know about it.
//! Must never launch on a guess: anything that it does not understand is a reason for Direct. Stops at the
//! first such reason.

mod forwarded;
mod values;
mod verdict;

use self::forwarded::{assembler_options, backend_option, preprocessor_options};
use crate::shared::decision::language::Language;
use crate::shared::decision::reasons::{Direct, Reason};
use crate::shared::decision::unit::{Sides, Text, Unit, WordRole};
use crate::shared::decision::{config_file, hazards, options, response};
use crate::shared::launchers::NamedLauncher;
use crate::shared::machine::Machine;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::ffi::CStr;

/// A word, and the same word in `argv` if it comes from there.
#[derive(Clone, Copy)]
struct Word<'w, 'a> {
    text: &'w CStr,
    argv: Option<&'a CStr>,
}

impl<'a> Word<'_, 'a> {
    fn keep(self) -> Text<'a> {
        match self.argv {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(self.text.into()),
        }
    }

    /// The word without its first `skip` bytes.
    fn tail(self, skip: usize) -> Self {
        Self {
            text: tail(self.text, skip),
            argv: self.argv.map(|text| tail(text, skip)),
        }
    }
}

fn tail(text: &CStr, skip: usize) -> &CStr {
    let rest = text.to_bytes_with_nul().get(skip..).unwrap_or_default();
    CStr::from_bytes_until_nul(rest).unwrap_or_default()
}

/// How to read the next argument.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// An option or an input.
    Anything,
    /// This many values that do not matter here.
    Values(usize),
    /// A word of the unit.
    Word(WordRole),
    Language,
    /// A target triple.
    Target,
    /// The value of `-resource-dir`. The option is at this index of `argv`; `None` if it is in a file.
    ResourceDir(Option<usize>),
    /// An option for the device linker.
    OffloadLinker,
    Frontend,
    Backend,
    /// The value of `-Xarch_host`, `-Xarch_device` or `-Xarch_<architecture>`. The option is at this index of `argv`;
    /// `None` if it is in a file.
    Xarch(Option<usize>),
}

/// The state of the pass.
pub struct Scan<'a, 'l> {
    launcher: &'l NamedLauncher<'a>,
    cxx_driver: bool,
    expect: Expect,
    /// The index of the current argument.
    at: usize,
    /// Whether the previous argument is an unknown option.
    unknown: bool,
    /// Whether the last `-Xclang` value takes another value.
    frontend_value: bool,
    compiles: bool,
    openmp: bool,
    /// Whether the last target is an AMD GPU.
    gpu_target: bool,
    /// Whether `--offload-targets=` was given.
    offload_targets: bool,
    /// Whether the device objects are left unbundled.
    unbundled: bool,
    /// Whether the device linker gets options.
    offload_linker: bool,
    /// Whether some warnings are errors.
    strict_warnings: bool,
    /// Whether the call sets an id, which takes precedence over any way to generate one.
    cuid: bool,
    /// Whether the id is a hash of the call.
    hashed_cuid: bool,
    x: Option<Language>,
    /// The index of an option that makes a compile write further files; 0: none.
    side_output_at: usize,
    /// The index of the input; 0: none yet.
    input_at: usize,
    /// The index of the second input; 0: none.
    second_at: usize,
    after_unknown: bool,
    unit: Unit<'a>,
}

type ScanResult = Result<(), Reason>;

/// The prefix of target triples for AMD GPUs.
const GPU: &[u8] = b"amdgcn";

/// See [`WordRole::Library`].
const LIBRARY_OPTIONS: [&[u8]; 5] = [
    b"--rocm-path=",
    b"--hip-path=",
    b"--rocm-device-lib-path=",
    b"--hip-device-lib-path=",
    b"-resource-dir=",
];

/// See [`WordRole::PrefixMap`].
const PREFIX_MAP_OPTIONS: [&[u8]; 4] = [
    b"-fdebug-prefix-map=",
    b"-ffile-prefix-map=",
    b"-fdebug-compilation-dir=",
    b"-ffile-compilation-dir=",
];

impl<'a, 'l> Scan<'a, 'l> {
    /// Reads all of `argv` except its first word. `new_driver`: whether the compiler uses the new offload
    /// driver if no option selects one.
    pub fn run<M: Machine + ?Sized>(
        argv: &[&'a CStr],
        cxx_driver: bool,
        launcher: &'l NamedLauncher<'a>,
        new_driver: bool,
        machine: &M,
    ) -> Result<Self, Direct> {
        let mut scan = Self {
            launcher,
            cxx_driver,
            expect: Expect::Anything,
            at: 0,
            unknown: false,
            frontend_value: false,
            compiles: false,
            openmp: false,
            gpu_target: false,
            offload_targets: false,
            unbundled: false,
            offload_linker: false,
            strict_warnings: false,
            cuid: false,
            hashed_cuid: true,
            x: None,
            side_output_at: 0,
            input_at: 0,
            second_at: 0,
            after_unknown: false,
            unit: Unit {
                input: Cow::Borrowed(c""),
                language: Language::C,
                words: Vec::new(),
                writes_depfile: false,
                debug_info: false,
                bitcode: false,
                has_cuid: false,
                sides: Sides::Both,
                new_driver,
                relocatable_device_code: false,
                archs: Vec::new(),
                drops_archs: false,
                native: false,
                respelled: Vec::new(),
                verbatim: Vec::new(),
            },
        };
        scan.read_config_files(argv, machine)?;
        for (at, text) in argv.iter().copied().enumerate().skip(1) {
            let step = match text.to_bytes().split_first() {
                // Expanded first, even in place of an option's value.
                Some((b'@', name)) if !name.is_empty() => {
                    response::expand(machine, tail(text, 1), &mut |text| {
                        scan.take(Word { text, argv: None }, at)
                    })
                }
                _ => scan.take(
                    Word {
                        text,
                        argv: Some(text),
                    },
                    at,
                ),
            };
            step.map_err(|reason| Direct {
                reason,
                at: Some(at),
            })?;
        }
        Ok(scan)
    }

    /// Reads the options of the configuration files that `argv` names, before all others, as clang does.
    fn read_config_files<M: Machine + ?Sized>(
        &mut self,
        argv: &[&'a CStr],
        machine: &M,
    ) -> Result<(), Direct> {
        for (at, word) in argv.iter().enumerate().skip(1) {
            let named = config_file::named(word, argv.get(at + 1));
            let Some(path) = named.filter(|_| self.launcher.reads_config_files()) else {
                continue;
            };
            let read = config_file::expand(machine, path, &mut |text| {
                self.take(Word { text, argv: None }, at)
            });
            // The options that make a call a compile of one file must be where the launcher sees them.
            let shapes = self.compiles
                || self.expect != Expect::Anything
                || self.input_at != 0
                || self.x.is_some()
                || self.unit.writes_depfile
                || [WordRole::Output, WordRole::Depfile, WordRole::Target]
                    .into_iter()
                    .any(|role| self.unit.word(role).is_some());
            let read = read.and(if shapes {
                Err(Reason::ConfigFile)
            } else {
                Ok(())
            });
            self.unit
                .words
                .push((WordRole::ConfigFile, Cow::Borrowed(path)));
            read.map_err(|reason| Direct {
                reason,
                at: Some(at),
            })?;
        }
        Ok(())
    }

    fn take(&mut self, word: Word<'_, 'a>, at: usize) -> ScanResult {
        self.at = at;
        let bytes = word.text.to_bytes();
        match core::mem::replace(&mut self.expect, Expect::Anything) {
            Expect::Anything if bytes.first() == Some(&b'-') => self.option(word),
            Expect::Anything => self.input(word, at),
            Expect::Values(left) => {
                if left > 1 {
                    self.expect = Expect::Values(left - 1);
                }
                Ok(())
            }
            Expect::Word(role) => self.word(role, word),
            Expect::Language => self.set_language(bytes),
            Expect::Target => {
                self.gpu_target = bytes.starts_with(GPU);
                Ok(())
            }
            Expect::ResourceDir(option) => self.resource_dir(option, word),
            Expect::OffloadLinker => self.linker_option(bytes),
            Expect::Frontend => self.frontend_option(bytes),
            Expect::Backend => backend_option(bytes),
            Expect::Xarch(option) => self.xarch(option, word),
        }
    }

    fn input(&mut self, word: Word<'_, 'a>, at: usize) -> ScanResult {
        let after_unknown = core::mem::take(&mut self.unknown);
        if self.input_at == 0 {
            self.input_at = at;
            self.unit.input = word.keep();
            self.after_unknown = after_unknown;
        } else if self.second_at == 0 {
            // Reported only at the end: a link also has several inputs and is better reported as a link.
            self.second_at = at;
        }
        Ok(())
    }

    fn option(&mut self, word: Word<'_, 'a>) -> ScanResult {
        self.unknown = false;
        let bytes = word.text.to_bytes();
        // A fast path for most arguments of a compile. Nothing else in clang's table begins like these,
        // except `-W...` options that are forwarded.
        match bytes {
            b"-" => return Err(Reason::Stdin),
            [_, b'D' | b'U' | b'L', _, ..] | [_, b'I', b'/' | b'.' | b'a'..=b'z', ..] => {
                return Ok(());
            }
            [_, b'W', b'a', b',', rest @ ..] => return assembler_options(rest),
            [_, b'W', b'p', b',', rest @ ..] => {
                preprocessor_options(rest)?;
                return self.word(WordRole::Preprocessor, word);
            }
            [_, b'W', rest @ ..] => {
                self.strict_warnings |= rest.starts_with(b"error");
                return Ok(());
            }
            _ => {}
        }
        // A configuration file that was read; see `read_config_files`.
        let is_read = self.launcher.reads_config_files()
            && word
                .argv
                .is_some_and(|word| config_file::named(word, Some(&c"")).is_some());
        if !is_read && let Some(reason) = hazards::reason(bytes, self.launcher) {
            if reason != Reason::SideOutput || self.compiles {
                return Err(reason);
            }
            // A link is reported as a link, whatever else it writes: clang-linker-wrapper links the code
            // for each architecture by running clang with -dumpdir (clang 23, in every HIP compile).
            if self.side_output_at == 0 {
                self.side_output_at = self.at;
            }
        }
        let Some(found) = options::find(bytes) else {
            self.unknown = true;
            return Ok(());
        };
        let value = word.tail(found.name.len());
        if found.values == 0 {
            return self.alone(found.name, word, value);
        }
        self.expect = match found.name {
            b"-o" => Expect::Word(WordRole::Output),
            b"--output" => {
                self.respell(word, b"-o", b"")?;
                Expect::Word(WordRole::Output)
            }
            b"-x" => Expect::Language,
            b"-target" => Expect::Target,
            b"-Xoffload-linker" => Expect::OffloadLinker,
            b"-MF" => Expect::Word(WordRole::Depfile),
            b"-MT" | b"-MQ" => Expect::Word(WordRole::Target),
            b"-include" | b"--include" => Expect::Word(WordRole::Include),
            b"-resource-dir" => Expect::ResourceDir(word.argv.map(|_| self.at)),
            b"-Xclang" => Expect::Frontend,
            b"-mllvm" => Expect::Backend,
            b"-Xarch_host" | b"-Xarch_device" | b"-Xarch_" => {
                Expect::Xarch(word.argv.map(|_| self.at))
            }
            _ => Expect::Values(found.values),
        };
        Ok(())
    }

    /// An option without a value, or with its value in the same word.
    fn alone(&mut self, name: &[u8], word: Word<'_, 'a>, value: Word<'_, 'a>) -> ScanResult {
        match name {
            // PyTorch's extensions pass it twice; every launcher treats that like once.
            b"-c" => {
                self.compiles = true;
                Ok(())
            }
            b"-o" => self.word(WordRole::Output, value),
            b"-x" => self.set_language(value.text.to_bytes()),
            b"-MF" => self.word(WordRole::Depfile, value),
            b"-MT" | b"-MQ" => self.word(WordRole::Target, value),
            b"-include" | b"--include" | b"--include=" => self.word(WordRole::Include, value),
            b"-MD" | b"-MMD" => {
                self.unit.writes_depfile = true;
                Ok(())
            }
            b"-emit-llvm" => {
                self.unit.bitcode = true;
                Ok(())
            }
            // The last of these wins.
            b"--cuda-device-only" | b"--offload-device-only" => {
                self.unit.sides = Sides::Device;
                Ok(())
            }
            b"--cuda-host-only" | b"--offload-host-only" => {
                self.unit.sides = Sides::Host;
                Ok(())
            }
            b"--cuda-compile-host-device" | b"--offload-host-device" => {
                self.unit.sides = Sides::Both;
                Ok(())
            }
            b"--debug" => {
                self.unit.debug_info = true;
                Ok(())
            }
            _ => {
                let bytes = word.text.to_bytes();
                if let Some(output) = bytes.strip_prefix(b"--output=") {
                    self.respell(word, b"-o", output)?;
                    return self.word(WordRole::Output, word.tail(b"--output=".len()));
                }
                for (options, role) in [
                    (&LIBRARY_OPTIONS[..], WordRole::Library),
                    (&PREFIX_MAP_OPTIONS, WordRole::PrefixMap),
                    (&[b"-fmacro-prefix-map="], WordRole::MacroPrefixMap),
                ] {
                    if options.iter().any(|name| bytes.starts_with(name)) {
                        self.word(role, word)?;
                    }
                }
                self.with_value(bytes)
            }
        }
    }
}
