//! Waits for running compiles before the aliases and stand-ins that they use are removed.
//!
//! Owns: which processes count as running compiles. Must never stop or signal a process.
//!
//! # Limitations
//! Processes in another PID namespace (a container that shares the tree) are invisible. Unless run as
//! root, only the command line of other users' processes can be read; an absolute path on it is then
//! taken to mean what it means here, so a compile of another user in a chroot that has the tree at a
//! path which is another directory here is not waited for.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use crate::install::fs::Inode;
use crate::shared::paths::base_name;

/// The files that must no longer be in use.
#[derive(Clone, Copy, Debug)]
pub struct Needs<'a> {
    /// The compilers' directory, as the user gave it.
    pub dir: &'a Path,
    /// Its inode, since it may be reached by other paths.
    pub dir_id: Inode,
    /// The aliases and stand-ins in it that are to be removed.
    pub aliases: &'a [OsString],
    /// The shims that were there before the originals were put back.
    pub shims: &'a [Inode],
}

impl Needs<'_> {
    /// Whether `meta` is the compilers' directory's.
    fn is_dir(&self, meta: &fs::Metadata) -> bool {
        meta.dev() == self.dir_id.dev && meta.ino() == self.dir_id.ino
    }
}

/// Waits until no process needs the aliases any more.
pub trait Drain {
    /// Waits for a limited time, or until `cancel` returns a signal. Returns the number of processes
    /// that are left.
    fn wait(&self, needs: &Needs<'_>, cancel: &dyn Fn() -> Option<i32>) -> usize;
}

/// Searches `/proc`.
#[derive(Clone, Copy, Debug)]
pub struct ProcDrain {
    /// Maximum time to wait.
    pub limit: Duration,
}

/// Time between two searches.
const PAUSE: Duration = Duration::from_millis(10);

impl Drain for ProcDrain {
    fn wait(&self, needs: &Needs<'_>, cancel: &dyn Fn() -> Option<i32>) -> usize {
        let start = Instant::now();
        let mut clear_before = false;
        loop {
            let left = users(Path::new("/proc"), needs);
            // Two searches in a row must find nothing. A process in the middle of executing a shim
            // shows it neither as its executable nor in its arguments yet.
            if left == 0 && clear_before {
                return 0;
            }
            clear_before = left == 0;
            if cancel().is_some() || (left > 0 && start.elapsed() >= self.limit) {
                return left;
            }
            thread::sleep(PAUSE);
        }
    }
}

/// The number of processes that use any of `needs`.
fn users(proc: &Path, needs: &Needs<'_>) -> usize {
    let own = std::process::id();
    let Ok(entries) = fs::read_dir(proc) else {
        // Without /proc no process can be found, and waiting would not help.
        return 0;
    };
    entries
        .filter_map(Result::ok)
        .filter(|entry| {
            let name = entry.file_name();
            let pid = name.to_str().and_then(|name| name.parse::<u32>().ok());
            pid.is_some_and(|pid| pid != own) && is_user(&entry.path(), needs)
        })
        .count()
}

fn is_user(process: &Path, needs: &Needs<'_>) -> bool {
    let exe = process.join("exe");
    // This fails if the process has ended or may not be inspected.
    if let Ok(meta) = fs::metadata(&exe) {
        let id = Inode {
            dev: meta.dev(),
            ino: meta.ino(),
        };
        if needs.shims.contains(&id) {
            return true;
        }
    }
    if let Ok(path) = fs::read_link(&exe) {
        let bytes = path.as_os_str().as_bytes();
        let path = bytes.strip_suffix(b" (deleted)").unwrap_or(bytes);
        if is_alias(process, OsStr::from_bytes(path), needs) {
            return true;
        }
    }
    let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
    arguments
        .split(|byte| *byte == 0)
        .any(|argument| is_alias(process, OsStr::from_bytes(argument), needs))
}

fn is_alias(process: &Path, path: &OsStr, needs: &Needs<'_>) -> bool {
    let name = OsStr::from_bytes(base_name(path.as_bytes()));
    if !needs.aliases.iter().any(|alias| alias == name) {
        return false;
    }
    let Some(named) = Path::new(path).parent() else {
        return false;
    };
    if named == needs.dir {
        return true;
    }
    // Resolve the path relative to the process's own root or working directory.
    let dir = if named.is_absolute() {
        let mut seen = process.join("root").into_os_string();
        seen.push(named);
        PathBuf::from(seen)
    } else {
        process.join("cwd").join(named)
    };
    match fs::metadata(dir) {
        Ok(meta) => needs.is_dir(&meta),
        Err(err) if err.kind() == io::ErrorKind::PermissionDenied => {
            may_be_dir(process, named, needs)
        }
        Err(_) => false,
    }
}

/// Whether `named`, in the arguments of a process whose directories may not be followed, may be the
/// compilers' directory. Waiting needlessly is better than removing an alias in use.
fn may_be_dir(process: &Path, named: &Path, needs: &Needs<'_>) -> bool {
    let here = named.is_absolute() && in_our_pid_namespace(process);
    // Compiles in other trees are common where users share a machine, and may go on for hours.
    !here || fs::metadata(named).map_or(true, |meta| needs.is_dir(&meta))
}

/// False for the processes of a container, which has directories of its own. Everybody may read this.
fn in_our_pid_namespace(process: &Path) -> bool {
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    // One number for each namespace, from that of `/proc` inwards.
    let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    pids.is_some_and(|pids| pids.split_whitespace().count() == 1)
}
