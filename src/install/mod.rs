//! The installation engine: replaces compilers with shims and puts the compilers back.
//!
//! Owns: every change to a compiler's directory, and the order of changes. Its rules:
//!
//! * At every instant, and after a crash at any instant, each name is a working compiler.
//! * Observe, plan, apply. [`Bin::observe`] only reads, [`plan`](plan::plan) is pure, and
//!   [`Locked::apply`] makes the changes. The plan depends only on the state of the directory, never on
//!   what an earlier run did.
//! * All names or none: when a plan fails, a second plan rolls it back.
//! * A restore is exact, and never touches a name that is no longer our shim.
//!
//! Must never be used by a compile, follow a symlink out of the directory, or write to an existing
//! inode, which may have hard links elsewhere.
//!
//! # Limitations
//! Package managers do not take our lock. On file systems that cannot exchange names, a compiler that
//! one installs between the last check and the rename (two adjacent system calls) is lost.

mod apply;
mod drain;
mod error;
pub mod freshness;
mod fs;
mod goal;
mod journal;
mod lock;
mod observe;
pub mod per_arch;
mod plan;
mod share;
pub mod shims;
mod step;
mod text;

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::time::Duration;

pub use apply::Applied;
pub use drain::{Drain, Needs, ProcDrain};
pub use error::{After, Error, Failure};
pub use fs::{Attrs, EntryKind, Inode, Meta};
pub use goal::{Goal, Keep, Refusal, Want};
pub use journal::{Journal, JournalEntry, Phase};
pub use observe::{Entry, Kept, Observed, ObservedName, Record};
pub use plan::Plan;
pub use share::{Keeper, Share};
pub use step::{Did, Keeping, NameDid, Step};

use fs::{Fs as _, RealFs};
use plan::plan;

/// A compiler's directory.
#[derive(Debug)]
pub struct Bin {
    fs: RealFs,
}

impl Bin {
    /// Opens the directory at `path`. After that the path is used only in messages.
    ///
    /// # Errors
    /// [`Error::Open`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        match RealFs::open(path) {
            Ok(fs) => Ok(Self { fs }),
            Err(source) => Err(Error::Open {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Observes all of rock-wrap's files in the directory, and the names that they belong to.
    ///
    /// # Errors
    /// The directory or a file in it cannot be inspected.
    pub fn observe(&self) -> Result<Observed, Error> {
        observe::look_around(&self.fs)
    }

    /// Plans the steps from the observed state to `goal`.
    ///
    /// # Errors
    /// A file that the goal names cannot be inspected, or the goal is refused.
    pub fn plan(&self, observed: Observed, goal: &Goal) -> Result<Plan, PlanError> {
        let observed = observe::complete(&self.fs, observed, goal.wants())?;
        Ok(plan(&observed, goal)?)
    }

    /// Locks the directory against other installs and restores until the result is dropped. Waits up to
    /// `limit`. If the lock is held, `on_wait` is called once with the holder's process ID, if known.
    ///
    /// # Errors
    /// [`Error::Locked`] names the holder. [`Error::Lock`] means that the directory cannot be locked.
    pub fn lock(
        &self,
        limit: Duration,
        on_wait: &mut dyn FnMut(Option<u32>),
    ) -> Result<Locked<'_>, Error> {
        lock::lock(self.fs.file(), self.fs.path(), limit, on_wait)?;
        Ok(Locked { bin: self })
    }
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The directory cannot be inspected.
    #[error(transparent)]
    Look(#[from] Error),
    /// The goal is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A compiler's directory that is locked against other installs and restores.
#[derive(Debug)]
pub struct Locked<'a> {
    bin: &'a Bin,
}

impl Locked<'_> {
    /// Applies `plan`, which must have been made from an observation since the lock was taken. Between
    /// steps `cancel` returns the signal that arrived, if any; as after any error, the plan is then
    /// rolled back.
    ///
    /// # Errors
    /// Why it failed, and the state of the directory now.
    pub fn apply(
        &self,
        plan: &Plan,
        cancel: &dyn Fn() -> Option<i32>,
        drain: &dyn Drain,
    ) -> Result<Applied, Failure> {
        apply::apply(&self.bin.fs, plan, cancel, drain)
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // Closing the descriptor releases the lock in any case.
        let _: io::Result<()> = self.bin.fs.file().unlock();
    }
}
