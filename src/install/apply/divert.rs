//! Replaces an original (at N) with a shim and keeps the original under another name (K).
//!
//! Owns: the two ways to do so, by exchanging names or by a hard link. Must never leave N without a
//! working compiler, not even for an instant.

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
        // N: the original. K: missing or stale. The shim is complete under a temporary name.
        match keeping {
            Keeping::Ladder => {
                if self.exchange(&temp, kept, name)? {
                    return Ok(());
                }
                self.link_original(name, kept, keeping)?;
                self.sync_dir()?;
            }
            Keeping::Replace => {
                // Link to a temporary name and rename that over K, so that K is never missing.
                let first = self.temp_name()?;
                self.link_original(name, &first, keeping)?;
                self.rename(&first, kept)?;
                self.sync_dir()?;
            }
            Keeping::Already => {}
        }
        // N and K: the original, on disk. A file that appears at N between this check and the rename
        // is lost; only an exchange has no such gap.
        self.expect(name, Some(expect))?;
        self.rename(&temp, name)?;
        // N: the shim. K: the original.
        self.sync_dir()
    }

    /// Diverts by an exchange. Returns `false` if the file system does not support it.
    fn exchange(&mut self, temp: &OsStr, kept: &OsStr, name: &OsStr) -> Result<bool, Error> {
        match self.fs.rename_new(temp, kept) {
            Ok(()) => {}
            Err(err) if no_exchange(&err) => return Ok(false),
            Err(source) => return Err(self.rename_error(temp, kept, source)),
        }
        // N: the original. K: the shim. Flushed first, so that no crash can leave the exchange on
        // disk without the shim.
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
        // N: the shim. K: the original. The exchange was atomic.
        self.sync_dir()?;
        Ok(true)
    }

    /// Makes a hard link to the original at `name`.
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
