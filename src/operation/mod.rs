//! What is done to a tree as a whole: install, restore, and a session's joining and leaving.
//!
//! Owns: the order of looking, locking, planning and applying, and what has to be true in between.
//! A command parses, calls one of these and prints the answer. Must never print: what a person should
//! know meanwhile goes to [`Messages`].

mod change;
mod error;
mod session;

pub use change::{Change, Prepared, installed_launcher, prepare, restore_plan};
pub use error::OperationError;
pub use session::{Attached, Request, attach, leave_tree};

/// Takes what a person should know while an operation goes on.
pub trait Messages {
    /// What is going on.
    fn note(&self, text: &str);
    /// What may not be as they think.
    fn warning(&self, text: &str);
}
