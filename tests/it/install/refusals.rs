//! Bad input gives a clear error and changes nothing.

use super::text;
use crate::support::launchers::ccache;
use crate::support::rocm::{Ran, Rocm, as_nobody, assert_has, ran, rock_wrap, scratch, script, sh};
use crate::support::tree::Layout;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

fn install_at(root: &Path) -> Ran {
    ran(rock_wrap(["install", "--rocm-path"]).arg(root))
}

#[test]
fn a_path_that_does_not_exist_or_is_not_a_directory_is_refused() {
    let dir = scratch();
    let missing = dir.path().join("missing");
    let message = install_at(&missing).refused(4);
    assert_has(
        &message,
        &[text(&missing), "no such directory", "hint: ", "--rocm-path"],
    );
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_has(
        &install_at(&file).refused(4),
        &[text(&file), "not a directory"],
    );
}

#[test]
fn a_directory_without_a_compiler_is_refused() {
    let dir = scratch();
    for sub in ["", "lib/llvm/bin"] {
        std::fs::create_dir_all(dir.path().join(sub)).unwrap();
        let message = install_at(dir.path()).refused(4);
        assert_has(
            &message,
            &[text(dir.path()), "lib/llvm/bin", "clang++", "hint: "],
        );
    }
}

#[test]
fn without_any_tree_the_message_lists_the_places_that_were_searched() {
    let nothing = scratch();
    let mut install = rock_wrap(["install"]);
    install.env("PATH", nothing.path());
    if Path::new("/opt/rocm").exists() {
        eprintln!("SKIPPED: this machine has /opt/rocm, so that a tree is always found");
        return;
    }
    let places = [
        "ROCM_PATH",
        "ROCM_HOME",
        "rocm-sdk",
        "hipconfig",
        "/opt/rocm",
        "hint: ",
    ];
    assert_has(&ran(&mut install).refused(4), &places);
}

/// A copy of rock-wrap where any user can run it.
fn program_for_everybody(rocm: &Rocm) -> PathBuf {
    let program = rocm.beside("rock-wrap");
    let built = Path::new(env!("CARGO_BIN_EXE_rock-wrap"));
    sh(r#"cp "$1" "$2""#, &[built, &program]);
    program
}

#[test]
fn a_compiler_with_a_part_in_a_closed_directory_is_refused_and_the_directory_is_named() {
    let rocm = Rocm::for_everybody(19, Layout::Symlink);
    let program = program_for_everybody(&rocm);
    let closed = rocm.beside("closed");
    let script = r#"mkdir "$2" && mv "$1" "$2/clang" && ln -s "$2/clang" "$1" && chmod 000 "$2""#;
    sh(script, &[&rocm.root.join("lib/llvm/lib/clang"), &closed]);
    let install = rocm.rock_wrap("install");
    let message = rocm.untouched(|_| ran(&mut as_nobody(&install, &program)).refused(4));
    let owner = format!("(owner {}, mode 000)", nix::unistd::geteuid());
    let open = format!("`chmod a+x {}`", closed.display());
    assert_has(
        &message,
        &[
            "Permission denied",
            "hint: ",
            "cannot enter",
            text(&closed),
            &owner,
            &open,
        ],
    );
}

#[test]
fn a_tree_without_the_right_to_write_is_refused_and_the_missing_right_is_named() {
    for layout in [Layout::Symlink, Layout::Regular] {
        let rocm = Rocm::for_everybody(19, layout);
        let program = program_for_everybody(&rocm);
        let bin = rocm.bin();
        std::fs::set_permissions(&bin, std::fs::Permissions::from_mode(0o555)).unwrap();
        let install = rocm.rock_wrap("install");
        let message = rocm.untouched(|_| ran(&mut as_nobody(&install, &program)).refused(1));
        assert_has(
            &message,
            &[
                text(&bin),
                "cannot write",
                "no right to write",
                "hint: ",
                "root",
            ],
        );
        assert_eq!(
            message.matches("cannot write").count(),
            1,
            "not reported exactly once: {message}"
        );

        // A user without the right to write can neither switch nor restore a tree that another user has wrapped.
        std::fs::set_permissions(&bin, std::fs::Permissions::from_mode(0o755)).unwrap();
        rocm.wrap(&ccache());
        let mut switch = rocm.rock_wrap("install");
        switch.args(["--launcher", "/bin/true"]);
        for command in [switch, rocm.rock_wrap("restore")] {
            let message = rocm.untouched(|_| ran(&mut as_nobody(&command, &program)).refused(1));
            assert_has(&message, &[text(&bin), "hint: "]);
        }
        let status = rocm.rock_wrap("status");
        ran(&mut as_nobody(&status, &program)).ok();
    }
}

#[test]
fn a_read_only_file_system_is_named() {
    let rocm = Rocm::small();
    let script = r#"
        mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 99
        exec "$2" install --rocm-path "$1"
    "#;
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]);
    command.arg(&rocm.root).arg(env!("CARGO_BIN_EXE_rock-wrap"));
    let refused = rocm.untouched(|_| ran(&mut command));
    if refused.status.code() == Some(99) || refused.err.starts_with("unshare:") {
        eprintln!("SKIPPED: nothing can be mounted here: {}", refused.err);
        return;
    }
    let message = refused.refused(1);
    assert_has(&message, &[text(&rocm.bin()), "read-only"]);
}

/// Replaces `clang++`, the second name, with an executable of this content.
fn in_place_of_cxx(rocm: &Rocm, content: &[u8]) -> PathBuf {
    let (at, from) = (rocm.bin().join("clang++"), rocm.beside("content"));
    std::fs::write(&from, content).unwrap();
    sh(r#"rm -f "$2" && install -m755 "$1" "$2""#, &[&from, &at]);
    at
}

#[test]
fn a_compiler_that_does_not_run_is_refused() {
    let cc = |source: &str, more: &[&str]| {
        let dir = scratch();
        let program = dir.path().join("program");
        std::fs::write(dir.path().join("a.c"), source).unwrap();
        let mut cc = Command::new("cc");
        cc.arg("-o").arg(&program).arg(dir.path().join("a.c"));
        ran(cc.args(more)).ok();
        std::fs::read(program).unwrap()
    };
    let fails = "#include <stdio.h>\nint main(void) { fputs(\"no good\\n\", stderr); return 3; }";
    let mut needs = cc("int main(void) { return 0; }", &[]);
    // This program needs a library that does not exist.
    let libc = b"libc.so.6";
    let at = needs.windows(9).position(|word| word == libc).unwrap();
    needs[at..at + 9].copy_from_slice(b"libx.so.6");
    for (program, says) in [
        (b"\x7fELF and no more of it".to_vec(), "Exec format error"),
        (b"".to_vec(), "Exec format error"),
        (needs, "libx.so.6"),
        (cc(fails, &[]), "no good"),
        (cc("int main(void) { return 0; }", &[]), "exit status: 0"),
        (
            cc(
                "#include <signal.h>\nint main(void) { return raise(9); }",
                &[],
            ),
            "signal: 9",
        ),
    ] {
        let rocm = Rocm::small();
        let at = in_place_of_cxx(&rocm, &program);
        let message = rocm.untouched(|rocm| rocm.install([""; 0]).refused(4));
        assert_has(&message, &[text(&at), says, "hint: ", "by hand"]);
    }
    // A file that is not executable, a directory, a dangling link, and a link to itself.
    let rocm = Rocm::small();
    let at = rocm.bin().join("clang++");
    let message = |rocm: &Rocm| rocm.untouched(|rocm| rocm.install([""; 0]).refused(4));
    sh(
        r#"rm "$1" && cp /usr/lib/llvm-19/bin/clang "$1" && chmod 644 "$1""#,
        &[&at],
    );
    assert_has(&message(&rocm), &[text(&at), "ermission denied"]);
    sh(r#"rm "$1" && mkdir "$1""#, &[&at]);
    assert_has(&message(&rocm), &[text(&at)]);
    sh(r#"rmdir "$1" && ln -s nowhere "$1""#, &[&at]);
    assert_has(
        &message(&rocm),
        &[text(&at), "neither a file nor a link to one"],
    );
    sh(r#"ln -sfT clang++ "$1""#, &[&at]);
    assert_has(&message(&rocm), &[text(&at)]);
}

#[test]
fn a_foreign_wrapper_is_named_and_refused() {
    let rocm = Rocm::small();
    for (body, launcher) in [
        (
            "exec sccache /opt/rocm/llvm/bin/original/clang++ \"$@\"",
            "sccache",
        ),
        ("exec /usr/bin/ccache clang++ \"$@\"", "ccache"),
    ] {
        script(&rocm.beside("wrapper"), body);
        let at = rocm.bin().join("clang++");
        sh(
            r#"rm "$2" && cp "$1" "$2""#,
            &[&rocm.beside("wrapper"), &at],
        );
        let message = rocm.untouched(|rocm| rocm.install([""; 0]).refused(4));
        let named = format!("already a wrapper for {launcher}\n");
        assert_has(&message, &[text(&at), &named, "hint: ", "remove it"]);
        let status = ran(&mut rocm.rock_wrap("status")).ok().err;
        let named = format!("wrapper for {launcher}; `rock-wrap install` and `run` need");
        assert_has(&status, &["warning: ", text(&at), &named]);
    }
    for target in ["/usr/bin/ccache", "/usr/bin/sccache"] {
        let at = rocm.bin().join("clang++");
        std::fs::remove_file(&at).unwrap();
        symlink(target, &at).unwrap();
        let message = rocm.untouched(|rocm| rocm.install([""; 0]).refused(4));
        let launcher = target.rsplit('/').next().unwrap();
        assert_has(
            &message,
            &[text(&at), &format!("for {launcher}\n"), "hint: "],
        );
    }
}

#[test]
fn any_other_script_is_refused() {
    let rocm = Rocm::small();
    let script = b"#!/bin/sh\nexec /usr/lib/llvm-19/bin/clang++ -O3 \"$@\"\n";
    let at = in_place_of_cxx(&rocm, script);
    let message = rocm.untouched(|rocm| rocm.install([""; 0]).refused(4));
    assert_has(&message, &[text(&at), "script", "hint: ", "--compiler"]);
}

#[test]
fn names_that_are_not_compilers_are_wrong_usage() {
    let rocm = Rocm::small();
    for name in ["gcc", "clang-cl", "", "../gcc", "clang.7625", "clang.9727"] {
        let message = rocm.untouched(|rocm| rocm.install(["--compiler", name]).refused(2));
        assert_has(&message, &["--compiler", &format!("'{name}'")]);
    }
    let message = rocm.untouched(|rocm| rocm.install(["--compiler", "clang-99"]).refused(4));
    assert_has(&message, &["clang-99"]);
}

#[test]
fn a_foreign_file_under_one_of_our_names_is_refused_and_kept() {
    for name in ["clang++.7625", "clang++.9727", ".rockwrap-orig-clang"] {
        let rocm = Rocm::small();
        std::fs::write(rocm.bin().join(name), "precious").unwrap();
        let message = rocm.untouched(|rocm| rocm.install([""; 0]).refused(4));
        assert_has(&message, &[name, text(&rocm.bin()), "in the way"]);
    }
}
