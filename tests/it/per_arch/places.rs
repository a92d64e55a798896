//! Unusual or missing directories for temporary files, no rock-wrap executable, and launchers that must not answer or
//! store: the result of a call is still the bare compiler's.

use std::process::Command;

use super::running::{assert_nothing_left, assert_nothing_left_in};
use super::site::{differs, told};
use super::with_clangs;
use crate::hazards::site::{CCACHE_14, Made, SCCACHE_16};
use crate::support::rocm::sh;

const ARCHS: [&str; 2] = ["gfx900", "gfx90a"];

#[test]
fn a_directory_for_temporary_files_may_have_a_blank_in_its_name() {
    with_clangs(&[19, 23], &CCACHE_14, |site| {
        let p = site.project();
        std::fs::create_dir(p.path("tmp/a b")).unwrap();
        let call = p.hip(&ARCHS, &["-MD"]).env("TMPDIR", p.text("tmp/a b"));
        let done = p.right(&call);
        // With a blank, the words of the commands that the new driver's wrapper prints cannot be told apart.
        assert_eq!(done.parts.is_some(), site.base.clang < 23, "{done:?}");
        assert_nothing_left_in(&p, "tmp/a b");
    });
}

#[test]
fn without_a_directory_for_temporary_files_the_call_ends_as_with_the_bare_compiler() {
    with_clangs(&[19], &CCACHE_14, |site| {
        let p = site.project();
        let call = p.hip(&ARCHS, &["-MD"]).env("TMPDIR", p.text("tmp/none"));
        // clang fails: it cannot make its own temporary files.
        let done = p.right(&call);
        assert_eq!(done.parts, None);
        assert_eq!(done.direct, None);
    });
}

#[test]
fn a_full_disk_for_temporary_files_fails_no_compile() {
    with_clangs(&[19], &CCACHE_14, |site| {
        let p = site.project();
        // The compiler's own files fit into the small file system, two preprocessed texts do not.
        let long = "typedef int name_of_a_type;\n".repeat(30_000);
        p.write("src/k.hip", super::site::unit() + &long);
        let call = p.hip(&ARCHS, &["-MD", "-g0"]);
        let truth = p.truth(&call);
        let (command, events) = p.wrapped(&call);
        let mut full = Command::new("unshare");
        full.args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            SMALL,
            "sh",
        ]);
        full.arg(p.path("tmp"))
            .arg(command.get_program())
            .args(command.get_args());
        full.env_clear().current_dir(p.path("out"));
        full.envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let made = Made::by(&mut full, &call.top);
        assert_eq!(differs(&made, &truth), None);
        assert_eq!(told(&events).0, None, "launched");
    });
}

/// Mounts a small file system at its first argument, and runs its other arguments as a command.
const SMALL: &str = "mount -t tmpfs -o size=1M tmpfs \"$1\" && shift && exec \"$@\"";

#[test]
fn without_the_rock_wrap_executable_compiles_are_whole_and_cached() {
    for launcher in [&CCACHE_14, &SCCACHE_16] {
        with_clangs(&[19], launcher, |site| {
            let own = site.base.dir.path().join("rock-wrap");
            std::fs::copy(env!("CARGO_BIN_EXE_rock-wrap"), &own).unwrap();
            let install =
                "exec \"$1\" install --rocm-path \"$2\" --launcher \"$3\" --per-arch=always";
            sh(
                install,
                &[&own, &site.base.tree.root, &site.base.cache.program],
            );
            std::fs::remove_file(own).unwrap();
            let p = site.project();
            site.base.cache.zero();
            let call = p.hip(&ARCHS, &["-MD"]);
            for _ in 0..2 {
                let done = p.right(&call);
                // Under the new offload driver a link is a call of the shim too.
                let direct = done
                    .direct
                    .filter(|reason| site.base.clang < 23 || reason != "not-a-compile");
                assert_eq!((done.parts, direct), (None, None));
            }
            assert_eq!(
                site.base.cache.asked(),
                crate::support::launchers::Asked::new(1, 1)
            );
            assert_nothing_left(&p);
        });
    }
}

#[test]
fn if_a_launcher_must_not_answer_or_store_no_part_is_looked_up() {
    for (launcher, variables) in [
        (
            &CCACHE_14,
            &["CCACHE_RECACHE", "CCACHE_READONLY", "CCACHE_DISABLE"][..],
        ),
        (&SCCACHE_16, &["SCCACHE_RECACHE"]),
    ] {
        with_clangs(&[19], launcher, |site| {
            for variable in variables {
                let p = site.project();
                p.write("src/k.hip", super::site::unit() + "// " + variable);
                let done = p.right(&p.hip(&ARCHS, &["-w"]).env(variable, "1"));
                assert_eq!(done.parts, None, "{variable}");
                assert_nothing_left(&p);
            }
        });
    }
}
