//! What the build sees, and what is reported about it.

use super::{comes_back, run, run_words};
use crate::support::compilers::kinds;
use crate::support::launchers::{ccache, sccache};
use crate::support::rocm::{Rocm, assert_has, ran, scratch};
use crate::support::tree::Layout;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// An sccache server for one test, which is stopped when it is dropped.
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
            // If this process is killed, the server still ends by itself.
            ("SCCACHE_IDLE_TIMEOUT", "120".into()),
        ]
    }

    /// Runs sccache with `option`, without pipes, which its server would hold open.
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
fn a_build_with_ccache_is_wrapped_and_its_hits_and_misses_are_printed() {
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
fn a_build_with_sccache_is_wrapped_and_its_hits_and_misses_are_printed() {
    for (clang, layout) in [(19, Layout::Symlink), (15, Layout::Regular)] {
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
fn cmakes_probes_are_counted_apart_and_are_not_cached() {
    for (launcher, files) in [(ccache(), "ccache"), (sccache(), "sccache")] {
        let rocm = Rocm::new(19, Layout::Symlink);
        let server = Sccache::start(&rocm);
        // For a compiler outside the tree, CMake's ABI probe is counted too.
        let compilers = [(rocm.bin().join("clang++"), 2), ("/usr/bin/g++".into(), 3)];
        for (cxx, probes) in compilers {
            for (hits, misses) in [(0, 1), (1, 0)] {
                let mut build = run(&rocm, CMAKE);
                build
                    .env("HIP_CLANG_LAUNCHER", &launcher)
                    .env("CXX", &cxx)
                    .envs(server.env());
                let ran = comes_back(&rocm, || ran(&mut build).ok());
                // The control: the project's own file is launched, and hits the second time.
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
    let rocm = Rocm::new(19, Layout::Symlink);
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
