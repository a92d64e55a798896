//! clang's option table: which arguments an option takes, in LLVM's own order of matching.
//!
//! Owns: the search in [`TABLE`]. Must never judge an option; see [`hazards`](super::hazards).
//!
//! `llvm::opt::OptTable::ParseOneArg` (LLVM 15 to 19) takes the longest spelling that is a prefix
//! of the argument and whose kind accepts what follows. The table holds only what cannot be told
//! by one of two rules, both of which `scripts/generate-options.py` checks against clang:
//!
//! * A member of a family (`-f`, `-g`, `-m`, `-W`) that is not listed stands alone.
//! * An option with `=` inside that is not listed stands alone, known or not.

use super::options_table::TABLE;
use core::cmp::Ordering;

/// An argument as clang's table reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The spelling that matched, without a joined value.
    pub name: &'static [u8],
    /// Arguments that follow and belong to the option; `usize::MAX`: all that are left.
    pub values: usize,
}

/// Looks up an argument that starts with `-`. `None`: not in the table, so that nobody knows
/// whether the next argument belongs to it.
#[must_use]
pub fn find(argument: &[u8]) -> Option<Found> {
    let Some((name, data)) = longest(TABLE.as_bytes(), 2, argument) else {
        let alone = argument.contains(&b'=');
        return alone.then_some(Found {
            name: b"",
            values: 0,
        });
    };
    let values = match data.last()? {
        b'F' | b'J' => 0,
        b'S' => usize::from(name.len() == argument.len()),
        b'A' => 1,
        b'R' => usize::MAX,
        digit => usize::from(digit.wrapping_sub(b'0')),
    };
    Some(Found { name, values })
}

/// The longest spelling of a table that covers `argument`, and what the table says of it.
///
/// A table is lines in the order of their spellings' bytes: a spelling, then `width` bytes, the
/// last of which is `A`, `J` or `S` where more may follow in the same argument. No other byte of
/// a line is a newline.
pub(super) fn longest<'t>(
    table: &'t [u8],
    width: usize,
    argument: &[u8],
) -> Option<(&'t [u8], &'t [u8])> {
    let mut key = argument;
    loop {
        let (name, data) = last_not_after(table, width, key)?;
        let same = common(name, argument);
        if same < 2 {
            // No spelling is that short.
            return None;
        }
        if same < name.len() {
            // No longer prefix of the argument sorts before `name`.
            key = argument.get(..same)?;
        } else if same == argument.len() || matches!(data.last(), Some(b'A' | b'J' | b'S')) {
            return Some((name, data));
        } else {
            key = argument.get(..same.checked_sub(1)?)?;
        }
    }
}

/// The last line whose spelling does not sort after `key`, taken apart.
fn last_not_after<'t>(table: &'t [u8], width: usize, key: &[u8]) -> Option<(&'t [u8], &'t [u8])> {
    let (mut low, mut high) = (0, table.len());
    let mut best = None;
    // `low` and `high` are always starts of lines.
    while low < high {
        let middle = low + (high - low) / 2;
        let start = table
            .get(low..middle)?
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(low, |newline| low + newline + 1);
        let rest = table.get(start..high)?;
        let length = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, _) = rest.split_at_checked(length)?;
        let (name, data) = line.split_at_checked(length.checked_sub(width)?)?;
        if compare(name, key) == Ordering::Greater {
            high = start;
        } else {
            best = Some((name, data));
            low = start + length + 1;
        }
    }
    best
}

/// Bytes that both begin with.
fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// As `a.cmp(b)`, which would call `memcmp`: options differ early, and the freestanding `memcmp`
/// costs more than the few bytes that are looked at.
fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let mut pairs = a.iter().zip(b);
    match pairs.find(|(a, b)| a != b) {
        Some((a, b)) => a.cmp(b),
        None => a.len().cmp(&b.len()),
    }
}
