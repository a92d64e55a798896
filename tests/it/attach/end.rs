//! How a session detaches, however it ends; and launchers that do not work.

use super::{COMPILE, ONE_HIP_COMPILE, Running, WAIT, eventually, is_wrapped, session, shadows};
use crate::support::launchers::{Cache, ccache, sccache};
use crate::support::manifest::Manifest;
use crate::support::rocm::{Rocm, assert_has, ran};
use crate::support::tree::Layout;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::net::TcpListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;

/// The running processes of a group, without zombies.
fn group(group: Pid) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = processes.filter_map(|it| std::fs::read_to_string(it.path().join("stat")).ok());
    let of_group = stats.filter(|stat| {
        let fields: Vec<_> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        fields[2] == group.to_string() && fields[0] != "Z"
    });
    of_group.collect()
}

fn is_gone(pid: Pid) -> Option<()> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
    (state.is_empty() || state.starts_with('Z')).then_some(())
}

#[test]
fn when_a_session_is_killed_its_guard_ends_the_build_and_detaches() {
    let rocm = Rocm::small();
    let cache = Cache::new(&ccache());
    let before = Manifest::of(&rocm.bin());
    for way in ["in-place", "shadow", "launcher"] {
        let build = "sleep 1000 & echo ready $$; trap 'exit 1' TERM; wait";
        let mut running = Running::start(&mut session(&rocm, &cache, &["--attach", way], build));
        let guard = running.guard();
        kill(running.pid(), Signal::SIGKILL).unwrap();
        assert_eq!(running.child.wait().unwrap().signal(), Some(9));
        eventually("the guard ends", || is_gone(guard));
        assert_eq!(
            group(running.build),
            [] as [String; 0],
            "{way}: the build still runs"
        );
        before.assert_same(&Manifest::of(&rocm.bin()), "the tree");
        assert_eq!(shadows(&rocm).len(), 0, "{way}");
        assert!(
            running.output.next().is_none(),
            "somebody holds the build's output open"
        );
    }
}

#[test]
fn a_killed_session_leaves_the_tree_wrapped_for_other_sessions() {
    let rocm = Rocm::small();
    let cache = Cache::new(&ccache());
    let before = Manifest::of(&rocm.bin());
    let start = || Running::start(&mut session(&rocm, &cache, &["--attach", "in-place"], WAIT));
    let (mut killed, other) = (start(), start());
    let guard = killed.guard();
    kill(killed.pid(), Signal::SIGKILL).unwrap();
    killed.child.wait().unwrap();
    eventually("the guard ends", || is_gone(guard));
    assert!(is_wrapped(&rocm));
    assert!(other.finish().success());
    before.assert_same(&Manifest::of(&rocm.bin()), "the tree");
}

#[test]
fn a_tree_whose_session_was_killed_with_its_guard_is_taken_over_or_restored() {
    let rocm = Rocm::small();
    let cache = Cache::new(&ccache());
    let before = Manifest::of(&rocm.bin());
    let leave_behind = || {
        let mut running =
            Running::start(&mut session(&rocm, &cache, &["--attach", "in-place"], WAIT));
        kill(running.guard(), Signal::SIGKILL).unwrap();
        kill(running.pid(), Signal::SIGKILL).unwrap();
        running.child.wait().unwrap();
        drop(running.input);
        eventually("the build ends", || is_gone(running.build));
        assert!(is_wrapped(&rocm));
    };
    leave_behind();
    ran(&mut session(&rocm, &cache, &[], "true")).ok();
    before.assert_same(&Manifest::of(&rocm.bin()), "the tree");
    leave_behind();
    rocm.restore();
    before.assert_same(&Manifest::of(&rocm.bin()), "the tree");
}

#[test]
fn a_stop_and_a_continue_reach_the_build() {
    let rocm = Rocm::small();
    let cache = Cache::new(&ccache());
    let mut command = session(&rocm, &cache, &[], WAIT);
    // In a process group of its own, as in a shell. The tests' own group may be orphaned, and processes of an
    // orphaned group ignore stop signals from a terminal.
    let running = Running::start(command.process_group(0));
    let state = |pid: Pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit(')').next().unwrap().trim_start().chars().next()
    };
    kill(running.pid(), Signal::SIGTSTP).unwrap();
    for pid in [running.build, running.pid()] {
        eventually("both stop", || (state(pid) == Some('T')).then_some(()));
    }
    kill(running.pid(), Signal::SIGCONT).unwrap();
    eventually("the build goes on", || {
        (state(running.build) != Some('T')).then_some(())
    });
    assert!(running.finish().success());
}

#[test]
fn a_launcher_that_does_not_work_is_reported_before_anything_is_changed() {
    let rocm = Rocm::new(19, Layout::Symlink);
    let cache = Cache::new(&sccache());
    let redis = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("redis://{}", redis.local_addr().unwrap());
    // Nobody listens there from here on.
    drop(redis);
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let number = port.local_addr().unwrap().port().to_string();
    drop(port);
    let broken = |args: &[&str]| {
        let mut command = session(&rocm, &cache, args, COMPILE);
        command
            .env_remove("SCCACHE_SERVER_UDS")
            .env("SCCACHE_SERVER_PORT", &number)
            .env("SCCACHE_REDIS_ENDPOINT", &address);
        command
    };
    let message = rocm.untouched(|_| ran(&mut broken(&[])).refused(4));
    assert_has(
        &message,
        &[
            "cannot start sccache's server",
            "hint: ",
            "--on-launcher-failure direct",
        ],
    );
    assert!(!rocm.beside("k.o").exists());
    let report = rocm.beside("report.json");
    let direct = [
        "--on-launcher-failure",
        "direct",
        "--report",
        report.to_str().unwrap(),
    ];
    let direct = rocm.untouched(|_| ran(&mut broken(&direct)).ok());
    assert_has(
        &direct.err,
        &["without a cache", "cannot start sccache's server"],
    );
    assert!(rocm.beside("k.o").exists());
    let report = std::fs::read_to_string(report).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["session"]["attachment"], "none");
    assert_has(
        report["cache_unknown"].as_str().unwrap(),
        &["cannot start sccache's server"],
    );
    assert!(!direct.err.contains("has not called"), "{}", direct.err);
}

#[test]
fn a_server_with_an_idle_timeout_is_kept_alive_while_the_build_runs() {
    let rocm = Rocm::new(19, Layout::Symlink);
    // The server of this cache has not been started.
    let cache = Cache::new(&sccache());
    let uds = rocm.beside("server").display().to_string();
    let server = |command: &mut Command| {
        command
            .env("SCCACHE_SERVER_UDS", &uds)
            .env("SCCACHE_IDLE_TIMEOUT", "3");
    };
    // The build takes longer than the server's idle timeout.
    let build = format!("{COMPILE}\nsleep 8");
    let mut command = session(&rocm, &cache, &[], &build);
    server(&mut command);
    let ran = ran(&mut command).ok();
    assert_has(&ran.err, &[ONE_HIP_COMPILE]);
    let mut ask = Command::new(&cache.program);
    ask.args(["--show-stats", "--stats-format", "json"])
        .env_clear()
        .envs(cache.env());
    server(&mut ask);
    let stats = crate::support::rocm::ran(&mut ask).ok().json();
    assert_eq!(
        stats["stats"]["cache_misses"]["counts"]["HIP"], 1,
        "the server has ended in between"
    );
}
