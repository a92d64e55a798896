//! Checks, before anything is changed, that files can be created here and originals can be kept.
//!
//! Owns: trying this with temporary files and temporary links. Must never touch any other name.

use std::ffi::{OsStr, OsString};
use std::io;

use super::Run;
use super::errno::{is_full, missing_right, no_exchange};
use crate::install::error::Error;
use crate::install::fs::{Attrs, Fs};
use crate::install::step::Keeping;
use crate::support::time::Time;

impl<F: Fs> Run<'_, F> {
    /// Checks that files can be created and removed here and that the originals in `keep` can be
    /// kept.
    pub(super) fn probe(
        &mut self,
        even_if_full: bool,
        keep: &[(OsString, Keeping)],
    ) -> Result<(), Error> {
        let temp = self.temp_name()?;
        let attrs = Attrs {
            mode: 0o600,
            uid: self.fs.euid(),
            gid: self.fs.dir().map_err(|source| self.inspect(source))?.gid,
            mtime: Time::now(),
        };
        let made = self.fs.create(&temp, b"", &attrs).map(drop);
        match made.and_then(|()| self.fs.remove(&temp)) {
            Err(err) if even_if_full && is_full(&err) => {
                // The file may have been created all the same. If it remains, the next run removes it.
                let _ = self.fs.remove(&temp);
            }
            probed => probed.map_err(|source| self.not_writable(source))?,
        }
        let needs = |keeping| keep.iter().any(|(_, needed)| *needed == keeping);
        let can_exchange = needs(Keeping::Ladder) && self.can_exchange(&attrs)?;
        for (name, keeping) in keep {
            if *keeping == Keeping::Replace || !can_exchange {
                self.probe_link(name, *keeping)?;
            }
        }
        Ok(())
    }

    /// Tries with two temporary files whether names can be exchanged here.
    fn can_exchange(&mut self, attrs: &Attrs) -> Result<bool, Error> {
        let (one, two) = (self.temp_name()?, self.temp_name()?);
        let create = |name| self.fs.create(name, b"", attrs).map(drop);
        let try_out = || {
            create(&one)?;
            let mut tried = self.fs.rename_new(&one, &two);
            if tried.is_ok() {
                create(&one)?;
                tried = self.fs.exchange(&one, &two);
                self.fs.remove(&two)?;
            }
            self.fs.remove(&one)?;
            Ok(tried)
        };
        match try_out().map_err(|source| self.not_writable(source))? {
            Ok(()) => Ok(true),
            Err(err) if no_exchange(&err) => Ok(false),
            Err(source) => Err(self.not_writable(source)),
        }
    }

    fn not_writable(&self, source: io::Error) -> Error {
        Error::NotWritable {
            path: self.fs.path().to_owned(),
            missing: missing_right(&source),
            source,
        }
    }

    /// Checks that a hard link to the original at `name` can be made.
    fn probe_link(&mut self, name: &OsStr, keeping: Keeping) -> Result<(), Error> {
        let temp = self.temp_name()?;
        self.link_original(name, &temp, keeping)?;
        self.fs.remove(&temp).map_err(|source| Error::Remove {
            path: self.at(&temp),
            source,
        })
    }
}
