//! Acting: the steps of a plan, one operation after the other, and the way back when one fails.
//!
//! Owns: the order of operations within a step, the ladder for keeping an original, and the
//! roll-back. Each comment says what is on disk at that instant. Must never decide what is wanted:
//! after a failure it looks again and has the way back planned like anything else.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::install::drain::{Drain, Needs};
use crate::install::error::{After, Error, Failure};
use crate::install::fs::{Attrs, Fs, Inode, Meta, Time};
use crate::install::goal::Want;
use crate::install::journal::Journal;
use crate::install::names;
use crate::install::observe::{Entry, Kept, observe};
use crate::install::plan::{Plan, Target, plan_targets};
use crate::install::step::{Did, Keeping, NameDid, Step};
use crate::support::error_chain::chain;

/// What an install or restore came to.
#[derive(Debug)]
pub struct Outcome {
    /// For each name what was done.
    pub names: Vec<NameDid>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// How many processes still use the aliases, where that kept the run from clearing up; a later
    /// restore does.
    pub in_use: Option<usize>,
}

impl Outcome {
    /// What a person must know of it in any case.
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

/// Runs `plan`. `cancel` is asked between steps for a signal that came in.
pub(super) fn apply<F: Fs>(
    fs: &F,
    plan: &Plan,
    cancel: &dyn Fn() -> Option<i32>,
    drain: &dyn Drain,
) -> Result<Outcome, Failure> {
    let mut run = Run::new(fs, cancel, drain);
    let cause = match run.steps(plan) {
        Ok(()) => {
            let mut warnings = plan.warnings.clone();
            warnings.append(&mut run.warnings);
            return Ok(Outcome {
                names: plan.names.clone(),
                warnings,
                in_use: run.in_use,
            });
        }
        Err(cause) => cause,
    };
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

/// Looks at what is there now and goes from there back to what was there before.
fn roll_back<F: Fs>(fs: &F, plan: &Plan, drain: &dyn Drain) -> Result<After, Error> {
    let wants = plan.back.iter().filter_map(|target| match target {
        Target::Shim(want) => Some(want.as_ref()),
        Target::Original(_) => None,
    });
    let observed = observe(fs, wants)?;
    let back = plan_targets(&observed, &plan.back).map_err(|source| Error::NoWayBack { source })?;
    // Who interrupts once more must not get half a roll-back.
    let mut run = Run::new(fs, &|| None, drain);
    run.returning = true;
    run.steps(&back)?;
    let brings_back = |target: &Target| matches!(target, Target::Original(_));
    Ok(
        if run.in_use.is_some() && plan.back.iter().any(brings_back) {
            After::Restored
        } else {
            // A stand-in that a call under way uses may be left beside a shim that knows of none. The
            // next install or restore sees to it.
            After::AsBefore
        },
    )
}

/// What stands where, for the message of a roll-back that failed.
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

/// Errors that say "this file system cannot", for an exchange of names. EINVAL is what the kernel
/// answers for flags that a file system does not take.
fn no_exchange(err: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(err),
        Some(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP)
    )
}

/// The same for hard links. EPERM: no hard links here (FAT), or not to somebody else's file
/// (`fs.protected_hardlinks`). EXDEV: a union file system that keeps the name on another layer, or
/// a file that was mounted over the name; then the rename fails too and nothing was changed.
fn no_link(err: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(err),
        Some(Errno::PERM | Errno::MLINK | Errno::NOTSUP | Errno::NOSYS | Errno::XDEV)
    )
}

fn is_full(err: &io::Error) -> bool {
    matches!(Errno::from_io_error(err), Some(Errno::NOSPC | Errno::DQUOT))
}

struct Run<'a, F: Fs> {
    fs: &'a F,
    cancel: &'a dyn Fn() -> Option<i32>,
    drain: &'a dyn Drain,
    warnings: Vec<String>,
    in_use: Option<usize>,
    /// Whether every original is back for good, so that a failure leads nowhere else.
    past_return: bool,
    /// Whether this is the way back itself.
    returning: bool,
    /// Temporary names that this run has used.
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
            past_return: false,
            returning: false,
            temps: Vec::new(),
        }
    }

    fn steps(&mut self, plan: &Plan) -> Result<(), Error> {
        if !plan.steps.is_empty() {
            // A run that was killed may have left names, the record's among them, that were seen
            // and are not on disk yet. What is built on them must not get there before they do.
            self.sync_dir()?;
        }
        for step in &plan.steps {
            self.check_signal()?;
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
            // The last removals, the record's among them, reach the disk.
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
            // The way back is tried whatever a look would say.
            Step::Probe { .. } if self.returning => Ok(()),
            Step::Probe { even_if_full, keep } => self.probe(*even_if_full, keep),
            Step::WriteRecord {
                required, journal, ..
            } => match self.write_record(journal) {
                // The originals come back all the same, and recovery needs no record.
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

    /// Checks, by doing it with temporary files, that files can be created and removed here and
    /// that the originals in `keep` can be kept.
    fn probe(&mut self, even_if_full: bool, keep: &[(OsString, Keeping)]) -> Result<(), Error> {
        let temp = self.temp_name()?;
        let attrs = Attrs {
            mode: 0o600,
            uid: self.fs.euid(),
            gid: self.fs.dir().map_err(|source| self.inspect(source))?.gid,
            mtime: Time::now(),
        };
        let made = self.fs.create(&temp, b"", &attrs).map(drop);
        match made.and_then(|()| self.fs.remove(&temp)) {
            Err(err) if even_if_full && is_full(&err) => {
                // The file may exist all the same. The next run removes what stays.
                let _ = self.fs.remove(&temp);
            }
            probed => probed.map_err(|source| self.not_writable(source))?,
        }
        let needs = |keeping| keep.iter().any(|(_, needed)| *needed == keeping);
        let can_exchange = needs(Keeping::Ladder) && self.can_exchange(&attrs)?;
        for (name, keeping) in keep {
            if *keeping == Keeping::Replace || !can_exchange {
                self.probe_link(name, *keeping)?;
            }
        }
        Ok(())
    }

    /// Whether names can be exchanged here, tried with two temporary files.
    fn can_exchange(&mut self, attrs: &Attrs) -> Result<bool, Error> {
        let (one, two) = (self.temp_name()?, self.temp_name()?);
        let create = |name| self.fs.create(name, b"", attrs).map(drop);
        let try_out = || {
            create(&one)?;
            let mut tried = self.fs.rename_new(&one, &two);
            if tried.is_ok() {
                create(&one)?;
                tried = self.fs.exchange(&one, &two);
                self.fs.remove(&two)?;
            }
            self.fs.remove(&one)?;
            Ok(tried)
        };
        match try_out().map_err(|source| self.not_writable(source))? {
            Ok(()) => Ok(true),
            Err(err) if no_exchange(&err) => Ok(false),
            Err(source) => Err(self.not_writable(source)),
        }
    }

    fn not_writable(&self, source: io::Error) -> Error {
        Error::NotWritable {
            path: self.fs.path().to_owned(),
            missing: missing_right(&source),
            source,
        }
    }

    /// Checks that a hard link to the original at `name` can be made.
    fn probe_link(&mut self, name: &OsStr, keeping: Keeping) -> Result<(), Error> {
        let temp = self.temp_name()?;
        self.link_original(name, &temp, keeping)?;
        self.fs.remove(&temp).map_err(|source| Error::Remove {
            path: self.at(&temp),
            source,
        })
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
            // The group that the system would give a new file is as good as any: it has no rights
            // to write.
            gid: dir.gid,
            mtime: Time::now(),
        };
        let temp = self.write_temp(&bytes, &attrs)?;
        // The earlier record, whole, or none; the new one whole under a temporary name.
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
        // Before any shim that needs it goes live.
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
        // A shim that is live runs the one that is there, or this one: the name never is missing.
        if over {
            self.rename(&temp, stand_in)?;
        } else {
            self.rename_new(&temp, stand_in)?;
        }
        // Before any shim that needs it goes live.
        self.sync_dir()
    }

    fn divert(
        &mut self,
        name: &OsStr,
        kept: &OsStr,
        keeping: Keeping,
        expect: Meta,
        want: &Want,
    ) -> Result<(), Error> {
        let temp = self.write_temp(&want.image, &want.attrs())?;
        // N: the original. K: nothing, or what is stale. The shim, whole, under a temporary name.
        match keeping {
            Keeping::Ladder => {
                if self.exchange(&temp, kept, name)? {
                    return Ok(());
                }
                self.link_original(name, kept, keeping)?;
                self.sync_dir()?;
            }
            Keeping::Replace => {
                // Under another name first, then over what is stale, so that K never is missing.
                let first = self.temp_name()?;
                self.link_original(name, &first, keeping)?;
                self.rename(&first, kept)?;
                self.sync_dir()?;
            }
            Keeping::Already => {}
        }
        // N: the original. K: the original too, on disk. This look and the rename are two calls;
        // only an exchange could be one.
        self.expect(name, Some(expect))?;
        self.rename(&temp, name)?;
        // N: the shim. K: the original.
        self.sync_dir()
    }

    /// Rung A. `false` where the file system cannot.
    fn exchange(&mut self, temp: &OsStr, kept: &OsStr, name: &OsStr) -> Result<bool, Error> {
        match self.fs.rename_new(temp, kept) {
            Ok(()) => {}
            Err(err) if no_exchange(&err) => return Ok(false),
            Err(source) => return Err(self.rename_error(temp, kept, source)),
        }
        // N: the original. K: the shim. On disk before the exchange is, so that no crash can
        // leave the exchange without it.
        self.sync_dir()?;
        match self.fs.exchange(kept, name) {
            Ok(()) => {}
            Err(err) if no_exchange(&err) => {
                self.rename(kept, temp)?;
                return Ok(false);
            }
            Err(source) => {
                return Err(Error::Exchange {
                    one: self.at(kept),
                    two: self.at(name),
                    source,
                });
            }
        }
        // N: the shim. K: the original. There was no instant between.
        self.sync_dir()?;
        Ok(true)
    }

    /// Rung B: makes a hard link to the original at `name`.
    fn link_original(&self, name: &OsStr, to: &OsStr, keeping: Keeping) -> Result<(), Error> {
        self.fs.link(name, to).map_err(|source| {
            let path = self.at(name);
            if !no_link(&source) {
                let (from, to) = (path, self.at(to));
                return Error::Link { from, to, source };
            }
            match keeping {
                Keeping::Replace => Error::KeepNewer { path, source },
                Keeping::Ladder | Keeping::Already => Error::Keep { path, source },
            }
        })
    }

    fn switch(&mut self, name: &OsStr, expect: Meta, want: &Want) -> Result<(), Error> {
        let temp = self.write_temp(&want.image, &want.attrs())?;
        self.expect(name, Some(expect))?;
        self.rename(&temp, name)?;
        // N: the new shim. K: the original, as before.
        self.sync_dir()
    }

    fn put_back(
        &mut self,
        name: &OsStr,
        kept: &OsStr,
        keep_alias: bool,
        expect: Option<Meta>,
    ) -> Result<(), Error> {
        self.expect(name, expect)?;
        if keep_alias && self.put_back_linked(name, kept, expect.is_none())? {
            // N: the original. K: the original too, for compiles under way.
        } else if expect.is_none() {
            self.rename_new(kept, name)?;
        } else {
            self.rename(kept, name)?;
            // N: the original. K: nothing.
        }
        // On disk name by name: where no link could be made, the next original's put-back may
        // take away what this name's alias led through.
        self.sync_dir()
    }

    /// `false` where no second name can be had. A full disk is no reason to keep a compiler from
    /// its place, so then too.
    fn put_back_linked(&mut self, name: &OsStr, kept: &OsStr, free: bool) -> Result<bool, Error> {
        let first = if free {
            name.to_owned()
        } else {
            self.temp_name()?
        };
        match self.fs.link(kept, &first) {
            Ok(()) => {}
            Err(err) if no_link(&err) || is_full(&err) => return Ok(false),
            Err(source) => {
                return Err(Error::Link {
                    from: self.at(kept),
                    to: self.at(name),
                    source,
                });
            }
        }
        if !free {
            self.rename(&first, name)?;
        }
        Ok(true)
    }

    fn relink(
        &mut self,
        at: &OsStr,
        text: &OsStr,
        expect: Option<Meta>,
        attrs: &Attrs,
    ) -> Result<(), Error> {
        let temp = self.temp_name()?;
        self.symlink(text, &temp, Some(attrs))?;
        self.expect(at, expect)?;
        if expect.is_some() {
            self.rename(&temp, at)?;
        } else {
            self.rename_new(&temp, at)?;
        }
        self.sync_dir()
    }

    fn wait(
        &mut self,
        aliases: &[OsString],
        shims: &[Inode],
        journal: &Journal,
    ) -> Result<(), Error> {
        // Every original is back at its name, on disk.
        self.past_return = true;
        if aliases.is_empty() && shims.is_empty() {
            return Ok(());
        }
        let dir = self.fs.dir().map_err(|source| self.inspect(source))?;
        let left = self.drain.wait(
            &Needs {
                dir: self.fs.path(),
                dir_id: dir.id,
                aliases,
                shims,
            },
            self.cancel,
        );
        self.check_signal()?;
        if left > 0 {
            self.in_use = Some(left);
            if let Err(err) = self.write_record(journal) {
                self.do_without(&err);
            }
        }
        Ok(())
    }

    fn remove(&mut self, name: &OsStr, expect: Option<Meta>) -> Result<(), Error> {
        let path = || self.fs.path().join(name);
        if name == names::JOURNAL {
            // The last companion is gone on disk before the record is: what has no record is not
            // ours.
            self.sync_dir()?;
        }
        let meta = self.fs.stat(name).map_err(|source| Error::Inspect {
            path: path(),
            source,
        })?;
        // Gone: a put-back without a link took it.
        let Some(meta) = meta else { return Ok(()) };
        if expect.is_some_and(|expect| !expect.is_still(&meta)) {
            self.warnings.push(format!(
                "{} was changed by somebody else meanwhile and is left",
                path().display()
            ));
            return Ok(());
        }
        self.fs.remove(name).map_err(|source| Error::Remove {
            path: path(),
            source,
        })
    }

    /// Writes a file that nobody else can know or open yet, brings it to disk and closes it: a
    /// program that is still open for writing cannot be run.
    fn write_temp(&mut self, bytes: &[u8], attrs: &Attrs) -> Result<OsString, Error> {
        let temp = self.temp_name()?;
        let file = self.fs.create(&temp, bytes, attrs).map_err(|source| {
            let path = self.at(&temp);
            Error::Create { path, source }
        })?;
        self.sync_file(&file, &temp)?;
        Ok(temp)
    }

    fn expect(&self, name: &OsStr, expect: Option<Meta>) -> Result<(), Error> {
        let meta = self.fs.stat(name).map_err(|source| Error::Inspect {
            path: self.at(name),
            source,
        })?;
        let still = match (&expect, &meta) {
            (Some(expect), Some(meta)) => expect.is_still(meta),
            (None, None) => true,
            _ => false,
        };
        if still {
            Ok(())
        } else {
            Err(Error::Changed {
                path: self.at(name),
            })
        }
    }

    fn rename(&self, from: &OsStr, to: &OsStr) -> Result<(), Error> {
        let renamed = self.fs.rename(from, to);
        renamed.map_err(|source| self.rename_error(from, to, source))
    }

    /// Rename without replacing, down systemd's ladder: the flag, link and unlink, a look and a
    /// plain rename.
    fn rename_new(&self, from: &OsStr, to: &OsStr) -> Result<(), Error> {
        match self.fs.rename_new(from, to) {
            Err(err) if no_exchange(&err) => {}
            other => return other.map_err(|source| self.rename_error(from, to, source)),
        }
        match self.fs.link(from, to) {
            Ok(()) => {
                return self.fs.remove(from).map_err(|source| Error::Remove {
                    path: self.at(from),
                    source,
                });
            }
            Err(err) if no_link(&err) => {}
            Err(source) => return Err(self.rename_error(from, to, source)),
        }
        self.expect(to, None)?;
        self.rename(from, to)
    }

    fn rename_error(&self, from: &OsStr, to: &OsStr, source: io::Error) -> Error {
        Error::Rename {
            from: self.at(from),
            to: self.at(to),
            source,
        }
    }

    fn symlink(&self, text: &OsStr, name: &OsStr, attrs: Option<&Attrs>) -> Result<(), Error> {
        self.fs
            .symlink(text, name, attrs)
            .map_err(|source| Error::Symlink {
                path: self.at(name),
                source,
            })
    }

    fn sync_file(&self, file: &F::Open, name: &OsStr) -> Result<(), Error> {
        self.fs.sync(file).map_err(|source| Error::Sync {
            path: self.at(name),
            source,
        })
    }

    fn sync_dir(&self) -> Result<(), Error> {
        self.fs.sync_dir().map_err(|source| Error::SyncDir {
            path: self.fs.path().to_owned(),
            source,
        })
    }

    fn temp_name(&mut self) -> Result<OsString, Error> {
        let temp = names::temp().map_err(|source| Error::TempName {
            path: self.fs.path().to_owned(),
            source,
        })?;
        self.temps.push(temp.clone());
        Ok(temp)
    }

    /// Goes on after `err`, which nothing depends on, and without what it left.
    fn do_without(&mut self, err: &Error) {
        self.warnings.push(chain(err));
        for temp in self.temps.drain(..) {
            // Most are gone already. One that stays is removed by the next run.
            let _ = self.fs.remove(&temp);
        }
    }

    fn inspect(&self, source: io::Error) -> Error {
        Error::Inspect {
            path: self.fs.path().to_owned(),
            source,
        }
    }

    fn at(&self, name: &OsStr) -> PathBuf {
        self.fs.path().join(name)
    }
}

fn missing_right(err: &io::Error) -> &'static str {
    match Errno::from_io_error(err) {
        Some(Errno::ROFS) => "it is mounted read-only",
        Some(Errno::ACCESS) => "this user has no right to write and search the directory",
        Some(Errno::PERM) => "the directory is immutable, or this user lacks the privilege",
        Some(Errno::NOSPC) => "the file system is full",
        Some(Errno::DQUOT) => "the quota of this user is used up",
        _ => "a file could not be made and removed there",
    }
}
