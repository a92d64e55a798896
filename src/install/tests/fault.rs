//! A directory whose operations fail on demand.

use std::cell::{Cell, RefCell};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::install::fs::{Attrs, Fs, Meta};

/// A kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Look,
    Create,
    Sync,
    Symlink,
    Link,
    Rename,
    RenameNew,
    Exchange,
    Remove,
    SyncDir,
}

/// Which operations fail, and how.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// The operation with this number.
    Nth(usize, Errno),
    /// This operation and all later ones that change something.
    From(usize, Errno),
    /// Every operation of this kind.
    Every(Op, Errno),
}

pub(super) struct Faulty<'a, F> {
    inner: &'a F,
    rules: Vec<Rule>,
    count: Cell<usize>,
    pub log: RefCell<Vec<Op>>,
}

impl<'a, F: Fs> Faulty<'a, F> {
    pub(super) fn new(inner: &'a F, rules: &[Rule]) -> Self {
        Self {
            inner,
            rules: rules.to_vec(),
            count: Cell::new(0),
            log: RefCell::new(Vec::new()),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count.get()
    }

    fn tick(&self, op: Op) -> io::Result<()> {
        let index = self.count.get();
        self.count.set(index + 1);
        self.log.borrow_mut().push(op);
        for rule in &self.rules {
            let errno = match *rule {
                Rule::Nth(at, errno) if at == index => errno,
                Rule::From(at, errno) if at <= index && op != Op::Look => errno,
                Rule::Every(kind, errno) if kind == op => errno,
                _ => continue,
            };
            return Err(errno.into());
        }
        Ok(())
    }
}

impl<F: Fs> Fs for Faulty<'_, F> {
    type Open = F::Open;

    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn euid(&self) -> u32 {
        self.inner.euid()
    }

    fn dir(&self) -> io::Result<Meta> {
        self.tick(Op::Look)?;
        self.inner.dir()
    }

    fn list(&self) -> io::Result<Vec<OsString>> {
        self.tick(Op::Look)?;
        self.inner.list()
    }

    fn stat(&self, name: &OsStr) -> io::Result<Option<Meta>> {
        self.tick(Op::Look)?;
        self.inner.stat(name)
    }

    fn resolve(&self, name: &OsStr) -> io::Result<Option<Meta>> {
        self.tick(Op::Look)?;
        self.inner.resolve(name)
    }

    fn read_link(&self, name: &OsStr) -> io::Result<OsString> {
        self.tick(Op::Look)?;
        self.inner.read_link(name)
    }

    fn read(&self, name: &OsStr, limit: u64) -> io::Result<Option<(Meta, Vec<u8>)>> {
        self.tick(Op::Look)?;
        self.inner.read(name, limit)
    }

    fn create(&self, name: &OsStr, bytes: &[u8], attrs: &Attrs) -> io::Result<F::Open> {
        // As on a full disk: the file exists, but its content is incomplete.
        if let Err(err) = self.tick(Op::Create) {
            if Errno::from_io_error(&err) == Some(Errno::NOSPC) {
                let _ = self.inner.create(name, &bytes[..bytes.len() / 2], attrs);
            }
            return Err(err);
        }
        self.inner.create(name, bytes, attrs)
    }

    fn sync(&self, file: &F::Open) -> io::Result<()> {
        self.tick(Op::Sync)?;
        self.inner.sync(file)
    }

    fn symlink(&self, text: &OsStr, name: &OsStr, attrs: Option<&Attrs>) -> io::Result<()> {
        self.tick(Op::Symlink)?;
        self.inner.symlink(text, name, attrs)
    }

    fn link(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        self.tick(Op::Link)?;
        self.inner.link(from, to)
    }

    fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        self.tick(Op::Rename)?;
        self.inner.rename(from, to)
    }

    fn rename_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        self.tick(Op::RenameNew)?;
        self.inner.rename_new(from, to)
    }

    fn exchange(&self, one: &OsStr, two: &OsStr) -> io::Result<()> {
        self.tick(Op::Exchange)?;
        self.inner.exchange(one, two)
    }

    fn remove(&self, name: &OsStr) -> io::Result<()> {
        self.tick(Op::Remove)?;
        self.inner.remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.tick(Op::SyncDir)?;
        self.inner.sync_dir()
    }
}
