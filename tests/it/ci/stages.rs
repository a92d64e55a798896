//! A wrapped tree that stages of a container image, or jobs, hand on: what `examples/docker/Dockerfile` does.

use std::ffi::OsStr;

use crate::support::launchers::ccache;
use crate::support::manifest::Manifest;
use crate::support::rocm::{Rocm, ran, sh};
use crate::support::tree::Layout;

/// Hits and misses of the compiles so far.
fn counted(rocm: &Rocm) -> (u64, u64) {
    let stats = sh(
        r#"CCACHE_DIR=$1 "$2" --print-stats"#,
        &[&rocm.beside("ccache"), &ccache()],
    );
    let of = |names: &[&str]| {
        let counters = stats.lines().filter_map(|line| line.split_once('\t'));
        let counters = counters.filter(|(name, _)| names.contains(name));
        counters
            .map(|(_, count)| count.parse::<u64>().unwrap())
            .sum()
    };
    (
        of(&["direct_cache_hit", "preprocessed_cache_hit"]),
        of(&["cache_miss"]),
    )
}

#[test]
fn the_stage_that_builds_installs_again_and_the_last_one_restores() {
    let rocm = Rocm::new(19, Layout::Symlink);
    let source = "void f() {}\n__attribute__((device)) int k = 7;\n";
    std::fs::write(rocm.beside("k.hip"), source).unwrap();
    let before = Manifest::of(&rocm.bin()).without_inodes();
    let compile = || {
        let mut clang = rocm.compiler("clang++");
        clang.args([
            "-x",
            "hip",
            "-nogpuinc",
            "-nogpulib",
            "--offload-arch=gfx942",
        ]);
        ran(clang.args(["-c", "k.hip", "-o", "k.o"])).ok()
    };
    // Stage 1.
    rocm.wrap(&ccache());
    // The next stage sees the same files with other inodes.
    sh(
        r#"cp -a "$1" "$1.layer" && rm -r "$1" && mv "$1.layer" "$1""#,
        &[&rocm.bin()],
    );
    compile();
    assert_eq!(counted(&rocm), (0, 0), "correct, and not cached");
    // Stage 2.
    rocm.install([OsStr::new("--launcher"), ccache().as_os_str()])
        .ok();
    compile();
    compile();
    assert_eq!(counted(&rocm), (1, 1));
    // Stage 3, again with other inodes.
    sh(
        r#"cp -a "$1" "$1.layer" && rm -r "$1" && mv "$1.layer" "$1""#,
        &[&rocm.bin()],
    );
    rocm.restore().ok();
    let after = Manifest::of(&rocm.bin()).without_inodes();
    before.assert_same(&after, "the tree that is handed on");
}
