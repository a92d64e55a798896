//! Whoever takes what a key is made of.

use crate::shared::key::hash::Hasher;
use crate::shared::machine::FileState;

/// Takes the ingredients of a key in their order. The [`Hasher`] makes the key of them; the command line shows
/// them. What is called by a name ends where the next name begins.
pub trait Ingredients {
    /// The name of what follows.
    fn name(&mut self, name: &'static str);
    /// A text that ends where it ends, whatever follows.
    fn text(&mut self, text: &[u8]);
    /// A number.
    fn number(&mut self, number: u64);
    /// The state of a file.
    fn file_state(&mut self, state: &FileState);
}

impl Ingredients for Hasher {
    /// Names are for people.
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
