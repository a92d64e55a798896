//! Waiting for compiles under way before their compiler's other names are removed.
//!
//! Owns: who counts as under way. Must never stop or signal a process.
//!
//! # Limitations
//! Processes of another PID namespace (a container that shares the tree) cannot be seen, and of
//! other users' processes only the command line, unless this is root.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::install::fs::Inode;
use crate::shared::paths::base_name;

/// What must not be in use any more.
#[derive(Clone, Copy, Debug)]
pub struct Needs<'a> {
    /// The compilers' directory as the user named it.
    pub dir: &'a Path,
    /// Its inode: it may be reached by other paths.
    pub dir_id: Inode,
    /// The aliases and stand-ins in it that are to be removed.
    pub aliases: &'a [OsString],
    /// The shims that stood there before the originals came back.
    pub shims: &'a [Inode],
}

/// Something that waits until nobody needs the aliases any more.
pub trait Drain {
    /// Waits, though not for ever and not beyond a signal that `cancel` tells of. How many
    /// processes are left.
    fn wait(&self, needs: &Needs<'_>, cancel: &dyn Fn() -> Option<i32>) -> usize;
}

/// The real thing: looks through `/proc`.
#[derive(Clone, Copy, Debug)]
pub struct ProcDrain {
    /// How long to wait at most.
    pub limit: Duration,
}

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

impl Drain for ProcDrain {
    fn wait(&self, needs: &Needs<'_>, cancel: &dyn Fn() -> Option<i32>) -> usize {
        let start = Instant::now();
        let mut clear_before = false;
        loop {
            let left = users(Path::new("/proc"), needs);
            // Twice: a process that has opened a shim and is about to become it shows neither in
            // its executable nor in its arguments until the kernel has made it so.
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

/// How many processes need what is to go.
fn users(proc: &Path, needs: &Needs<'_>) -> usize {
    let own = std::process::id();
    let Ok(entries) = fs::read_dir(proc) else {
        // Without /proc nothing can be known, and waiting would not change that.
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
    // A process that ended, or one that we may not look at, cannot be told from any other.
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
    let path = Path::new(path);
    let Some(dir) = path.parent() else {
        return false;
    };
    if dir == needs.dir {
        return true;
    }
    // As the process sees it: its own working directory and root.
    let dir = if dir.is_absolute() {
        let mut seen = process.join("root").into_os_string();
        seen.push(dir);
        PathBuf::from(seen)
    } else {
        process.join("cwd").join(dir)
    };
    match fs::metadata(dir) {
        Ok(meta) => meta.dev() == needs.dir_id.dev && meta.ino() == needs.dir_id.ino,
        // Somebody else's process in a place that we cannot look at. Better to wait for one too
        // many.
        Err(err) => err.kind() == io::ErrorKind::PermissionDenied,
    }
}
