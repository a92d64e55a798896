//! `rock-wrap run` is interrupted, terminated or killed at random moments of a wheel's build.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use wait_timeout::ChildExt as _;

use super::project::{Project, Session, Site};
use super::report;
use crate::support::compilers::{clangs, full};
use crate::support::launchers::{self, Cache};
use crate::support::manifest::Manifest;
use crate::support::rocm::ran;

const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL];

const ATTACHMENTS: [&str; 2] = ["in-place", "shadow"];

/// The variable that marks the processes of a build. Its value differs from build to build.
const MARK: &str = "ROCK_WRAP_TEST_BUILD";

/// How long rock-wrap may take to clean up, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long after the start the signal is sent: in even rounds while rock-wrap itself starts, in odd rounds at some
/// point of the build. The same in each run of the test.
fn moment(round: u32) -> Duration {
    let random = BuildHasherDefault::<DefaultHasher>::default().hash_one(round);
    let range = if round.is_multiple_of(2) {
        400_000
    } else {
        5_000_000
    };
    Duration::from_micros(random % range)
}

/// The command lines of the processes that have the mark.
fn processes(mark: &str) -> BTreeSet<String> {
    let entry = format!("{MARK}={mark}");
    let has_mark = |dir: &std::path::Path| {
        let environ = std::fs::read(dir.join("environ")).unwrap_or_default();
        environ
            .split(|byte| *byte == 0)
            .any(|text| text == entry.as_bytes())
    };
    let dirs = std::path::Path::new("/proc").read_dir().unwrap();
    let dirs = dirs.map(|dir| dir.unwrap().path());
    dirs.filter(|dir| has_mark(dir))
        .map(|dir| {
            let line = std::fs::read(dir.join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            format!("{} {line}", dir.display())
        })
        .collect()
}

/// Waits until no process has the mark.
#[track_caller]
fn wait_for_the_last_one(mark: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = processes(mark);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "still running: {left:#?}");
        sleep(Duration::from_millis(10));
    }
}

/// Starts the build and sends the signal after `moment`. Returns whether the signal ended the build.
fn strike(mut build: Command, signal: Signal, moment: Duration) -> bool {
    let build = build.stdin(Stdio::null()).stdout(Stdio::null());
    let mut child: Child = build.stderr(Stdio::null()).spawn().unwrap();
    let mut status = child.wait_timeout(moment).unwrap();
    if status.is_none() {
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        status = child.wait_timeout(PATIENCE).unwrap();
    }
    // An interrupted pip exits with a status of its own, so every failure counts.
    !status.expect("rock-wrap must end").success()
}

#[test]
fn a_build_that_is_stopped_at_any_moment_leaves_nothing_behind() {
    let rounds = if full() { 50 } else { 6 };
    // One compiler is enough: rock-wrap is what is killed.
    let Some(clang) = clangs(&[15]).into_iter().next() else {
        return;
    };
    let site = Site::new(Project::Setuptools, clang);
    let before = Manifest::of(&site.rocm.root);
    let start = Instant::now();
    let mut struck = [0; SIGNALS.len()];
    for round in 0..rounds {
        let which = round as usize % SIGNALS.len();
        let attach = ATTACHMENTS[round as usize / SIGNALS.len() % ATTACHMENTS.len()];
        // An empty cache, so that there is something to compile.
        let cache = Cache::new(&launchers::ccache());
        let session = Session {
            cache: &cache,
            attach,
            per_arch: "never",
        };
        site.clean();
        let mark = format!("{}-{round}", std::process::id());
        let mut build = site.pip(Some(&session));
        build.env(MARK, &mark);
        if strike(build, SIGNALS[which], moment(round)) {
            struck[which] += 1;
        }
        wait_for_the_last_one(&mark);
        before.assert_same(&Manifest::of(&site.rocm.root), "the tree");

        let compile = site.compile(&session);
        ran({ compile }.env(MARK, &mark)).ok();
        before.assert_same(&Manifest::of(&site.rocm.root), "the tree");
        wait_for_the_last_one(&mark);
    }
    assert!(struck.iter().all(|count| *count > 0), "{struck:?}");
    report!(
        "{rounds} builds, {struck:?} of them struck by {SIGNALS:?}, in {:.0} s",
        start.elapsed().as_secs_f64()
    );
}
