//! The session's call log: a line per call, written by the shim and read by `rock-wrap run`, and what the stand-in and
//! the parts program add to it.
//!
//! Owns: the variable that enables the log, and its format. Without the variable, no file is opened.
//!
//! ```text
//! direct <TAB> reason   <TAB> language <TAB> archs <TAB> pid <TAB> start <TAB> cwd <TAB> source <TAB> output
//! launch <TAB> launcher <TAB> language <TAB> archs <TAB> pid <TAB> start <TAB> cwd <TAB> source <TAB> output
//! ```
//!
//! `forward` in place of `launch` is a launched call of a compiler that is not the tree's.
//!
//! `-` marks an absent field. `archs` is the number of offload architectures. `start` is the time of the decision
//! in nanoseconds since boot (`CLOCK_BOOTTIME`: nobody can set that clock, and the kernel reports process start
//! times by it). `cwd` is present if one of the two paths is relative. In the last three fields, a control
//! character or a backslash is written as a backslash and two hexadecimal digits.
//!
//! A launched call was parsed completely. For a direct call, language, archs, source and output are a best guess.
//!
//! The stand-in, which a hit in a launcher's direct mode does not start, adds up to three records:
//!
//! - After answering with the texts of a compile: the last part of the answer, all lines of which begin with `#`. It
//!   names the files behind the texts, with their digests.
//! - When it runs the real compiler for the compile itself: nothing but the last line.
//! - When that compiler has ended: the memory of its largest process in KiB.
//!
//! The last line of each record holds only the ID of the process whose call the record is about. One record is one
//! write.
//!
//! ```text
//! # 1 "/usr/include/stdio.h"
//! #pragma rock-wrap 0f1e2d...
//! 4711
//! 4711
//! #memory 235484
//! 4711
//! ```
//!
//! The parts program adds a line for each call that it was handed. The line lists the architectures' parts and the
//! host's, each with its outcome, its start and duration in nanoseconds and, if it was compiled and that is known, the
//! memory of its largest process in bytes. The line lists no part if the call was compiled whole after all.
//!
//! ```text
//! parts <TAB> pid <TAB> gfx90a=hit,START,TIME <TAB> gfx942=miss,START,TIME,MEMORY <TAB> host=host,START,TIME,MEMORY
//! ```

use crate::shared::bytes::push_decimal;
use alloc::vec::Vec;
use core::ffi::CStr;

use crate::shared::call::{Call, lookup};
use crate::shared::decision::Decision;
use crate::shared::decision::language::Language;
use crate::shared::decision::unit::{WordRole, default_output};
use crate::shared::sys;

/// Names the log: an existing file that the shim may append to.
pub const VARIABLE: &str = "ROCK_WRAP_EVENTS";

/// The start of the line with the memory of a compile.
pub const MEMORY: &[u8] = b"#memory ";

/// Appends a line about `call` and its `decision` to the log, if the environment names one. The log is opened with
/// `O_APPEND` and each line is one write, so parallel calls lose no lines (the kernel holds the inode's lock while
/// it seeks and writes).
pub fn record(call: &Call<'_>, decision: &Decision<'_>) {
    // A call that the parts program makes belongs to a call that is logged already.
    if lookup(call.env, crate::shared::parts::VARIABLE).is_some() {
        return;
    }
    let Some(log) = open(call.env) else {
        return;
    };
    log.write(&line(
        call.argv,
        decision,
        sys::getpid(),
        sys::since_boot(),
        sys::getcwd,
    ));
}

/// Opens the log, if the environment names one. A log that has disappeared must not disturb a compile.
pub fn open(env: &[&CStr]) -> Option<sys::File> {
    sys::File::append(lookup(env, VARIABLE.as_bytes())?).ok()
}

/// Formats the line for one call. `cwd` is called only if a path is relative.
fn line(
    argv: &[&CStr],
    decision: &Decision<'_>,
    pid: usize,
    start: u64,
    cwd: impl FnOnce() -> Vec<u8>,
) -> Vec<u8> {
    let unnamed;
    let (what, detail, shape): (&[u8], &[u8], Shape<'_>) = match decision {
        Decision::Direct(direct) => (
            b"direct",
            direct.reason.as_str().as_bytes(),
            Shape::glance(argv),
        ),
        Decision::Launch(launch) => {
            let unit = &launch.unit;
            let output = match unit.word(WordRole::Output) {
                Some(named) => named.to_bytes(),
                None => {
                    unnamed = default_output(&unit.input);
                    &unnamed
                }
            };
            let shape = Shape {
                language: Some(unit.language),
                archs: u32::try_from(unit.archs.len()).unwrap_or(u32::MAX),
                source: Some(unit.input.to_bytes()),
                output: Some(output),
            };
            (b"launch", launch.launcher.kind.as_str().as_bytes(), shape)
        }
        Decision::Forward(forward) => (
            b"forward",
            forward.launcher.kind.as_str().as_bytes(),
            Shape::glance(argv),
        ),
    };
    let mut line = Vec::with_capacity(512);
    let language = shape.language.map_or(NONE, Language::as_str);
    for text in [what, detail, language.as_bytes()] {
        line.extend_from_slice(text);
        line.push(b'\t');
    }
    for number in [u64::from(shape.archs), pid as u64, start] {
        push_decimal(&mut line, number);
        line.push(b'\t');
    }
    let paths = [shape.source, shape.output];
    let relative = paths.iter().flatten().any(|path| !path.starts_with(b"/"));
    let cwd = relative.then(cwd);
    for (path, end) in [
        (cwd.as_deref(), b'\t'),
        (paths[0], b'\t'),
        (paths[1], b'\n'),
    ] {
        push_escaped(&mut line, path.unwrap_or(NONE.as_bytes()));
        line.push(end);
    }
    line
}

/// Placeholder for an absent field. No input or output of a launched call has this name: it would mean standard
/// input or output.
const NONE: &str = "-";

/// What a call compiles.
#[derive(Default)]
struct Shape<'a> {
    language: Option<Language>,
    archs: u32,
    source: Option<&'a [u8]>,
    output: Option<&'a [u8]>,
}

impl<'a> Shape<'a> {
    fn glance(argv: &[&'a CStr]) -> Self {
        let mut shape = Self::default();
        let mut before: &[u8] = b"";
        for arg in argv.iter().skip(1).map(|arg| arg.to_bytes()) {
            let language = Language::of_file(arg);
            match before {
                b"-o" => shape.output = Some(arg),
                b"-x" => shape.language = Language::of_x(arg),
                _ if arg.starts_with(b"--offload-arch=") => shape.archs += 1,
                _ if shape.source.is_none() && language.is_some() && !arg.starts_with(b"-") => {
                    shape.source = Some(arg);
                    shape.language = shape.language.or(language);
                }
                _ => {}
            }
            before = arg;
        }
        shape
    }
}

fn push_escaped(text: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for &byte in bytes {
        if byte.is_ascii_control() || byte == b'\\' {
            let digit = |nibble: u8| DIGITS[usize::from(nibble & 15)];
            text.extend_from_slice(&[b'\\', digit(byte >> 4), digit(byte)]);
        } else {
            text.push(byte);
        }
    }
}

#[cfg(not(rock_wrap_shim))]
pub use parts::{LoggedPart, record_parts};
#[cfg(not(rock_wrap_shim))]
pub use read::{Event, Reader, Record, Text, read};

/// What the parts program records.
#[cfg(not(rock_wrap_shim))]
mod parts {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::{VARIABLE, Vec, push_escaped};

    /// A part of a call.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct LoggedPart {
        /// The architecture, or the host.
        pub name: Vec<u8>,
        /// `hit`, `miss`, `again` (found, but compiled again), `failed` (declined) or `host`.
        pub outcome: &'static str,
        /// When it began, in nanoseconds since boot.
        pub start: u64,
        /// When it ended, in nanoseconds since boot.
        pub end: u64,
        /// The memory of its largest process in bytes, if that is known.
        pub memory: Option<u64>,
    }

    /// Appends a line about the parts of this process's call, which missed the cache as a whole. No parts means that
    /// the call was compiled whole.
    pub fn record_parts(parts: &[LoggedPart]) {
        let Some(path) = std::env::var_os(VARIABLE) else {
            return;
        };
        let mut line = Vec::from(b"parts\t");
        line.extend(std::process::id().to_string().bytes());
        for part in parts {
            line.push(b'\t');
            push_escaped(&mut line, &part.name);
            let took = part.end.saturating_sub(part.start);
            // Writing into memory does not fail.
            let _ = write!(line, "={},{},{took}", part.outcome, part.start);
            if let Some(memory) = part.memory {
                let _ = write!(line, ",{memory}");
            }
        }
        line.push(b'\n');
        // A log that has disappeared must not disturb a compile.
        if let Ok(mut log) = OpenOptions::new().append(true).open(path) {
            let _ = log.write_all(&line);
        }
    }
}

/// The reader of the log, which the shim does not need.
#[cfg(not(rock_wrap_shim))]
mod read {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::path::PathBuf;
    use std::string::String;
    use std::time::Duration;

    use super::{MEMORY, NONE, Vec};
    use crate::shared::bytes::decimal;
    use crate::shared::decision::language::Language;
    use crate::shared::stand_in::markers::{marked_file, path_of};

    /// One call in a session's log.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Event {
        /// Whether the call went to a launcher.
        pub launched: bool,
        /// Whether the launcher got the compiler itself and not a stand-in.
        pub forwarded: bool,
        /// The kind of launcher for a launched call, otherwise the reason for going direct.
        pub detail: String,
        /// The language of the source.
        pub language: Option<Language>,
        /// The number of offload architectures.
        pub archs: u32,
        /// The process ID. It stays the same until the call ends: the process becomes the launcher or the compiler,
        /// or waits for one.
        pub pid: u32,
        /// The time of the decision, since boot.
        pub start: Duration,
        /// The directory that the two paths are relative to, if one of them is relative.
        pub cwd: Option<PathBuf>,
        /// The source, as spelled in the call.
        pub source: Option<PathBuf>,
        /// The output as spelled in the call, or the name that clang chooses if the call gives none.
        pub output: Option<PathBuf>,
    }

    impl Event {
        /// The output with the directory that it is relative to.
        #[must_use]
        pub fn object(&self) -> Option<PathBuf> {
            let output = self.output.as_ref()?;
            Some(
                self.cwd
                    .as_ref()
                    .map_or_else(|| output.clone(), |cwd| cwd.join(output)),
            )
        }
    }

    /// A record of a log.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Record {
        /// The shim decided about a call.
        Call(Event),
        /// The stand-in answered with the texts of the compile that this process launched.
        Text(u32, Text),
        /// The stand-in runs the real compiler for the compile that this process launched: the launcher missed.
        Compiled(u32),
        /// The compile that this process launched has ended; its largest process had this much memory, in bytes.
        Memory(u32, u64),
    }

    /// What the texts of a compile depend on.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Text {
        /// The files that the texts name, each with the first digits of its digest, or `absent`.
        pub files: Vec<(PathBuf, String)>,
        /// The first digits of a digest of all literals and directives, if the answer has one.
        pub literals: Option<String>,
        /// Whether the texts may make the compiler read a file that they do not name.
        pub unnamed: bool,
        /// Whether the result may depend on the date or time.
        pub dated: bool,
    }

    /// How many digits of a digest are kept.
    const DIGITS: usize = 16;

    /// Reads a log piece by piece.
    #[derive(Debug, Default)]
    pub struct Reader {
        text: Option<Text>,
        file: Option<PathBuf>,
        memory: Option<u64>,
    }

    impl Reader {
        /// Parses more lines, each of which must be complete. Skips unknown lines.
        pub fn read(&mut self, lines: &[u8]) -> Vec<Record> {
            let lines = lines.split(|byte| *byte == b'\n');
            let lines = lines.filter(|line| !line.is_empty());
            lines.filter_map(|line| self.line(line)).collect()
        }

        fn line(&mut self, line: &[u8]) -> Option<Record> {
            if let Some(size) = line.strip_prefix(MEMORY) {
                self.memory = decimal(size).and_then(|size| size.checked_mul(1024));
                return None;
            }
            if line.starts_with(b"#") {
                self.part(line);
                return None;
            }
            let (text, memory) = (self.text.take(), self.memory.take());
            let number = decimal(line).and_then(|number| u32::try_from(number).ok());
            match (number, text, memory) {
                (Some(call), Some(text), _) => Some(Record::Text(call, text)),
                (Some(call), None, Some(size)) => Some(Record::Memory(call, size)),
                (Some(call), None, None) => Some(Record::Compiled(call)),
                (None, ..) => event(line).map(Record::Call),
            }
        }

        /// Takes in a line of the last part of an answer.
        fn part(&mut self, line: &[u8]) {
            let text = self.text.get_or_insert_default();
            let short = |digest: &[u8]| {
                let digits = digest.get(..DIGITS).unwrap_or(digest);
                String::from_utf8_lossy(digits).into_owned()
            };
            match line.strip_prefix(b"#pragma rock-wrap ") {
                None => {
                    let name = line.get(1..).and_then(marked_file).and_then(path_of);
                    self.file = name.map(|name| PathBuf::from(OsString::from_vec(name)));
                }
                Some(b"untold") => text.unnamed = true,
                Some(b"dated") => text.dated = true,
                Some(said) => match (said.strip_prefix(b"says "), self.file.take()) {
                    (Some(digest), _) => text.literals = Some(short(digest)),
                    (None, Some(file)) => text.files.push((file, short(said))),
                    // The line with the checkout's directory, which has no digest.
                    (None, None) => {}
                },
            }
        }
    }

    /// The calls in a log.
    #[must_use]
    pub fn read(log: &[u8]) -> Vec<Event> {
        let records = Reader::default().read(log).into_iter();
        let call = |record| match record {
            Record::Call(event) => Some(event),
            Record::Text(..) | Record::Compiled(_) | Record::Memory(..) => None,
        };
        records.filter_map(call).collect()
    }

    fn event(line: &[u8]) -> Option<Event> {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b'\t').collect();
        let [
            what,
            detail,
            language,
            archs,
            pid,
            start,
            cwd,
            source,
            output,
        ] = fields.try_into().ok()?;
        let text = |field| std::str::from_utf8(field).ok();
        Some(Event {
            launched: match what {
                b"launch" | b"forward" => true,
                b"direct" => false,
                _ => return None,
            },
            forwarded: what == b"forward",
            detail: text(detail)?.to_owned(),
            language: Language::of_x(language),
            archs: text(archs)?.parse().ok()?,
            pid: text(pid)?.parse().ok()?,
            start: Duration::from_nanos(text(start)?.parse().ok()?),
            cwd: path(cwd)?,
            source: path(source)?,
            output: path(output)?,
        })
    }

    /// Unescapes a path. The outer `None` means that the text is not a valid escaped path.
    fn path(escaped: &[u8]) -> Option<Option<PathBuf>> {
        if escaped == NONE.as_bytes() {
            return Some(None);
        }
        let mut bytes = Vec::with_capacity(escaped.len());
        let mut rest = escaped;
        while let [byte, after @ ..] = rest {
            if *byte == b'\\' {
                let digits = std::str::from_utf8(after.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = after.get(2..)?;
            } else {
                bytes.push(*byte);
                rest = after;
            }
        }
        Some(Some(PathBuf::from(OsString::from_vec(bytes))))
    }
}

#[cfg(test)]
mod tests;
