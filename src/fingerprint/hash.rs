//! Hashes the contents of many files in parallel.
//!
//! Files are read, although mapping them would be a fifth faster: if a mapped file is truncated,
//! the process dies by SIGBUS. BLAKE3 is a tree of 1 KiB leaves, so even a single large file keeps
//! every core busy.

use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::fingerprint::{Digest, IdentityError, Stamp};

/// Bytes that are read and hashed at a time. Large enough for BLAKE3 to spread over the cores,
/// small enough to stay in their caches.
const CHUNK: usize = 1 << 20;

thread_local! {
    /// This thread's read buffer. Getting fresh memory from the kernel for each file costs more than
    /// hashing a small file.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The digest of a file and the metadata that it had when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashedFile {
    /// Digest of the whole content.
    pub digest: Digest,
    /// Metadata, the same before and after the read.
    pub stamp: Stamp,
}

/// Hashes all of `paths`.
///
/// # Errors
/// If a file cannot be read, or changes while it is read.
pub fn all(paths: &[&Path]) -> Result<Vec<(PathBuf, HashedFile)>, IdentityError> {
    let read = |path: &&Path| Ok((path.to_path_buf(), one(path)?));
    paths.par_iter().map(read).collect()
}

/// Hashes the file at `path`.
pub fn one(path: &Path) -> Result<HashedFile, IdentityError> {
    let error = |source| IdentityError::read(path, source);
    let mut file = File::open(path).map_err(error)?;
    let stat = rustix::fs::fstat(&file).map_err(|errno| error(errno.into()))?;
    let stamp = Stamp::from(&stat);
    let mut hasher = blake3::Hasher::new();
    // Take the buffer instead of borrowing it: while this thread waits for others, rayon may have
    // it read another file.
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
    Ok(HashedFile {
        digest: Digest(*hasher.finalize().as_bytes()),
        stamp,
    })
}
