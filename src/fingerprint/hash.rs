//! Digests of files' contents, many at once.
//!
//! Files are read and not mapped, which would be a fifth faster: a mapped file that somebody cuts
//! short ends the process by SIGBUS. BLAKE3 is a tree of 1 KiB leaves, so that one large file too
//! keeps every core busy.

use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::fingerprint::{Digest, IdentityError, Stamp};

/// Read and hashed in one go, in bytes: enough for BLAKE3 to share out among the cores, and small
/// enough to stay in their caches.
const CHUNK: usize = 1 << 20;

thread_local! {
    /// What this thread has read into last: memory that the kernel hands out afresh for each file
    /// costs more than the hash of a small one.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A file's content, and the metadata that it had when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Of the whole content.
    pub digest: Digest,
    /// The same before the file was read and after.
    pub stamp: Stamp,
}

/// Reads all of `paths`.
///
/// # Errors
/// Where one cannot be read, or changes meanwhile.
pub fn all(paths: &[&Path]) -> Result<Vec<(PathBuf, Content)>, IdentityError> {
    let read = |path: &&Path| Ok((path.to_path_buf(), one(path)?));
    paths.par_iter().map(read).collect()
}

/// Reads the file at `path`.
///
/// # Errors
/// As [`all`].
pub fn one(path: &Path) -> Result<Content, IdentityError> {
    let error = |source| IdentityError::read(path, source);
    let mut file = File::open(path).map_err(error)?;
    let stat = rustix::fs::fstat(&file).map_err(|errno| error(errno.into()))?;
    let stamp = Stamp::from(&stat);
    let mut hasher = blake3::Hasher::new();
    // Taken, not borrowed: while it waits for others, rayon may have this thread read another file.
    let mut buffer = BUFFER.take();
    let need = CHUNK.min(usize::try_from(stamp.size).unwrap_or(CHUNK) + 1);
    if buffer.len() < need {
        buffer = vec![0; need];
    }
    loop {
        let count = file.read(&mut buffer).map_err(error)?;
        if count == 0 {
            break;
        }
        hasher.update_rayon(&buffer[..count]);
    }
    BUFFER.set(buffer);
    if Stamp::of(path).map_err(error)? != stamp {
        return Err(IdentityError::Changes(path.to_owned()));
    }
    Ok(Content {
        digest: Digest(*hasher.finalize().as_bytes()),
        stamp,
    })
}
