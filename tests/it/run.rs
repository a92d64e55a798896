//! `rock-wrap run`: the build's end is ours, and the tree is as before whatever the build's end was.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::support::launchers::Cache;
use crate::support::rocm::{
    Picture, Rocm, assert_has, ccache, kinds, ran, sccache, scratch, script, sh,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rock_wrap::shim_image;

/// `rock-wrap run -- sh -c BUILD`, with ccache and a cache of its own.
fn run(rocm: &Rocm, build: &str) -> Command {
    run_words(rocm, &["sh", "-c", build])
}

/// `rock-wrap run -- COMMAND`, the same.
fn run_words(rocm: &Rocm, command: &[&str]) -> Command {
    let mut run = rocm.rock_wrap("run");
    run.arg("--")
        .args(command)
        // Not the machine's sccache, whose server would outlive the test.
        .env("HIP_CLANG_LAUNCHER", ccache())
        .env("CCACHE_DIR", rocm.beside("ccache"))
        .env("BIN", rocm.bin())
        .current_dir(rocm.beside(""));
    run
}

/// Runs `attempt`, after which the compilers' directory has to be as before.
#[track_caller]
fn comes_back<T>(rocm: &Rocm, attempt: impl FnOnce() -> T) -> T {
    let before = Picture::of(&rocm.bin());
    let result = attempt();
    Picture::of(&rocm.bin()).assert_same(&before);
    result
}

fn is_shim(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| shim_image::read(&bytes).is_some())
}

// --- how it ends -------------------------------------------------------------------------------

#[test]
fn the_exit_status_is_the_builds() {
    let rocm = Rocm::small();
    for status in [0, 1, 3, 255] {
        let ran = comes_back(&rocm, || ran(&mut run(&rocm, &format!("exit {status}"))));
        assert_eq!(ran.status.code(), Some(status), "{ran:?}");
    }
}

#[test]
fn a_build_that_dies_by_a_signal_is_seen_to() {
    let rocm = Rocm::small();
    for signal in [1, 2, 6, 9, 15] {
        let ran = comes_back(&rocm, || {
            ran(&mut run(&rocm, &format!("kill -{signal} $$")))
        });
        assert_eq!(ran.status.signal(), Some(signal), "{ran:?}");
    }
}

#[test]
fn every_layout_comes_back_after_success_and_failure() {
    for (clang, layout) in kinds() {
        let rocm = Rocm::new(clang, layout);
        for status in [0, 3] {
            let build = format!("\"$BIN/clang++\" --version >&2; exit {status}");
            let ran = comes_back(&rocm, || ran(&mut run(&rocm, &build)));
            assert_eq!(ran.status.code(), Some(status), "{ran:?}");
        }
    }
}

#[test]
fn a_command_that_is_not_there_is_told_before_anything_is_touched() {
    let rocm = Rocm::small();
    for command in ["no-such-build", "./no-such-build", "/no/such/build"] {
        let mut run = run_words(&rocm, &[command]);
        let message = rocm.untouched(|_| ran(&mut run).refused(127));
        assert_has(&message, &[command, "not found"]);
    }
    std::fs::write(rocm.beside("build.sh"), "#!/bin/sh\n").unwrap();
    for command in ["./build.sh", "/tmp"] {
        let mut run = run_words(&rocm, &[command]);
        let message = rocm.untouched(|_| ran(&mut run).refused(126));
        assert_has(&message, &[command, "cannot be executed"]);
    }
}

#[test]
fn a_command_that_the_system_refuses_to_start_is_told_and_the_tree_comes_back() {
    let rocm = Rocm::small();
    let broken = rocm.beside("broken");
    sh(
        r#"printf '#!/no/such/shell\n' >"$1" && chmod 755 "$1""#,
        &[&broken],
    );
    let mut run = run_words(&rocm, &["./broken"]);
    let ran = comes_back(&rocm, || ran(&mut run));
    assert_eq!(ran.status.code(), Some(126), "{ran:?}");
    assert_has(&ran.err, &["rock-wrap: error:", "broken", "No such file"]);
}

#[test]
fn an_empty_command_is_wrong_usage() {
    let rocm = Rocm::small();
    let mut run = run_words(&rocm, &[]);
    rocm.untouched(|_| ran(&mut run).refused(2));
}

#[test]
fn a_tree_or_a_launcher_that_is_not_there_is_told_and_the_build_is_not_run() {
    let rocm = Rocm::small();
    let mut build = run(&rocm, "touch built");
    build.env("HIP_CLANG_LAUNCHER", "/no/such/launcher");
    let message = rocm.untouched(|_| ran(&mut build).refused(4));
    assert_has(&message, &["/no/such/launcher", "not found"]);
    let missing =
        crate::support::rocm::rock_wrap(["run", "--rocm-path", "/no/such/tree", "--", "true"])
            .output()
            .unwrap();
    assert_eq!(missing.status.code(), Some(4));
    assert!(!rocm.beside("built").exists());
}

// --- signals that are sent to rock-wrap ---------------------------------------------------------

/// A build that has begun, and said so.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts it, and waits until the build prints `ready`.
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut running = Self { child, lines };
        assert_eq!(running.line(), "ready");
        running
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("a line more").unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }
}

#[test]
fn a_signal_to_rock_wrap_ends_the_build_and_then_rock_wrap() {
    let rocm = Rocm::small();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        comes_back(&rocm, || {
            // What it waits for never comes.
            let mut build = run(&rocm, "echo ready; exec cat");
            let mut running = Running::start(build.stdin(Stdio::piped()));
            let _open = running.stdin();
            assert!(is_shim(&rocm.bin().join("clang++")), "wrapped meanwhile");
            running.signal(signal);
            let status = running.child.wait().unwrap();
            assert_eq!(status.signal(), Some(signal as i32), "{status}");
        });
    }
}

/// Waits, in a shell with a trap, for what never comes. The program that is waited for says `ready`
/// itself: one that is still about to be started would inherit the trap, and lose the signal.
const WAIT: &str = "exec 3<&0; sh -c 'echo ready; exec cat' <&3 & wait";

#[test]
fn a_build_that_handles_the_signal_decides_how_it_ends() {
    let rocm = Rocm::small();
    comes_back(&rocm, || {
        let build = format!("trap 'echo cleaned up; exit 3' TERM; {WAIT}");
        let mut running = Running::start(run(&rocm, &build).stdin(Stdio::piped()));
        let _open = running.stdin();
        running.signal(Signal::SIGTERM);
        assert_eq!(running.line(), "cleaned up");
        assert_eq!(running.child.wait().unwrap().code(), Some(3));
    });
}

#[test]
fn every_process_of_the_build_gets_the_signal() {
    let rocm = Rocm::small();
    comes_back(&rocm, || {
        let build = format!("trap : TERM; (trap 'echo child; exit' TERM; {WAIT}); exit 4");
        let mut running = Running::start(run(&rocm, &build).stdin(Stdio::piped()));
        let _open = running.stdin();
        running.signal(Signal::SIGTERM);
        assert_eq!(running.line(), "child");
        assert_eq!(running.child.wait().unwrap().code(), Some(4));
    });
}

#[test]
fn a_signal_while_the_tree_is_put_back_does_not_keep_it_wrapped() {
    let rocm = Rocm::small();
    comes_back(&rocm, || {
        let mut build = run(&rocm, "echo ready; cat; exit 3");
        build.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Running::start(&mut build);
        let mut notes = BufReader::new(running.child.stderr.take().unwrap()).lines();
        // Somebody else holds the tree when the build ends, so that rock-wrap has to wait.
        let held = File::open(rocm.bin()).unwrap();
        held.lock().unwrap();
        drop(running.stdin());
        let waits = |line: &std::io::Result<String>| line.as_ref().unwrap().contains("waiting");
        assert!(notes.any(|line| waits(&line)));
        running.signal(Signal::SIGINT);
        running.signal(Signal::SIGTERM);
        held.unlock().unwrap();
        for note in notes {
            drop(note.unwrap());
        }
        assert_eq!(running.child.wait().unwrap().code(), Some(3));
    });
}

#[test]
fn a_signal_before_the_build_ends_rock_wrap_and_starts_nothing() {
    let rocm = Rocm::small();
    let held = File::open(rocm.bin()).unwrap();
    held.lock().unwrap();
    let mut build = run(&rocm, "touch built");
    let mut child = build.stderr(Stdio::piped()).spawn().unwrap();
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    assert_has(&notes.next().unwrap().unwrap(), &["waiting"]);
    rocm.untouched(|_| {
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(15));
    });
    assert!(!rocm.beside("built").exists());
}

// --- what the build sees -------------------------------------------------------------------------

/// An sccache server of a test's own, which ends with the test.
struct Sccache<'a> {
    rocm: &'a Rocm,
}

impl<'a> Sccache<'a> {
    fn start(rocm: &'a Rocm) -> Self {
        let server = Self { rocm };
        server.quietly("--start-server");
        server
    }

    fn env(&self) -> [(&'static str, PathBuf); 3] {
        [
            ("SCCACHE_DIR", self.rocm.beside("sccache")),
            ("SCCACHE_SERVER_UDS", self.rocm.beside("socket")),
            // Should this process be killed, the server ends by itself.
            ("SCCACHE_IDLE_TIMEOUT", "120".into()),
        ]
    }

    /// Without pipes, which a server would hold open.
    fn quietly(&self, option: &str) {
        let mut command = Command::new(sccache());
        command.arg(option).envs(self.env());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let _ = command.stderr(Stdio::null()).status();
    }
}

impl Drop for Sccache<'_> {
    fn drop(&mut self) {
        self.quietly("--stop-server");
    }
}

const TWICE: &str = r#"
    printf 'int a;\n' >a.cpp
    for i in 1 2; do "$BIN/clang++" -c a.cpp -o a.o || exit; done
    "$BIN/clang++" --version >/dev/null
"#;

#[test]
fn the_build_is_wrapped_and_what_ccache_counted_is_printed() {
    for (clang, layout) in kinds() {
        let rocm = Rocm::new(clang, layout);
        let ran = comes_back(&rocm, || ran(&mut run(&rocm, TWICE)).ok());
        assert_has(
            &ran.err,
            &[
                "rock-wrap: host           2       1       1       0\n",
                "rock-wrap: direct         1  information 1\n",
            ],
        );
    }
}

#[test]
fn the_build_is_wrapped_and_what_sccache_counted_is_printed() {
    for (clang, layout) in [(19, "symlink"), (15, "regular")] {
        let rocm = Rocm::new(clang, layout);
        let server = Sccache::start(&rocm);
        let mut build = run(&rocm, TWICE);
        build
            .env("HIP_CLANG_LAUNCHER", sccache())
            .envs(server.env());
        let ran = comes_back(&rocm, || ran(&mut build).ok());
        assert_has(
            &ran.err,
            &[
                "rock-wrap: HIP            0       0       0       0\n",
                "rock-wrap: host           2       1       1       0\n",
            ],
        );
    }
}

/// Configures and builds a project of one file, whose configuration compiles two probes.
const CMAKE: &str = r#"
    mkdir -p project && cd project
    cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.20)
project(probing CXX)
include(CheckCXXSourceCompiles)
check_cxx_source_compiles("int main() { return 0; }" COMPILES)
try_compile(FIXED "${CMAKE_BINARY_DIR}/fixed" SOURCES "${CMAKE_SOURCE_DIR}/a.cpp")
if(NOT COMPILES OR NOT FIXED)
  message(FATAL_ERROR "a probe failed")
endif()
add_library(a OBJECT a.cpp)
END
    printf 'int main() { return 0; }\n' >a.cpp
    rm -rf build
    cmake -S . -B build -DCMAKE_CXX_COMPILER="$CXX" >&2 && cmake --build build >&2
"#;

#[test]
fn what_cmake_tries_out_is_counted_apart_and_leaves_nothing_in_the_cache() {
    for (launcher, files) in [(ccache(), "ccache"), (sccache(), "sccache")] {
        let rocm = Rocm::new(19, "symlink");
        let server = Sccache::start(&rocm);
        // Of compilers that are not the tree's, the ABI's probe too is handed on.
        let compilers = [(rocm.bin().join("clang++"), 2), ("/usr/bin/g++".into(), 3)];
        for (cxx, probes) in compilers {
            for (hits, misses) in [(0, 1), (1, 0)] {
                let mut build = run(&rocm, CMAKE);
                build
                    .env("HIP_CLANG_LAUNCHER", &launcher)
                    .env("CXX", &cxx)
                    .envs(server.env());
                let ran = comes_back(&rocm, || ran(&mut build).ok());
                // The control: the project's own file is launched, and found the second time.
                let host = format!("rock-wrap: host           1{hits:8}{misses:8}       0\n");
                let launched = host.replace("host    ", "launched");
                assert!(
                    ran.err.contains(&host) || ran.err.contains(&launched),
                    "{files}: {}",
                    ran.err
                );
                assert_has(&ran.err, &[&format!("configure-probe {probes}")]);
            }
        }
    }
}

#[test]
fn only_what_this_build_did_is_counted() {
    let rocm = Rocm::new(19, "symlink");
    ran(&mut run(&rocm, TWICE)).ok();
    let warm = ran(&mut run(&rocm, TWICE)).ok();
    assert_has(
        &warm.err,
        &["rock-wrap: host           2       2       0       0\n"],
    );
    let idle = ran(&mut run(&rocm, "true")).ok();
    assert_has(&idle.err, &["note: the build has not called the compilers"]);
}

#[test]
fn standard_output_is_the_builds_alone() {
    let rocm = Rocm::small();
    let ran = ran(&mut run(&rocm, "printf 'a\\nb'; echo warning >&2"));
    assert_eq!(ran.out, "a\nb");
    let ours = ran
        .err
        .lines()
        .filter(|line| line.starts_with("rock-wrap: "));
    assert_eq!(ours.count() + 1, ran.err.lines().count(), "{}", ran.err);
}

#[test]
fn standard_input_reaches_the_build() {
    let rocm = Rocm::small();
    let mut build = run(&rocm, "exec cat");
    let mut child = build
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"from outside")
        .unwrap();
    let mut out = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(out, "from outside");
}

#[test]
fn arguments_and_environment_reach_the_build_as_they_are() {
    let rocm = Rocm::small();
    let words = ["printf", "%s|", "a b", "", "$HOME", "*", "--", "-v"];
    let printed = ran(&mut run_words(&rocm, &words)).ok();
    assert_eq!(printed.out, "a b||$HOME|*|--|-v|");
    let mut build = run(&rocm, "echo \"$A\"; pwd");
    let printed = ran(build.env("A", "1 2")).ok();
    let here = rocm.beside("").canonicalize().unwrap();
    assert_eq!(printed.out, format!("1 2\n{}\n", here.display()));
}

#[test]
fn nothing_is_left_in_the_directory_for_temporary_files() {
    let rocm = Rocm::small();
    let tmp = scratch();
    for end in ["exit 0", "exit 1", "kill -9 $$"] {
        let _ = ran(run(&rocm, end).env("TMPDIR", tmp.path()));
        assert_eq!(tmp.path().read_dir().unwrap().count(), 0, "{end}");
    }
}

// --- which launcher -----------------------------------------------------------------------------

/// A launcher that says its name for each compile, and does nothing else.
fn fake_launcher(at: &Path, name: &str) {
    telling_launcher(at, name, Path::new("false"));
}

/// The same, and to any question it has `real` answer.
fn telling_launcher(at: &Path, name: &str, real: &Path) {
    let body = format!(
        "case $1 in -*) exec '{}' \"$@\";; *) echo through {name} >&2; exec \"$@\";; esac",
        real.display()
    );
    script(&at.join(name), &body);
}

const COMPILE: &str = r#"printf 'int a;\n' >a.c; "$BIN/clang" -c a.c -o a.o"#;

#[test]
fn without_a_named_launcher_sccache_comes_before_ccache() {
    let rocm = Rocm::new(19, "symlink");
    let path = rocm.beside("programs");
    std::fs::create_dir(&path).unwrap();
    let with = |name: &str, real: &Path| {
        telling_launcher(&path, name, real);
        let cache = Cache::new(real);
        let mut build = run_unnamed(&rocm, &["/bin/sh", "-c", COMPILE]);
        build.envs(cache.env());
        build.env("PATH", format!("{}:{}", path.display(), bare_path(&rocm)));
        let ran = comes_back(&rocm, || ran(&mut build).ok());
        assert_has(&ran.err, &[&format!("through {name}\n")]);
    };
    with("ccache", &ccache());
    with("sccache", &sccache());
}

/// The same with no launcher named.
fn run_unnamed(rocm: &Rocm, command: &[&str]) -> Command {
    let mut run = run_words(rocm, command);
    run.env_remove("HIP_CLANG_LAUNCHER");
    run
}

/// A PATH with what a shell script needs and no launcher.
fn bare_path(rocm: &Rocm) -> String {
    let dir = rocm.beside("bare");
    std::fs::create_dir_all(&dir).unwrap();
    for program in ["sh", "touch"] {
        let _ = std::os::unix::fs::symlink(Path::new("/bin").join(program), dir.join(program));
    }
    dir.display().to_string()
}

#[test]
fn without_any_launcher_nothing_is_done() {
    let rocm = Rocm::small();
    let mut build = run_unnamed(&rocm, &["sh", "-c", "touch built"]);
    build.env("PATH", bare_path(&rocm));
    let message = rocm.untouched(|_| ran(&mut build).refused(4));
    assert_has(
        &message,
        &["sccache", "ccache", "PATH", "hint: ", "--launcher"],
    );
    assert!(!rocm.beside("built").exists());
}

#[test]
fn the_option_comes_before_the_variable_and_the_variable_before_path() {
    let rocm = Rocm::new(19, "symlink");
    let path = rocm.beside("programs");
    let cache = Cache::new(&sccache());
    telling_launcher(&path, "sccache", &sccache());
    for name in ["by-variable", "by-option"] {
        fake_launcher(&path, name);
    }
    let through = |build: &mut Command, name: &str| {
        build.envs(cache.env());
        build.env("PATH", format!("{}:{}", path.display(), bare_path(&rocm)));
        let ran = comes_back(&rocm, || ran(build).ok());
        assert_has(&ran.err, &[&format!("through {name}\n")]);
        assert_eq!(ran.err.matches("through ").count(), 1, "{}", ran.err);
    };
    let words = ["/bin/sh", "-c", COMPILE];
    let mut build = run_words(&rocm, &words);
    through(
        build.env("HIP_CLANG_LAUNCHER", path.join("by-variable")),
        "by-variable",
    );
    let mut build = run_words(&rocm, &words);
    through(build.env("HIP_CLANG_LAUNCHER", ""), "sccache");

    let mut build = rocm.rock_wrap("run");
    build
        .args(["--launcher", "by-option", "--"])
        .args(words)
        .env("HIP_CLANG_LAUNCHER", path.join("by-variable"))
        .env("BIN", rocm.bin())
        .current_dir(rocm.beside(""));
    through(&mut build, "by-option");
}

#[test]
fn a_tree_that_is_wrapped_already_stays_so_with_its_own_launcher() {
    for layout in ["symlink", "regular"] {
        let rocm = Rocm::new(19, layout);
        let path = rocm.beside("programs");
        fake_launcher(&path, "installed");
        fake_launcher(&path, "chosen");
        rocm.wrap(&path.join("installed"));
        for end in ["", "; exit 3", "; kill -9 $$"] {
            let build = format!("{COMPILE}{end}");
            let mut build = run(&rocm, &build);
            build.env("HIP_CLANG_LAUNCHER", path.join("chosen"));
            let ran = comes_back(&rocm, || ran(&mut build));
            assert_has(
                &ran.err,
                &["wrapped already and stays so", "through chosen\n"],
            );
        }
        std::fs::write(rocm.beside("b.c"), "int b;\n").unwrap();
        let after = ran(rocm.compiler("clang").args(["-c", "b.c"])).ok();
        assert_eq!(after.err, "through installed\n");
        rocm.restore().ok();
    }
}

#[test]
fn an_installation_of_other_names_is_used_as_it_is_or_told() {
    let rocm = Rocm::new(15, "symlink");
    let names = ["--compiler", "clang++-15"].map(std::ffi::OsString::from);
    rocm.install(names).ok();
    comes_back(&rocm, || {
        let ran = ran(&mut run(&rocm, "exit 0")).ok();
        assert_has(&ran.err, &["wrapped already and stays so"]);
    });
    comes_back(&rocm, || {
        let mut other = rocm.rock_wrap("run");
        other.env("HIP_CLANG_LAUNCHER", ccache());
        other.args(["--compiler", "clang", "--", "false"]);
        assert_has(
            &ran(&mut other).refused(4),
            &["clang is not among", "hint: "],
        );
    });
}

// --- at a terminal ------------------------------------------------------------------------------

/// Our end of a terminal whose other end a process has.
struct Terminal(File);

impl Terminal {
    /// Starts `command` as the first process of a terminal of its own, in the foreground.
    fn start(command: &mut Command) -> (Self, Child) {
        let pty = nix::pty::openpty(None, None).unwrap();
        let theirs: OwnedFd = pty.slave;
        // Ours alone: where the process had it too, the terminal would never hang up.
        rustix::io::fcntl_setfd(&pty.master, rustix::io::FdFlags::CLOEXEC).unwrap();
        // bash takes the terminal for its own by standard error.
        command.stderr(Stdio::from(theirs.try_clone().unwrap()));
        command.stdin(Stdio::from(theirs)).stdout(Stdio::piped());
        // SAFETY: both are system calls and nothing else.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                rustix::process::ioctl_tiocsctty(std::io::stdin())?;
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        // The other end is closed here, so that it hangs up with its last process.
        command.stdin(Stdio::null()).stderr(Stdio::null());
        (Self(File::from(pty.master)), child)
    }

    fn press(&mut self, key: u8) {
        self.0.write_all(&[key]).unwrap();
    }
}

const CTRL_C: u8 = 3;
const CTRL_Z: u8 = 26;

#[test]
fn control_c_ends_the_build_and_the_tree_comes_back() {
    let rocm = Rocm::small();
    comes_back(&rocm, || {
        let mut build = run(&rocm, "echo ready; exec cat");
        let (mut terminal, mut child) = Terminal::start(&mut build);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        terminal.press(CTRL_C);
        assert_eq!(child.wait().unwrap().signal(), Some(2));
    });
}

#[test]
fn a_build_can_read_from_the_terminal() {
    let rocm = Rocm::small();
    comes_back(&rocm, || {
        let mut build = run(&rocm, "echo ready; read line; echo \"got $line\"");
        let (mut terminal, mut child) = Terminal::start(&mut build);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        terminal.0.write_all(b"word\n").unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "got word");
        assert!(child.wait().unwrap().success());
    });
}

#[test]
fn control_z_stops_the_build_and_fg_goes_on_with_it() {
    let rocm = Rocm::small();
    comes_back(&rocm, || {
        let build = run(&rocm, "echo ready; read line; echo \"got $line\"; exit 3");
        let mut words = vec![build.get_program().to_owned()];
        words.extend(build.get_args().map(ToOwned::to_owned));
        let mut shell = Command::new("bash");
        shell
            .args([
                "-c",
                r#"set -m; "$@"; echo "stopped $?"; fg >&2; echo "ended $?""#,
                "bash",
            ])
            .args(words)
            .env_clear()
            .envs(
                build
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
        let (mut terminal, mut child) = Terminal::start(&mut shell);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = || lines.next().unwrap().unwrap();
        assert_eq!(line(), "ready");
        terminal.press(CTRL_Z);
        assert_eq!(line(), format!("stopped {}", 128 + Signal::SIGTSTP as i32));
        assert!(
            is_shim(&rocm.bin().join("clang++")),
            "the build is not over"
        );
        terminal.0.write_all(b"word\n").unwrap();
        assert_eq!(line(), "got word");
        assert_eq!(line(), "ended 3");
        assert!(child.wait().unwrap().success());
    });
}
