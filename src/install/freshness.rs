//! Whether the compiler behind an installed shim still is the one whose fingerprint the shim has.
//!
//! Owns: the comparison of a shim's witness and fingerprint with what is there now. The shim itself
//! compares the witness alone, on every call; this looks at the time of change too, which every new
//! hard link moves, and reads the files where it has.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::fingerprint::{Digest, Identity, IdentityError, Memo, Stamp};
use crate::install;
use crate::rocm::Tree;
use crate::shared::shim_config::{Config, Witness, WitnessKind};

/// How the compiler stands to the shim's fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "files")]
pub enum Standing {
    /// As at install.
    Same,
    /// Something was done to these files; what is in them is as it was.
    Touched(#[serde(serialize_with = "lossy")] Vec<PathBuf>),
    /// These are not the files of the install. The shim notices and caches nothing.
    Replaced(#[serde(serialize_with = "lossy")] Vec<PathBuf>),
    /// There is other content in one of these, under the same inode, size and time. The shim cannot
    /// notice: the cache may answer for the compiler that was.
    Rewritten(#[serde(serialize_with = "lossy")] Vec<PathBuf>),
    /// A part has changed that no witness covers: a header of the compiler's own, which is in every
    /// key as text, or a run-time library.
    Unwitnessed,
}

/// What `stat` alone tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Not as the witness says.
    pub replaced: Vec<PathBuf>,
    /// As the witness says, and changed in some way after the shim was made.
    pub touched: Vec<PathBuf>,
}

/// JSON has no bytes that are no text.
fn lossy<S: serde::Serializer>(paths: &[PathBuf], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(paths.iter().map(|path| path.to_string_lossy()))
}

/// Looks at the witnesses of the shim `name` in `bin`, which was made with `config`.
#[must_use]
pub fn look(bin: &Path, name: &OsStr, config: &Config<'_>) -> Look {
    // The last thing that an install does to a shim is to rename it.
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
    /// What follows, with the digest of the compiler as it is now.
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

/// How the compiler behind the shim `name` of `tree` stands, which was made with `config`. Files are
/// read only where their time of change has moved.
///
/// # Errors
/// Where it has, and what the compiler consists of cannot be read.
pub fn standing(tree: &Tree, name: &OsStr, config: &Config<'_>) -> Result<Standing, IdentityError> {
    let look = look(&tree.bin, name, config);
    if !look.replaced.is_empty() {
        return Ok(Standing::Replaced(look.replaced));
    }
    if look.touched.is_empty() {
        return Ok(Standing::Same);
    }
    // The memo keeps the digest of every file whose time of change has not moved.
    let alias = tree.bin.join(install::alias(name));
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
