//! What a preprocessed text reveals about the files behind it.
//!
//! Owns: finding the files that line markers name, and the inline assembly that makes the compiler read files which
//! no marker names. Reads the text once, in pieces of any size, and keeps only the names. Understands C, C++ and
//! HIP as printed by `clang -E`, including bundles of several texts.

use crate::shared::bytes::find;
use crate::shared::key::hash::Hasher;
use crate::shared::stand_in::markers::{marked_file, path_of};
use alloc::vec::Vec;

/// The longest directive that is inspected. No line marker is longer.
const LONGEST_DIRECTIVE: usize = 16 * 1024;

/// The longest identifier that matters here, plus one byte.
const LONGEST_WORD: usize = 27;

/// Identifiers through which the compiler may use a path that the text does not show: the location of the source,
/// or the place where an unnamed type was declared.
const PLACES: [&[u8]; 6] = [
    b"__FUNCSIG__",
    b"__PRETTY_FUNCTION__",
    b"__builtin_FILE",
    b"__builtin_FUNCSIG",
    b"__builtin_dump_struct",
    b"__builtin_source_location",
];

/// Qualifiers allowed between `asm` and its parentheses.
const QUALIFIERS: [&[u8]; 10] = [
    b"volatile",
    b"__volatile",
    b"__volatile__",
    b"inline",
    b"__inline",
    b"__inline__",
    b"goto",
    b"__goto",
    b"__goto__",
    b"const",
];

/// The length of the longest word that [`names_date`] looks for.
pub const LONGEST_DATE: usize = b"__TIMESTAMP__".len();

/// Whether `source` names a macro for the date or a file's time.
#[must_use]
pub fn names_date(source: &[u8]) -> bool {
    let mut rest = source;
    while let Some(at) = find(rest, b'_') {
        rest = rest.get(at + 1..).unwrap_or_default();
        if rest.starts_with(b"_DATE__") || rest.starts_with(b"_TIMESTAMP__") {
            return true;
        }
    }
    false
}

/// Scans one text after another.
#[derive(Default)]
pub struct Scanner {
    /// Sorted. A text has a few hundred names at most, and a set's code would be much longer.
    names: Vec<Vec<u8>>,
    untold: bool,
    state: TextState,
    /// The directive read so far.
    directive: Vec<u8>,
    /// The identifier that is being read, or that ended right before this byte.
    word: IdentifierStart,
    assembly: Assembly,
    /// The last bytes of a string literal or a directive.
    recent: Recent,
    dated: bool,
    placed: bool,
    literals: Hasher,
}

/// The lexical state before the next byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum TextState {
    /// At the start of a line, after at most some blanks.
    #[default]
    LineStart,
    /// In a line that begins with `#`.
    Directive,
    Code,
    /// After a `/`.
    Slash,
    LineComment,
    /// In a comment; whether the last byte was a `*`.
    BlockComment(bool),
    /// In a number, where quotes are digit separators.
    Number,
    /// In a literal that this quote ends.
    Literal(u8),
    /// After a backslash in such a literal.
    Escape(u8),
    /// In the delimiter of a raw string.
    RawStart(Vec<u8>),
    /// In a raw string that these bytes end, and how many of them were just read.
    Raw(Vec<u8>, usize),
}

/// The first bytes of an identifier.
#[derive(Default)]
struct IdentifierStart {
    bytes: [u8; LONGEST_WORD],
    len: usize,
}

impl IdentifierStart {
    fn extend(&mut self, bytes: &[u8]) {
        let room = &mut self.bytes[self.len..];
        let len = bytes.len().min(room.len());
        room[..len].copy_from_slice(&bytes[..len]);
        self.len += len;
    }

    fn take(&mut self) -> Self {
        core::mem::take(self)
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The last bytes of a literal, as many as `__DATE__` expands to.
#[derive(Default)]
struct Recent([u8; 11]);

impl Recent {
    fn push(&mut self, byte: u8) {
        self.0.rotate_left(1);
        self.0[10] = byte;
    }

    /// Whether the bytes end with a date or a time in the form of `__DATE__`, `__TIME__` or `__TIMESTAMP__`.
    fn is_time(&self) -> bool {
        const TIME: &[u8] = b"00:00:00";
        const DATE: &[u8] = b"Aaa _0 0000";
        let ends_as = |form: &[u8]| {
            let own = &self.0[self.0.len() - form.len()..];
            own.iter().zip(form).all(|(byte, kind)| match kind {
                b'0' => byte.is_ascii_digit(),
                b'_' => byte.is_ascii_digit() || *byte == b' ',
                b'A' => byte.is_ascii_uppercase(),
                b'a' => byte.is_ascii_lowercase(),
                other => byte == other,
            })
        };
        self.0[10].is_ascii_digit() && (ends_as(TIME) || ends_as(DATE))
    }
}

/// The part of an `asm` statement or declaration that was read so far.
#[derive(Default)]
enum Assembly {
    #[default]
    None,
    /// After `asm` or one of its qualifiers.
    Keyword,
    /// In its parentheses: the nesting depth, whether the operands have begun, and the last bytes of its text.
    Text(usize, bool, TextTail),
}

/// The last bytes of an assembler text, in lower case.
#[derive(Default)]
struct TextTail([u8; 8]);

impl TextTail {
    fn push(&mut self, byte: u8) {
        self.0.rotate_left(1);
        self.0[7] = byte.to_ascii_lowercase();
    }

    /// Whether the bytes end with a directive that reads a file, or with a construct that can assemble such a
    /// directive's name.
    fn reads_a_file(&self) -> bool {
        const ENDS: [&[u8]; 6] = [
            b"incbin",
            b"include",
            b"\\(",
            b"altmacro",
            b".macro",
            b".irp",
        ];
        ENDS.iter().any(|end| self.0.ends_with(end)) || self.is_put_together()
    }

    /// Whether an operand (`%0`) or a dialect alternative (`{a|b}`) occurs inside what begins like such a
    /// directive.
    fn is_put_together(&self) -> bool {
        const NAMES: [&[u8]; 2] = [b".incbin", b".include"];
        let [before @ .., b'%' | b'{' | b'|' | b'}'] = &self.0 else {
            return false;
        };
        let begins = |name: &&[u8]| (1..name.len()).any(|len| before.ends_with(&name[..len]));
        NAMES.iter().any(begins)
    }
}

impl Scanner {
    /// The file names in the line markers so far, as spelled there.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().map(Vec::as_slice)
    }

    /// Whether the text may make the compiler read a file that no marker names, by `.incbin` or `.include` in
    /// inline assembly in any spelling.
    #[must_use]
    pub fn is_untold(&self) -> bool {
        self.untold
    }

    /// Whether a string contains a date or a time in the form of `__DATE__`, `__TIME__` or `__TIMESTAMP__`. The
    /// macros are already expanded here, wherever they occurred, including in an option or assembled by other
    /// macros.
    #[must_use]
    pub fn is_dated(&self) -> bool {
        self.dated
    }

    /// Whether the compiler may put a path into the object that the text shows only in line markers.
    #[must_use]
    pub fn is_placed(&self) -> bool {
        self.placed
    }

    /// A digest of all literals and directives in the text, except line markers.
    #[must_use]
    pub fn literals(&self) -> [u8; 32] {
        self.literals.clone().finish()
    }

    /// Ends a text; another may follow.
    pub fn end_text(&mut self) {
        self.feed(b"\n");
        // The text ended inside an unfinished construct, so its meaning is unknown.
        self.untold |= self.state != TextState::LineStart;
        self.state = TextState::LineStart;
        self.assembly = Assembly::None;
    }

    /// Scans the next piece of the text.
    pub fn feed(&mut self, mut text: &[u8]) {
        while let Some((&byte, rest)) = text.split_first() {
            text = match self.run(text) {
                0 => {
                    self.step(byte);
                    rest
                }
                run => &text[run..],
            };
        }
    }

    /// Consumes the bytes at the start of `text` that leave the state as it is, and returns their number. Most of a
    /// text consists of such bytes, and a text has megabytes.
    fn run(&mut self, text: &[u8]) -> usize {
        let while_ = |goes_on: fn(u8) -> bool| {
            let end = text.iter().position(|byte| !goes_on(*byte));
            end.unwrap_or(text.len())
        };
        match self.state {
            TextState::Directive => {
                let run = find(text, b'\n').unwrap_or(text.len());
                let room = LONGEST_DIRECTIVE.saturating_sub(self.directive.len());
                self.directive.extend_from_slice(&text[..run.min(room)]);
                run
            }
            TextState::LineStart => while_(is_blank),
            TextState::Number => while_(|byte| is_word(byte) || matches!(byte, b'.' | b'\'')),
            TextState::Code if self.word.len > 0 || !text[0].is_ascii_digit() => {
                let run = while_(is_word);
                self.word.extend(&text[..run]);
                match self.assembly {
                    Assembly::None if self.word.len == 0 => while_(is_inert),
                    _ => run,
                }
            }
            _ => 0,
        }
    }

    fn step(&mut self, byte: u8) {
        self.state = match core::mem::take(&mut self.state) {
            TextState::LineStart => match byte {
                _ if is_blank(byte) => TextState::LineStart,
                b'#' => {
                    self.directive.clear();
                    TextState::Directive
                }
                _ => self.code(byte),
            },
            TextState::Directive => match byte {
                b'\n' => {
                    self.end_directive();
                    TextState::LineStart
                }
                _ => {
                    if self.directive.len() < LONGEST_DIRECTIVE {
                        self.directive.push(byte);
                    }
                    TextState::Directive
                }
            },
            TextState::Code => self.code(byte),
            TextState::Slash => match byte {
                b'/' => TextState::LineComment,
                b'*' => TextState::BlockComment(false),
                _ => self.code(byte),
            },
            TextState::LineComment => match byte {
                b'\n' => TextState::LineStart,
                _ => TextState::LineComment,
            },
            TextState::BlockComment(star) => match byte {
                b'/' if star => TextState::Code,
                _ => TextState::BlockComment(byte == b'*'),
            },
            TextState::Number => match byte {
                b'.' | b'\'' => TextState::Number,
                _ if is_word(byte) => TextState::Number,
                _ => self.code(byte),
            },
            TextState::Literal(quote) => match byte {
                b'\\' => TextState::Escape(quote),
                // A literal does not continue past its line.
                b'\n' => TextState::LineStart,
                _ if byte == quote => TextState::Code,
                _ => {
                    self.literal(quote, byte);
                    TextState::Literal(quote)
                }
            },
            TextState::Escape(quote) => {
                match byte {
                    b'n' | b't' | b'r' => self.literal(quote, b' '),
                    b'"' | b'\'' | b'\\' | b'?' => self.literal(quote, byte),
                    // A numeric character escape can be any character.
                    _ => self.untold |= self.is_assembly() && quote == b'"',
                }
                TextState::Literal(quote)
            }
            TextState::RawStart(mut delimiter) => match byte {
                b'(' => {
                    delimiter.push(b'"');
                    TextState::Raw(delimiter, 0)
                }
                _ => {
                    delimiter.push(byte);
                    TextState::RawStart(delimiter)
                }
            },
            TextState::Raw(end, read) => {
                self.literal(b'"', byte);
                let read = match end.get(read) {
                    Some(next) if *next == byte => read + 1,
                    _ => usize::from(byte == b')'),
                };
                match read == end.len() {
                    true => TextState::Code,
                    false => TextState::Raw(end, read),
                }
            }
        };
    }

    fn code(&mut self, byte: u8) -> TextState {
        if is_word(byte) {
            if self.word.len == 0 && byte.is_ascii_digit() {
                return TextState::Number;
            }
            self.word.extend(&[byte]);
            return TextState::Code;
        }
        let word = self.word.take();
        self.placed |= word.as_bytes().starts_with(b"__") && PLACES.contains(&word.as_bytes());
        self.assembly(word.as_bytes(), byte);
        match byte {
            b'"' if matches!(word.as_bytes(), b"R" | b"LR" | b"uR" | b"UR" | b"u8R") => {
                TextState::RawStart(Vec::from(b")"))
            }
            b'"' | b'\'' => {
                self.recent = Recent::default();
                TextState::Literal(byte)
            }
            b'/' => TextState::Slash,
            b'\n' => TextState::LineStart,
            _ => TextState::Code,
        }
    }

    /// Tracks an `asm` from its keyword to its closing parenthesis. `word` has just ended before `byte`.
    fn assembly(&mut self, word: &[u8], byte: u8) {
        if matches!(word, b"asm" | b"_asm" | b"__asm" | b"__asm__") {
            self.assembly = Assembly::Keyword;
        } else if matches!(self.assembly, Assembly::Keyword)
            && !word.is_empty()
            && !QUALIFIERS.contains(&word)
        {
            // Instructions that are not a string literal (-fasm-blocks, -fms-extensions).
            self.untold = true;
            self.assembly = Assembly::None;
        }
        match &mut self.assembly {
            Assembly::None => {}
            Assembly::Keyword => match byte {
                b'(' => self.assembly = Assembly::Text(1, false, TextTail::default()),
                _ if is_blank(byte) => {}
                _ => {
                    self.untold = true;
                    self.assembly = Assembly::None;
                }
            },
            Assembly::Text(depth, operands, _) => match byte {
                b'(' => {
                    *depth += 1;
                    // The assembler text is computed (clang 21 and later).
                    self.untold |= !*operands;
                }
                b')' if *depth == 1 => self.assembly = Assembly::None,
                b')' => *depth -= 1,
                b':' => *operands = true,
                _ => {}
            },
        }
    }

    fn is_assembly(&self) -> bool {
        matches!(self.assembly, Assembly::Text(..))
    }

    /// Handles a byte of a literal; the literals of one `asm` are concatenated without a gap.
    fn literal(&mut self, quote: u8, byte: u8) {
        self.recent.push(byte);
        self.dated |= self.recent.is_time();
        self.literals.bytes(&[byte]);
        if let (Assembly::Text(_, _, tail), b'"') = (&mut self.assembly, quote) {
            tail.push(byte);
            self.untold |= tail.reads_a_file();
        }
    }

    fn end_directive(&mut self) {
        if let Some(name) = marked_file(&self.directive) {
            // A name that cannot be decoded is a file that is not checked.
            self.untold |= path_of(name).is_none();
            if let Err(at) = self
                .names
                .binary_search_by(|known| known.as_slice().cmp(name))
            {
                self.names.insert(at, name.to_vec());
            }
            return;
        }
        self.literals.text(&self.directive);
        // OpenMP derives a region's name from the inode of its file.
        let omp = self.directive.trim_ascii_start().starts_with(b"pragma omp");
        self.placed |= omp && self.directive.windows(6).any(|word| word == b"target");
        // A directive's message may contain a date, and the message is displayed again.
        self.recent = Recent::default();
        for byte in &self.directive {
            self.recent.push(*byte);
            self.dated |= self.recent.is_time();
        }
        // This pragma compares the times of two files.
        let words = self.directive.split(u8::is_ascii_whitespace);
        let mut words = words.filter(|word| !word.is_empty());
        self.untold |= words.next() == Some(b"pragma") && words.any(|word| word == b"dependency");
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Whether an identifier or a number may contain `byte`.
fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// Whether `byte` outside of identifiers, numbers and inline assembly does not affect what follows.
fn is_inert(byte: u8) -> bool {
    !is_word(byte) && !matches!(byte, b'"' | b'\'' | b'/' | b'\n')
}

#[cfg(test)]
mod tests;
