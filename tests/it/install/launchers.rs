//! Which launchers an install accepts, and what it reports about them.

use super::{is_shim, launcher_of, text};
use crate::support::launchers::{ccache, sccache};
use crate::support::rocm::{Rocm, assert_has, ran, script, sh};
use crate::support::tree::Layout;
use std::ffi::OsStr;
use std::os::unix::fs::symlink;
use std::path::Path;

#[test]
fn a_hipcc_that_knows_the_variable_is_distinguished_from_one_that_does_not() {
    let rocm = Rocm::small();
    let silent = rocm.install(["--dry-run"]).ok();
    assert!(!silent.out.contains("hipcc"), "there is no hipcc");
    for (file, body) in [
        ("bin/hipcc", "exec ${HIP_CLANG_LAUNCHER} clang++ \"$@\""),
        ("bin/hipcc.bin", ": HIP_CLANG_LAUNCHER"),
    ] {
        let rocm = Rocm::small();
        script(&rocm.root.join("bin/hipcc"), "exec hipcc.bin");
        script(&rocm.root.join(file), body);
        let found = rocm.install(["--dry-run"]).ok();
        assert_has(&found.out, &["bin/hipcc obeys HIP_CLANG_LAUNCHER"]);
        let json = rocm.install(["--dry-run", "--json"]).json();
        assert_eq!(json["hipcc_knows_launcher"], true);
    }
    script(&rocm.root.join("bin/hipcc"), "exec clang++ \"$@\"");
    let found = rocm.install(["--dry-run"]).ok();
    assert_has(&found.out, &["bin/hipcc does not know HIP_CLANG_LAUNCHER"]);
}

#[test]
fn a_launcher_variable_that_hipcc_itself_obeys_gets_a_warning() {
    let rocm = Rocm::small();
    script(&rocm.root.join("bin/hipcc"), "exec $HIP_CLANG_LAUNCHER");
    let mut install = rocm.rock_wrap("install");
    let warned = ran(install.arg("--dry-run").env("HIP_CLANG_LAUNCHER", ccache())).ok();
    assert_has(&warned.err, &["rock-wrap: warning:", "HIP_CLANG_LAUNCHER"]);
}

#[test]
fn an_sccache_without_hip_gets_a_warning() {
    let rocm = Rocm::small();
    let old = rocm.wrap(Path::new("/usr/bin/sccache"));
    assert_has(
        &old.err,
        &["rock-wrap: warning: sccache 0.4.0", "no HIP", "0.8"],
    );
    assert!(
        is_shim(&rocm.bin().join("clang++")),
        "refused, not only warned about"
    );
    assert_eq!(rocm.wrap(&sccache()).err, "");
}

#[test]
fn a_launcher_of_another_kind_is_accepted_with_a_warning() {
    let rocm = Rocm::small();
    let launcher = rocm.script("icecc", "exec \"$@\"");
    let ran = rocm.wrap(&launcher);
    assert_has(
        &ran.err,
        &["rock-wrap: warning:", "neither sccache nor ccache"],
    );
    assert_eq!(launcher_of(&rocm, "clang++"), launcher);
}

#[test]
fn a_launcher_is_looked_up_on_path_and_baked_in_with_its_whole_path() {
    let rocm = Rocm::small();
    rocm.install(["--launcher", "ccache"]).ok();
    assert_eq!(launcher_of(&rocm, "clang"), Path::new("/usr/bin/ccache"));
    script(&rocm.beside("here/wrap"), "exec \"$@\"");
    let mut install = rocm.rock_wrap("install");
    ran(install
        .args(["--launcher", "./wrap"])
        .current_dir(rocm.beside("here")))
    .ok();
    let expected = rocm.beside("here/wrap");
    let baked = launcher_of(&rocm, "clang");
    assert!(baked.is_absolute(), "{baked:?}");
    assert_eq!(
        baked.canonicalize().unwrap(),
        expected.canonicalize().unwrap()
    );
}

#[test]
fn a_launcher_that_cannot_do_the_job_is_refused() {
    let rocm = Rocm::small();
    let refused = |launcher: &Path| {
        let args = [OsStr::new("--launcher"), launcher.as_os_str()];
        let message = rocm.untouched(|rocm| rocm.install(args).refused(4));
        assert_has(&message, &[text(launcher)]);
        message
    };
    let missing = refused(&rocm.beside("sccache"));
    assert_has(&missing, &["not found", "hint: ", "--launcher"]);
    assert_has(
        &refused(Path::new("no-such-launcher")),
        &["not found", "hint: "],
    );

    let plain = rocm.beside("plain");
    std::fs::write(&plain, "#!/bin/sh\n").unwrap();
    assert_has(
        &refused(&plain),
        &["not executable", "hint: ", "may execute"],
    );
    assert_has(&refused(&rocm.root), &["not executable"]);

    let broken = rocm.script("broken/ccache", "echo libhiredis is missing >&2; exit 127");
    assert_has(
        &refused(&broken),
        &["--version", "libhiredis is missing", "127"],
    );
    let mute = rocm.script("mute/sccache", "exit 0");
    assert_has(&refused(&mute), &["--version"]);

    let other = Rocm::small();
    other.wrap(&ccache());
    let shim = other.bin().join("clang++");
    assert_has(&refused(&shim), &["is itself a rock-wrap shim", "hint: "]);
    let link = rocm.beside("launcher");
    symlink(&shim, &link).unwrap();
    assert_has(&refused(&link), &["is itself a rock-wrap shim"]);
}

#[test]
fn a_shim_found_as_launcher_on_path_is_refused() {
    let rocm = Rocm::small();
    rocm.wrap(&ccache());
    symlink(rocm.bin().join("clang"), rocm.beside("sccache")).unwrap();
    let mut install = rocm.rock_wrap("install");
    install
        .args(["--launcher", "sccache"])
        .env("PATH", rocm.beside(""));
    let message = rocm.untouched(|_| ran(&mut install).refused(4));
    assert_has(&message, &["is itself a rock-wrap shim"]);
}

#[test]
fn paths_that_ccache_would_misread_are_refused() {
    let mut rocm = Rocm::small();
    rocm.move_to("rocm=7");
    let message = rocm.untouched(|rocm| rocm.install([""; 0]).refused(4));
    assert_has(
        &message,
        &[text(&rocm.bin()), "`=`", "hint: ", "another path"],
    );

    let rocm = Rocm::new(19, Layout::Regular);
    sh(
        r#"cd "$1" && mv clang ccache-clang && ln -s ccache-clang clang"#,
        &[&rocm.bin()],
    );
    let message = rocm.untouched(|rocm| rocm.install([""; 0]).refused(4));
    let real = rocm.bin().join("ccache-clang");
    assert_has(&message, &[text(&real), "begins with `ccache`"]);
}
