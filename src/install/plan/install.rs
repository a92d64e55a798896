//! The "install" column of the table.

use std::ffi::OsStr;
use std::sync::Arc;

use super::{Planner, Target, as_it_was, relink};
use crate::install::fs::Meta;
use crate::install::goal::{Keep, Refusal, Want};
use crate::install::journal::JournalEntry;
use crate::install::observe::{Entry, Kept, ObservedName};
use crate::install::step::{Did, Keeping, Step};
use crate::rocm::names;

impl Planner<'_> {
    pub(super) fn install(&mut self, want: &Arc<Want>) -> Result<(), Refusal> {
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
        known: &ObservedName,
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
        known: &ObservedName,
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
                    // Nobody needs a shim at the alias: an alias that led through it would reach a shim,
                    // which steps aside.
                    Entry::Shim { .. } => {
                        self.remove_now(&alias, &known.alias);
                        Keeping::Ladder
                    }
                    _ if known.linked(Kept::Moved) => Keeping::Already,
                    // Another name's alias may lead through it, so it must not be missing.
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
            let entry = JournalEntry::new(&want.name, meta, known.at.text());
            self.touched.push(entry);
        }
        self.say(&want.name, Did::Installed);
        self.back.push(Target::Original(want.name.clone()));
        Ok(())
    }

    fn alias(&mut self, known: &ObservedName, target: &OsStr) -> Result<(), Refusal> {
        // The target may be the alias to which an earlier name's original is moved.
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

    fn stand_in(&mut self, known: &ObservedName, want: &Want) -> Result<(), Refusal> {
        let stand_in = names::stand_in(&known.name);
        if matches!(known.stand_in, Entry::Odd(_)) {
            return Err(Refusal::Foreign { path: stand_in });
        }
        let Some(bytes) = &want.stand_in else {
            if let (Entry::Shim { meta, .. }, false) = (&known.at, known.stand_in.is_missing()) {
                // A compile that this shim launched may be using the stand-in.
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

    pub(super) fn sticky(&self, known: &ObservedName) -> Result<(), Refusal> {
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
}
