//! clang's option table: which arguments an option takes, in LLVM's own order of matching.
//!
//! Owns: the search in [`TABLE`]. Must never judge an option; see [`hazards`](super::hazards).
//!
//! `llvm::opt::OptTable::ParseOneArg` (LLVM 15 to 23) takes the longest spelling that is a prefix
//! of the argument and whose kind accepts what follows. The table holds only what cannot be told
//! by one of two rules, both of which `scripts/generate-options.py` checks against clang:
//!
//! * A member of a family (`-f`, `-g`, `-m`, `-W`, `-no`, `-print-` and some more) that is not listed
//!   stands alone.
//! * An option with `=` inside that is not listed stands alone, known or not.

use crate::shared::decision::options_table::TABLE;
use crate::shared::decision::spellings::{Row, Table};

/// An argument as clang's table reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundOption<'a> {
    /// The spelling that matched, without a joined value: what the argument begins with.
    pub name: &'a [u8],
    /// Arguments that follow and belong to the option; `usize::MAX`: all that are left.
    pub values: usize,
}

static OPTIONS: Table = Table {
    text: TABLE.as_bytes(),
    rows: &ROWS,
};

/// The lines of [`TABLE`].
static ROWS: [Row; lines(TABLE.as_bytes())] = {
    let mut rows = [Row::EMPTY; _];
    let (mut rest, mut number) = (TABLE.as_bytes(), 0);
    while let Some((spelling, kind, behind)) = line(rest) {
        rows[number] = Row::new(TABLE.len() - rest.len(), spelling.len(), kind);
        number += 1;
        rest = behind;
    }
    rows
};

/// The first line's spelling, what it consumes, and the other lines.
const fn line(text: &[u8]) -> Option<(&[u8], OptionKind, &[u8])> {
    let mut end = 0;
    while end < text.len() {
        if let ([spelling @ .., b' '], [letter, b'\n', rest @ ..]) = text.split_at(end) {
            return Some((spelling, OptionKind::of(*letter), rest));
        }
        end += 1;
    }
    None
}

const fn lines(mut text: &[u8]) -> usize {
    let mut lines = 0;
    while let Some((.., rest)) = line(text) {
        lines += 1;
        text = rest;
    }
    lines
}

/// Looks up an argument that starts with `-`. `None`: not in the table, so that nobody knows
/// whether the next argument belongs to it.
#[must_use]
pub fn find(argument: &[u8]) -> Option<FoundOption<'_>> {
    let Some((_, len, kind)) = OPTIONS.longest(argument) else {
        let alone = argument.contains(&b'=');
        return alone.then_some(FoundOption {
            name: b"",
            values: 0,
        });
    };
    let values = match kind {
        OptionKind::Flag | OptionKind::Joined => 0,
        OptionKind::JoinedOrSeparate => usize::from(len == argument.len()),
        OptionKind::One | OptionKind::JoinedAndSeparate => 1,
        OptionKind::Two => 2,
        OptionKind::Three => 3,
        OptionKind::Rest => usize::MAX,
    };
    let name = argument.get(..len)?;
    Some(FoundOption { name, values })
}

/// What an option consumes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// Itself.
    Flag,
    /// Itself and what is joined to it.
    Joined,
    /// What is joined to it or else the next argument.
    JoinedOrSeparate,
    /// What is joined to it and the next argument.
    JoinedAndSeparate,
    /// The next argument.
    One,
    /// The next two.
    Two,
    /// The next three.
    Three,
    /// All that are left.
    Rest,
}

impl OptionKind {
    /// By the letter that stands for it in [`TABLE`].
    const fn of(letter: u8) -> Self {
        match letter {
            b'F' => Self::Flag,
            b'J' => Self::Joined,
            b'S' => Self::JoinedOrSeparate,
            b'A' => Self::JoinedAndSeparate,
            b'1' => Self::One,
            b'2' => Self::Two,
            b'3' => Self::Three,
            b'R' => Self::Rest,
            _ => panic!("a letter that generate-options.py writes"),
        }
    }

    /// Whether a value may be joined to the spelling.
    pub fn takes_more(self) -> bool {
        matches!(
            self,
            Self::Joined | Self::JoinedOrSeparate | Self::JoinedAndSeparate
        )
    }
}
