//! Planning: from what stands in the directory and what is wanted to the steps that lead there.
//!
//! Owns: the table below and nothing else. Pure: no system call, no memory of an earlier run. The
//! same planning serves install, switching to other images, restore and the way back from any of
//! them that failed; what a crash left is only one more thing to be observed.
//!
//! # The table
//!
//! For each name N: what stands at N, where its original K is, what is done.
//! Aside layout: K is `.rockwrap-orig-N` and the alias `N.7625` a symlink to the real compiler.
//! Moved layout: K is `N.7625` itself.
//! In both layouts the stand-in is a file `N.9727` with the trampoline's bytes. It does not change
//! the row: in rows 1 to 10 an install makes it, or makes it anew over what stands there if its
//! bytes, mode or time are others, before the shim that needs it is put at N. "Clear up" includes it.
//! "Ours" means that the record names N, or that the record is there but cannot be believed, or
//! that one of the names is a shim, or that `N.9727` is this release's stand-in. The record is on disk before the first companion is and goes
//! after the last, so what is not ours was put there by somebody else.
//!
//! ```text
//!     at N                companions                        install                            restore
//!  1  original            none                              divert                             -
//!  2  original            some, not ours                    refuse: name the file              leave alone, say so
//!  3  original            K the same inode                  divert, K is kept already          clear up
//!     (crash between hard link and rename; restore that could not clear up)
//!  4  original            K is a shim                       remove K, divert                   clear up
//!     (crash between placing the shim at K and the exchange)
//!  5  original (newer)    K/alias stale                     aside: remove K, new alias, divert clear up, keep the newer
//!                                                           moved: divert, K replaced at once
//!  6  original            alias right, no K                 alias stays, divert                clear up
//!     (crash after the alias was made)
//!  7  shim, same bytes    K there, alias right              nothing                            put K back, clear up
//!  8  shim, same bytes    K there, alias wrong or missing   alias anew                         put K back, clear up
//!  9  shim, other bytes   K there                           (alias anew,) new shim over it     put K back, clear up
//! 10  shim                no K, the record knows N as       K anew from the record, then 7-9   make it anew over the shim,
//!                         a symlink, and it would lead                                         clear up
//!                         somewhere
//! 11  shim                no K otherwise                    refuse: reinstall the package      nothing, say so
//! 12  missing             K there and works at N            refuse: restore first              put K back, clear up
//! 13  missing             K there, leads nowhere            refuse: no compiler                clear up
//! 14  missing             no K                              refuse: no compiler                clear up what there is
//! 15  directory, device   any                               refuse                             as 5, 2
//! 16  original            alias target leads nowhere        refuse                             (as the row it is)
//! 17  shim, same bytes    K there, alias right, stand-in    stand-in anew                      put K back, clear up
//!                         missing or not as wanted
//! 18  original            stand-in alone, this release's    stand-in stays, divert             clear up
//!     (restored by an older release, which knows of none)
//! ```
//!
//! "Divert" keeps N's original at K and puts the shim at N; [`super::apply`] has the ladder.
//! "Clear up" removes what is left of our companions, after the drain: no process may still need
//! them. Before the drain every name that can be an original is one.
//!
//! The way back from an upgrade that failed may lead to shims of an older release, which know of no
//! stand-in: it removes those that were made meanwhile, after a drain as well.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use serde::Serialize;

use crate::install::fs::{Attrs, Inode, Meta};
use crate::install::goal::{Goal, Keep, Refusal, Want};
use crate::install::journal;
use crate::install::journal::{Journal, Phase};
use crate::install::names;
use crate::install::observe::{Entry, Kept, Name, Observed, Record};
use crate::install::step::{Did, Keeping, NameDid, Step};
use crate::shim_image;

/// The steps to a goal.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// In order.
    pub steps: Vec<Step>,
    /// What they come to.
    pub names: Vec<NameDid>,
    /// What the user should know: an unbelieved record.
    pub warnings: Vec<String>,
    /// The way back, for each name that is touched.
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

/// What is wanted at one name.
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

/// The steps from what is there to `goal`.
///
/// # Errors
/// [`Refusal`] where the goal cannot be had from there.
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

/// The steps to a target for each of some names; the other names stay as they are.
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
    /// Removals of what may still be in use: they come after the drain.
    clear: Vec<(OsString, Meta)>,
    shims: Vec<Inode>,
    names: Vec<NameDid>,
    back: Vec<Target>,
    /// Entries of the names that are shims when all is done, or will be restored by it.
    touched: Vec<journal::Entry>,
    /// Names that are shims when all is done.
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

    fn install(&mut self, want: &Arc<Want>) -> Result<(), Refusal> {
        let name = || want.name.clone();
        let Some(known) = self.observed.name(&want.name) else {
            return Err(Refusal::Missing { name: name() });
        };
        self.stay.insert(name());
        match &known.at {
            // Rows 12 to 14.
            Entry::Missing if known.ours && self.usable(known, 0) => {
                Err(Refusal::MissingButKept { name: name() })
            }
            Entry::Missing => Err(Refusal::Missing { name: name() }),
            // Row 15.
            Entry::Odd(_) => Err(Refusal::Odd { name: name() }),
            Entry::Shim { meta, image } => {
                self.sticky(known)?;
                self.install_over_shim(want, known, *meta, image)
            }
            Entry::Link { meta, .. } | Entry::File(meta) => {
                self.sticky(known)?;
                self.install_over_original(want, known, *meta)
            }
        }
    }

    /// Rows 7 to 11.
    fn install_over_shim(
        &mut self,
        want: &Arc<Want>,
        known: &Name,
        expect: Meta,
        image: &[u8],
    ) -> Result<(), Refusal> {
        let steps = self.live.len();
        let layout = match known.original() {
            Some(layout) => layout,
            None => {
                let Some(entry) = self.relinkable(known) else {
                    return Err(Refusal::Lost {
                        name: want.name.clone(),
                    });
                };
                let over = known.kept.meta().copied();
                self.live.push(relink(names::kept(&want.name), entry, over));
                Kept::Aside
            }
        };
        if let (Kept::Aside, Keep::Aside { alias_target }) = (layout, &want.keep) {
            self.alias(known, alias_target)?;
        }
        self.stand_in(known, want)?;
        if image != want.image {
            self.live.push(Step::Switch {
                name: want.name.clone(),
                expect,
                want: Arc::clone(want),
            });
        }
        if self.live.len() == steps {
            self.say(&want.name, Did::AlreadyInstalled);
        } else {
            self.say(&want.name, Did::Switched);
            self.back.extend(as_it_was(known));
        }
        Ok(())
    }

    /// Rows 1 to 6 and 16.
    fn install_over_original(
        &mut self,
        want: &Arc<Want>,
        known: &Name,
        expect: Meta,
    ) -> Result<(), Refusal> {
        let (kept, alias) = (names::kept(&want.name), names::alias(&want.name));
        let stand_in = names::stand_in(&want.name);
        for (path, entry) in [
            (&alias, &known.alias),
            (&kept, &known.kept),
            (&stand_in, &known.stand_in),
        ] {
            let odd = matches!(entry, Entry::Odd(_));
            if odd || (!known.ours && !entry.is_missing()) {
                return Err(Refusal::Foreign { path: path.clone() });
            }
        }
        let (kept, keeping) = match &want.keep {
            Keep::Aside { alias_target } => {
                let keeping = if known.linked(Kept::Aside) {
                    Keeping::Already
                } else {
                    self.remove_now(&kept, &known.kept);
                    Keeping::Ladder
                };
                self.alias(known, alias_target)?;
                (kept, keeping)
            }
            Keep::Move => {
                if !matches!(known.at, Entry::File(_)) {
                    return Err(Refusal::MoveOfLink {
                        name: want.name.clone(),
                    });
                }
                self.remove_now(&kept, &known.kept);
                let keeping = match &known.alias {
                    Entry::Missing => Keeping::Ladder,
                    // A shim at the alias serves nobody: another alias that leads through it
                    // would end in a shim, which steps aside.
                    Entry::Shim { .. } => {
                        self.remove_now(&alias, &known.alias);
                        Keeping::Ladder
                    }
                    _ if known.linked(Kept::Moved) => Keeping::Already,
                    // Another name's alias may lead through it and must not find it missing.
                    _ => Keeping::Replace,
                };
                (alias, keeping)
            }
        };
        self.stand_in(known, want)?;
        self.live.push(Step::Divert {
            name: want.name.clone(),
            kept,
            keeping,
            expect,
            want: Arc::clone(want),
        });
        if let Some(meta) = known.at.meta() {
            let entry = journal::Entry::new(&want.name, meta, known.at.text());
            self.touched.push(entry);
        }
        self.say(&want.name, Did::Installed);
        self.back.push(Target::Original(want.name.clone()));
        Ok(())
    }

    fn alias(&mut self, known: &Name, target: &OsStr) -> Result<(), Refusal> {
        // The target may be the alias that an earlier name's original moves to.
        let comes = self
            .live
            .iter()
            .any(|step| matches!(step, Step::Divert { kept, .. } if kept.as_os_str() == target));
        let there = self.observed.targets.get(target).copied();
        let leads = known.alias.text() == Some(target)
            && matches!(known.alias, Entry::Link { resolves: true, .. });
        if !(comes || leads || there == Some(true)) {
            return Err(Refusal::Target {
                name: known.name.clone(),
                target: target.to_owned(),
            });
        }
        if known.alias.text() == Some(target) {
            return Ok(());
        }
        if matches!(known.alias, Entry::Odd(_)) {
            return Err(Refusal::Foreign {
                path: names::alias(&known.name),
            });
        }
        self.live.push(Step::Alias {
            alias: names::alias(&known.name),
            target: target.to_owned(),
            over: !known.alias.is_missing(),
        });
        Ok(())
    }

    fn stand_in(&mut self, known: &Name, want: &Want) -> Result<(), Refusal> {
        let stand_in = names::stand_in(&known.name);
        if matches!(known.stand_in, Entry::Odd(_)) {
            return Err(Refusal::Foreign { path: stand_in });
        }
        let Some(bytes) = &want.stand_in else {
            if let (Entry::Shim { meta, .. }, false) = (&known.at, known.stand_in.is_missing()) {
                // A call that it launched may be using the stand-in.
                self.shims.push(meta.id);
            }
            self.clear_up(stand_in, &known.stand_in);
            return Ok(());
        };
        let attrs = want.attrs();
        let has_attrs = |meta: &Meta| (meta.mode, meta.mtime) == (attrs.mode, attrs.mtime);
        let is_right = known.stand_in_bytes.as_ref() == Some(bytes)
            && known.stand_in.meta().is_some_and(has_attrs);
        if !is_right {
            self.live.push(Step::StandIn {
                stand_in,
                over: !known.stand_in.is_missing(),
                bytes: bytes.as_slice().into(),
                attrs,
            });
        }
        Ok(())
    }

    fn remove_now(&mut self, name: &OsStr, entry: &Entry) {
        if let Some(meta) = entry.meta() {
            self.live.push(Step::Remove {
                name: name.to_owned(),
                expect: Some(*meta),
            });
        }
    }

    /// The reverse of the order of an install. Originals that moved come last: other names'
    /// aliases may lead through theirs.
    fn restore_order(&self) -> Vec<&'a Name> {
        let observed = self.observed;
        let mut order: Vec<_> = self
            .targets
            .iter()
            .filter_map(|target| match target {
                Target::Original(name) => observed.name(name),
                Target::Shim(_) => None,
            })
            .collect();
        let recorded = |known: &Name| {
            observed.record.trusted().and_then(|journal| {
                journal
                    .names
                    .iter()
                    .position(|entry| entry.name == known.name)
            })
        };
        order.sort_by_key(|known| {
            let moved = known.original() == Some(Kept::Moved);
            (!moved, recorded(known).unwrap_or(usize::MAX))
        });
        order.reverse();
        order
    }

    fn restore(&mut self, known: &'a Name) -> Result<(), Refusal> {
        if !known.ours {
            // Row 2.
            if known.has_companions() {
                self.say(&known.name, Did::LeftAlone);
            }
            return Ok(());
        }
        let did = match &known.at {
            Entry::Shim { meta, .. } => {
                self.sticky(known)?;
                self.restore_over_shim(known, *meta)
            }
            Entry::Missing => self.restore_missing(known),
            Entry::Link { meta, .. } | Entry::File(meta) | Entry::Odd(meta) => {
                let linked = known.linked(Kept::Aside) || known.linked(Kept::Moved);
                let newer = match self.recorded(&known.name) {
                    Some(entry) => !entry.is_of(meta, known.at.text()),
                    None => known.original().is_some(),
                };
                // Rows 3 to 6, and 18.
                self.clear_up(names::kept(&known.name), &known.kept);
                self.clear_up_run(known);
                if newer && !linked {
                    Did::KeptNewer
                } else {
                    Did::ClearedUp
                }
            }
        };
        self.say(&known.name, did);
        Ok(())
    }

    /// Rows 7 to 11.
    fn restore_over_shim(&mut self, known: &Name, expect: Meta) -> Did {
        let did = match known.original() {
            Some(layout) => {
                self.live.push(Step::PutBack {
                    name: known.name.clone(),
                    kept: place(layout, &known.name),
                    keep_alias: layout == Kept::Moved,
                    expect: Some(expect),
                });
                if let Some(meta) = known.original_entry().and_then(Entry::meta) {
                    let text = known.original_entry().and_then(Entry::text);
                    self.touched
                        .push(journal::Entry::new(&known.name, meta, text));
                }
                Did::Restored
            }
            None => {
                let Some(entry) = self.relinkable(known) else {
                    self.stay.insert(known.name.clone());
                    return Did::Lost;
                };
                self.live
                    .push(relink(known.name.clone(), entry, Some(expect)));
                Did::Recreated
            }
        };
        self.shims.push(expect.id);
        self.clear_up_run(known);
        if known.kept.is_shim() {
            self.clear_up(names::kept(&known.name), &known.kept);
        }
        // In the order of an install again.
        if let Some(target) = as_it_was(known) {
            self.back.insert(0, target);
        }
        did
    }

    /// Rows 12 to 14.
    fn restore_missing(&mut self, known: &Name) -> Did {
        let usable = self.usable(known, 0);
        let mut did = Did::Gone;
        if let (Some(layout), true) = (known.original(), usable) {
            self.live.push(Step::PutBack {
                name: known.name.clone(),
                kept: place(layout, &known.name),
                keep_alias: layout == Kept::Moved,
                expect: None,
            });
            did = Did::PutBackMissing;
        }
        if did == Did::Gone || known.original() == Some(Kept::Moved) {
            self.clear_up(names::kept(&known.name), &known.kept);
        }
        self.clear_up_run(known);
        did
    }

    /// Whether the kept original would be a working compiler at its name.
    fn usable(&self, known: &Name, depth: usize) -> bool {
        match (known.original(), &known.kept) {
            // The ELF itself.
            (Some(Kept::Moved), _) => true,
            (Some(Kept::Aside), Entry::Link { text, resolves, .. }) => {
                // A link to a name that is put back by the same plan leads nowhere only now.
                let next = self.observed.name(text).filter(|_| depth < 8);
                *resolves
                    || next.is_some_and(|next| next.at.is_missing() && self.usable(next, depth + 1))
            }
            // A stub runs the compiler to which the alias leads.
            (Some(Kept::Aside), _) => {
                matches!(known.alias, Entry::Link { resolves: true, .. })
            }
            (None, _) => false,
        }
    }

    /// The companions that processes may be running.
    fn clear_up_run(&mut self, known: &Name) {
        self.clear_up(names::stand_in(&known.name), &known.stand_in);
        self.clear_up(names::alias(&known.name), &known.alias);
    }

    fn clear_up(&mut self, name: OsString, entry: &Entry) {
        match entry {
            Entry::Missing | Entry::Odd(_) => {}
            Entry::Link { meta, .. } | Entry::File(meta) | Entry::Shim { meta, .. } => {
                self.clear.push((name, *meta));
            }
        }
    }

    fn recorded(&self, name: &OsStr) -> Option<&'a journal::Entry> {
        self.observed.record.trusted()?.entry(name)
    }

    /// The record of an original that is gone and can be made anew: a symlink within the
    /// directory that would lead somewhere. A path is never taken from a record.
    fn relinkable(&self, known: &Name) -> Option<&'a journal::Entry> {
        let entry = self.recorded(&known.name)?;
        let text = entry.link.as_deref()?;
        let led = match self.observed.name(text) {
            Some(next) => next.name != known.name && !next.at.is_missing(),
            // The alias leads where the original led.
            None => {
                known.alias.text() == Some(text)
                    && matches!(known.alias, Entry::Link { resolves: true, .. })
            }
        };
        (led && !text.as_bytes().contains(&b'/')).then_some(entry)
    }

    fn sticky(&self, known: &Name) -> Result<(), Refusal> {
        let (dir, euid) = (&self.observed.dir, self.observed.euid);
        if dir.mode & 0o1000 == 0 || euid == 0 || dir.uid == euid {
            return Ok(());
        }
        let entries = [
            (known.name.clone(), &known.at),
            (names::alias(&known.name), &known.alias),
            (names::kept(&known.name), &known.kept),
            (names::stand_in(&known.name), &known.stand_in),
        ];
        for (name, entry) in entries {
            if let Some(meta) = entry.meta().filter(|meta| meta.uid != euid) {
                return Err(Refusal::Sticky {
                    name,
                    owner: meta.uid,
                });
            }
        }
        Ok(())
    }

    /// Puts the parts in order: look, intent, change, drain, clear up, commit.
    fn finish(mut self) -> Result<Plan, Refusal> {
        let observed = self.observed;
        self.spare_aliases_in_use();
        let aims_at_shims = self
            .targets
            .iter()
            .any(|target| matches!(target, Target::Shim(_)));
        let installs = aims_at_shims && !self.live.is_empty();
        let restores = !self.shims.is_empty()
            || !self.clear.is_empty()
            || self
                .live
                .iter()
                .any(|step| matches!(step, Step::PutBack { .. }));
        let changes = !self.live.is_empty() || restores;

        let during = self.entries(true);
        let finally = self.entries(false);
        let believed = observed.record.trusted();
        let mut steps = Vec::new();
        // Files that nobody can be using go first: they may be what fills the disk.
        steps.extend(observed.temps.iter().map(|name| Step::Remove {
            name: name.clone(),
            expect: None,
        }));
        if changes {
            let keep = self.live.iter().filter_map(|step| match step {
                Step::Divert { name, keeping, .. } if *keeping != Keeping::Already => {
                    Some((name.clone(), *keeping))
                }
                _ => None,
            });
            steps.push(Step::Probe {
                even_if_full: !installs,
                keep: keep.collect(),
            });
        }
        // A record that names everything already is intent enough: a restore then writes nothing
        // before the originals are back.
        let known = believed.is_some_and(|journal| {
            let same = |entry: &journal::Entry| journal.entry(&entry.name) == Some(entry);
            during.iter().all(same)
        });
        let intent = changes && !known;
        if intent {
            let phase = if installs {
                Phase::Installing
            } else {
                Phase::Restoring
            };
            steps.push(Step::WriteRecord {
                phase,
                required: installs,
                journal: Arc::new(Journal::new(phase, during.clone())),
            });
        }
        steps.append(&mut self.live);
        if restores {
            let aliases = self
                .clear
                .iter()
                .map(|(name, _)| name.clone())
                .filter(|name| names::is_run(name))
                .collect();
            // Only stand-ins are cleared up where every target is a shim.
            let brings_back = self
                .targets
                .iter()
                .any(|target| matches!(target, Target::Original(_)));
            let phase = if brings_back {
                Phase::Restoring
            } else {
                Phase::Installed
            };
            steps.push(Step::Drain {
                aliases,
                shims: self.shims,
                journal: Arc::new(Journal::new(phase, during)),
            });
        }
        steps.extend(self.clear.into_iter().map(|(name, meta)| Step::Remove {
            name,
            expect: Some(meta),
        }));
        if finally.is_empty() {
            let removable = match &observed.record {
                Record::None => intent,
                Record::Trusted(_) => true,
                // A directory: not ours, and no intent could be written over it either.
                Record::Ignored { removable, .. } => *removable,
            };
            if removable {
                steps.push(Step::Remove {
                    name: names::JOURNAL.into(),
                    expect: None,
                });
            }
        } else {
            let journal = Journal::new(Phase::Installed, finally);
            if intent || believed != Some(&journal) {
                steps.push(Step::WriteRecord {
                    phase: Phase::Installed,
                    required: true,
                    journal: Arc::new(journal),
                });
            }
        }
        let warnings = match &observed.record {
            Record::Ignored { reason, .. } => {
                vec![format!(
                    "the record {} is ignored: {reason}",
                    names::JOURNAL
                )]
            }
            _ => Vec::new(),
        };
        Ok(Plan {
            steps,
            names: self.names,
            warnings,
            back: self.back,
        })
    }

    /// A shim that stays needs its stand-in, its alias, and whatever that leads through.
    fn spare_aliases_in_use(&mut self) {
        let mut needed: BTreeSet<OsString> = BTreeSet::new();
        for name in &self.stay {
            let Some(known) = self.observed.name(name) else {
                continue;
            };
            let knows_of_none = |target: &Target| {
                let Target::Shim(want) = target else {
                    return false;
                };
                want.name == *name && want.stand_in.is_none()
            };
            if !self.targets.iter().any(knows_of_none) {
                needed.insert(names::stand_in(name));
            }
            needed.insert(names::alias(name));
            needed.extend(known.alias.text().map(OsStr::to_owned));
        }
        self.clear.retain(|(name, _)| !needed.contains(name));
    }

    /// The record's entries: of what will be a shim, and `during` the change also of what was one.
    /// What an earlier record says of an original outranks a look at it now: a union
    /// file system, or the copy that an older release made, gives it another inode.
    fn entries(&self, during: bool) -> Vec<journal::Entry> {
        let mut entries = Vec::new();
        for known in &self.observed.names {
            let cleared = self.clear.iter().any(|(name, _)| {
                let name = name.as_os_str();
                names::owner_of(name) == Some(&known.name)
            });
            if !(self.stay.contains(&known.name) || during && (known.ours || cleared)) {
                continue;
            }
            let fresh = self.touched.iter().find(|entry| entry.name == known.name);
            let old = self.recorded(&known.name);
            let diverted = known.at.is_original();
            let entry = match (fresh, old) {
                (Some(fresh), _) if diverted => Some(fresh.clone()),
                (_, Some(old)) => Some(old.clone()),
                (Some(fresh), None) => Some(fresh.clone()),
                (None, None) => known
                    .original_entry()
                    .or(Some(&known.at).filter(|at| at.is_original()))
                    .and_then(|entry| {
                        let meta = entry.meta()?;
                        Some(journal::Entry::new(&known.name, meta, entry.text()))
                    })
                    // The original is gone. The name has to be known as ours all the same.
                    .or_else(|| {
                        let places = [&known.alias, &known.kept, &known.at, &known.stand_in];
                        let meta = places.into_iter().find_map(Entry::meta)?;
                        Some(journal::Entry::new(&known.name, meta, None))
                    }),
            };
            entries.extend(entry);
        }
        entries
    }
}

fn place(kept: Kept, name: &OsStr) -> OsString {
    match kept {
        Kept::Aside => names::kept(name),
        Kept::Moved => names::alias(name),
    }
}

fn relink(at: OsString, entry: &journal::Entry, expect: Option<Meta>) -> Step {
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

/// What would bring a shim back that stands there now. A shim that did not work has no way back:
/// what a plan made of it is better.
fn as_it_was(known: &Name) -> Option<Target> {
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
