//! The stand-in that a launcher is given as the compiler: it answers `-E` with everything that affects a compile,
//! and otherwise runs the real compiler.
//!
//! Owns: what the launching shim tells the stand-in ([`StandInPlan`]), which of the launcher's calls are `-E` of
//! the launched compile, and the real compiler's command lines that answer them. Pure.
//!
//! A launcher derives its key from the output of `-E`, which does not contain everything that affects a compile:
//! the new offload driver omits device code, layout is lost, and files that assembly reads are not named. The
//! stand-in prints the text of every side and a digest of every file that the texts name. If it cannot determine
//! something, its answer ensures a cache miss. The launcher's direct mode does not start the stand-in at all.

pub mod known;
pub mod markers;
pub mod text;

use crate::shared::bytes::{decimal, push_decimal};
use crate::shared::decision::language::Language;
use crate::shared::decision::options;
use crate::shared::decision::sharing::Shared;
use crate::shared::decision::unit::{Sides, Unit};
use crate::shared::launchers::NamedLauncher;
use crate::shared::launchers::kind::LauncherKind;
use crate::shared::parts::{PART_OPTION, Parts, Phase};
use crate::shared::paths::base_name;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

/// The variable that carries the plan through the launcher to the stand-in. No launcher puts it into a key.
pub const VARIABLE: &[u8] = b"ROCK_WRAP_STAND_IN";

/// Change this whenever the stand-in answers the same call differently. It is part of every key. A release that
/// does not change the answer therefore finds the results stored by an earlier one.
pub const ANSWER: &[u8] = b"rock-wrap answer 3";

/// What the stand-in needs to know about the launched call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandInPlan<'a> {
    /// The launcher, which determines how the stand-in reports that it cannot tell.
    pub kind: LauncherKind,
    /// The real compiler's path.
    pub real: &'a [u8],
    /// The name under which the real compiler is called.
    pub name: &'a [u8],
    /// The input, as given.
    pub input: &'a [u8],
    /// The checkout's directory, with a trailing slash, and the relative path to it from the working directory, if
    /// the result may be shared with other checkouts. Empty otherwise.
    pub root: &'a [u8],
    /// See `root`.
    pub up: &'a [u8],
    /// Whether the compile is asked for colours when the call leaves that to the terminal.
    pub colours: bool,
    /// What is known about a compile that is cached by architecture.
    pub parts: Option<Parts<'a>>,
    /// The ID of the process that launches the compile, by which a session's log identifies the call.
    pub call: usize,
    /// The texts that answer `-E`.
    pub texts: Vec<TextSide<'a>>,
}

/// The preprocessed text of one side of a compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextSide<'a> {
    /// The output of the compiler's own `-E`: complete except for a HIP compile under the new driver.
    Whole,
    /// The host's text.
    Host,
    /// The text for an architecture; an empty name means the compiler's default.
    Device(&'a [u8]),
}

/// The texts of `unit`, one for each side if `by_side` or if the compiler's own answer is incomplete. The devices'
/// texts come first, in the order of compilation: errors in a device's text are reported first, and the dependency file
/// that remains is the host's.
pub fn texts<'a>(unit: &'a Unit<'_>, by_side: bool) -> Vec<TextSide<'a>> {
    let mut texts = Vec::with_capacity(unit.archs.len() + 1);
    if !unit.hides_device_text() && !by_side {
        texts.push(TextSide::Whole);
        return texts;
    }
    match unit.archs.is_empty() {
        true => texts.push(TextSide::Device(b"")),
        false => texts.extend(
            unit.archs
                .iter()
                .map(|arch| TextSide::Device(arch.to_bytes())),
        ),
    }
    if unit.sides != Sides::Device {
        texts.push(TextSide::Host);
    }
    texts
}

/// Whether `launcher` is given a stand-in. A program that does not cache is given the compiler itself.
#[must_use]
pub fn is_used(launcher: &NamedLauncher<'_>) -> bool {
    launcher.kind != LauncherKind::Other
}

impl<'a> StandInPlan<'a> {
    /// The plan for a launch of `unit`, with the real compiler at `real`, called `name`.
    ///
    /// sccache compiles without a terminal, so clang would omit colours. With colours, the stored result serves
    /// both cases: whoever displays it removes them if the output is not a terminal. The assembler reports the
    /// option as unused.
    #[must_use]
    pub fn of(
        kind: LauncherKind,
        unit: &'a Unit<'_>,
        shared: Option<&'a Shared>,
        real: &'a [u8],
        name: &'a [u8],
        parts: Option<Parts<'a>>,
        call: usize,
    ) -> Self {
        Self {
            kind,
            real,
            name,
            call,
            input: unit.input.to_bytes(),
            root: shared.map_or(b"", |shared| &shared.root),
            up: shared.map_or(b"", |shared| &shared.up),
            colours: kind == LauncherKind::Sccache && unit.language != Language::Assembler,
            parts,
            texts: texts(unit, parts.is_some()),
        }
    }

    /// The arguments of a compile, given the launcher's. The option comes first, so that the call's own option
    /// wins.
    #[must_use]
    pub fn words<'w>(&self, args: &[&'w CStr]) -> Vec<&'w CStr> {
        let mut words = Vec::with_capacity(args.len() + 3);
        let compiles = self.colours && args.contains(&c"-c");
        words.extend(compiles.then_some(c"-fcolor-diagnostics"));
        words.extend(args.iter().map(|word| match *word {
            word if compiles && word == c"-fdiagnostics-color=auto" => {
                c"-fdiagnostics-color=always"
            }
            word => word,
        }));
        words
    }

    /// The plan as an environment entry: each field is preceded by its length, because a path may contain any byte
    /// but NUL.
    #[must_use]
    pub fn entry(&self) -> CString {
        let mut entry = Vec::with_capacity(512);
        entry.extend_from_slice(VARIABLE);
        entry.push(b'=');
        let kind: &[u8] = match self.kind {
            LauncherKind::Sccache => b"sccache",
            LauncherKind::Ccache => b"ccache",
            LauncherKind::Other => b"",
        };
        let colours: &[u8] = if self.colours { b"c" } else { b"" };
        for field in [
            kind, self.real, self.name, self.input, self.root, self.up, colours,
        ] {
            push_field(&mut entry, field);
        }
        match &self.parts {
            Some(parts) => {
                push_field(&mut entry, &[parts.phase.letter()]);
                push_field(&mut entry, parts.dir);
                push_field(&mut entry, parts.record);
            }
            None => push_field(&mut entry, b""),
        }
        push_number(&mut entry, self.call);
        push_number(&mut entry, self.texts.len());
        for text in &self.texts {
            match text {
                TextSide::Whole => push_field(&mut entry, b"w"),
                TextSide::Host => push_field(&mut entry, b"h"),
                TextSide::Device(arch) => {
                    push_field(&mut entry, b"d");
                    push_field(&mut entry, arch);
                }
            }
        }
        CString::new(entry).unwrap_or_default()
    }

    /// Parses the variable's value; `None` if [`entry`](Self::entry) did not write it.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let mut rest = value;
        let mut field = || {
            let (field, behind) = split_field(rest)?;
            rest = behind;
            Some(field)
        };
        let kind = match field()? {
            b"sccache" => LauncherKind::Sccache,
            b"ccache" => LauncherKind::Ccache,
            _ => return None,
        };
        let (real, name, input) = (field()?, field()?, field()?);
        let (root, up) = (field()?, field()?);
        let colours = field()? == b"c";
        let parts = match field()? {
            [] => None,
            [letter, ..] => {
                let (dir, record) = (field()?, field()?);
                Some(Parts {
                    phase: Phase::of_letter(*letter)?,
                    dir,
                    record,
                })
            }
        };
        let (call, rest) = split_number(rest)?;
        let (count, mut rest) = split_number(rest)?;
        let mut field = || {
            let (field, behind) = split_field(rest)?;
            rest = behind;
            Some(field)
        };
        let mut texts = Vec::new();
        for _ in 0..count {
            texts.push(match field()? {
                b"w" => TextSide::Whole,
                b"h" => TextSide::Host,
                b"d" => TextSide::Device(field()?),
                _ => return None,
            });
        }
        rest.is_empty().then_some(Self {
            kind,
            real,
            name,
            input,
            root,
            up,
            colours,
            parts,
            call,
            texts,
        })
    }

    /// The question in `args`, the launcher's arguments after the compiler, if they ask for the text of the
    /// launched compile. A launcher also runs `-E` on files of its own, to identify the compiler.
    #[must_use]
    pub fn question<'q>(&self, args: &[&'q CStr]) -> Option<Question<'q>> {
        Question::of(args).filter(|_| names(args, self.input))
    }
}

/// Whether `args`, a launcher's arguments after the compiler, name `input`. ccache may make a path relative.
fn names(args: &[&CStr], input: &[u8]) -> bool {
    let name = base_name(input);
    args.iter().any(|arg| base_name(arg.to_bytes()) == name)
}

/// Whether `args`, a launcher's arguments after the compiler, are a compile of `input` rather than a question about
/// the compiler.
#[must_use]
pub fn is_compile(args: &[&CStr], input: &[u8]) -> bool {
    let has = |word: &CStr| args.contains(&word);
    has(c"-c") && !has(c"-E") && names(args, input)
}

/// The dependency file named by `args`, a launcher's arguments after the compiler.
#[must_use]
pub fn depfile<'q>(args: &[&'q CStr]) -> Option<&'q CStr> {
    let mut args = args.iter();
    while let Some(word) = args.next() {
        match word.to_bytes_with_nul() {
            b"-MF\0" => return args.next().copied(),
            [b'-', b'M', b'F', name @ ..] => return CStr::from_bytes_until_nul(name).ok(),
            _ => {}
        }
    }
    None
}

fn push_field(entry: &mut Vec<u8>, field: &[u8]) {
    push_number(entry, field.len());
    entry.extend_from_slice(field);
}

fn push_number(entry: &mut Vec<u8>, number: usize) {
    push_decimal(entry, number as u64);
    entry.push(b':');
}

fn split_field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = split_number(bytes)?;
    rest.split_at_checked(len)
}

/// The number before a colon, and the bytes after the colon.
fn split_number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let (digits, rest) = (bytes.get(..colon)?, bytes.get(colon + 1..)?);
    Some((usize::try_from(decimal(digits)?).ok()?, rest))
}

/// A request for preprocessed text, and where the answer goes.
#[derive(Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The real compiler's arguments that all texts share.
    pub words: Vec<&'a CStr>,
    /// The file to write the text to; `None` means standard output.
    pub output: Option<&'a CStr>,
}

impl<'a> Question<'a> {
    /// Parses the launcher's arguments; `None` if they do not ask for text. Drops options that would change the
    /// text's form: outside its direct mode, sccache asks for text without line markers (`-P`) and with less white
    /// space (0.16, `clang.rs`). Also drops `--offload-compress`, under which the old driver's `-E` prints
    /// compressed text (clang 21 and 22).
    fn of(args: &[&'a CStr]) -> Option<Self> {
        let mut words = Vec::with_capacity(args.len());
        let mut output = None;
        let mut asks = false;
        let mut args = args.iter();
        while let Some(word) = args.next().copied() {
            match word.to_bytes() {
                b"-P" | b"-fminimize-whitespace" | b"--offload-compress" => {}
                b"-o" => output = args.next().copied(),
                [b'-', b'o', _, ..] if is_output(word) => {
                    let joined = word.to_bytes_with_nul().get(2..).unwrap_or_default();
                    output = CStr::from_bytes_until_nul(joined).ok();
                }
                b"-mllvm" if args.as_slice().first().is_some_and(is_part) => {
                    args.next();
                }
                bytes => {
                    asks |= bytes == b"-E";
                    words.push(word);
                    // An option's value may look like one of these options.
                    let values = options::find(bytes).map_or(0, |found| found.values);
                    words.extend(args.by_ref().take(values).copied());
                }
            }
        }
        asks.then_some(Self { words, output })
    }

    /// The arguments for the text of one side, to be appended to the others. The last of two options for the side
    /// wins, and none of them may trigger a warning about unused arguments.
    #[must_use]
    pub fn for_side(side: TextSide<'_>) -> Vec<CString> {
        let own = |word: &[u8]| CString::new(word).unwrap_or_default();
        let mut words = Vec::with_capacity(4);
        match side {
            TextSide::Whole => return words,
            TextSide::Host => words.push(own(b"--offload-host-only")),
            TextSide::Device(arch) => {
                words.push(own(b"--offload-device-only"));
                if !arch.is_empty() {
                    words.push(own(b"--no-offload-arch=all"));
                    words.push(own(&[b"--offload-arch=", arch].concat()));
                }
            }
        }
        words.push(own(b"-Qunused-arguments"));
        words
    }
}

/// Whether an argument is the value of `-mllvm` in the call for an architecture's part. The compiler does not know
/// it.
fn is_part(value: &&CStr) -> bool {
    value.to_bytes().starts_with(PART_OPTION)
}

/// Whether an argument that begins with `-o` is `-o` with its value joined, rather than another option.
fn is_output(word: &CStr) -> bool {
    options::find(word.to_bytes()).is_some_and(|found| found.name == b"-o")
}

#[cfg(test)]
mod tests;
