//! Putting a shim in the place of an original, which is kept under another name.
//!
//! Owns: the two ways to do so, an exchange of names and a hard link. Must never leave a name, at
//! any instant, without a working compiler.

use std::ffi::OsStr;

use super::Run;
use super::errno::{no_exchange, no_link};
use crate::install::error::Error;
use crate::install::fs::{Fs, Meta};
use crate::install::goal::Want;
use crate::install::step::Keeping;

impl<F: Fs> Run<'_, F> {
    pub(super) fn divert(
        &mut self,
        name: &OsStr,
        kept: &OsStr,
        keeping: Keeping,
        expect: Meta,
        want: &Want,
    ) -> Result<(), Error> {
        let temp = self.write_temp(&want.image, &want.attrs())?;
        // N: the original. K: nothing, or what is stale. The shim, whole, under a temporary name.
        match keeping {
            Keeping::Ladder => {
                if self.exchange(&temp, kept, name)? {
                    return Ok(());
                }
                self.link_original(name, kept, keeping)?;
                self.sync_dir()?;
            }
            Keeping::Replace => {
                // Under another name first, then over what is stale, so that K never is missing.
                let first = self.temp_name()?;
                self.link_original(name, &first, keeping)?;
                self.rename(&first, kept)?;
                self.sync_dir()?;
            }
            Keeping::Already => {}
        }
        // N: the original. K: the original too, on disk. This look and the rename are two calls;
        // only an exchange could be one.
        self.expect(name, Some(expect))?;
        self.rename(&temp, name)?;
        // N: the shim. K: the original.
        self.sync_dir()
    }

    /// Rung A. `false` where the file system cannot.
    pub(super) fn exchange(
        &mut self,
        temp: &OsStr,
        kept: &OsStr,
        name: &OsStr,
    ) -> Result<bool, Error> {
        match self.fs.rename_new(temp, kept) {
            Ok(()) => {}
            Err(err) if no_exchange(&err) => return Ok(false),
            Err(source) => return Err(self.rename_error(temp, kept, source)),
        }
        // N: the original. K: the shim. On disk before the exchange is, so that no crash can
        // leave the exchange without it.
        self.sync_dir()?;
        match self.fs.exchange(kept, name) {
            Ok(()) => {}
            Err(err) if no_exchange(&err) => {
                self.rename(kept, temp)?;
                return Ok(false);
            }
            Err(source) => {
                return Err(Error::Exchange {
                    one: self.at(kept),
                    two: self.at(name),
                    source,
                });
            }
        }
        // N: the shim. K: the original. There was no instant between.
        self.sync_dir()?;
        Ok(true)
    }

    /// Rung B: makes a hard link to the original at `name`.
    pub(super) fn link_original(
        &self,
        name: &OsStr,
        to: &OsStr,
        keeping: Keeping,
    ) -> Result<(), Error> {
        self.fs.link(name, to).map_err(|source| {
            let path = self.at(name);
            if !no_link(&source) {
                let (from, to) = (path, self.at(to));
                return Error::Link { from, to, source };
            }
            match keeping {
                Keeping::Replace => Error::KeepNewer { path, source },
                Keeping::Ladder | Keeping::Already => Error::Keep { path, source },
            }
        })
    }
}
