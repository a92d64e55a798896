//! Checks whether the compiler behind an installed shim is still the one that the shim's fingerprint
//! was taken of.
//!
//! Owns: comparing a shim's witness and fingerprint with the current files. On each call the shim
//! compares only the witness. This also compares inode change times, which change with every new hard
//! link, and reads the files whose change time is newer.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::fingerprint::{Digest, Identity, IdentityError, Memo, Stamp};
use crate::rocm::Tree;
use crate::rocm::names;
use crate::shared::shim_config::{Config, Witness, WitnessKind};

/// The compiler's state compared with the shim's fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "files")]
pub enum Standing {
    /// Unchanged since the install.
    Same,
    /// The metadata of these files has changed, but not their content.
    Touched(#[serde(serialize_with = "lossy")] Vec<PathBuf>),
    /// These files were replaced. The shim notices the replacement and caches nothing.
    Replaced(#[serde(serialize_with = "lossy")] Vec<PathBuf>),
    /// The content of one of these files has changed, but not its inode, size and modification time. The
    /// shim cannot notice that, and the cache may return objects of the earlier compiler.
    Rewritten(#[serde(serialize_with = "lossy")] Vec<PathBuf>),
    /// A file has changed that no witness covers: a header of the compiler's, whose text is part of every
    /// key anyway, or a run-time library.
    Unwitnessed,
}

/// What `stat` alone shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Files that differ from the witness.
    pub replaced: Vec<PathBuf>,
    /// Files that match the witness but were changed in some way after the shim was made.
    pub touched: Vec<PathBuf>,
}

/// Lossy, since JSON strings cannot hold arbitrary bytes.
fn lossy<S: serde::Serializer>(paths: &[PathBuf], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(paths.iter().map(|path| path.to_string_lossy()))
}

/// Compares the witnesses of the shim `name` in `bin`, which has the configuration `config`.
#[must_use]
pub fn look(bin: &Path, name: &OsStr, config: &Config<'_>) -> Look {
    // The last thing that an install does to a shim is to rename it, which sets its change time.
    let made = Stamp::of(&bin.join(name)).map(|stamp| stamp.ctime).ok();
    let mut look = Look::default();
    for witness in config.witnesses() {
        let [dir, name] =
            [witness.dir, witness.name].map(|part| OsStr::from_bytes(part.to_bytes()));
        let path = bin.join(dir).join(name);
        let stamp = Stamp::of(&path).ok();
        if !holds(&witness, stamp) {
            look.replaced.push(path);
        } else if witness.kind == WitnessKind::File && stamp.map(|stamp| stamp.ctime) > made {
            look.touched.push(path);
        }
    }
    look
}

fn holds(witness: &Witness<'_>, stamp: Option<Stamp>) -> bool {
    match stamp {
        Some(stamp) => {
            let (sec, nsec) = (stamp.mtime.sec.cast_unsigned(), u64::from(stamp.mtime.nsec));
            witness.is_of(stamp.ino, stamp.size, sec, nsec)
        }
        None => witness.kind == WitnessKind::Absent,
    }
}

impl Look {
    /// The verdict, given the compiler's current digest.
    #[must_use]
    pub fn judge(self, fingerprint: &[u8], now: Digest) -> Standing {
        if !self.replaced.is_empty() {
            Standing::Replaced(self.replaced)
        } else if now.0 == fingerprint {
            match self.touched.is_empty() {
                true => Standing::Same,
                false => Standing::Touched(self.touched),
            }
        } else if self.touched.is_empty() {
            Standing::Unwitnessed
        } else {
            Standing::Rewritten(self.touched)
        }
    }
}

/// Compares the compiler behind the shim `name` of `tree` with the shim's configuration `config`. Only
/// files with a newer change time are read.
///
/// # Errors
/// The compiler's files must be read, and cannot be.
pub fn standing(tree: &Tree, name: &OsStr, config: &Config<'_>) -> Result<Standing, IdentityError> {
    let look = look(&tree.bin, name, config);
    if !look.replaced.is_empty() {
        return Ok(Standing::Replaced(look.replaced));
    }
    if look.touched.is_empty() {
        return Ok(Standing::Same);
    }
    // The memo has the digests of all files whose change time is the same.
    let alias = tree.bin.join(names::alias(name));
    let now = Identity::take(&alias, Some(&tree.root), &Memo::of_user())?;
    Ok(look.judge(config.fingerprint, now.digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: Digest = Digest([1; 32]);
    const OTHER: Digest = Digest([2; 32]);

    fn look(replaced: &[&str], touched: &[&str]) -> Look {
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect();
        Look {
            replaced: paths(replaced),
            touched: paths(touched),
        }
    }

    #[test]
    fn what_the_files_say_and_what_is_in_them_decide_together() {
        let a = || vec![PathBuf::from("a")];
        for (look, now, expected) in [
            (look(&[], &[]), THEN, Standing::Same),
            (look(&[], &["a"]), THEN, Standing::Touched(a())),
            (look(&[], &["a"]), OTHER, Standing::Rewritten(a())),
            (look(&[], &[]), OTHER, Standing::Unwitnessed),
            (look(&["a"], &["b"]), THEN, Standing::Replaced(a())),
        ] {
            assert_eq!(look.judge(&THEN.0, now), expected);
        }
    }
}
