//! Puts originals back and removes their companions.
//!
//! Owns: the steps of a restore. Must never remove a file that is not ours.

use std::ffi::{OsStr, OsString};

use super::Run;
use super::errno::{is_full, no_link};
use crate::install::drain::Needs;
use crate::install::error::Error;
use crate::install::fs::{Attrs, Fs, Inode, Meta};
use crate::install::journal::Journal;
use crate::rocm::names;

impl<F: Fs> Run<'_, F> {
    pub(super) fn put_back(
        &mut self,
        name: &OsStr,
        kept: &OsStr,
        keep_alias: bool,
        expect: Option<Meta>,
    ) -> Result<(), Error> {
        self.expect(name, expect)?;
        if keep_alias && self.put_back_linked(name, kept, expect.is_none())? {
            // N and K: the original. Running compiles still use K.
        } else if expect.is_none() {
            self.rename_new(kept, name)?;
        } else {
            self.rename(kept, name)?;
            // N: the original. K: missing.
        }
        // Flushed for each name: without hard links, putting back the next original may remove the
        // file that this name's alias leads through.
        self.sync_dir()
    }

    /// Puts an original back and keeps K as a second link to it. Returns `false` if no link can be
    /// made, also on a full disk: the compiler must come back even then.
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

    pub(super) fn relink(
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

    pub(super) fn wait(
        &mut self,
        aliases: &[OsString],
        shims: &[Inode],
        journal: &Journal,
    ) -> Result<(), Error> {
        // Every original is back at its name and on disk.
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

    pub(super) fn remove(&mut self, name: &OsStr, expect: Option<Meta>) -> Result<(), Error> {
        let path = || self.fs.path().join(name);
        if name == names::JOURNAL {
            // All companions must be gone from the disk before the record is: without a record they
            // would not be recognised as ours.
            self.sync_dir()?;
        }
        let meta = self.fs.stat(name).map_err(|source| Error::Inspect {
            path: path(),
            source,
        })?;
        // Already gone: a put-back without a hard link has moved it.
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
}
