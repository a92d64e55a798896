//! The record of what was installed, kept beside the compilers.
//!
//! Owns: the record's format, and the rules by which a record on disk is trusted. The record says which
//! names are ours, and what the target of a lost symlink was; the state of the directory takes precedence
//! over it. Must never be a source of paths: only manageable base names are taken from it.

use std::ffi::{OsStr, OsString};

use serde::{Deserialize, Serialize};

use crate::install::fs::{EntryKind, Inode, Meta};
use crate::install::text;
use crate::rocm::names;
use crate::support::time::Time;

/// The format version that this release writes and reads.
const FORMAT: u32 = 1;

/// The maximum length of a record. A longer file is not ours.
pub(super) const MAX_LEN: u64 = 256 * 1024;

/// What a run was doing when it wrote the record. For information only: no decision depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// An install was started.
    Installing,
    /// An install was completed.
    Installed,
    /// A restore was started, or could not remove everything because compiles were running.
    Restoring,
}

/// An original's metadata from before it was put aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// The name.
    #[serde(with = "text")]
    pub name: OsString,
    /// Its kind.
    pub kind: EntryKind,
    /// Its size.
    pub size: u64,
    /// Its modification time.
    pub mtime: Time,
    /// Its permission bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its inode.
    pub id: Inode,
    /// Its target, if it was a symlink.
    #[serde(with = "text::option")]
    pub link: Option<OsString>,
}

impl JournalEntry {
    pub(super) fn new(name: &OsStr, meta: &Meta, link: Option<&OsStr>) -> Self {
        Self {
            name: name.to_owned(),
            kind: meta.kind,
            size: meta.size,
            mtime: meta.mtime,
            mode: meta.mode,
            uid: meta.uid,
            gid: meta.gid,
            id: meta.id,
            link: link.map(OsStr::to_owned),
        }
    }

    /// Whether this entry describes the file with metadata `meta`. The inode is not compared: a union
    /// file system changes it, and so did the copies that older releases made.
    pub(super) fn is_of(&self, meta: &Meta, link: Option<&OsStr>) -> bool {
        self.kind == meta.kind
            && self.size == meta.size
            && self.mtime == meta.mtime
            && self.link.as_deref() == link
    }
}

/// The record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    format: u32,
    /// Version of rock-wrap that wrote it.
    pub writer: String,
    /// What the run was doing.
    pub phase: Phase,
    /// The originals, in the order in which they were put aside.
    pub names: Vec<JournalEntry>,
}

impl Journal {
    pub(super) fn new(phase: Phase, names: Vec<JournalEntry>) -> Self {
        Self {
            format: FORMAT,
            writer: env!("CARGO_PKG_VERSION").to_owned(),
            phase,
            names,
        }
    }

    /// The entry of `name`.
    #[must_use]
    pub fn entry(&self, name: &OsStr) -> Option<&JournalEntry> {
        self.names.iter().find(|entry| entry.name == name)
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Parses the record, or says why it is not trusted.
    pub(super) fn parse(meta: &Meta, bytes: &[u8], euid: u32) -> Result<Self, String> {
        if meta.uid != 0 && meta.uid != euid {
            return Err(format!("it belongs to user {}", meta.uid));
        }
        if meta.mode & 0o022 != 0 {
            return Err(format!("others may write it (mode {:04o})", meta.mode));
        }
        if meta.nlink != 1 {
            return Err(format!("it has {} names", meta.nlink));
        }
        let journal: Self =
            serde_json::from_slice(bytes).map_err(|err| format!("it cannot be read: {err}"))?;
        if journal.format != FORMAT {
            return Err(format!("its format is {}, not {FORMAT}", journal.format));
        }
        if let Some(bad) = journal
            .names
            .iter()
            .find(|entry| !names::is_manageable(&entry.name))
        {
            return Err(format!("it names {:?}", bad.name));
        }
        Ok(journal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> Meta {
        Meta {
            kind: EntryKind::File,
            size: 1,
            mtime: Time { sec: 1, nsec: 2 },
            mode: 0o644,
            uid: 0,
            gid: 0,
            nlink: 1,
            id: Inode { dev: 1, ino: 2 },
        }
    }

    fn example(name: &str) -> Journal {
        let entry = JournalEntry::new(OsStr::new(name), &meta(), Some(OsStr::new("clang-19")));
        Journal::new(Phase::Installed, vec![entry])
    }

    #[test]
    fn what_is_recorded_is_read_back() {
        let journal = example("clang++");
        let bytes = journal.to_bytes().unwrap();
        assert_eq!(Journal::parse(&meta(), &bytes, 1000), Ok(journal));
    }

    #[test]
    fn only_a_record_that_nobody_else_can_have_written_is_believed() {
        let bytes = example("clang").to_bytes().unwrap();
        let with = |change: fn(&mut Meta)| {
            let mut meta = meta();
            change(&mut meta);
            Journal::parse(&meta, &bytes, 1000)
        };
        assert!(with(|_| ()).is_ok());
        assert!(with(|meta| meta.uid = 1000).is_ok());
        assert!(with(|meta| meta.uid = 1001).unwrap_err().contains("1001"));
        assert!(with(|meta| meta.mode = 0o664).unwrap_err().contains("0664"));
        assert!(with(|meta| meta.mode = 0o646).is_err());
        assert!(with(|meta| meta.nlink = 2).is_err());
    }

    #[test]
    fn a_record_that_names_a_path_is_not_believed() {
        for bad in ["../clang", "/usr/bin/clang", "..", ".rockwrap-journal"] {
            let bytes = example(bad).to_bytes().unwrap();
            assert!(Journal::parse(&meta(), &bytes, 0).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_record_that_is_cut_or_newer_is_not_believed() {
        let bytes = example("clang").to_bytes().unwrap();
        for len in [0, 1, bytes.len() / 2, bytes.len() - 3] {
            assert!(Journal::parse(&meta(), &bytes[..len], 0).is_err(), "{len}");
        }
        let newer = String::from_utf8(bytes).unwrap().replace(": 1,", ": 2,");
        assert!(Journal::parse(&meta(), newer.as_bytes(), 0).is_err());
    }
}
