//! The interface that collects the ingredients of a key.

use crate::shared::key::hash::Hasher;
use crate::shared::machine::FileState;

/// Receives the ingredients of a key in order. The [`Hasher`] turns them into the key; the command line prints
/// them. A named ingredient extends to the next name.
pub trait Ingredients {
    /// Names the values that follow.
    fn name(&mut self, name: &'static str);
    /// Adds a text with its length, so that its end is unambiguous.
    fn text(&mut self, text: &[u8]);
    /// Adds a number.
    fn number(&mut self, number: u64);
    /// Adds the state of a file.
    fn file_state(&mut self, state: &FileState);
}

impl Ingredients for Hasher {
    /// Names are for display only.
    fn name(&mut self, _: &'static str) {}

    fn text(&mut self, text: &[u8]) {
        Self::text(self, text);
    }

    fn number(&mut self, number: u64) {
        Self::number(self, number);
    }

    fn file_state(&mut self, state: &FileState) {
        Self::file_state(self, state);
    }
}
