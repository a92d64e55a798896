//! `rock-wrap cache-key`. The table of facts and the keys made from them is in `src/ci/key/tests.rs`.

use std::process::Command;

use super::{in_github, pull_request};
use crate::support::launchers::{ccache, sccache};
use crate::support::rocm::{Rocm, assert_has, ran};

fn key(command: &mut Command, more: &[&str]) -> String {
    let ran = ran(command.arg("--launcher").arg(ccache()).args(more)).ok();
    assert_eq!(ran.err, "");
    let key = ran.out.strip_suffix('\n').unwrap();
    assert!(!key.contains('\n') && key.len() <= 512, "{key}");
    key.to_owned()
}

#[test]
fn the_key_is_the_same_on_two_machines_with_the_same_compiler() {
    let (one, other) = (Rocm::small(), Rocm::small());
    let options = ["--prefix", "torch", "--policy", "ci", "--arch"];
    let with = |rocm: &Rocm, archs| {
        key(
            &mut rocm.rock_wrap("cache-key"),
            &[&options[..], &[archs]].concat(),
        )
    };
    let first = with(&one, "gfx942,gfx90a");
    assert_eq!(first, with(&other, "gfx90a;gfx942"));
    assert_ne!(first, with(&other, "gfx942"));
    assert_has(
        &first,
        &["torch-v1-linux.", "-x86_64-ci-ccache4-gfx90a_gfx942-rocm"],
    );

    let mut sccache_key = one.rock_wrap("cache-key");
    let sccache_key = ran(sccache_key.arg("--launcher").arg(sccache())).ok().out;
    assert_has(&sccache_key, &["-sccache0-"]);
}

#[test]
fn another_compiler_has_another_key_and_the_last_restore_key_matches_both() {
    let (one, other) = (Rocm::small(), Rocm::small());
    // Another version of clang behind the same names.
    std::fs::remove_file(other.bin().join("clang-19")).unwrap();
    std::os::unix::fs::symlink("/usr/lib/llvm-15/bin/clang", other.bin().join("clang-19")).unwrap();
    let one = key(&mut one.rock_wrap("cache-key"), &[]);
    let theirs = key(&mut other.rock_wrap("cache-key"), &[]);
    assert_ne!(one, theirs);
    let mut restore = other.rock_wrap("cache-key");
    restore
        .arg("--launcher")
        .arg(ccache())
        .arg("--restore-keys");
    let keys = ran(&mut restore).ok().out;
    let keys: Vec<_> = keys.lines().collect();
    assert_eq!(keys[0], theirs);
    assert!(!one.starts_with(keys[0]));
    assert!(one.starts_with(keys.last().unwrap()), "{keys:?}");
}

#[test]
fn the_architectures_are_pytorchs_if_none_are_named() {
    let rocm = Rocm::small();
    let mut command = rocm.rock_wrap("cache-key");
    let key = key(command.env("PYTORCH_ROCM_ARCH", "gfx1100;gfx942"), &[]);
    assert_has(&key, &["-gfx1100_gfx942-"]);
}

#[test]
fn a_fork_has_a_key_of_its_own_whatever_policy_is_asked_for() {
    let rocm = Rocm::small();
    let of = |from: &str| {
        let payload = pull_request(from);
        let mut command = in_github(&rocm, "cache-key", "pull_request_target", &payload);
        key(&mut command, &["--policy", "ci"])
    };
    assert_has(&of("ROCm/torch"), &["-x86_64-ci-"]);
    assert_has(&of("somebody/torch"), &["-x86_64-fork-"]);
}

#[test]
fn what_cannot_be_in_a_key_is_refused() {
    let rocm = Rocm::small();
    for (options, code, wrong) in [
        (&["--prefix", "a,b"][..], 4, "a,b"),
        (&["--arch", "gfx942,native"], 4, "native"),
        (&["--arch", "gfx942;942"], 4, "942"),
        (&["--policy", "nobody"], 2, "nobody"),
        (&["--policy", "ci", "--policy", "dev"], 2, "--policy"),
        (&["--wider-arch", "gfx942"], 2, "--restore-keys"),
    ] {
        let mut command = rocm.rock_wrap("cache-key");
        let message = ran(command.arg("--launcher").arg(ccache()).args(options)).refused(code);
        assert_has(&message, &[wrong]);
    }
}
