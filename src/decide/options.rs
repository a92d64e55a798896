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

static OPTIONS: Table = Table {
    text: TABLE.as_bytes(),
    starts: &starts::<{ lines(TABLE.as_bytes()) }>(TABLE.as_bytes()),
    width: 2,
};

/// Looks up an argument that starts with `-`. `None`: not in the table, so that nobody knows
/// whether the next argument belongs to it.
#[must_use]
pub fn find(argument: &[u8]) -> Option<Found> {
    let Some((name, data)) = OPTIONS.longest(argument) else {
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

/// Spellings in the order of their bytes, one a line, each with some bytes behind it, the last of
/// which is `A`, `J` or `S` where more may follow in the same argument. No other byte of a line is
/// a newline.
pub(super) struct Table {
    /// The lines.
    pub text: &'static [u8],
    /// Where each begins: see [`starts`].
    pub starts: &'static [u16],
    /// Bytes of a line behind its spelling.
    pub width: usize,
}

/// Lines of a text that ends with a newline.
pub(super) const fn lines(text: &[u8]) -> usize {
    let (mut lines, mut at) = (0, 0);
    while at < text.len() {
        lines += (text[at] == b'\n') as usize;
        at += 1;
    }
    lines
}

/// Where each of the [`lines`] of a text begins.
pub(super) const fn starts<const LINES: usize>(text: &[u8]) -> [u16; LINES] {
    assert!(text.len() <= u16::MAX as usize);
    let mut starts = [0; LINES];
    let (mut line, mut at) = (1, 0);
    while line < LINES {
        if text[at] == b'\n' {
            starts[line] = at as u16 + 1;
            line += 1;
        }
        at += 1;
    }
    starts
}

impl Table {
    /// The longest spelling that covers `argument`, and what the table says of it.
    pub fn longest(&self, argument: &[u8]) -> Option<(&'static [u8], &'static [u8])> {
        let mut key = argument;
        loop {
            let (name, data) = self.last_not_after(key)?;
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

    /// The last line whose spelling does not sort after `key`.
    fn last_not_after(&self, key: &[u8]) -> Option<(&'static [u8], &'static [u8])> {
        let (mut low, mut high) = (0, self.starts.len());
        let mut best = None;
        while low < high {
            let middle = low + (high - low) / 2;
            let line = self.line(middle)?;
            if compare(line.0, key) == Ordering::Greater {
                high = middle;
            } else {
                best = Some(line);
                low = middle + 1;
            }
        }
        best
    }

    /// A line, taken apart.
    fn line(&self, number: usize) -> Option<(&'static [u8], &'static [u8])> {
        let start = usize::from(*self.starts.get(number)?);
        let next = self.starts.get(number + 1).copied().map(usize::from);
        let end = next.unwrap_or(self.text.len()) - 1;
        self.text
            .get(start..end)?
            .split_at_checked(end.checked_sub(start + self.width)?)
    }
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
