//! A wrapped tree that is passed between stages of a container image, or between jobs, as in
//! `examples/docker/Dockerfile`.

use std::ffi::OsStr;
use std::process::Command;

use serde_json::Value;

use crate::support::compilers::full;
use crate::support::golden::source;
use crate::support::launchers::{ccache, find};
use crate::support::manifest::Manifest;
use crate::support::rocm::{Rocm, ran, scratch, sh};
use crate::support::tree::Layout;

/// The hits and misses of all compiles so far.
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
    assert_eq!(counted(&rocm), (0, 0), "the compile must not use the cache");
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

/// Builds `examples/docker/Dockerfile` twice with one cache, copies the report of each build, and compares the
/// restored compilers with the originals. The base image is a Debian root file system with a tree in it.
const IMAGE: &str = r#"
    set -euo pipefail
    . "$1/scripts/lib.sh"
    . "$1/scripts/suites.sh"
    cd "$2"
    "$1/scripts/rocm-tree.sh" --clang 19 --copy-libs --no-check rocm
    mirror=$(debian_mirror /etc/apt)
    mmdebstrap --quiet --mode=root --variant=minbase bookworm base.tar "${mirror##* }" --include="ca-certificates \
        g++ libclang-cpp19 libclang-rt-19-dev libllvm19 perl python3-dev python3-setuptools python3-wheel"
    mkdir program tmp
    cp "$3" program/
    cp -rL "$1/examples/wheel-setuptools" project
    export TMPDIR=$2/tmp
    image() { buildah --storage-driver overlay --root "$PWD/images" --runroot "$PWD/run" "$@"; }
    base=$(image from scratch)
    image add -q "$base" base.tar /
    image copy -q "$base" rocm /opt/rocm
    image commit -q "$base" localhost/base
    for build in 1 2; do
        image bud --isolation chroot --build-context rock-wrap=program --build-arg BASE=localhost/base \
            -f "$1/examples/docker/Dockerfile" --target restored -t localhost/restored project
        built=$(image from localhost/restored)
        top=$(image mount "$built")
        cp "$top/dist/report.json" "report$build.json"
        diff -r --no-dereference rocm/lib/llvm/bin "$top/opt/rocm/lib/llvm/bin"
        image rm "$built"
    done
"#;

#[test]
fn the_dockerfile_is_built_twice_and_hits() {
    let tools = [
        ("buildah", "/usr/bin/buildah"),
        ("mmdebstrap", "/usr/bin/mmdebstrap"),
    ];
    if !full() || tools.iter().any(|(name, path)| find(name, path).is_none()) {
        return;
    }
    let dir = scratch();
    // Mounts that buildah leaves behind disappear with this mount namespace.
    let mut bash = Command::new("unshare");
    bash.args(["--mount", "bash", "-c", IMAGE, "bash"])
        .arg(source(""))
        .arg(dir.path());
    ran(bash.arg(env!("CARGO_BIN_EXE_rock-wrap"))).ok();
    let counted = |build: &str| {
        let text = std::fs::read_to_string(dir.path().join(build)).unwrap();
        let report: Value = serde_json::from_str(&text).unwrap();
        ["hits", "misses", "errors"].map(|name| report["cache"][name].as_u64().unwrap())
    };
    assert_eq!(counted("report1.json"), [0, 12, 0]);
    assert_eq!(counted("report2.json"), [12, 0, 0]);
}
