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

/// An argument as clang's table reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The spelling that matched, without a joined value: what the argument begins with.
    pub name: &'a [u8],
    /// Arguments that follow and belong to the option; `usize::MAX`: all that are left.
    pub values: usize,
}

static OPTIONS: Table = PACKED.table();

static PACKED: Packed<{ SPELLINGS.len() }, { rests(&SPELLINGS) }> = Packed::of(&SPELLINGS);

/// The lines of [`TABLE`].
const SPELLINGS: [(&[u8], Kind); lines(TABLE.as_bytes())] = {
    let mut spellings = [(b"".as_slice(), Kind::Flag); _];
    let (mut rest, mut number) = (TABLE.as_bytes(), 0);
    while let Some((spelling, kind, behind)) = line(rest) {
        spellings[number] = (spelling, kind);
        number += 1;
        rest = behind;
    }
    spellings
};

/// The first line's spelling, what it consumes, and the other lines.
const fn line(text: &[u8]) -> Option<(&[u8], Kind, &[u8])> {
    let mut end = 0;
    while end < text.len() {
        if let ([spelling @ .., b' '], [letter, b'\n', rest @ ..]) = text.split_at(end) {
            return Some((spelling, Kind::of(*letter), rest));
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
pub fn find(argument: &[u8]) -> Option<Found<'_>> {
    let Some((_, len, kind)) = OPTIONS.longest(argument) else {
        let alone = argument.contains(&b'=');
        return alone.then_some(Found {
            name: b"",
            values: 0,
        });
    };
    let values = match kind {
        Kind::Flag | Kind::Joined => 0,
        Kind::JoinedOrSeparate => usize::from(len == argument.len()),
        Kind::One | Kind::JoinedAndSeparate => 1,
        Kind::Two => 2,
        Kind::Three => 3,
        Kind::Rest => usize::MAX,
    };
    let name = argument.get(..len)?;
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

/// Spellings in the order of their bytes, of which all begin with a dash. Few of them are looked at in a
/// search, and their heads lie together: what a call has not touched before costs more than to compare it.
pub(super) struct Table {
    /// Of each the bytes behind the dash, as [`split`] has them.
    heads: &'static [u32],
    /// Of each where its rest begins ([`START`]) and, in the other bits, what it consumes.
    rows: &'static [u16],
    /// What is behind the heads, one behind the other.
    rests: &'static [u8],
}

/// A [`Table`] of so many spellings, whose rests take so many bytes.
pub(super) struct Packed<const SPELLINGS: usize, const RESTS: usize> {
    heads: [u32; SPELLINGS],
    rows: [u16; SPELLINGS],
    rests: [u8; RESTS],
}

impl<const SPELLINGS: usize, const RESTS: usize> Packed<SPELLINGS, RESTS> {
    /// Of what is in the order of its bytes.
    pub(super) const fn of(spellings: &[(&[u8], Kind); SPELLINGS]) -> Self {
        let mut packed = Self {
            heads: [0; SPELLINGS],
            rows: [0; SPELLINGS],
            rests: [0; RESTS],
        };
        let (mut number, mut at) = (0, 0);
        while number < SPELLINGS {
            let (spelling, kind) = spellings[number];
            let (head, rest) = split(spelling);
            assert!(at <= START as usize);
            packed.heads[number] = head;
            packed.rows[number] = (kind as u16) << START.trailing_ones() | at as u16;
            let (_, free) = packed.rests.split_at_mut(at);
            free.split_at_mut(rest.len()).0.copy_from_slice(rest);
            at += rest.len();
            number += 1;
        }
        packed
    }

    pub(super) const fn table(&'static self) -> Table {
        Table {
            heads: &self.heads,
            rows: &self.rows,
            rests: &self.rests,
        }
    }
}

/// Bytes of [`Table::rests`] that these take.
pub(super) const fn rests(spellings: &[(&[u8], Kind)]) -> usize {
    let (mut len, mut number) = (0, 0);
    while number < spellings.len() {
        len += split(spellings[number].0).1.len();
        number += 1;
    }
    len
}

/// Bytes of a head.
const HEAD: usize = size_of::<u32>();

/// What is behind a spelling's dash: its head, as a number that sorts as the bytes do, with zeros where
/// there are less, and the rest.
const fn split(spelling: &[u8]) -> (u32, &[u8]) {
    let (mut head, mut at) = (0, 1);
    while at <= HEAD {
        head <<= 8;
        if at < spelling.len() {
            head |= spelling[at] as u32;
        }
        at += 1;
    }
    match spelling.split_at_checked(1 + HEAD) {
        Some((_, rest)) => (head, rest),
        None => (head, b""),
    }
}

/// Bits of a row that hold where its rest begins.
const START: u16 = (1 << 13) - 1;

impl Table {
    /// The longest spelling that covers `argument`: its number, its length and what it consumes.
    pub fn longest(&self, argument: &[u8]) -> Option<(usize, usize, Kind)> {
        let whole = split(argument);
        let (mut key, mut wanted) = (argument, whole);
        // No spelling is shorter.
        while key.len() >= 2 {
            let number = self.last_not_after(wanted)?;
            let (len, same) = self.compare(number, whole)?;
            if same < len {
                // No longer prefix of the argument sorts before that spelling.
                key = argument.get(..same)?;
            } else {
                let kind = self.rows.get(number)? >> START.trailing_ones();
                let kind = *Kind::ALL.get(usize::from(kind))?;
                if len == argument.len() || kind.takes_more() {
                    return Some((number, len, kind));
                }
                key = argument.get(..len.checked_sub(1)?)?;
            }
            wanted = split(key);
        }
        None
    }

    /// The last spelling that does not sort after what was [split].
    fn last_not_after(&self, (wanted, rest): (u32, &[u8])) -> Option<usize> {
        let mut number = self.heads.partition_point(|head| *head <= wanted);
        loop {
            number = number.checked_sub(1)?;
            if *self.heads.get(number)? != wanted || self.rest(number)? <= rest {
                return Some(number);
            }
        }
    }

    /// The length of a spelling, and how many bytes of it the argument begins with that was [split].
    fn compare(&self, number: usize, (head, rest): (u32, &[u8])) -> Option<(usize, usize)> {
        let (own, own_rest) = (*self.heads.get(number)?, self.rest(number)?);
        let len = 1 + HEAD - own.trailing_zeros() as usize / 8 + own_rest.len();
        let same = match own ^ head {
            0 => 1 + HEAD + common(own_rest, rest),
            differs => 1 + differs.leading_zeros() as usize / 8,
        };
        Some((len, same.min(len)))
    }

    /// What a spelling has behind its head.
    fn rest(&self, number: usize) -> Option<&'static [u8]> {
        let start = |row: &u16| usize::from(row & START);
        let end = self.rows.get(number + 1).map_or(self.rests.len(), start);
        self.rests.get(start(self.rows.get(number)?)..end)
    }
}

/// Bytes that both begin with.
fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
