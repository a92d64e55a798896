//! The file operations that steps are built from.
//!
//! Owns: temporary names, and mapping each failed operation to its [`Error`]. Must never know about
//! steps.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

use super::Run;
use super::errno::{no_exchange, no_link};
use crate::install::error::Error;
use crate::install::fs::{Attrs, Fs, Meta};
use crate::rocm::names;
use crate::support::error_chain::chain;

impl<F: Fs> Run<'_, F> {
    /// Writes a file under an unpredictable name, flushes it to disk and closes it. A program that is
    /// open for writing cannot be executed.
    pub(super) fn write_temp(&mut self, bytes: &[u8], attrs: &Attrs) -> Result<OsString, Error> {
        let temp = self.temp_name()?;
        let file = self.fs.create(&temp, bytes, attrs).map_err(|source| {
            let path = self.at(&temp);
            Error::Create { path, source }
        })?;
        self.sync_file(&file, &temp)?;
        Ok(temp)
    }

    pub(super) fn expect(&self, name: &OsStr, expect: Option<Meta>) -> Result<(), Error> {
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

    pub(super) fn rename(&self, from: &OsStr, to: &OsStr) -> Result<(), Error> {
        let renamed = self.fs.rename(from, to);
        renamed.map_err(|source| self.rename_error(from, to, source))
    }

    /// Renames without replacing. Uses RENAME_NOREPLACE, else link and unlink, else a check and a
    /// plain rename, whichever the file system supports.
    pub(super) fn rename_new(&self, from: &OsStr, to: &OsStr) -> Result<(), Error> {
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

    pub(super) fn rename_error(&self, from: &OsStr, to: &OsStr, source: io::Error) -> Error {
        Error::Rename {
            from: self.at(from),
            to: self.at(to),
            source,
        }
    }

    pub(super) fn symlink(
        &self,
        text: &OsStr,
        name: &OsStr,
        attrs: Option<&Attrs>,
    ) -> Result<(), Error> {
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

    pub(super) fn sync_dir(&self) -> Result<(), Error> {
        self.fs.sync_dir().map_err(|source| Error::SyncDir {
            path: self.fs.path().to_owned(),
            source,
        })
    }

    pub(super) fn temp_name(&mut self) -> Result<OsString, Error> {
        let temp = names::temp().map_err(|source| Error::TempName {
            path: self.fs.path().to_owned(),
            source,
        })?;
        self.temps.push(temp.clone());
        Ok(temp)
    }

    /// Turns `err` into a warning, since nothing depends on the operation, and removes its remains.
    pub(super) fn do_without(&mut self, err: &Error) {
        self.warnings.push(chain(err));
        // The next run removes any that remain.
        self.remove_temps();
    }

    /// Removes this run's temporary files, most of which no longer exist. Returns whether all are gone.
    pub(super) fn remove_temps(&mut self) -> bool {
        let mut all = true;
        for temp in self.temps.drain(..) {
            match self.fs.remove(&temp) {
                Err(err) if err.kind() != io::ErrorKind::NotFound => all = false,
                _ => {}
            }
        }
        all
    }

    pub(super) fn inspect(&self, source: io::Error) -> Error {
        Error::Inspect {
            path: self.fs.path().to_owned(),
            source,
        }
    }

    pub(super) fn at(&self, name: &OsStr) -> PathBuf {
        self.fs.path().join(name)
    }
}
