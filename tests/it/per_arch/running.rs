//! Calls that run in the background of a test.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
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

/// Whether no temporary file is left.
pub fn nothing_left(p: &Project<'_>) -> bool {
    p.path("tmp").read_dir().unwrap().next().is_none()
}
