//! The "restore" column of the table.

use std::ffi::{OsStr, OsString};

use super::{Planner, Target, as_it_was, relink};
use crate::install::fs::Meta;
use crate::install::goal::Refusal;
use crate::install::journal::JournalEntry;
use crate::install::observe::{Entry, Kept, ObservedName};
use crate::install::step::{Did, Step};
use crate::rocm::names;

impl<'a> Planner<'a> {
    /// The names in the reverse order of an install. Moved originals come last, since other names'
    /// aliases may lead through them.
    pub(super) fn restore_order(&self) -> Vec<&'a ObservedName> {
        let observed = self.observed;
        let mut order: Vec<_> = self
            .targets
            .iter()
            .filter_map(|target| match target {
                Target::Original(name) => observed.name(name),
                Target::Shim(_) => None,
            })
            .collect();
        let recorded = |known: &ObservedName| {
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

    pub(super) fn restore(&mut self, known: &'a ObservedName) -> Result<(), Refusal> {
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
    fn restore_over_shim(&mut self, known: &ObservedName, expect: Meta) -> Did {
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
                        .push(JournalEntry::new(&known.name, meta, text));
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
        // Inserted at the front, because a roll-back target list is in the order of an install.
        if let Some(target) = as_it_was(known) {
            self.back.insert(0, target);
        }
        did
    }

    /// Rows 12 to 14.
    fn restore_missing(&mut self, known: &ObservedName) -> Did {
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

    /// Whether the kept original would be a working compiler when it is back at its name.
    pub(super) fn usable(&self, known: &ObservedName, depth: usize) -> bool {
        match (known.original(), &known.kept) {
            // The ELF itself.
            (Some(Kept::Moved), _) => true,
            (Some(Kept::Aside), Entry::Link { text, resolves, .. }) => {
                // A link to a name that this plan also puts back is broken only for now.
                let next = self.observed.name(text).filter(|_| depth < 8);
                *resolves
                    || next.is_some_and(|next| next.at.is_missing() && self.usable(next, depth + 1))
            }
            // A stub runs the compiler that is the alias's target.
            (Some(Kept::Aside), _) => {
                matches!(known.alias, Entry::Link { resolves: true, .. })
            }
            (None, _) => false,
        }
    }

    /// Clears up the companions that processes may be executing.
    fn clear_up_run(&mut self, known: &ObservedName) {
        self.clear_up(names::stand_in(&known.name), &known.stand_in);
        self.clear_up(names::alias(&known.name), &known.alias);
    }

    pub(super) fn clear_up(&mut self, name: OsString, entry: &Entry) {
        match entry {
            Entry::Missing | Entry::Odd(_) => {}
            Entry::Link { meta, .. } | Entry::File(meta) | Entry::Shim { meta, .. } => {
                self.clear.push((name, *meta));
            }
        }
    }
}

fn place(kept: Kept, name: &OsStr) -> OsString {
    match kept {
        Kept::Aside => names::kept(name),
        Kept::Moved => names::alias(name),
    }
}
