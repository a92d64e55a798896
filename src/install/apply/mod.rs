//! Applying a plan: runs its steps in order and rolls back when one fails.
//!
//! Owns: the order of operations within a step, and the roll-back. In the comments, N is the wrapped
//! name and K the name under which its original is kept; they state what is on disk at that point.
//! Must never decide what is wanted: after a failure it observes the directory again, and the
//! planner plans the roll-back like any other goal.

mod divert;
mod errno;
mod operations;
mod probe;
mod restore;

use std::ffi::{OsStr, OsString};

use crate::install::drain::Drain;
use crate::install::error::{After, Error, Failure};
use crate::install::fs::{Attrs, Fs, Meta};
use crate::install::goal::Want;
use crate::install::journal::Journal;
use crate::install::observe::{Entry, Kept, observe};
use crate::install::plan::{Plan, Target, plan_targets};
use crate::install::step::{Did, NameDid, Step};
use crate::rocm::names;
use crate::support::time::Time;

/// The result of an install or restore.
#[derive(Debug)]
pub struct Applied {
    /// What was done for each name.
    pub names: Vec<NameDid>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
    /// Number of processes that still use the aliases, if they kept the run from removing the
    /// aliases. A later restore removes them.
    pub in_use: Option<usize>,
}

impl Applied {
    /// What the user must be told even in quiet output.
    #[must_use]
    pub fn notable(&self) -> Vec<String> {
        let mut lines = self.warnings.clone();
        for NameDid { name, did } in &self.names {
            if matches!(did, Did::KeptNewer | Did::Gone | Did::Lost | Did::LeftAlone) {
                lines.push(format!("{}: {}", name.display(), did.sentence()));
            }
        }
        if let Some(processes) = self.in_use {
            lines.push(format!(
                "the originals are back; {processes} processes still use the compilers' second names, \
                 which `rock-wrap restore` removes when they have ended"
            ));
        }
        lines
    }
}

/// Runs `plan`. Between steps, `cancel` returns the signal that arrived, if any.
pub(super) fn apply<F: Fs>(
    fs: &F,
    plan: &Plan,
    cancel: &dyn Fn() -> Option<i32>,
    drain: &dyn Drain,
) -> Result<Applied, Failure> {
    let mut run = Run::new(fs, cancel, drain);
    let cause = match run.steps(plan) {
        Ok(()) => {
            let mut warnings = plan.warnings.clone();
            warnings.append(&mut run.warnings);
            return Ok(Applied {
                names: plan.names.clone(),
                warnings,
                in_use: run.in_use,
            });
        }
        Err(cause) => cause,
    };
    if !run.changed && run.remove_temps() {
        let after = After::AsBefore;
        return Err(Failure { cause, after });
    }
    if run.past_return {
        let after = After::Restored;
        return Err(Failure { cause, after });
    }
    let after = match roll_back(fs, plan, drain) {
        Ok(after) => after,
        Err(error) => After::Unfinished {
            error: Box::new(error),
            state: describe(fs, plan),
        },
    };
    Err(Failure { cause, after })
}

/// Observes the directory and restores the state from before the plan.
fn roll_back<F: Fs>(fs: &F, plan: &Plan, drain: &dyn Drain) -> Result<After, Error> {
    let wants = plan.back.iter().filter_map(|target| match target {
        Target::Shim(want) => Some(want.as_ref()),
        Target::Original(_) => None,
    });
    let observed = observe(fs, wants)?;
    let back = plan_targets(&observed, &plan.back).map_err(|source| Error::NoWayBack { source })?;
    // A second interrupt must not stop the roll-back half-way.
    let mut run = Run::new(fs, &|| None, drain);
    run.returning = true;
    run.steps(&back)?;
    let brings_back = |target: &Target| matches!(target, Target::Original(_));
    Ok(
        if run.in_use.is_some() && plan.back.iter().any(brings_back) {
            After::Restored
        } else {
            // A stand-in that a running compile uses may remain beside an older shim that has none.
            // The next install or restore removes it.
            After::AsBefore
        },
    )
}

/// The state of each name, for the message of a roll-back that failed.
fn describe<F: Fs>(fs: &F, plan: &Plan) -> Vec<String> {
    let Ok(observed) = observe(fs, []) else {
        return vec![format!("{} cannot be looked at", fs.path().display())];
    };
    let touched = |name: &OsStr| plan.names.iter().any(|did| did.name == name);
    let known = observed.names.iter().filter(|known| touched(&known.name));
    let mut lines: Vec<_> = known
        .map(|known| {
            let at = match &known.at {
                Entry::Missing => "nothing",
                Entry::Shim { .. } if known.stand_in.is_missing() => "our shim, no stand-in",
                Entry::Shim { .. } => "our shim",
                Entry::Link { .. } | Entry::File(_) => "a compiler",
                Entry::Odd(_) => "no file",
            };
            let kept = match (known.original(), known.at.is_shim()) {
                (Some(Kept::Aside), _) => names::kept(&known.name),
                (Some(Kept::Moved), _) => names::alias(&known.name),
                (None, true) => return format!("{:?}: our shim, no original", known.name),
                (None, false) => return format!("{:?}: {at}, nothing kept", known.name),
            };
            format!("{:?}: {at}, its original at {kept:?}", known.name)
        })
        .collect();
    lines.extend(plan.names.iter().filter_map(|did| {
        let known = observed.name(&did.name);
        known
            .is_none()
            .then(|| format!("{:?}: nothing of ours", did.name))
    }));
    lines
}

struct Run<'a, F: Fs> {
    fs: &'a F,
    cancel: &'a dyn Fn() -> Option<i32>,
    drain: &'a dyn Drain,
    warnings: Vec<String>,
    in_use: Option<usize>,
    /// Whether a step has started that changes anything but temporary files.
    changed: bool,
    /// Whether every original is back at its name. A failure is no longer rolled back then.
    past_return: bool,
    /// Whether this run is a roll-back.
    returning: bool,
    /// Temporary names that this run has generated.
    temps: Vec<OsString>,
}

impl<'a, F: Fs> Run<'a, F> {
    fn new(fs: &'a F, cancel: &'a dyn Fn() -> Option<i32>, drain: &'a dyn Drain) -> Self {
        Self {
            fs,
            cancel,
            drain,
            warnings: Vec::new(),
            in_use: None,
            changed: false,
            past_return: false,
            returning: false,
            temps: Vec::new(),
        }
    }

    fn steps(&mut self, plan: &Plan) -> Result<(), Error> {
        if !plan.steps.is_empty() {
            // A run that was killed may have left changes, the record included, that are visible but
            // not yet on disk. They must reach the disk before anything that depends on them.
            self.sync_dir()?;
        }
        for step in &plan.steps {
            self.check_signal()?;
            self.changed |= match step {
                Step::Probe { .. } => false,
                Step::Remove { name, .. } => !names::is_temp(name),
                _ => true,
            };
            self.step(step)?;
            if self.in_use.is_some() {
                return Ok(());
            }
        }
        if plan
            .steps
            .iter()
            .any(|step| matches!(step, Step::Remove { .. }))
        {
            // Flushes the last removals, including that of the record.
            self.sync_dir()?;
        }
        Ok(())
    }

    fn check_signal(&self) -> Result<(), Error> {
        match (self.cancel)() {
            Some(signal) => Err(Error::Interrupted { signal }),
            None => Ok(()),
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            // A roll-back is attempted whatever the probe would find.
            Step::Probe { .. } if self.returning => Ok(()),
            Step::Probe { even_if_full, keep } => self.probe(*even_if_full, keep),
            Step::WriteRecord {
                required, journal, ..
            } => match self.write_record(journal) {
                // The originals can be put back without a record.
                Err(err) if !required || self.returning => {
                    self.do_without(&err);
                    Ok(())
                }
                other => other,
            },
            Step::Alias {
                alias,
                target,
                over,
            } => self.alias(alias, target, *over),
            Step::StandIn {
                stand_in,
                over,
                bytes,
                attrs,
            } => self.stand_in(stand_in, *over, bytes, attrs),
            Step::Divert {
                name,
                kept,
                keeping,
                expect,
                want,
            } => self.divert(name, kept, *keeping, *expect, want),
            Step::Switch { name, expect, want } => self.switch(name, *expect, want),
            Step::PutBack {
                name,
                kept,
                keep_alias,
                expect,
            } => self.put_back(name, kept, *keep_alias, *expect),
            Step::Relink {
                at,
                text,
                expect,
                attrs,
            } => self.relink(at, text, *expect, attrs),
            Step::Drain {
                aliases,
                shims,
                journal,
            } => self.wait(aliases, shims, journal),
            Step::Remove { name, expect } => self.remove(name, *expect),
        }
    }

    fn write_record(&mut self, journal: &Journal) -> Result<(), Error> {
        let name = OsStr::new(names::JOURNAL);
        let bytes = journal.to_bytes().map_err(|source| Error::Encode {
            path: self.at(name),
            source,
        })?;
        let euid = self.fs.euid();
        let dir = self.fs.dir().map_err(|source| self.inspect(source))?;
        let attrs = Attrs {
            mode: 0o644,
            uid: euid,
            // Any group will do, since the mode gives it no write permission.
            gid: dir.gid,
            mtime: Time::now(),
        };
        let temp = self.write_temp(&bytes, &attrs)?;
        // On disk: the earlier record, if any, and the complete new one under a temporary name.
        self.rename(&temp, name)?;
        self.sync_dir()
    }

    fn alias(&mut self, alias: &OsStr, target: &OsStr, over: bool) -> Result<(), Error> {
        if over {
            let temp = self.temp_name()?;
            self.symlink(target, &temp, None)?;
            self.rename(&temp, alias)?;
        } else {
            self.symlink(target, alias, None)?;
        }
        // It must be on disk before any shim that needs it.
        self.sync_dir()
    }

    fn stand_in(
        &mut self,
        stand_in: &OsStr,
        over: bool,
        bytes: &[u8],
        attrs: &Attrs,
    ) -> Result<(), Error> {
        let temp = self.write_temp(bytes, attrs)?;
        // A rename replaces it atomically, so that live shims always find a stand-in.
        if over {
            self.rename(&temp, stand_in)?;
        } else {
            self.rename_new(&temp, stand_in)?;
        }
        // It must be on disk before any shim that needs it.
        self.sync_dir()
    }

    fn switch(&mut self, name: &OsStr, expect: Meta, want: &Want) -> Result<(), Error> {
        let temp = self.write_temp(&want.image, &want.attrs())?;
        self.expect(name, Some(expect))?;
        self.rename(&temp, name)?;
        // N: the new shim. K: the original, unchanged.
        self.sync_dir()
    }
}
