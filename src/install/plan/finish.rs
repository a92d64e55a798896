//! Assembles the plan: orders the steps that the rows asked for and adds the records.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use super::{Plan, Planner, Target};
use crate::install::goal::Refusal;
use crate::install::journal::{Journal, JournalEntry, Phase};
use crate::install::observe::{Entry, Record};
use crate::install::step::{Keeping, Step};
use crate::rocm::names;

impl Planner<'_> {
    /// Orders the steps: probe, record of intent, changes, drain, removals, final record.
    pub(super) fn finish(mut self) -> Result<Plan, Refusal> {
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
        // Temporary files go first: nobody uses them, and they may be what fills the disk.
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
        // A record that names everything already serves as the record of intent. A restore then writes
        // nothing before the originals are back.
        let known = believed.is_some_and(|journal| {
            let same = |entry: &JournalEntry| journal.entry(&entry.name) == Some(entry);
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
            // If every target is a shim, only stand-ins are cleared up.
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
                // A directory is not ours, and no record of intent could replace it either.
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

    /// Keeps the stand-in and alias of every shim that stays, and the file that the alias leads to.
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

    /// The record's entries: one for each name that will be a shim, and with `during` (the record of
    /// intent) also for each that was one. An entry of an earlier record is preferred to the current
    /// metadata, since a union file system, or a copy made by an older release, changes the inode.
    fn entries(&self, during: bool) -> Vec<JournalEntry> {
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
                        Some(JournalEntry::new(&known.name, meta, entry.text()))
                    })
                    // The original is gone, but the name must stay recorded as ours.
                    .or_else(|| {
                        let places = [&known.alias, &known.kept, &known.at, &known.stand_in];
                        let meta = places.into_iter().find_map(Entry::meta)?;
                        Some(JournalEntry::new(&known.name, meta, None))
                    }),
            };
            entries.extend(entry);
        }
        entries
    }
}
