//! How many parts of a compile may run at once.
//!
//! Owns: the order in which limits apply: the call's own `--offload-jobs`, make's or ninja's job server, the
//! machine's cores. The first part needs no permit: the build tool has given it one by starting the call.

use std::cell::RefCell;
use std::ffi::CStr;
use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;
use std::rc::Rc;

use rustix::fs::FlockOperation;

use super::tokens::Tokens;
use crate::shared::bytes::decimal;
use crate::support::paths::cache_dir;

/// Gives out permits.
pub enum Permits {
    /// As many as the call's options allow.
    Number(usize),
    /// A job server's tokens. Their holder is started when the first one is wanted.
    JobServer(Rc<RefCell<Option<Tokens>>>),
    /// A lock for each core, shared by all compiles of this user. A call's first part takes one too if it can.
    Cores(Vec<PathBuf>),
}

/// Permission to run a part. It is given back when dropped, or when this process is killed.
pub enum Permit {
    /// The caller counts its parts itself.
    Number,
    /// A job server's token.
    Token {
        /// Gives the token back when dropped.
        _token: Token,
    },
    /// The lock of a core.
    Core {
        /// Holds the lock.
        _lock: File,
    },
}

/// A job server's token, which is given back when dropped.
pub struct Token(Rc<RefCell<Option<Tokens>>>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.borrow_mut().iter_mut().for_each(Tokens::give);
    }
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
            None if Tokens::are_there() => Self::JobServer(Rc::default()),
            None => Self::Cores(cores()),
        }
    }

    /// The permit that the first part holds, if there is one. The first part runs without a permit too.
    #[must_use]
    pub fn first(&self) -> Option<Permit> {
        match self {
            Self::Cores(locks) => free(locks),
            Self::Number(_) | Self::JobServer(_) => None,
        }
    }

    /// A permit for one more part while `running` parts run, if one is available now.
    #[must_use]
    pub fn another(&self, running: usize) -> Option<Permit> {
        match self {
            Self::Number(number) => (running < *number).then_some(Permit::Number),
            Self::JobServer(tokens) => {
                let mut started = tokens.borrow_mut();
                if started.is_none() {
                    *started = Tokens::start().ok();
                }
                let taken = started.as_mut().is_some_and(Tokens::take);
                taken.then(|| Permit::Token {
                    _token: Token(Rc::clone(tokens)),
                })
            }
            Self::Cores(locks) => free(locks),
        }
    }
}

/// The files to lock, one for each core; none if the user has no cache directory.
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
