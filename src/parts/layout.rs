//! What a part's object and messages depend on besides its text.
//!
//! Owns: whether a part that a launcher found by its text is what the compiler would make now. The text of a part stays
//! the same when lines are edited that its architecture does not see. But the text does not show comments or blanks
//! inside a line either, and those move columns.

use std::ffi::CString;
use std::fs;
use std::io;

use super::commands::Command;
use super::directory::{CompileDir, path_of};
use super::pipeline::Part;
use crate::shared::key::hash::{Hasher, push_hex};
use crate::shared::stand_in::known::KnownDigests;
use crate::shared::stand_in::markers;
use crate::shared::stand_in::text::Scanner;
use crate::shared::sys;

/// The start of the line in front of a part's messages. The files' digest follows.
const FILES: &[u8] = b"rock-wrap-files=";

/// The text and the files that an architecture's part is compiled from.
pub struct Source {
    /// The architecture's text.
    pub text: Vec<u8>,
    /// The files, as the text's line markers name them.
    names: Vec<Vec<u8>>,
}

impl Source {
    /// Reads the text of the architecture `arch`.
    ///
    /// # Errors
    /// If its text cannot be read. If the disk was full, no text was kept.
    pub fn read(dir: &CompileDir, arch: &[u8]) -> io::Result<Self> {
        let text = fs::read(dir.text(arch))?;
        let mut scanner = Scanner::default();
        scanner.feed(&text);
        scanner.end_text();
        let names = scanner.names().map(<[u8]>::to_vec).collect();
        Ok(Self { text, names })
    }

    /// The line that identifies the files that the part is compiled from.
    ///
    /// # Errors
    /// If one of the files cannot be read.
    pub fn line(&self, dir: &CompileDir) -> io::Result<Vec<u8>> {
        let kept = dir.digests();
        let mut known = KnownDigests::new(&kept);
        let mut hasher = blake3::Hasher::new();
        for name in &self.names {
            hasher.update(name);
            match known.get(name) {
                Some((digest, _)) => drop(hasher.update(digest)),
                None => drop(hasher.update(&content(name)?)),
            }
            hasher.update(b"\n");
        }
        let digest = hasher.finalize().to_hex();
        Ok([FILES, digest.as_bytes(), b"\n"].concat())
    }

    /// Whether one of the files has changed at the time `since` (nanoseconds since 1970) or later.
    pub fn has_changed(&self, since: u64) -> bool {
        let paths = self.names.iter().filter_map(|name| markers::path_of(name));
        paths
            .filter_map(|path| sys::stat(&CString::new(path).ok()?).ok())
            .any(|stat| stat.changed >= since)
    }
}

/// The digest of the file that a line marker names, as the stand-in computes it. Empty if there is no such file.
fn content(name: &[u8]) -> io::Result<Vec<u8>> {
    let path = markers::path_of(name).map(|path| path_of(&path));
    let Some(path) = path.filter(|path| path.exists()) else {
        return Ok(Vec::new());
    };
    let mut hasher = Hasher::new();
    hasher.bytes(&fs::read(path)?);
    let mut hex = Vec::new();
    push_hex(&mut hex, &hasher.finish());
    Ok(hex)
}

/// Separates the [files' line](Source::line) from a part's messages.
#[must_use]
pub fn split(said: &[u8]) -> (&[u8], &[u8]) {
    let end = said
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    match said.split_at(end) {
        (line, messages) if line.starts_with(FILES) => (line, messages),
        _ => (b"", said),
    }
}

/// Whether a part's object or messages may depend on columns or on the files' bytes.
#[must_use]
pub fn matters(part: &Part, messages: &[u8], text: &[u8]) -> bool {
    // -Wall contains -Wmisleading-indentation, which sees tabs, and -Wdocumentation reads comments: the compiler might
    // warn now although the stored part has no warning.
    const OPTIONS: [&[u8]; 11] = [
        b"-Wall",
        b"-Weverything",
        b"-Wmisleading-indentation",
        b"-Wdocumentation",
        b"-fparse-all-comments",
        b"-debug-info-kind=",
        b"-fsanitize",
        b"-fopenmp",
        // Not -fcoverage-compilation-dir=, which clang 22 and later give to every compile.
        b"-fcoverage-mapping",
        b"-fcoverage-mcdc",
        b"-fprofile",
    ];
    const WORDS: [&[u8]; 2] = [b"__builtin_COLUMN", b"__builtin_source_location"];
    let silent = part.commands.iter().any(|command| command.has(b"-w"));
    let words = part.commands.iter().flat_map(|command| &command.words);
    let words = words.filter(|word| !silent || !word.starts_with(b"-W"));
    !messages.is_empty()
        || words
            .into_iter()
            .any(|word| OPTIONS.iter().any(|option| word.starts_with(option)))
        || WORDS
            .iter()
            .any(|word| memchr::memmem::find(text, word).is_some())
}

/// The command that runs only the preprocessor on a part: the preprocessor's warnings cannot be seen in the text.
#[must_use]
pub fn preprocessor(part: &Part) -> Option<Command> {
    let mut command = part.commands.first()?.clone();
    let emit = command
        .words
        .iter_mut()
        .find(|word| word.starts_with(b"-emit-"))?;
    *emit = b"-Eonly".to_vec();
    Some(command)
}
