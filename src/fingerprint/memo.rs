//! Keeps identities in the user's cache directory. Taking a known identity again costs one `stat`
//! for each file and a listing of the compiler's directory.
//!
//! A record is for one compiler, tree and environment. It is valid if these are unchanged: the
//! stamp of every member; the stamps of everything that decided which files are members
//! (directories that were listed or searched, files that lead to the compiler, the loader's cache,
//! paths where a file was looked for in vain); and the names beside the compiler. If the record is
//! not valid, unchanged files are still not read again.
//!
//! Unlike a witness, a stamp includes the change time, which nobody can set back. If only the
//! change time of a file differs (a new hard link, or a move by an installation), the file is read
//! again; if its content is the same, so is the compiler.
//!
//! A record, or a directory of records, that others own or can write to is not trusted. Nothing
//! here is an error: without a record, the files are read.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::fingerprint::{Digest, Identity, Stamp};

/// The stamps and digests of files.
pub type Digests = HashMap<PathBuf, (Stamp, Digest)>;

/// Changes with the content of records and with the way an identity is taken.
const FORMAT: u32 = 6;

/// If a directory has more records than this, the oldest are removed.
const MOST_RECORDS: usize = 64;

/// The variables that decide which files belong to a compiler.
const VARIABLES: [&str; 6] = [
    "LD_LIBRARY_PATH",
    "HIP_DEVICE_LIB_PATH",
    "ROCM_PATH",
    "HIP_PATH",
    "COMPILER_PATH",
    "GCC_EXEC_PREFIX",
];

/// The directory of records, and whether they are read.
#[derive(Clone, Debug)]
pub struct Memo {
    dir: Option<PathBuf>,
    read: bool,
}

/// The part of the environment that decides which files belong to a compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupEnvironment {
    variables: Vec<Option<OsString>>,
    pub(super) path: OsString,
}

/// Identifies a record: the digest of this is its file name.
#[derive(Serialize)]
struct RecordKey<'a> {
    format: u32,
    writer: &'a str,
    compiler: &'a [u8],
    root: Option<&'a [u8]>,
    variables: Vec<Option<&'a [u8]>>,
}

/// The record of one compiler in a memo.
pub struct Slot<'a> {
    memo: &'a Memo,
    environment: &'a LookupEnvironment,
    file: OsString,
    /// The time before any file was inspected.
    now: SystemTime,
}

impl LookupEnvironment {
    /// The environment of this process.
    #[must_use]
    pub fn current() -> Self {
        let value = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            variables: VARIABLES.map(value).to_vec(),
            path: value("PATH").unwrap_or_default(),
        }
    }

    /// An empty environment.
    #[cfg(test)]
    pub fn none() -> Self {
        Self {
            variables: vec![None; VARIABLES.len()],
            path: OsString::new(),
        }
    }

    /// An environment with one variable.
    #[cfg(test)]
    pub fn of(name: &str, value: &str) -> Self {
        let mut environment = Self::none();
        let at = VARIABLES.iter().position(|known| *known == name).unwrap();
        environment.variables[at] = Some(value.into());
        environment
    }

    /// The value of one of [`VARIABLES`], if set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        let at = VARIABLES.iter().position(|known| *known == name)?;
        self.variables[at].as_deref()
    }
}

impl Memo {
    /// No memo: every file is read, and nothing is stored.
    #[must_use]
    pub fn none() -> Self {
        Self {
            dir: None,
            read: false,
        }
    }

    /// The memo of the user.
    #[must_use]
    pub fn of_user() -> Self {
        Self {
            dir: crate::support::paths::cache_dir(),
            read: true,
        }
    }

    /// A memo in `dir`, which is created if it does not exist.
    #[must_use]
    pub fn at(dir: &Path) -> Self {
        Self {
            dir: Some(dir.to_owned()),
            read: true,
        }
    }

    /// Ignores existing records, but writes new ones.
    #[must_use]
    pub fn renewed(self) -> Self {
        Self {
            read: false,
            ..self
        }
    }

    pub(super) fn slot<'a>(
        &'a self,
        compiler: &Path,
        root: Option<&Path>,
        environment: &'a LookupEnvironment,
    ) -> Slot<'a> {
        let bytes = |text: &'a Option<OsString>| text.as_ref().map(|text| text.as_bytes());
        let key = RecordKey {
            format: FORMAT,
            writer: env!("CARGO_PKG_VERSION"),
            compiler: compiler.as_os_str().as_bytes(),
            root: root.map(|root| root.as_os_str().as_bytes()),
            variables: environment.variables.iter().map(bytes).collect(),
        };
        let key = postcard::to_stdvec(&key).expect("plain data that fits into memory");
        let name = blake3::hash(&key).to_hex();
        Slot {
            memo: self,
            environment,
            file: format!("{}.identity", &name[..32]).into(),
            now: SystemTime::now(),
        }
    }
}

impl Slot<'_> {
    /// The recorded identity of this compiler if it is valid. Otherwise the recorded digests of
    /// files, which may still hold for some of them.
    pub fn identity(&self) -> Result<Identity, Digests> {
        let record = self.record();
        let Some(mut identity) = record.as_deref().and_then(parse::<Identity>) else {
            return Err(Digests::new());
        };
        match identity.stands(&self.environment.path) {
            Some(touched) if touched.is_empty() => return Ok(identity),
            Some(touched) if identity.reread(&touched) => {
                self.keep(&identity);
                return Ok(identity);
            }
            _ => {}
        }
        let members = identity.members.into_iter();
        let digests = members.map(|member| (member.path, (member.stamp, member.digest)));
        Err(digests.collect())
    }

    /// The recorded digest and notes of this compiler, if they can be seen to be valid without
    /// reading a file of the compiler. This does not copy the names and paths of hundreds of files,
    /// which saves an eighth of the computation.
    pub fn digest(&self) -> Option<(Digest, Vec<String>)> {
        let record = self.record()?;
        let kept: Identity<&str, &Path> = parse(&record)?;
        let touched = kept.stands(&self.environment.path)?;
        touched.is_empty().then_some((kept.digest, kept.notes))
    }

    fn record(&self) -> Option<Vec<u8>> {
        let dir = self.memo.dir.as_ref().filter(|_| self.memo.read)?;
        if !is_own(&dir.symlink_metadata().ok()?) {
            return None;
        }
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(
                (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK)
                    .bits()
                    .cast_signed(),
            )
            .open(dir.join(&self.file));
        let mut file: File = file.ok()?;
        let metadata = file.metadata().ok()?;
        if !metadata.is_file() || !is_own(&metadata) {
            return None;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).ok()?);
        file.read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Stores `identity` if possible, unless one of its files was written just now: such a file
    /// could change again and keep its stamp.
    pub fn keep(&self, identity: &Identity) {
        let Some(dir) = &self.memo.dir else {
            return;
        };
        let mut stamps = identity.stamps();
        if stamps.any(|stamp| stamp.is_fresh(self.now)) {
            return;
        }
        if let Err(error) = self.write(dir, identity) {
            tracing::debug!("{} is not written: {error}", dir.join(&self.file).display());
        }
    }

    fn write(&self, dir: &Path, identity: &Identity) -> io::Result<()> {
        let mut bytes = postcard::to_stdvec(identity).map_err(io::Error::other)?;
        bytes.extend(blake3::hash(&bytes).as_bytes());
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        if !is_own(&dir.symlink_metadata()?) {
            return Err(io::Error::other("the directory is not this user's alone"));
        }
        let mut temp = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(dir)?;
        temp.write_all(&bytes)?;
        temp.persist(dir.join(&self.file))?;
        prune(dir)
    }
}

/// Decodes a record. Its last 32 bytes are the digest of the rest, so a truncated or damaged record
/// yields `None`.
fn parse<'r, T: Deserialize<'r>>(record: &'r [u8]) -> Option<T> {
    let (body, digest) = record.split_last_chunk::<32>()?;
    (blake3::hash(body).as_bytes() == digest).then(|| postcard::from_bytes(body).ok())?
}

/// Whether the file or directory belongs to this user and nobody else can write to it.
fn is_own(metadata: &std::fs::Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0
}

fn prune(dir: &Path) -> io::Result<()> {
    let mut records = Vec::new();
    for entry in dir.read_dir()? {
        let entry = entry?;
        if entry.path().extension() == Some(OsStr::new("identity")) {
            records.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    records.sort();
    let many = records.len().saturating_sub(MOST_RECORDS);
    records[..many]
        .iter()
        .try_for_each(|(_, path)| std::fs::remove_file(path))
}

#[cfg(test)]
mod tests;
