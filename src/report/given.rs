//! Reads a call's arguments and environment from the kernel while the call runs.
//!
//! Nothing is known about a call that ends before it is looked at. Calls that compile take long enough. For a hit, an
//! earlier report knows the arguments: without an earlier compile, the entry would not have been found.

use std::collections::HashSet;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::shared::call_log::Text;

/// The arguments and the environment of a call.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The arguments: the launcher, if it has been executed already, then the compiler and its arguments.
    pub words: Vec<Arc<str>>,
    /// The environment entries that affect a compile, `NAME=VALUE`.
    pub environment: Vec<Arc<str>>,
}

/// What the preprocessed texts of a compile depend on.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// The files that the texts name, with the first digits of their digests.
    pub files: Vec<Arc<(PathBuf, String)>>,
    /// The digest of literals and directives, if they count separately.
    pub literals: Option<String>,
    /// Whether the compiler may read a file that the texts do not name.
    pub unnamed: bool,
    /// Whether the texts contain a date or a time.
    pub dated: bool,
}

/// Stores only once what many calls have in common.
#[derive(Default)]
pub struct Interner {
    words: HashSet<Arc<str>>,
    files: HashSet<Arc<(PathBuf, String)>>,
}

/// Variables that change what clang reads or writes, or what the launchers and rock-wrap put into a key. Others are not
/// recorded: they may be secrets.
const STEERING: [&str; 20] = [
    "CPATH",
    "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    "LIBRARY_PATH",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "HIP_PATH",
    "ROCM_PATH",
    "HIP_DEVICE_LIB_PATH",
    "CLANG_NO_DEFAULT_CONFIG",
    "SOURCE_DATE_EPOCH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "ROCK_WRAP_BASE_DIR",
    "CCACHE_COMPILERCHECK",
    "CCACHE_EXTRAFILES",
    "CCACHE_NAMESPACE",
    "SCCACHE_C_CUSTOM_CACHE_BUSTER",
];

impl Interner {
    /// Reads the arguments and environment of the process `pid`. `handle` shows whether the process still exists.
    pub fn given(&mut self, pid: u32, handle: BorrowedFd<'_>) -> Option<Given> {
        let read = |what: &str| std::fs::read(format!("/proc/{pid}/{what}")).ok();
        let (words, environment) = (read("cmdline")?, read("environ")?);
        // The number may belong to another process by now.
        if words.is_empty() || has_ended(handle) {
            return None;
        }
        let words = words.strip_suffix(b"\0").unwrap_or(&words);
        let steering = |entry: &&[u8]| {
            let name = entry.split(|byte| *byte == b'=').next();
            STEERING
                .iter()
                .any(|steering| name == Some(steering.as_bytes()))
        };
        let mut environment: Vec<_> = environment
            .split(|byte| *byte == 0)
            .filter(steering)
            .map(|entry| self.word(entry))
            .collect();
        environment.sort();
        Some(Given {
            words: words
                .split(|byte| *byte == 0)
                .map(|word| self.word(word))
                .collect(),
            environment,
        })
    }

    fn word(&mut self, bytes: &[u8]) -> Arc<str> {
        let text = String::from_utf8_lossy(bytes);
        match self.words.get(&*text) {
            Some(word) => Arc::clone(word),
            None => {
                let word = Arc::<str>::from(text);
                self.words.insert(Arc::clone(&word));
                word
            }
        }
    }

    /// Converts the texts that the stand-in recorded.
    pub fn texts(&mut self, text: Text) -> Texts {
        let file = |file| match self.files.get(&file) {
            Some(file) => Arc::clone(file),
            None => {
                let file = Arc::new(file);
                self.files.insert(Arc::clone(&file));
                file
            }
        };
        Texts {
            files: text.files.into_iter().map(file).collect(),
            literals: text.literals,
            unnamed: text.unnamed,
            dated: text.dated,
        }
    }
}

fn has_ended(process: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::new(&process, PollFlags::IN)];
    poll(&mut polled, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    #[test]
    fn a_running_call_is_read_without_its_secrets_and_one_that_ended_is_not() {
        let mut child = Command::new("cat")
            .args(["-", "a b"])
            .env_clear()
            .envs([("CPATH", "/inc"), ("AWS_SECRET_ACCESS_KEY", "x")])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        let handle = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        let mut interner = Interner::default();
        let given = interner.given(child.id(), handle.as_fd()).unwrap();
        assert_eq!(given.words, ["cat", "-", "a b"].map(Arc::from));
        assert_eq!(given.environment, ["CPATH=/inc"].map(Arc::from));
        drop(child.stdin.take());
        let _ = child.wait().unwrap();
        assert!(interner.given(child.id(), handle.as_fd()).is_none());
    }
}
