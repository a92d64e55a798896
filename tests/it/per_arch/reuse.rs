//! Which parts are compiled again, and which parts must not be taken for each other.

use super::site::{Project, differs, missed};
use super::{in_turn, with_clangs};
use crate::hazards::site::{CCACHE_14, Call, Launcher, SCCACHE_16};

#[test]
fn ccache_finds_the_parts_of_another_list_of_architectures() {
    overlapping(&CCACHE_14);
}

#[test]
fn sccache_finds_the_parts_of_another_list_of_architectures() {
    overlapping(&SCCACHE_16);
}

fn overlapping(launcher: &Launcher) {
    with_clangs(&[19], launcher, |site| {
        let p = site.project();
        let parts = |archs: &[&str]| p.split(&p.hip(archs, &[]));
        let first = parts(&["gfx900", "gfx906", "gfx90a"]);
        assert_eq!(missed(&first).len(), 3);
        assert_eq!(
            missed(&parts(&["gfx900", "gfx906", "gfx90a", "gfx1030"])),
            ["gfx1030"]
        );
        assert_eq!(
            missed(&parts(&["gfx906", "gfx1031", "gfx1030"])),
            ["gfx1031"]
        );
        assert!(missed(&parts(&["gfx906", "gfx900"])).is_empty());
    });
}

#[test]
fn ccache_compiles_the_parts_that_an_edit_changes() {
    edits(&CCACHE_14, 23);
}

#[test]
fn sccache_compiles_the_parts_that_an_edit_changes() {
    edits(&SCCACHE_16, 19);
}

/// The quick form has a compiler for each launcher: one of each offload driver.
fn edits(launcher: &Launcher, quick: u32) {
    const ALL: [&str; 3] = ["gfx900", "gfx906", "gfx90a"];
    with_clangs(&[quick], launcher, |site| {
        let p = site.project();
        // Returns the architectures that are compiled again after an edit that only gfx906 sees.
        let edited = |args: &[&str]| {
            p.edit("gfx906", 1);
            p.split(&p.hip(&ALL, args));
            p.edit("gfx906", 2);
            let parts = p.split(&p.hip(&ALL, args));
            missed(&parts)
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(edited(&["-w"]), ["gfx906"]);
        assert_eq!(edited(&["-w", "-fgpu-rdc"]), ["gfx906"]);
        // If the object or the messages may depend on columns or on the whole file, all are compiled again.
        assert_eq!(edited(&["-w", "-g"]), ALL);
        assert_eq!(edited(&[]), ALL);
    });
}

#[test]
fn ccache_finds_no_part_whose_layout_has_changed() {
    layout(&CCACHE_14);
}

#[test]
fn sccache_finds_no_part_whose_layout_has_changed() {
    layout(&SCCACHE_16);
}

/// Makes edits that the preprocessed text does not show but that change the compiler's result.
fn layout(launcher: &Launcher) {
    with_clangs(&[19], launcher, |site| {
        let p = site.project();
        let change = |what: &str, args: &[&str], before: &str, after: &str| {
            let call = p.hip(&["gfx900", "gfx90a"], args);
            let [old, new] = [before, after].map(|line| {
                p.write("src/k.hip", super::site::unit() + line + "\n");
                let truth = p.truth(&call);
                p.split(&call);
                truth
            });
            assert!(differs(&new, &old).is_some(), "the control: {what}");
        };
        let column = "__attribute__((device)) int c = /**/ __builtin_COLUMN();";
        let line = "__attribute__((device)) void f() { /**/ int unused; }";
        let (other_column, other_line) = (
            column.replace("/**/", "/* */"),
            line.replace("/**/", "/* */"),
        );
        let changes: [(&str, &[&str], &str, &str); 5] = [
            ("a column", &["-w"], column, &other_column),
            // Only the preprocessor sees these two.
            (
                "a comment in a comment",
                &["-Wno-unused"],
                "// a",
                "/* /* */",
            ),
            (
                "a macro",
                &["-Wno-unused", "-Wunused-macros"],
                "// b",
                "#define UNUSED",
            ),
            ("a warning's column", &[], line, &other_line),
            (
                "a comment, with debug information",
                &["-w", "-g"],
                "// 1",
                "// 2",
            ),
        ];
        for (what, args, before, after) in in_turn(site, changes) {
            change(what, args, before, after);
        }
    });
}

#[test]
fn ccache_takes_no_part_for_another() {
    kept_apart(&CCACHE_14);
}

#[test]
fn sccache_takes_no_part_for_another() {
    kept_apart(&SCCACHE_16);
}

/// Makes calls with the same text that must not share parts with an earlier call.
fn kept_apart(launcher: &Launcher) {
    const BOTH: [&str; 2] = ["gfx900", "gfx90a"];
    with_clangs(&[19], launcher, |site| {
        let p = site.project();
        let all = |call: &Call| {
            let parts = p.split(call);
            assert_eq!(
                missed(&parts).len(),
                parts.len(),
                "{:?}: {parts:?}",
                call.args
            );
        };
        all(&p.hip(&BOTH, &[]));
        let calls: [(&[&str], &[&str]); 11] = [
            // Other options.
            (&BOTH, &["-O2"]),
            (&BOTH, &["-DV=1"]),
            (&BOTH, &["-fgpu-rdc"]),
            (&BOTH, &["-mllvm", "-amdgpu-early-inline-all=true"]),
            (&BOTH, &["-w"]),
            // Another id.
            (&BOTH, &["-cuid=y"]),
            (&BOTH, &["-cuid=z"]),
            (&BOTH, &["-fgpu-rdc", "-cuid=x"]),
            // Other features.
            (&["gfx900:xnack-", "gfx90a:xnack-"], &[]),
            (&["gfx900:xnack+", "gfx90a:xnack+"], &[]),
            (&["gfx90a:sramecc+:xnack+", "gfx90a:sramecc-:xnack+"], &[]),
        ];
        for (archs, args) in in_turn(site, calls) {
            all(&p.hip(archs, args));
        }
        all(&p.hip(&BOTH, &["-cuid=x"]));
        let own = p.split(&p.hip(&BOTH, &["-cuid=x", "-Xarch_gfx90a", "-DV=5"]));
        assert_eq!(missed(&own), ["gfx90a"]);
    });
}

#[test]
fn ccache_keeps_parts_apart_from_device_only_calls() {
    device_only(&CCACHE_14);
}

#[test]
fn sccache_keeps_parts_apart_from_device_only_calls() {
    device_only(&SCCACHE_16);
}

fn device_only(launcher: &Launcher) {
    with_clangs(&[19], launcher, |site| {
        for rdc in in_turn(site, [&[][..], &["-fgpu-rdc"]]) {
            // Once with the parts first, once with the device-only calls first.
            for parts_first in [true, false] {
                let p = site.project();
                let split = |p: &Project<'_>| {
                    let parts = p.split(&p.hip(&["gfx900", "gfx90a"], rdc));
                    assert_eq!(missed(&parts).len(), 2);
                };
                if parts_first {
                    split(&p);
                }
                for arch in ["gfx900", "gfx90a"] {
                    for more in [&["--no-gpu-bundle-output"][..], &[]] {
                        let args = [rdc, &["--offload-device-only"], more].concat();
                        let call = p.hip(&[arch], &args);
                        p.right(&call);
                        p.right(&call);
                    }
                }
                if !parts_first {
                    split(&p);
                }
            }
        }
    });
}
