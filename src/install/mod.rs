//! The installation engine: puts shims in the place of compilers and the compilers back.
//!
//! Owns: everything that is ever changed in a compiler's directory, and in which order. Its rules:
//!
//! * At every instant, and after a crash at any of them, each name is a working compiler.
//! * Look, plan, act. [`Bin::observe`] only looks, [`plan`](plan::plan) is pure, [`Locked::apply`] acts. What
//!   is to be done follows from what stands in the directory, never from the memory of a run.
//! * All names or none: a plan that fails is followed by one that leads back.
//! * Restore is exact, and never touches a name that is not our shim any more.
//!
//! Must never be used by a compile, follow a symlink out of the directory, or write through an
//! existing inode: other names of it may be somebody else's.
//!
//! # Limitations
//! A package manager takes no lock of ours. Where names cannot be swapped, a compiler that it puts
//! in place between the last look and the rename (two adjacent system calls) is lost.

mod apply;
mod drain;
mod error;
pub mod freshness;
mod fs;
mod goal;
mod journal;
mod lock;
mod names;
mod observe;
mod plan;
mod share;
pub mod shims;
mod step;

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::time::Duration;

pub use apply::Outcome;
pub use drain::{Drain, Needs, ProcDrain};
pub use error::{After, Error, Failure};
pub use fs::{Attrs, Inode, Kind, Meta, Time};
pub use goal::{Goal, Keep, Refusal, Want};
pub use journal::{Entry as JournalEntry, Journal, Phase};
pub use names::{JOURNAL, alias, is_companion, kept, stand_in};
pub use observe::{Entry, Kept, Name, Observed, Record};
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
    /// Opens the directory at `path`. From here on the path is only used in messages.
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

    /// What stands in the directory, as far as it is ours.
    ///
    /// # Errors
    /// The directory or a file in it cannot be looked at.
    pub fn observe(&self) -> Result<Observed, Error> {
        observe::look_around(&self.fs)
    }

    /// The steps from what was observed to `goal`.
    ///
    /// # Errors
    /// What the goal is about besides cannot be looked at, or the goal cannot be had from there.
    pub fn plan(&self, observed: Observed, goal: &Goal) -> Result<Plan, PlanError> {
        let observed = observe::complete(&self.fs, observed, goal.wants())?;
        Ok(plan(&observed, goal)?)
    }

    /// Keeps other installs and restores out until the answer is dropped, waiting for them up to
    /// `limit`. `on_wait` is called once if there is one, with its process id if that is known.
    ///
    /// # Errors
    /// [`Error::Locked`] names the holder; [`Error::Lock`] where nothing can be locked.
    pub fn lock(
        &self,
        limit: Duration,
        on_wait: &mut dyn FnMut(Option<u32>),
    ) -> Result<Locked<'_>, Error> {
        lock::lock(self.fs.file(), self.fs.path(), limit, on_wait)?;
        Ok(Locked { bin: self })
    }
}

/// There is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The directory cannot be looked at.
    #[error(transparent)]
    Look(#[from] Error),
    /// What stands there does not allow the goal.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A compiler's directory that nobody else installs to or restores.
#[derive(Debug)]
pub struct Locked<'a> {
    bin: &'a Bin,
}

impl Locked<'_> {
    /// Runs `plan`, made from a look at the directory since it was locked. `cancel` is asked
    /// between steps whether a signal came in; then, as after any error, the way back is taken.
    ///
    /// # Errors
    /// Why it failed and how the directory stands now.
    pub fn apply(
        &self,
        plan: &Plan,
        cancel: &dyn Fn() -> Option<i32>,
        drain: &dyn Drain,
    ) -> Result<Outcome, Failure> {
        apply::apply(&self.bin.fs, plan, cancel, drain)
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // The lock goes with the descriptor at the latest.
        let _: io::Result<()> = self.bin.fs.file().unlock();
    }
}
