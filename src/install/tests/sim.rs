//! A file system in memory that loses unflushed changes in a crash.

use std::cell::{Cell, RefCell};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::install::fs::{Attrs, EntryKind, Fs, Inode, Meta};
use crate::install::tests::state::{Body, Node, State};
use crate::support::time::Time;

#[derive(Clone, Copy, Debug)]
pub(super) struct Caps {
    pub exchange: bool,
    pub link: bool,
}

/// The capabilities of file systems on which a shim can be installed.
pub(super) const RUNGS: [Caps; 2] = [
    Caps {
        exchange: true,
        link: true,
    },
    Caps {
        exchange: false,
        link: true,
    },
];

/// The capabilities of a file system on which no original can be kept.
pub(super) const NEITHER: Caps = Caps {
    exchange: false,
    link: false,
};

pub(super) struct SimFs {
    state: RefCell<State>,
    caps: Caps,
    /// The number of changing operations so far.
    ops: Cell<usize>,
    crash_at: Option<usize>,
}

impl SimFs {
    pub(super) fn new(state: State, caps: Caps, crash_at: Option<usize>) -> Self {
        Self {
            state: RefCell::new(state),
            caps,
            ops: Cell::new(0),
            crash_at,
        }
    }

    pub(super) fn ops(&self) -> usize {
        self.ops.get()
    }

    pub(super) fn into_state(self) -> State {
        self.state.into_inner()
    }

    /// Counts an operation. Fails after the crash.
    fn tick(&self) -> io::Result<()> {
        if self.crash_at.is_some_and(|at| self.ops.get() >= at) {
            return Err(Errno::IO.into());
        }
        self.ops.set(self.ops.get() + 1);
        Ok(())
    }

    fn entry(&self, name: &OsStr) -> io::Result<usize> {
        let found = self.state.borrow().names.get(name).copied();
        found.ok_or_else(|| Errno::NOENT.into())
    }

    fn free(&self, name: &OsStr) -> io::Result<()> {
        if self.state.borrow().names.contains_key(name) {
            return Err(Errno::EXIST.into());
        }
        Ok(())
    }
}

fn meta(state: &State, id: usize) -> Meta {
    let node = &state.nodes[id];
    let (kind, size) = match &node.body {
        Body::File { bytes, .. } => (EntryKind::File, bytes.len()),
        Body::Link(text) => (EntryKind::Symlink, text.len()),
    };
    Meta {
        kind,
        size: size as u64,
        mtime: node.attrs.mtime,
        mode: node.attrs.mode,
        uid: node.attrs.uid,
        gid: node.attrs.gid,
        nlink: state.names.values().filter(|other| **other == id).count() as u64,
        id: Inode {
            dev: 1,
            ino: id as u64,
        },
    }
}

impl Fs for SimFs {
    type Open = usize;

    fn path(&self) -> &Path {
        Path::new("/sim")
    }

    fn euid(&self) -> u32 {
        0
    }

    fn dir(&self) -> io::Result<Meta> {
        Ok(Meta {
            kind: EntryKind::Directory,
            size: 0,
            mtime: Time { sec: 0, nsec: 0 },
            mode: 0o755,
            uid: 0,
            gid: 0,
            nlink: 2,
            id: Inode { dev: 1, ino: 9999 },
        })
    }

    fn list(&self) -> io::Result<Vec<OsString>> {
        Ok(self.state.borrow().names.keys().cloned().collect())
    }

    fn stat(&self, name: &OsStr) -> io::Result<Option<Meta>> {
        let state = self.state.borrow();
        Ok(state.names.get(name).map(|id| meta(&state, *id)))
    }

    fn resolve(&self, name: &OsStr) -> io::Result<Option<Meta>> {
        let state = self.state.borrow();
        let found = state.follow(name).and_then(|node| {
            let at = state
                .nodes
                .iter()
                .position(|other| std::ptr::eq(other, node))?;
            Some(meta(&state, at))
        });
        Ok(found)
    }

    fn read_link(&self, name: &OsStr) -> io::Result<OsString> {
        let id = self.entry(name)?;
        match &self.state.borrow().nodes[id].body {
            Body::Link(text) => Ok(text.clone()),
            Body::File { .. } => Err(Errno::INVAL.into()),
        }
    }

    fn read(&self, name: &OsStr, limit: u64) -> io::Result<Option<(Meta, Vec<u8>)>> {
        let id = self.entry(name)?;
        let state = self.state.borrow();
        Ok(match &state.nodes[id].body {
            Body::File { bytes, .. } if bytes.len() as u64 <= limit => {
                Some((meta(&state, id), bytes.to_vec()))
            }
            _ => None,
        })
    }

    fn create(&self, name: &OsStr, bytes: &[u8], attrs: &Attrs) -> io::Result<usize> {
        self.tick()?;
        self.free(name)?;
        let mut state = self.state.borrow_mut();
        let id = state.nodes.len();
        state.nodes.push(Node {
            body: Body::File {
                bytes: bytes.into(),
                // An empty file has no content to lose.
                synced: bytes.is_empty(),
            },
            attrs: *attrs,
        });
        state.change(vec![(name.to_owned(), Some(id))]);
        Ok(id)
    }

    fn sync(&self, file: &usize) -> io::Result<()> {
        self.tick()?;
        if let Body::File { synced, .. } = &mut self.state.borrow_mut().nodes[*file].body {
            *synced = true;
        }
        Ok(())
    }

    fn symlink(&self, text: &OsStr, name: &OsStr, attrs: Option<&Attrs>) -> io::Result<()> {
        self.tick()?;
        self.free(name)?;
        let mut state = self.state.borrow_mut();
        let id = state.add(Body::Link(text.to_owned()));
        if let Some(attrs) = attrs {
            state.nodes[id].attrs = *attrs;
        }
        state.change(vec![(name.to_owned(), Some(id))]);
        Ok(())
    }

    fn link(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        self.tick()?;
        if !self.caps.link {
            return Err(Errno::PERM.into());
        }
        let id = self.entry(from)?;
        self.free(to)?;
        self.state
            .borrow_mut()
            .change(vec![(to.to_owned(), Some(id))]);
        Ok(())
    }

    fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        self.tick()?;
        let id = self.entry(from)?;
        // As in POSIX, renaming to another name of the same inode succeeds and does nothing.
        if self.entry(to).ok() != Some(id) {
            let change = vec![(from.to_owned(), None), (to.to_owned(), Some(id))];
            self.state.borrow_mut().change(change);
        }
        Ok(())
    }

    fn rename_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        self.tick()?;
        if !self.caps.exchange {
            return Err(Errno::INVAL.into());
        }
        let id = self.entry(from)?;
        self.free(to)?;
        let change = vec![(from.to_owned(), None), (to.to_owned(), Some(id))];
        self.state.borrow_mut().change(change);
        Ok(())
    }

    fn exchange(&self, one: &OsStr, two: &OsStr) -> io::Result<()> {
        self.tick()?;
        if !self.caps.exchange {
            return Err(Errno::INVAL.into());
        }
        let (a, b) = (self.entry(one)?, self.entry(two)?);
        let change = vec![(one.to_owned(), Some(b)), (two.to_owned(), Some(a))];
        self.state.borrow_mut().change(change);
        Ok(())
    }

    fn remove(&self, name: &OsStr) -> io::Result<()> {
        self.tick()?;
        self.entry(name)?;
        self.state
            .borrow_mut()
            .change(vec![(name.to_owned(), None)]);
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.tick()?;
        let mut state = self.state.borrow_mut();
        state.durable = state.names.clone();
        state.pending.clear();
        Ok(())
    }
}
