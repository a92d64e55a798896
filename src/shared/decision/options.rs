//! clang's option table: which arguments an option takes, with LLVM's own matching rules.
//!
//! Owns: the look-up in `options_table::TABLE`. Must never judge an option; the `hazards` module does.
//!
//! `llvm::opt::OptTable::ParseOneArg` (LLVM 15 to 23) picks the longest spelling that is a prefix of the
//! argument and whose kind accepts the rest. The table holds only the options that neither of two rules
//! covers; `scripts/generate-options.py` checks both rules against clang:
//!
//! * A member of a family (`-f`, `-g`, `-m`, `-W`, `-no`, `-print-` and some more) that is not listed takes no
//!   further argument.
//! * An option that contains `=` and is not listed takes no further argument, whether clang knows it or not.

use crate::shared::decision::options_table::TABLE;
use crate::shared::decision::spellings::{OptionKind, Row, Table};

/// An argument as clang's table parses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundOption<'a> {
    /// The spelling that matched, without a joined value: a prefix of the argument.
    pub name: &'a [u8],
    /// How many of the following arguments belong to the option; `usize::MAX`: all of them.
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

/// The first line's spelling, what it consumes, and the remaining lines.
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

/// Looks up an argument that starts with `-`. `None`: not in the table, so it is unknown whether the next
/// argument belongs to it.
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
