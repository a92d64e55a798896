//! Calls that end early leave no process and no file behind, and lose no token.

use std::fs::{File, FileTimes};
use std::io::{PipeReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus};
use std::time::{Duration, SystemTime};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use rustix::io::FdFlags;

use super::hold::{Hold, JobServer, both_ends, with_waiting_linker};
use super::running::{assert_nothing_left, start};
use super::site::{Project, Site, missed};
use super::with_clangs;
use crate::hazards::site::{CCACHE_14, Call, Launcher, Made, SCCACHE_16};

const ARCHS: [&str; 3] = ["gfx900", "gfx906", "gfx90a"];

/// A call whose parts wait, and a pipe that ends when all its processes have ended.
struct Stopped {
    child: Child,
    hold: Hold,
    alive: PipeReader,
}

impl Stopped {
    /// Starts the call and waits until two of its parts run.
    fn at_its_parts(p: &Project<'_>, call: &Call) -> Self {
        let mut hold = Hold::new(p);
        let (mut command, _) = p.wrapped(&hold.call(call));
        let (alive, inherited) = std::io::pipe().unwrap();
        // All processes of the call inherit the pipe, and none of another test.
        let pass_on = move || Ok(rustix::io::fcntl_setfd(&inherited, FdFlags::empty())?);
        // SAFETY: the closure only makes a system call, fcntl(2).
        unsafe { command.pre_exec(pass_on) };
        let child = start(command, &p.path("messages"));
        hold.wait();
        hold.wait();
        Self { child, hold, alive }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Waits for the end of the call and of all processes that it started.
    fn end(mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        self.alive.read_to_end(&mut Vec::new()).unwrap();
        status
    }
}

/// Starts a call, ends it with `end` while its parts wait, and checks that no token is lost and no object is made.
fn ended(p: &Project<'_>, end: impl Fn(&Stopped)) -> ExitStatus {
    let server = JobServer::new(p, 2);
    let call = server.call(&p.hip(&ARCHS, &[]));
    let stopped = Stopped::at_its_parts(p, &call);
    end(&stopped);
    let go = stopped.hold.path("go");
    let status = stopped.end();
    // Linkers that sccache's server started do not belong to the call and still wait. This releases them.
    drop(both_ends(&go));
    assert_eq!(server.lost(), 0, "tokens are lost");
    assert!(!p.path("out/k.o").exists());
    status
}

fn held(launcher: &Launcher, test: impl Fn(&Site)) {
    with_clangs(&[19], launcher, |site| {
        with_waiting_linker(site);
        test(site);
    });
}

#[test]
fn an_interrupt_to_the_group_leaves_nothing() {
    held(&CCACHE_14, |site| {
        let p = site.project();
        let status = ended(&p, |call| killpg(call.pid(), Signal::SIGINT).unwrap());
        assert_eq!(status.signal(), Some(Signal::SIGINT as i32));
        assert_nothing_left(&p);
    });
}

#[test]
fn sigterm_to_the_call_leaves_nothing() {
    held(&CCACHE_14, |site| {
        let p = site.project();
        let status = ended(&p, |call| kill(call.pid(), Signal::SIGTERM).unwrap());
        assert_eq!(status.signal(), Some(Signal::SIGTERM as i32));
        assert_nothing_left(&p);
    });
}

#[test]
fn sigkill_to_the_call_leaves_only_a_directory_that_a_later_call_removes() {
    held(&CCACHE_14, |site| {
        let p = site.project();
        let status = ended(&p, |call| kill(call.pid(), Signal::SIGKILL).unwrap());
        assert_eq!(status.signal(), Some(Signal::SIGKILL as i32));
        // Files that ccache itself left do not matter.
        assert_eq!(directories(&p).len(), 1);
        p.edit("gfx900", 9);
        p.split(&p.hip(&ARCHS, &[]));
        assert_eq!(
            directories(&p).len(),
            1,
            "a young directory may still be needed"
        );
        grow_old(&p);
        p.edit("gfx900", 10);
        p.split(&p.hip(&ARCHS, &[]));
        assert!(directories(&p).is_empty());
    });
}

#[test]
fn a_call_under_sccache_that_is_ended_leaves_nothing() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        held(&SCCACHE_16, |site| {
            let p = site.project();
            let status = ended(&p, |call| killpg(call.pid(), signal).unwrap());
            assert_eq!(status.signal(), Some(signal as i32));
            assert_nothing_left(&p);
        });
    }
}

#[test]
fn an_old_directory_that_is_in_use_is_not_removed() {
    held(&CCACHE_14, |site| {
        let p = site.project();
        let stopped = Stopped::at_its_parts(&p, &p.hip(&ARCHS, &[]));
        grow_old(&p);
        let other = site.project();
        let call = other.hip(&ARCHS, &[]).env("TMPDIR", p.text("tmp"));
        other.split(&call);
        assert_eq!(directories(&p).len(), 1);
        let _go = stopped.hold.go();
        assert!(stopped.end().success());
        assert_nothing_left(&p);
    });
}

#[test]
fn parts_whose_source_changes_during_the_compile_are_not_stored_by_ccache() {
    changed(&CCACHE_14);
}

#[test]
fn parts_whose_source_changes_during_the_compile_are_not_stored_by_sccache() {
    changed(&SCCACHE_16);
}

fn changed(launcher: &Launcher) {
    held(launcher, |site| {
        let p = site.project();
        let call = p.hip(&ARCHS, &[]);
        let stopped = Stopped::at_its_parts(&p, &call);
        p.edit("gfx900", 9);
        let after = p.truth(&call);
        let _go = stopped.hold.go();
        assert!(stopped.end().success());
        let object = std::fs::read(p.path("out/k.o")).unwrap();
        assert!(object == after.file("k.o"), "made from the earlier source");
        assert_nothing_left(&p);
        // The source is again what it was when the parts began, and still all of them miss.
        p.edit("gfx900", 1);
        assert_eq!(missed(&p.split(&call)), ARCHS);
    });
}

#[test]
fn a_tree_that_is_restored_while_parts_run_still_gives_the_object() {
    held(&CCACHE_14, |site| {
        let p = site.project();
        let call = p.hip(&ARCHS, &[]);
        // After the restore there is no shim that adds an id, so the object may be either of these.
        let own = Made::by(&mut call.bare(&site.base), &call.top);
        let with_id = p.truth(&call);
        let stopped = Stopped::at_its_parts(&p, &call);
        let tree = &site.base.tree;
        let restored = std::thread::scope(|scope| {
            // The restore may wait for the call to end.
            let restore = scope.spawn(|| tree.restore());
            let _go = stopped.hold.go();
            assert!(stopped.end().success());
            restore.join()
        });
        restored.unwrap();
        let object = std::fs::read(p.path("out/k.o")).unwrap();
        assert!(
            [own, with_id]
                .iter()
                .any(|truth| truth.file("k.o") == object)
        );
        assert_nothing_left(&p);
    });
}

/// The temporary directories of split compiles.
fn directories(p: &Project<'_>) -> Vec<std::path::PathBuf> {
    let entries = p
        .path("tmp")
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let ours = |path: &std::path::PathBuf| path.to_str().unwrap().contains("rock-wrap-parts-");
    entries.filter(ours).collect()
}

/// Makes the directories older than the ten minutes up to which a directory that nobody holds may be needed.
fn grow_old(p: &Project<'_>) {
    let then = SystemTime::now() - Duration::from_secs(601);
    for path in directories(p) {
        let times = FileTimes::new().set_modified(then);
        File::open(path).unwrap().set_times(times).unwrap();
    }
}
