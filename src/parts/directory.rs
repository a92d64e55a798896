//! The directory of one split compile.
//!
//! Owns: its files, who may use it, and removing what a killed process left. The stand-in creates it, to keep the
//! texts or, at the latest, when it declines the compile. The process that makes the parts locks it and removes it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::pipeline::Part;
use crate::shared::parts::DIRECTORY;
use crate::shared::stand_in::known;

/// How long a directory may still be needed although nobody holds it: while the stand-in preprocesses, which takes long
/// on a busy machine, and until the parts program starts.
const HANDOVER: Duration = Duration::from_secs(600);

/// The compile as the launcher asked the stand-in for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The real compiler's path.
    pub real: Vec<u8>,
    /// The name by which the compiler is called.
    pub name: Vec<u8>,
    /// The arguments.
    pub words: Vec<Vec<u8>>,
    /// Whether the compile is split whenever possible (`--per-arch=always`).
    pub always: bool,
}

/// The result of the whole compile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The request that it answers.
    pub asked: Asked,
    /// The object's path in the directory.
    pub object: Vec<u8>,
    /// Where the object belongs.
    pub object_path: Vec<u8>,
    /// The dependency file's path in the directory, and where it belongs.
    pub depfile: Option<(Vec<u8>, Vec<u8>)>,
    /// The compiler's messages.
    pub messages: Vec<u8>,
}

/// The directory of a compile.
#[derive(Debug)]
pub struct CompileDir {
    path: PathBuf,
}

impl CompileDir {
    /// Opens the directory, or creates it for this user alone.
    ///
    /// # Errors
    /// If that is not possible, or if somebody else has made it.
    pub fn make(path: &OsStr) -> io::Result<Self> {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => Ok(Self { path: path.into() }),
            Err(_) => Self::open(path),
        }
    }

    /// Opens the existing directory at `path`.
    ///
    /// # Errors
    /// If there is none, or if it does not belong to this user alone.
    pub fn open(path: &OsStr) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        let own = metadata.is_dir()
            && metadata.uid() == rustix::process::geteuid().as_raw()
            && metadata.mode() & 0o077 == 0;
        if !own {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(Self { path: path.into() })
    }

    /// Marks the directory as in use while the returned file is open.
    ///
    /// # Errors
    /// If another process uses it.
    pub fn hold(&self) -> io::Result<File> {
        let file = File::open(&self.path)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(file)
    }

    /// The directory's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in the directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes what the launcher asked for.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_asked(&self, asked: &Asked) -> io::Result<()> {
        write(&self.file("asked"), asked)
    }

    /// Reads what the launcher asked for.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn asked(&self) -> io::Result<Asked> {
        read(&self.file("asked"))
    }

    /// Writes what was made.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_made(&self, made: &Made) -> io::Result<()> {
        write(&self.file("made"), made)
    }

    /// Reads what was made.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn made(&self) -> io::Result<Made> {
        read(&self.file("made"))
    }

    /// Writes the commands of a part.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_part(&self, digest: &str, part: &Part) -> io::Result<()> {
        write(&self.file(&format!("part.{digest}")), part)
    }

    /// Reads the commands of a part.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn part(&self, digest: &str) -> io::Result<Part> {
        read(&self.file(&format!("part.{digest}")))
    }

    /// Notes that a part had to be compiled.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn note_compiled(&self, digest: &str) -> io::Result<()> {
        File::create(self.file(&format!("compiled.{digest}"))).map(drop)
    }

    /// Notes the peak memory of the largest process that compiled a part, in bytes. Only a report shows it.
    pub fn note_memory(&self, digest: &str, size: u64) {
        let _ = fs::write(self.file(&format!("compiled.{digest}")), size.to_string());
    }

    /// The memory noted for a part.
    pub fn memory(&self, digest: &str) -> Option<u64> {
        let noted = fs::read_to_string(self.file(&format!("compiled.{digest}")));
        noted.ok()?.parse().ok()
    }

    /// Whether a part had to be compiled, rather than being found by the launcher.
    pub fn was_compiled(&self, digest: &str) -> bool {
        self.file(&format!("compiled.{digest}")).exists()
    }

    /// The file with an architecture's preprocessed text. It exists if the launcher asked for that text.
    pub fn text(&self, arch: &[u8]) -> PathBuf {
        self.path
            .join(OsStr::from_bytes(&[b"text.", arch].concat()))
    }

    /// The digests of the files that the texts name, in the form of [`known`]. Empty if there was no room for them.
    pub fn digests(&self) -> Vec<u8> {
        fs::read(self.path.join(OsStr::from_bytes(known::FILE))).unwrap_or_default()
    }

    /// Removes the directory and everything in it.
    pub fn remove(self) {
        // A later call tries again to remove what remains.
        let _ = fs::remove_dir_all(&self.path);
    }

    /// Removes the directories beside this one that killed processes of this user left.
    pub fn sweep_neighbours(&self) {
        let Some(Ok(entries)) = self.path.parent().map(fs::read_dir) else {
            return;
        };
        let start = [DIRECTORY, b"-"].concat();
        for entry in entries.flatten() {
            let name: OsString = entry.file_name();
            if !name.as_bytes().starts_with(&start) || entry.path() == self.path {
                continue;
            }
            let Ok(left) = Self::open(entry.path().as_os_str()) else {
                continue;
            };
            let age = entry.metadata().and_then(|metadata| metadata.modified());
            let age = age.ok().and_then(|time| time.elapsed().ok());
            if age.is_some_and(|age| age > HANDOVER)
                && let Ok(_held) = left.hold()
            {
                left.remove();
            }
        }
    }
}

fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let bytes = postcard::to_stdvec(value).map_err(io::Error::other)?;
    fs::write(path, bytes)
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> io::Result<T> {
    postcard::from_bytes(&fs::read(path)?).map_err(io::Error::other)
}

/// A path of these bytes.
pub fn path_of(bytes: &[u8]) -> PathBuf {
    OsString::from_vec(bytes.to_vec()).into()
}
