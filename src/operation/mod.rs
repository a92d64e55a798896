//! Performs whole operations on a tree: install, restore, and the start and end of a session.
//!
//! Owns: the order of observing, locking, planning and applying, and what must be true in between.
//! A command parses its arguments, calls one operation and prints the result. Must never print:
//! progress messages go to [`Messages`].

mod change;
mod error;
mod session;

pub use change::{Change, Prepared, installed_launcher, prepare, restore_plan};
pub use error::OperationError;
pub use session::{Attached, Request, attach, leave_tree};

/// Receives messages for the user during an operation.
pub trait Messages {
    /// Reports progress.
    fn note(&self, text: &str);
    /// Reports something that the user may not expect.
    fn warning(&self, text: &str);

    /// Reports several warnings.
    fn warnings(&self, texts: &[String]) {
        texts.iter().for_each(|text| self.warning(text));
    }
}
