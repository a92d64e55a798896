//! clang's option table: which arguments an option takes, in LLVM's own order of matching.
//!
//! Owns: the search in [`TABLE`]. Must never judge an option; see [`hazards`](super::hazards).
//!
//! `llvm::opt::OptTable::ParseOneArg` (LLVM 15 to 19) takes the longest spelling that is a prefix
//! of the argument and whose kind accepts what follows. The table holds only what cannot be told
//! by one of two rules, both of which `scripts/generate-options.py` checks against clang:
//!
//! * A member of a family (`-f`, `-g`, `-m`, `-W`, `-no`, `-print-` and some more) that is not listed
//!   stands alone.
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
    names: &NAMES,
    rows: &ROWS,
};

static NAMES: [u8; TABLE.len() - TAIL * lines(TABLE.as_bytes()) + PAD] = {
    let mut names = [0; _];
    let (mut at, mut from) = (0, 0);
    while from < TABLE.len() {
        if TABLE.as_bytes()[from] == b' ' {
            from += TAIL;
        } else {
            names[at] = TABLE.as_bytes()[from];
            at += 1;
            from += 1;
        }
    }
    names
};

static ROWS: [u16; lines(TABLE.as_bytes()) + 1] = {
    let mut rows = [row(NAMES.len() - PAD, Kind::Flag); _];
    let (mut row, mut start, mut at) = (0, 0, 0);
    while at < TABLE.len() {
        if TABLE.as_bytes()[at] == b' ' {
            rows[row] = self::row(start, Kind::of(TABLE.as_bytes()[at + 1]));
            row += 1;
            at += TAIL;
            start = at - TAIL * row;
        } else {
            at += 1;
        }
    }
    rows
};

/// Bytes of a line behind its spelling.
const TAIL: usize = 3;

/// Looks up an argument that starts with `-`. `None`: not in the table, so that nobody knows
/// whether the next argument belongs to it.
#[must_use]
pub fn find(argument: &[u8]) -> Option<Found> {
    let Some((_, name, kind)) = OPTIONS.longest(argument) else {
        let alone = argument.contains(&b'=');
        return alone.then_some(Found {
            name: b"",
            values: 0,
        });
    };
    let values = match kind {
        Kind::Flag | Kind::Joined => 0,
        Kind::JoinedOrSeparate => usize::from(name.len() == argument.len()),
        Kind::One | Kind::JoinedAndSeparate => 1,
        Kind::Two => 2,
        Kind::Three => 3,
        Kind::Rest => usize::MAX,
    };
    Some(Found { name, values })
}

/// What an option consumes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
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

impl Kind {
    const ALL: [Self; 8] = [
        Self::Flag,
        Self::Joined,
        Self::JoinedOrSeparate,
        Self::JoinedAndSeparate,
        Self::One,
        Self::Two,
        Self::Three,
        Self::Rest,
    ];

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

    fn takes_more(self) -> bool {
        matches!(
            self,
            Self::Joined | Self::JoinedOrSeparate | Self::JoinedAndSeparate
        )
    }
}

/// Spellings in the order of their bytes. Packed: two bytes for each beside its text.
pub(super) struct Table {
    /// The spellings, one behind the other, and [`PAD`] zeros.
    pub names: &'static [u8],
    /// Of each, where it begins and what it consumes: see [`row`]. One more, where the last ends.
    pub rows: &'static [u16],
}

/// Bytes that are compared at once: most spellings differ in the first ones behind the dash.
const HEAD: usize = size_of::<u64>();

/// Zeros behind the spellings, so that the last one too has a head.
pub(super) const PAD: usize = HEAD;

/// Bits of a row that hold where its spelling begins.
const START: u16 = (1 << 13) - 1;

/// One of [`Table::rows`].
pub(super) const fn row(start: usize, kind: Kind) -> u16 {
    assert!(start <= START as usize);
    (kind as u16) << START.trailing_ones() | start as u16
}

/// Lines of a text that ends with a newline.
const fn lines(text: &[u8]) -> usize {
    let (mut lines, mut at) = (0, 0);
    while at < text.len() {
        lines += (text[at] == b'\n') as usize;
        at += 1;
    }
    lines
}

impl Table {
    /// The longest spelling that covers `argument`: its number, itself and what it consumes.
    pub fn longest(&self, argument: &[u8]) -> Option<(usize, &'static [u8], Kind)> {
        let mut key = argument;
        // No spelling is shorter.
        while key.len() >= 2 {
            let number = self.last_not_after(key)?;
            let name = self.name(number)?;
            let same = common(name, argument);
            if same < name.len() {
                // No longer prefix of the argument sorts before `name`.
                key = argument.get(..same)?;
                continue;
            }
            let kind = self.rows.get(number)? >> START.trailing_ones();
            let kind = *Kind::ALL.get(usize::from(kind))?;
            if same == argument.len() || kind.takes_more() {
                return Some((number, name, kind));
            }
            key = argument.get(..same.checked_sub(1)?)?;
        }
        None
    }

    /// The last spelling that does not sort after `key`. All begin with the same byte.
    fn last_not_after(&self, key: &[u8]) -> Option<usize> {
        let byte = |at| u64::from(*key.get(at).unwrap_or(&0));
        let wanted = (1..=HEAD).fold(0, |head, at| head << 8 | byte(at));
        let (mut low, mut high) = (0, self.rows.len() - 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let is_after = match self.head(middle)?.cmp(&wanted) {
                Ordering::Equal => self.name(middle)? > key,
                order => order == Ordering::Greater,
            };
            if is_after {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low.checked_sub(1)
    }

    /// What a spelling has behind its dash, as a number that sorts as it does; zeros behind its end.
    fn head(&self, number: usize) -> Option<u64> {
        let start = self.start(number)? + 1;
        let head = u64::from_be_bytes(*self.names.get(start..)?.first_chunk()?);
        let beyond = (start + HEAD).saturating_sub(self.start(number + 1)?);
        Some(head >> (8 * beyond) << (8 * beyond))
    }

    fn name(&self, number: usize) -> Option<&'static [u8]> {
        self.names.get(self.start(number)?..self.start(number + 1)?)
    }

    /// Where a spelling begins.
    fn start(&self, number: usize) -> Option<usize> {
        Some(usize::from(self.rows.get(number)? & START))
    }
}

/// Bytes that both begin with.
fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
