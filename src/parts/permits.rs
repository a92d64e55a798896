//! How many parts of a compile may run at once.
//!
//! Owns: the order in which limits apply: the call's own `--offload-jobs`, make's or ninja's job server, the
//! machine's cores. The first part needs no permit: the build tool has given it one by starting the call.

use std::ffi::CStr;
use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;

use jobserver::{Acquired, Client};
use rustix::fs::FlockOperation;

use crate::shared::bytes::decimal;
use crate::support::paths::cache_dir;

/// Gives out permits.
pub enum Permits {
    /// As many as the call says.
    Number(usize),
    /// A job server's tokens.
    JobServer(Client),
    /// A lock for each core, which all compiles of this user share. A call's first part takes one too if it can.
    Cores(Vec<PathBuf>),
}

/// Permission to run a part; given back when dropped, or by the kernel when this process is killed. A job server's
/// token is lost if this process is killed by SIGKILL.
pub enum Permit {
    /// Counted by the caller.
    Number,
    /// A job server's token.
    Token {
        /// Returns the token when dropped.
        _token: Acquired,
    },
    /// The lock of a core.
    Core {
        /// Holds the lock.
        _lock: File,
    },
}

impl Permits {
    /// The permits for a call with these arguments.
    #[must_use]
    pub fn of(args: &[&CStr]) -> Self {
        let asked = args.iter().rev().find_map(|arg| {
            let bytes = arg.to_bytes();
            bytes
                .strip_prefix(b"--offload-jobs=")
                .or_else(|| bytes.strip_prefix(b"-parallel-jobs="))
        });
        match asked.and_then(decimal) {
            Some(number) => Self::Number(usize::try_from(number).unwrap_or(1)),
            // SAFETY: called once, before this process has opened a file; a descriptor in MAKEFLAGS is make's.
            None => match unsafe { Client::from_env_ext(true) }.client {
                Ok(client) => Self::JobServer(client),
                Err(_) => Self::Cores(cores()),
            },
        }
    }

    /// What the first part holds.
    #[must_use]
    pub fn first(&self) -> Option<Permit> {
        match self {
            Self::Cores(locks) => free(locks),
            Self::Number(_) | Self::JobServer(_) => None,
        }
    }

    /// A permit for another part beside `running` ones, if there is one now.
    #[must_use]
    pub fn another(&self, running: usize) -> Option<Permit> {
        match self {
            Self::Number(number) => (running < *number).then_some(Permit::Number),
            Self::JobServer(client) => {
                let token = client.try_acquire().ok().flatten()?;
                Some(Permit::Token { _token: token })
            }
            Self::Cores(locks) => free(locks),
        }
    }
}

/// The files to lock, one for each core; none if the user has no directory for them.
fn cores() -> Vec<PathBuf> {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let Some(dir) = cache_dir().map(|dir| dir.join("cores")) else {
        return Vec::new();
    };
    if fs::create_dir_all(&dir).is_err() {
        return Vec::new();
    }
    (0..count)
        .map(|number| dir.join(number.to_string()))
        .collect()
}

fn free(locks: &[PathBuf]) -> Option<Permit> {
    locks.iter().find_map(|path| {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .ok()?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
        Some(Permit::Core { _lock: file })
    })
}
