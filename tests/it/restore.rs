//! `rock-wrap restore`: every tree comes back with its very inodes, and files that are not ours stay.

use crate::support::tree::Layout;
use std::ffi::OsStr;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::compilers::kinds;
use crate::support::launchers::{ccache, sccache};
use crate::support::manifest::Manifest;
use crate::support::rocm::{Rocm, assert_has, ran, rock_wrap, sh};
use rock_wrap::shim_image;

/// Gives the compilers everything that a restore could lose: odd times, modes and owners, extended
/// attributes and, where the file system has them, access lists.
fn adorn(rocm: &Rocm, clang: u32) {
    let script = r#"
        cd "$1"
        for file in clang clang++ "clang-$2"; do
            if [ ! -L "$file" ]; then
                setfattr -n user.origin -v "rocm $file" "$file" || exit
                setfacl -m u:daemon:rx "$file" || exit
                chmod 2755 "$file"
                [ "$(id -u)" != 0 ] || chown 12:34 "$file"
            elif [ "$(id -u)" = 0 ]; then
                chown -h 56:78 "$file"
            fi
            touch -h -d '2011-12-13 14:15:16.171819' "$file"
        done
    "#;
    sh(script, &[&rocm.bin(), Path::new(&clang.to_string())]);
}

#[test]
fn every_file_comes_back_exactly() {
    for (clang, layout) in kinds() {
        let rocm = Rocm::new(clang, layout);
        adorn(&rocm, clang);
        let before = Manifest::of(&rocm.bin());
        rocm.wrap(&ccache());
        let out = rocm.restore().ok().out;
        assert_has(&out, &["  clang: restored\n", "  clang++: restored\n"]);
        before.assert_same(&Manifest::of(&rocm.bin()), "the tree");
        // The restored compiler runs.
        ran(rocm.compiler("clang++").arg("--version")).ok();
    }
}

#[test]
fn restoring_again_changes_nothing_and_says_so() {
    for (clang, layout) in kinds() {
        let rocm = Rocm::new(clang, layout);
        let never = rocm.untouched(|rocm| rocm.restore().ok());
        assert_has(&never.out, &["nothing to do"]);
        rocm.wrap(&ccache());
        rocm.restore().ok();
        let again = rocm.untouched(|rocm| rocm.restore().ok());
        assert_has(&again.out, &["nothing to do"]);
        assert_eq!(again.err, "");
    }
}

#[test]
fn a_dry_run_shows_every_step_and_takes_none() {
    for (clang, layout) in kinds() {
        let rocm = Rocm::new(clang, layout);
        let dry = |rocm: &Rocm| ran(rocm.rock_wrap("restore").arg("--dry-run")).ok().out;
        assert_has(
            &rocm.untouched(dry),
            &["would do", "nothing: it is not wrapped"],
        );
        rocm.wrap(&ccache());
        let out = rocm.untouched(dry);
        assert_has(
            &out,
            &["would do in ", "clang++", "clang.7625", "clang++.9727"],
        );
        let mut json = rocm.rock_wrap("restore");
        let json = rocm.untouched(|_| ran(json.args(["--dry-run", "--json"])).json());
        let steps = json["plan"]["steps"].as_array().expect("steps").len();
        assert_eq!(steps, out.lines().count() - 1, "one line per step: {out}");
    }
}

#[test]
fn json_says_what_was_done_with_each_name() {
    let rocm = Rocm::small();
    rocm.wrap(&ccache());
    let json = ran(rocm.rock_wrap("restore").arg("--json")).json();
    assert_eq!(json["bin"], rocm.bin().to_str().unwrap());
    let names = json["names"].as_array().unwrap();
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|name| name["did"] == "restored"), "{json}");
    assert_eq!(json["in_use"], 0);
    let json = ran(rocm.rock_wrap("restore").arg("--json")).json();
    assert_eq!(json["names"].as_array().unwrap().len(), 0);
}

#[test]
fn a_compiler_that_replaced_our_shim_is_kept() {
    for (clang, layout) in kinds() {
        for new in ["a link", "a file"] {
            let rocm = Rocm::new(clang, layout);
            rocm.wrap(&ccache());
            let at = rocm.bin().join("clang++");
            std::fs::remove_file(&at).unwrap();
            if new == "a link" {
                symlink("/usr/lib/llvm-19/bin/clang++", &at).unwrap();
            } else {
                sh(r#"cp /usr/lib/llvm-19/bin/clang "$1""#, &[&at]);
            }
            let newer = Manifest::of(&at);
            let restored = rocm.restore().ok();
            assert_has(
                &restored.err,
                &["rock-wrap: warning: clang++: not our shim any more"],
            );
            assert_has(&restored.out, &["  clang: restored\n"]);
            newer.assert_same(&Manifest::of(&at), "the tree");
            let version = ran(rocm.compiler("clang++").arg("--version")).ok().out;
            assert_has(&version, &["clang version 19"]);
            let version = ran(rocm.compiler("clang").arg("--version")).ok().out;
            assert_has(&version, &[&format!("clang version {clang}")]);
            assert_nothing_of_ours(&rocm);
        }
    }
}

#[test]
fn if_both_names_were_replaced_none_of_our_files_is_left() {
    for (clang, layout) in kinds() {
        let rocm = Rocm::new(clang, layout);
        rocm.wrap(&ccache());
        // As a package manager does it: a new file, renamed over the name.
        for name in ["clang", "clang++"] {
            let script = r#"cp /usr/lib/llvm-19/bin/clang "$1.new" && mv "$1.new" "$1""#;
            sh(script, &[&rocm.bin().join(name)]);
        }
        let newer = ["clang", "clang++"].map(|name| Manifest::of(&rocm.bin().join(name)));
        let restored = rocm.restore().ok();
        assert_eq!(restored.err.matches("not our shim any more").count(), 2);
        for (name, newer) in ["clang", "clang++"].iter().zip(newer) {
            newer.assert_same(&Manifest::of(&rocm.bin().join(name)), "the tree");
        }
        assert_nothing_of_ours(&rocm);
    }
}

#[test]
fn a_name_that_was_removed_gets_its_original_back() {
    for (clang, layout) in kinds() {
        let rocm = Rocm::new(clang, layout);
        let before = Manifest::of(&rocm.bin());
        rocm.wrap(&ccache());
        std::fs::remove_file(rocm.bin().join("clang++")).unwrap();
        let restored = rocm.restore().ok();
        assert_has(
            &restored.out,
            &["  clang++: it was gone; its original is back\n"],
        );
        before.assert_same(&Manifest::of(&rocm.bin()), "the tree");
    }
}

#[test]
fn an_original_that_was_removed_is_made_anew_or_reported_as_gone() {
    let rocm = Rocm::new(15, Layout::Symlink);
    rocm.wrap(&ccache());
    std::fs::remove_file(rocm.bin().join(".rockwrap-orig-clang++")).unwrap();
    let restored = rocm.restore().ok();
    assert_has(
        &restored.out,
        &["clang++: its original was gone; made anew"],
    );
    assert_eq!(
        rocm.bin().join("clang++").read_link().unwrap(),
        Path::new("clang")
    );
    ran(rocm.compiler("clang++").arg("--version")).ok();
    assert_nothing_of_ours(&rocm);

    let rocm = Rocm::new(15, Layout::HardLink);
    rocm.wrap(&ccache());
    std::fs::remove_file(rocm.bin().join("clang++.7625")).unwrap();
    let restored = rocm.restore();
    assert_eq!(restored.status.code(), Some(5), "{restored:?}");
    assert_has(
        &restored.err,
        &["warning: clang++: its original is gone", "reinstall"],
    );
    assert_has(&restored.out, &["clang: restored"]);
}

#[test]
fn switching_launchers_in_between_makes_no_difference() {
    for (clang, layout) in kinds() {
        let rocm = Rocm::new(clang, layout);
        adorn(&rocm, clang);
        let before = Manifest::of(&rocm.bin());
        rocm.wrap(&ccache());
        rocm.wrap(&sccache());
        rocm.install(["--strict"]).ok();
        rocm.restore().ok();
        before.assert_same(&Manifest::of(&rocm.bin()), "the tree");
    }
}

#[test]
fn a_tree_that_was_moved_while_wrapped_works_and_comes_back() {
    for (clang, layout) in kinds() {
        let mut rocm = Rocm::new(clang, layout);
        let inside = |rocm: &Rocm| {
            // Relative paths: the absolute ones differ after the move, and nothing else does.
            let script =
                r#"cd "$1" && find . -printf '%P %i %n %m %u %g %T@ %l\n' | grep . | sort"#;
            let all = sh(script, &[&rocm.bin()]);
            // Leaves out the directory's own line, which has no name.
            all.lines()
                .filter(|line| !line.starts_with(' '))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let before = inside(&rocm);
        rocm.wrap(&ccache());
        rocm.move_to("moved");
        std::fs::write(rocm.beside("a.cpp"), "int main() {}\n").unwrap();
        ran(rocm.compiler("clang++").args(["-c", "a.cpp"])).ok();
        ran(rocm.compiler("clang++").args(["a.o", "-o", "a"])).ok();
        rocm.restore().ok();
        assert_eq!(inside(&rocm), before, "{clang} {layout}");
    }
}

#[test]
fn a_copy_of_a_wrapped_tree_can_be_restored_on_its_own() {
    for layout in Layout::ALL {
        let rocm = Rocm::new(15, layout);
        rocm.wrap(&ccache());
        let copy = rocm.beside("copy");
        sh(r#"cp -a "$1" "$2""#, &[&rocm.root, &copy]);
        rocm.untouched(|_| ran(rock_wrap(["restore", "--rocm-path"]).arg(&copy)).ok());
        let mut clang = std::process::Command::new(copy.join("lib/llvm/bin/clang++"));
        assert_has(&ran(clang.arg("--version")).ok().out, &["clang version 15"]);
        rocm.restore().ok();
        ran(rocm.compiler("clang++").arg("--version")).ok();
    }
}

#[test]
fn every_wrapped_name_comes_back_without_being_named_again() {
    for (clang, layout) in kinds() {
        let rocm = Rocm::new(clang, layout);
        let names = ["clang++-15", "clang", "clang++"];
        // The tree of Debian 12's hipcc has this name already.
        if !rocm.bin().join(names[0]).is_symlink() {
            symlink("clang++", rocm.bin().join(names[0])).unwrap();
        }
        let before = Manifest::of(&rocm.bin());
        rocm.install(names.iter().flat_map(|name| ["--compiler", name]))
            .ok();
        let out = rocm.restore().ok().out;
        for name in names {
            assert_has(&out, &[&format!("  {name}: restored\n")]);
        }
        before.assert_same(&Manifest::of(&rocm.bin()), "the tree");
    }
}

#[test]
fn a_tree_is_restored_without_its_record() {
    for (clang, layout) in kinds() {
        for record in ["", "{\"torn", "rm"] {
            let rocm = Rocm::new(clang, layout);
            let before = Manifest::of(&rocm.bin());
            rocm.wrap(&ccache());
            let at = rocm.bin().join(".rockwrap-journal");
            if record == "rm" {
                std::fs::remove_file(&at).unwrap();
            } else {
                std::fs::write(&at, record).unwrap();
            }
            rocm.restore().ok();
            before.assert_same(&Manifest::of(&rocm.bin()), "the tree");
        }
    }
}

#[test]
fn a_launcher_that_is_gone_does_not_keep_a_tree_from_being_restored() {
    let rocm = Rocm::small();
    let before = Manifest::of(&rocm.bin());
    let launcher = rocm.script("launcher", "exec \"$@\"");
    rocm.install([
        OsStr::new("--strict"),
        "--launcher".as_ref(),
        launcher.as_ref(),
    ])
    .ok();
    std::fs::remove_file(launcher).unwrap();
    rocm.restore().ok();
    before.assert_same(&Manifest::of(&rocm.bin()), "the tree");
}

#[test]
fn a_restore_waits_for_a_compile_that_still_needs_the_alias() {
    use std::io::{BufRead, BufReader, Write};
    use std::process::Stdio;
    // The launcher of this compile waits for a line of input before it calls the compiler by its alias.
    let rocm = Rocm::new(19, Layout::Regular);
    let before = Manifest::of(&rocm.bin());
    let launcher = rocm.script("launcher", "echo ready; read go; exec \"$@\"");
    rocm.wrap(&launcher);
    std::fs::write(rocm.beside("a.cpp"), "int a;\n").unwrap();
    let mut compile = rocm.compiler("clang++");
    compile
        .args(["-c", "a.cpp", "-o", "a.o"])
        .stdin(Stdio::piped());
    let mut compile = compile.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(compile.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");

    let mut restore = rocm
        .rock_wrap("restore")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The originals are back before the wait.
    let is_shim = || {
        let bytes = std::fs::read(rocm.bin().join("clang++")).unwrap_or_default();
        shim_image::is_shim(&bytes)
    };
    while is_shim() {
        assert!(
            restore.try_wait().unwrap().is_none(),
            "the restore did not wait"
        );
    }
    assert!(
        restore.try_wait().unwrap().is_none(),
        "the restore did not wait"
    );
    compile.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(
        compile.wait().unwrap().success(),
        "the compile that started before the restore failed"
    );
    assert!(restore.wait().unwrap().success());
    before.assert_same(&Manifest::of(&rocm.bin()), "the tree");
}

/// Checks that the compilers' directory has no file of ours, hidden or not.
#[track_caller]
fn assert_nothing_of_ours(rocm: &Rocm) {
    for entry in rocm.bin().read_dir().unwrap() {
        let name = entry.unwrap().file_name();
        let text = name.to_string_lossy();
        let ours = ["rockwrap", ".7625", ".9727"];
        assert!(!ours.iter().any(|it| text.contains(it)), "{name:?} is left");
    }
}
