//! Observing: what is at each name, where its original is, and what earlier runs left.
//!
//! Owns: [`Observed`], which is all that the planner knows about the directory. Must never write, and
//! never trust the record for what the directory itself shows.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;

use rustix::io::Errno;

use crate::install::error::Error;
use crate::install::fs::{EntryKind, Fs, Meta};
use crate::install::goal::{Keep, Want};
use crate::install::journal;
use crate::install::journal::Journal;
use crate::rocm::names;
use crate::shim_image;
use crate::trampoline::trampoline;

/// One entry of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The name does not exist.
    Missing,
    /// A symlink.
    Link {
        /// The link's own metadata.
        meta: Meta,
        /// Its target, unresolved.
        text: OsString,
        /// Whether it resolves to a regular file.
        resolves: bool,
    },
    /// A regular file that is not one of our shims.
    File(Meta),
    /// One of our shims, recognised by the mark in its bytes.
    Shim {
        /// The file's metadata.
        meta: Meta,
        /// Its content.
        image: Vec<u8>,
    },
    /// A directory, device, pipe or socket.
    Odd(Meta),
}

impl Entry {
    /// The entry's own metadata.
    #[must_use]
    pub fn meta(&self) -> Option<&Meta> {
        match self {
            Self::Missing => None,
            Self::Link { meta, .. }
            | Self::File(meta)
            | Self::Shim { meta, .. }
            | Self::Odd(meta) => Some(meta),
        }
    }

    /// Its target, if it is a symlink.
    #[must_use]
    pub fn text(&self) -> Option<&OsStr> {
        match self {
            Self::Link { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether it is one of our shims.
    #[must_use]
    pub fn is_shim(&self) -> bool {
        matches!(self, Self::Shim { .. })
    }

    /// Whether the name does not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    /// Whether it can be an original: a file or a symlink, but not a shim.
    pub(super) fn is_original(&self) -> bool {
        matches!(self, Self::Link { .. } | Self::File(_))
    }

    fn same_inode(&self, other: &Self) -> bool {
        match (self.meta(), other.meta()) {
            (Some(one), Some(two)) => one.id == two.id,
            _ => false,
        }
    }
}

/// Where the original of a name is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// At `.rockwrap-orig-N`; the alias is a symlink to the real compiler.
    Aside,
    /// At the alias `N.7625`: the original is the real compiler itself.
    Moved,
}

/// A name and its companions.
#[derive(Clone, Debug)]
pub struct ObservedName {
    /// The name.
    pub name: OsString,
    /// The entry at the name.
    pub at: Entry,
    /// The entry at `N.7625`.
    pub alias: Entry,
    /// The entry at `.rockwrap-orig-N`.
    pub kept: Entry,
    /// The entry at `N.9727`.
    pub stand_in: Entry,
    /// The stand-in's bytes, if it is a file and not longer than a stand-in can be.
    pub stand_in_bytes: Option<Vec<u8>>,
    /// Whether any companions are known to be ours.
    pub ours: bool,
}

impl ObservedName {
    /// Where its original is kept, if it is.
    #[must_use]
    pub fn original(&self) -> Option<Kept> {
        if self.kept.is_original() {
            Some(Kept::Aside)
        } else if matches!(self.alias, Entry::File(_)) {
            Some(Kept::Moved)
        } else {
            None
        }
    }

    /// The entry of the kept original.
    #[must_use]
    pub fn original_entry(&self) -> Option<&Entry> {
        Some(match self.original()? {
            Kept::Aside => &self.kept,
            Kept::Moved => &self.alias,
        })
    }

    /// Whether the name and its kept original are the same inode, as after a crash between the hard
    /// link and the rename.
    pub(super) fn linked(&self, kept: Kept) -> bool {
        match kept {
            Kept::Aside => self.at.same_inode(&self.kept),
            Kept::Moved => self.at.same_inode(&self.alias),
        }
    }

    /// Whether any companion exists.
    pub(super) fn has_companions(&self) -> bool {
        !self.alias.is_missing() || !self.kept.is_missing() || !self.stand_in.is_missing()
    }

    /// Whether this release's stand-in is beside the shim and executable.
    #[must_use]
    pub fn has_stand_in(&self) -> bool {
        let is_executable = |meta: &Meta| meta.mode & 0o111 != 0;
        self.stand_in_bytes.as_deref() == Some(trampoline())
            && self.stand_in.meta().is_some_and(is_executable)
    }
}

/// The record, if it exists and is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// There is none.
    None,
    /// It is trusted.
    Trusted(Journal),
    /// It is not trusted.
    Ignored {
        /// Why.
        reason: String,
        /// Whether it can be replaced, that is, is not a directory.
        removable: bool,
    },
}

impl Record {
    /// The record, if it is trusted.
    #[must_use]
    pub fn trusted(&self) -> Option<&Journal> {
        match self {
            Self::Trusted(journal) => Some(journal),
            _ => None,
        }
    }
}

/// The state of the directory, as far as it concerns the engine.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The directory's metadata.
    pub dir: Meta,
    /// The effective user ID.
    pub euid: u32,
    /// The record.
    pub record: Record,
    /// Every name that was requested, is in the record or has companions, and without a trusted record
    /// every shim: first the requested names in their order, then those in the record in its order.
    pub names: Vec<ObservedName>,
    /// Temporary files that a crashed run left.
    pub temps: Vec<OsString>,
    /// For each requested alias target, whether it resolves to a regular file.
    pub targets: BTreeMap<OsString, bool>,
}

impl Observed {
    /// Whether one of our shims is at any name.
    #[must_use]
    pub fn has_shims(&self) -> bool {
        self.names.iter().any(|known| known.at.is_shim())
    }

    /// The state of `name`, if it was observed.
    #[must_use]
    pub fn name(&self, name: &OsStr) -> Option<&ObservedName> {
        self.names.iter().find(|known| known.name == name)
    }
}

/// Observes the directory, and in addition the names and targets in `wants`.
pub(super) fn observe<'a, F: Fs>(
    fs: &F,
    wants: impl IntoIterator<Item = &'a Want>,
) -> Result<Observed, Error> {
    complete(fs, look_around(fs)?, wants)
}

/// Observes all of rock-wrap's files in the directory, and the names that they belong to.
pub(super) fn look_around<F: Fs>(fs: &F) -> Result<Observed, Error> {
    let dir = fs.dir().map_err(|source| Error::Inspect {
        path: fs.path().to_owned(),
        source,
    })?;
    let list = fs.list().map_err(|source| Error::List {
        path: fs.path().to_owned(),
        source,
    })?;
    let record = read_record(fs)?;
    let mut order: Vec<OsString> = Vec::new();
    if let Record::Trusted(journal) = &record {
        order.extend(journal.names.iter().map(|entry| entry.name.clone()));
    }
    order.extend(
        list.iter()
            .filter_map(|entry| names::owner_of(entry))
            .map(OsStr::to_owned),
    );
    if record.trusted().is_none() {
        order.extend(shims(fs, &list)?);
    }
    let mut seen = BTreeSet::new();
    order.retain(|name| names::is_manageable(name) && seen.insert(name.clone()));

    let names = order
        .into_iter()
        .map(|name| look_at_name(fs, name, &record))
        .collect::<Result<_, _>>()?;
    Ok(Observed {
        dir,
        euid: fs.euid(),
        record,
        names,
        temps: list
            .into_iter()
            .filter(|name| names::is_temp(name))
            .collect(),
        targets: BTreeMap::new(),
    })
}

/// Adds the names and alias targets in `wants` to what [`look_around`] observed.
pub(super) fn complete<'a, F: Fs>(
    fs: &F,
    mut observed: Observed,
    wants: impl IntoIterator<Item = &'a Want>,
) -> Result<Observed, Error> {
    let mut asked = Vec::new();
    for want in wants {
        let known = observed
            .names
            .iter()
            .position(|known| known.name == want.name);
        match known {
            Some(at) => asked.push(observed.names.remove(at)),
            None if asked
                .iter()
                .any(|known: &ObservedName| known.name == want.name) => {}
            None if names::is_manageable(&want.name) => {
                asked.push(look_at_name(fs, want.name.clone(), &observed.record)?);
            }
            None => {}
        }
        if let Keep::Aside { alias_target } = &want.keep {
            let leads = fs.resolve(alias_target).map_err(|source| Error::Inspect {
                path: fs.path().join(alias_target),
                source,
            })?;
            let leads = leads.is_some_and(|meta| meta.kind == EntryKind::File);
            observed.targets.insert(alias_target.clone(), leads);
        }
    }
    asked.append(&mut observed.names);
    observed.names = asked;
    Ok(observed)
}

fn look_at_name<F: Fs>(fs: &F, name: OsString, record: &Record) -> Result<ObservedName, Error> {
    let at = look(fs, &name)?;
    let alias = look(fs, &names::alias(&name))?;
    let kept = look(fs, &names::kept(&name))?;
    let stand_in = look(fs, &names::stand_in(&name))?;
    let stand_in_bytes = match stand_in {
        Entry::File(_) => read(fs, &names::stand_in(&name))?.map(|(_, bytes)| bytes),
        _ => None,
    };
    // The record reaches the disk before the first companion and is removed after the last. So
    // without a record and a shim nothing here is ours, whatever its name.
    let recorded = match record {
        Record::None => false,
        Record::Trusted(journal) => journal.entry(&name).is_some(),
        Record::Ignored { .. } => true,
    };
    // Only rock-wrap writes a trampoline. A trampoline without other companions was left by a restore
    // with an older release, which does not know stand-ins.
    let ours = recorded
        || at.is_shim()
        || alias.is_shim()
        || kept.is_shim()
        || stand_in_bytes.as_deref() == Some(trampoline());
    Ok(ObservedName {
        name,
        at,
        alias,
        kept,
        stand_in,
        stand_in_bytes,
        ours,
    })
}

fn look<F: Fs>(fs: &F, name: &OsStr) -> Result<Entry, Error> {
    let inspect = |source| Error::Inspect {
        path: fs.path().join(name),
        source,
    };
    let Some(meta) = fs.stat(name).map_err(inspect)? else {
        return Ok(Entry::Missing);
    };
    match meta.kind {
        EntryKind::Symlink => {
            let text = fs.read_link(name).map_err(inspect)?;
            let leads = fs.resolve(name).map_err(inspect)?;
            Ok(Entry::Link {
                meta,
                text,
                resolves: leads.is_some_and(|meta| meta.kind == EntryKind::File),
            })
        }
        EntryKind::File if meta.size <= shim_image::MAX_LEN => Ok(match read(fs, name)? {
            Some((meta, image)) if shim_image::is_shim(&image) => Entry::Shim { meta, image },
            Some((meta, _)) => Entry::File(meta),
            None => Entry::File(meta),
        }),
        EntryKind::File => Ok(Entry::File(meta)),
        EntryKind::Directory | EntryKind::Other => Ok(Entry::Odd(meta)),
    }
}

fn read<F: Fs>(fs: &F, name: &OsStr) -> Result<Option<(Meta, Vec<u8>)>, Error> {
    fs.read(name, shim_image::MAX_LEN)
        .map_err(|source| Error::Read {
            path: fs.path().join(name),
            source,
        })
}

/// Finds our shims by reading every program that is small enough. Needed only without a trusted record,
/// which would name them all.
fn shims<F: Fs>(fs: &F, list: &[OsString]) -> Result<Vec<OsString>, Error> {
    let mut found = Vec::new();
    for name in list.iter().filter(|name| names::is_manageable(name)) {
        let inspect = |source| Error::Inspect {
            path: fs.path().join(name),
            source,
        };
        let Some(meta) = fs.stat(name).map_err(inspect)? else {
            continue;
        };
        if meta.kind != EntryKind::File || meta.size > shim_image::MAX_LEN || meta.mode & 0o111 == 0
        {
            continue;
        }
        match fs.read(name, shim_image::MAX_LEN) {
            // A copy of a shim under another name was made by somebody else and is not restored.
            Ok(Some((_, bytes))) => match shim_image::read(&bytes) {
                Some(Ok(config)) if config.name != name.as_bytes() => {}
                Some(_) => found.push(name.clone()),
                None => {}
            },
            Ok(None) => {}
            // A program that this user can execute but not read is not a shim that we installed for
            // this user. A program that has vanished since the listing does not matter.
            Err(err) if is_unreadable(&err) => {}
            Err(source) => {
                return Err(Error::Read {
                    path: fs.path().join(name),
                    source,
                });
            }
        }
    }
    Ok(found)
}

fn is_unreadable(err: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(err),
        Some(Errno::ACCESS | Errno::NOENT | Errno::PERM)
    )
}

fn read_record<F: Fs>(fs: &F) -> Result<Record, Error> {
    let name = OsStr::new(names::JOURNAL);
    let path = || fs.path().join(name);
    let stat = fs.stat(name).map_err(|source| Error::Inspect {
        path: path(),
        source,
    })?;
    let Some(meta) = stat else {
        return Ok(Record::None);
    };
    let ignored = |reason: String| Record::Ignored {
        reason,
        removable: meta.kind != EntryKind::Directory,
    };
    if meta.kind != EntryKind::File {
        return Ok(ignored("it is no regular file".to_owned()));
    }
    match fs.read(name, journal::MAX_LEN) {
        Ok(Some((meta, bytes))) => Ok(match Journal::parse(&meta, &bytes, fs.euid()) {
            Ok(journal) => Record::Trusted(journal),
            Err(reason) => ignored(reason),
        }),
        Ok(None) => Ok(ignored("it is too long".to_owned())),
        Err(err) if is_unreadable(&err) => Ok(ignored("this user may not read it".to_owned())),
        Err(source) => Err(Error::Read {
            path: path(),
            source,
        }),
    }
}
