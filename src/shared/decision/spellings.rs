//! A sorted table of spellings that finds the longest prefix of an argument.
//!
//! Spellings are ranges of one text: a row takes 4 bytes, where a slice and its kind would take 24, and the
//! shim contains 600 of them.

/// What an option consumes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// Only itself.
    Flag,
    /// Itself and a joined value.
    Joined,
    /// A joined value, or else the next argument.
    JoinedOrSeparate,
    /// A joined value and the next argument.
    JoinedAndSeparate,
    /// The next argument.
    One,
    /// The next two arguments.
    Two,
    /// The next three arguments.
    Three,
    /// All remaining arguments.
    Rest,
}

impl OptionKind {
    /// The kind for its letter in the option table.
    ///
    /// # Panics
    /// At compile time, if no kind has this letter.
    pub const fn of(letter: u8) -> Self {
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
    fn takes_more(self) -> bool {
        matches!(
            self,
            Self::Joined | Self::JoinedOrSeparate | Self::JoinedAndSeparate
        )
    }
}

/// One spelling: its range in the text, and what it consumes.
#[derive(Clone, Copy)]
pub struct Row {
    at: u16,
    len: u8,
    kind: OptionKind,
}

impl Row {
    /// A row that is filled in later.
    pub const EMPTY: Self = Self::new(0, 0, OptionKind::Flag);

    /// The spelling of `len` bytes at `at`.
    ///
    /// # Panics
    /// At compile time, if the numbers do not fit.
    #[must_use]
    pub const fn new(at: usize, len: usize, kind: OptionKind) -> Self {
        assert!(at <= u16::MAX as usize && len <= u8::MAX as usize);
        Self {
            at: at as u16,
            len: len as u8,
            kind,
        }
    }
}

/// Spellings with what each consumes, sorted by bytes.
#[derive(Clone, Copy)]
pub struct Table {
    /// The text that the rows are ranges of.
    pub text: &'static [u8],
    /// The spellings in sorted order.
    pub rows: &'static [Row],
}

impl Table {
    fn spelling(&self, row: &Row) -> &'static [u8] {
        let at = usize::from(row.at);
        self.text
            .get(at..at + usize::from(row.len))
            .unwrap_or_default()
    }

    /// The longest spelling that matches `argument`: its number, its length and what it consumes.
    #[must_use]
    pub fn longest(&self, argument: &[u8]) -> Option<(usize, usize, OptionKind)> {
        let mut key = argument;
        while key.len() >= 2 {
            let below = |row: &Row| self.spelling(row) <= key;
            let number = self.rows.partition_point(below).checked_sub(1)?;
            let row = self.rows.get(number)?;
            let spelling = self.spelling(row);
            let same = spelling
                .iter()
                .zip(argument)
                .take_while(|(a, b)| a == b)
                .count();
            key = if same < spelling.len() {
                argument.get(..same)?
            } else if same == argument.len() || row.kind.takes_more() {
                return Some((number, same, row.kind));
            } else {
                argument.get(..same - 1)?
            };
        }
        None
    }
}
