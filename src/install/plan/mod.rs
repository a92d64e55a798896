//! Planning: computes the steps from the observed state of the directory to the goal.
//!
//! Owns: the table below and nothing else. Pure: makes no system calls and knows of no earlier run.
//! The same planner serves install, switching to other images, restore, and the roll-back of each;
//! the remains of a crash are observed like any other state.
//!
//! # The table
//!
//! For each name N: what is at N, what its companions are (among them K, the kept original), and
//! what install and restore do.
//!
//! - Aside layout: K is `.rockwrap-orig-N`, and the alias `N.7625` is a symlink to the real compiler.
//! - Moved layout: K is `N.7625` itself.
//!
//! In both layouts the stand-in is a file `N.9727` with the trampoline's bytes. It does not affect
//! the row: in rows 1 to 10 an install creates it, or replaces it if its bytes, mode or time differ,
//! before it puts the shim that needs it at N. "Clear up" includes it.
//!
//! Companions are "ours" if the record names N, if there is a record that is not trusted, if one of
//! the names is a shim, or if `N.9727` is this release's stand-in. The record reaches the disk before
//! the first companion and is removed after the last, so anything else belongs to somebody else.
//!
//! ```text
//!     at N                companions                        install                            restore
//!  1  original            none                              divert                             -
//!  2  original            some, not ours                    refuse: name the file              leave alone, say so
//!  3  original            K the same inode                  divert, K is kept already          clear up
//!     (crash between hard link and rename; restore that could not clear up)
//!  4  original            K is a shim                       remove K, divert                   clear up
//!     (crash between placing the shim at K and the exchange)
//!  5  original (newer)    K/alias stale                     aside: remove K, new alias, divert clear up, keep newer
//!                                                           moved: divert, K replaced at once
//!  6  original            alias right, no K                 alias stays, divert                clear up
//!     (crash after the alias was made)
//!  7  shim, same bytes    K there, alias right              nothing                            put K back, clear up
//!  8  shim, same bytes    K there, alias wrong or missing   new alias                          put K back, clear up
//!  9  shim, other bytes   K there                           (new alias,) new shim over it     put K back, clear up
//! 10  shim                no K, the record knows N as       new K from the record, then 7-9    recreate N over shim,
//!                         a symlink, and it would lead                                         clear up
//!                         somewhere
//! 11  shim                no K otherwise                    refuse: reinstall the package      nothing, say so
//! 12  missing             K there and works at N            refuse: restore first              put K back, clear up
//! 13  missing             K there, leads nowhere            refuse: no compiler                clear up
//! 14  missing             no K                              refuse: no compiler                clear up what there is
//! 15  directory, device   any                               refuse                             as 5, 2
//! 16  original            alias target leads nowhere        refuse                             (as the row it is)
//! 17  shim, same bytes    K there, alias right, stand-in    new stand-in                       put K back, clear up
//!                         missing or not as wanted
//! 18  original            stand-in alone, this release's    stand-in stays, divert             clear up
//!     (restored by an older release, which has no stand-ins)
//! ```
//!
//! "Divert" keeps N's original at K and puts the shim at N, see [`super::apply`]. "Clear up" removes
//! our remaining companions after the drain, when no process needs them any more. Before the drain,
//! every name that can be restored has its original again.
//!
//! The roll-back of a failed upgrade may lead to shims of an older release, which use no stand-ins. It
//! removes the stand-ins that the upgrade made, also after a drain.

mod finish;
mod install;
mod restore;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use serde::Serialize;

use crate::install::fs::{Attrs, Inode, Meta};
use crate::install::goal::{Goal, Keep, Refusal, Want};
use crate::install::journal::JournalEntry;
use crate::install::observe::{Entry, Kept, Observed, ObservedName};
use crate::install::step::{Did, NameDid, Step};
use crate::rocm::names;
use crate::shim_image;

/// The steps that lead to a goal.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// In order.
    pub steps: Vec<Step>,
    /// The result for each name.
    pub names: Vec<NameDid>,
    /// Warnings for the user, such as a record that is not trusted.
    pub warnings: Vec<String>,
    /// The roll-back target of each name that is touched.
    #[serde(skip)]
    pub(super) back: Vec<Target>,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.steps.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{step}")?;
        }
        Ok(())
    }
}

/// The wanted state of one name.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Shim(Arc<Want>),
    Original(OsString),
}

impl Target {
    fn name(&self) -> &OsStr {
        match self {
            Self::Shim(want) => &want.name,
            Self::Original(name) => name,
        }
    }
}

/// Plans the steps from the observed state to `goal`.
///
/// # Errors
/// [`Refusal`] if the goal cannot be reached from that state.
pub fn plan(observed: &Observed, goal: &Goal) -> Result<Plan, Refusal> {
    match goal {
        Goal::Install(wants) => {
            let mut seen = BTreeSet::new();
            for want in wants {
                check(want)?;
                if !seen.insert(&want.name) {
                    return Err(Refusal::Twice {
                        name: want.name.clone(),
                    });
                }
            }
            let targets: Vec<_> = wants
                .iter()
                .map(|want| Target::Shim(Arc::new(want.clone())))
                .collect();
            plan_targets(observed, &targets)
        }
        Goal::Restore => {
            let targets: Vec<_> = observed
                .names
                .iter()
                .map(|known| Target::Original(known.name.clone()))
                .collect();
            plan_targets(observed, &targets)
        }
    }
}

fn check(want: &Want) -> Result<(), Refusal> {
    let name = || want.name.clone();
    if !names::is_manageable(&want.name) {
        return Err(Refusal::BadName { name: name() });
    }
    match shim_image::read(&want.image) {
        Some(Ok(config)) if config.name == want.name.as_bytes() => Ok(()),
        _ => Err(Refusal::BadImage { name: name() }),
    }
}

/// Plans the steps to `targets`. Names without a target stay as they are.
pub(super) fn plan_targets(observed: &Observed, targets: &[Target]) -> Result<Plan, Refusal> {
    let mut planner = Planner::new(observed, targets);
    for target in targets {
        if let Target::Shim(want) = target {
            planner.install(want)?;
        }
    }
    for known in planner.restore_order() {
        planner.restore(known)?;
    }
    planner.finish()
}

struct Planner<'a> {
    observed: &'a Observed,
    targets: &'a [Target],
    /// Steps that change names.
    live: Vec<Step>,
    /// Removals of files that may still be in use. They follow the drain.
    clear: Vec<(OsString, Meta)>,
    shims: Vec<Inode>,
    names: Vec<NameDid>,
    back: Vec<Target>,
    /// Record entries of the names that the plan wraps or restores.
    touched: Vec<JournalEntry>,
    /// Names that are shims when the plan is complete.
    stay: BTreeSet<OsString>,
}

impl<'a> Planner<'a> {
    fn new(observed: &'a Observed, targets: &'a [Target]) -> Self {
        let aimed: BTreeSet<_> = targets.iter().map(Target::name).collect();
        let stay = observed
            .names
            .iter()
            .filter(|known| known.at.is_shim() && !aimed.contains(known.name.as_os_str()))
            .map(|known| known.name.clone())
            .collect();
        Self {
            observed,
            targets,
            live: Vec::new(),
            clear: Vec::new(),
            shims: Vec::new(),
            names: Vec::new(),
            back: Vec::new(),
            touched: Vec::new(),
            stay,
        }
    }

    fn say(&mut self, name: &OsStr, did: Did) {
        self.names.push(NameDid {
            name: name.to_owned(),
            did,
        });
    }

    fn recorded(&self, name: &OsStr) -> Option<&'a JournalEntry> {
        self.observed.record.trusted()?.entry(name)
    }

    /// The record entry of a missing original that can be recreated: a symlink within the directory
    /// whose target exists. A path from a record is never used.
    fn relinkable(&self, known: &ObservedName) -> Option<&'a JournalEntry> {
        let entry = self.recorded(&known.name)?;
        let text = entry.link.as_deref()?;
        let led = match self.observed.name(text) {
            Some(next) => next.name != known.name && !next.at.is_missing(),
            // The alias has the same target as the original had.
            None => {
                known.alias.text() == Some(text)
                    && matches!(known.alias, Entry::Link { resolves: true, .. })
            }
        };
        (led && !text.as_bytes().contains(&b'/')).then_some(entry)
    }
}

fn relink(at: OsString, entry: &JournalEntry, expect: Option<Meta>) -> Step {
    Step::Relink {
        at,
        text: entry.link.clone().unwrap_or_default(),
        expect,
        attrs: Attrs {
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
        },
    }
}

/// The target that brings the current shim back in a roll-back. None for a broken shim: whatever the
/// plan has done with it is better.
fn as_it_was(known: &ObservedName) -> Option<Target> {
    let Entry::Shim { meta, image } = &known.at else {
        return None;
    };
    let keep = match (known.original()?, &known.alias) {
        (Kept::Moved, _) => Keep::Move,
        (
            Kept::Aside,
            Entry::Link {
                text,
                resolves: true,
                ..
            },
        ) => Keep::Aside {
            alias_target: text.clone(),
        },
        (Kept::Aside, _) => return None,
    };
    Some(Target::Shim(Arc::new(Want {
        name: known.name.clone(),
        image: image.clone(),
        stand_in: known.stand_in_bytes.clone(),
        keep,
        mode: meta.mode,
        uid: meta.uid,
        gid: meta.gid,
        mtime: meta.mtime,
    })))
}
