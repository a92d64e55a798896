//! Calls that run in the background of a test.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::site::Project;

/// How long a test waits for calls that must end.
const FOR_EVER: Duration = Duration::from_secs(180);

/// Waits until all children have ended with success. Each is in a process group of its own. If they do not end within
/// [`FOR_EVER`], kills the groups and panics.
#[track_caller]
pub fn all_end(children: Vec<Child>) {
    let groups: Vec<_> = children.iter().map(Child::id).collect();
    let (end, ended) = channel();
    let waits: Vec<_> = children
        .into_iter()
        .map(|mut child| {
            let end = end.clone();
            std::thread::spawn(move || end.send(child.wait().unwrap()).unwrap())
        })
        .collect();
    for _ in &waits {
        match ended.recv_timeout(FOR_EVER) {
            Ok(status) => assert!(status.success(), "{status}"),
            Err(_) => {
                for group in groups {
                    let group = Pid::from_raw(group.cast_signed());
                    let _ = killpg(group, Signal::SIGKILL);
                }
                panic!("the calls do not end");
            }
        }
    }
}

/// Starts a command in a process group of its own, with its standard error in the file `messages`.
pub fn start(mut command: Command, messages: &Path) -> Child {
    let messages = File::create(messages).unwrap();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(messages);
    command.process_group(0).spawn().unwrap()
}

/// Requires that no temporary file is left.
#[track_caller]
pub fn assert_nothing_left(p: &Project<'_>) {
    assert_nothing_left_in(p, "tmp");
}

/// Requires that no temporary file is left in a directory of the project, except for what clang itself leaves: clang 15
/// an empty directory for each of its temporary files, and clang 23's linker wrapper its files if a link fails.
#[track_caller]
pub fn assert_nothing_left_in(p: &Project<'_>, dir: &str) {
    let left = p.path(dir).read_dir().unwrap();
    let left = left.map(|entry| entry.unwrap().path());
    let clangs = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_empty = || path.read_dir().is_ok_and(|mut it| it.next().is_none());
        !name.contains("rock-wrap")
            && match p.site.base.clang {
                15 => is_empty(),
                23 => name.contains("-amdgcn-amd-amdhsa-"),
                _ => false,
            }
    };
    let left: Vec<_> = left.filter(|path| !clangs(path)).collect();
    assert!(left.is_empty(), "temporary files are left: {left:?}");
}
