//! `rock-wrap install`: what it finds and says, what it leaves in the tree, and how it refuses bad
//! input without touching anything.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::rocm::{
    Picture, Ran, Rocm, as_nobody, assert_has, ccache, kinds, ran, rock_wrap, sccache, scratch,
    script, sh,
};
use crate::support::witness;
use rock_wrap::shared::shim_config::Config;
use rock_wrap::shim_image;

const CXX: &str = r#"
#include <iostream>
#include <string>
int main() { std::cout << std::string("runs") << std::endl; }
"#;

/// What a shim was made with.
fn baked<T>(shim: &Path, read: impl FnOnce(&Config<'_>) -> T) -> T {
    let bytes = std::fs::read(shim).unwrap();
    read(&shim_image::read(&bytes).expect("a shim").unwrap())
}

fn launcher_of(rocm: &Rocm, name: &str) -> PathBuf {
    baked(&rocm.bin().join(name), |config| {
        std::str::from_utf8(config.launcher).unwrap().into()
    })
}

fn is_shim(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| shim_image::read(&bytes).is_some())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn every_layout_is_recognised_and_its_compilers_still_compile_and_link() {
    for (clang, layout) in kinds() {
        let rocm = Rocm::new(clang, layout);
        let out = rocm.wrap(&ccache()).out;
        let (first, second) = match layout {
            "symlink" => ("symbolic link", "symbolic link"),
            "regular" => ("regular file", "symbolic link"),
            "hardlink" => (
                "regular file with hard links",
                "regular file with hard links",
            ),
            _ => ("executable stub", "executable stub"),
        };
        let version = format!("clang version {clang}.");
        for (name, found) in [("clang", first), ("clang++", second)] {
            let line = out
                .lines()
                .find(|line| line.starts_with(&format!("  {name} (")))
                .unwrap_or_else(|| panic!("no line for {name}: {out}"));
            assert_has(line, &[found, &version]);
            assert!(line.ends_with(": wrapped"), "{line}");
        }
        let root = rocm.root.display();
        let hip = std::fs::read_to_string(rocm.root.join(".info/version")).unwrap();
        let hip = hip.trim_end();
        assert_has(
            &out,
            &[
                &format!("ROCm {hip} at {root} (from --rocm-path)"),
                &format!("launcher: {} (ccache 4.14.2)", ccache().display()),
            ],
        );
        // Debian 13's does.
        let ignorant = format!("hipcc: {root}/bin/hipcc does not know HIP_CLANG_LAUNCHER");
        assert_eq!(out.contains(&ignorant), clang != 17, "{out}");

        std::fs::write(rocm.beside("a.cpp"), CXX).unwrap();
        std::fs::write(rocm.beside("a.c"), "int main(void) { return 7; }\n").unwrap();
        for args in ["-c a.cpp -o a.o", "a.o -o a"] {
            let mut cxx = rocm.compiler("clang++");
            ran(cxx.args(args.split(' '))).ok();
        }
        assert_eq!(ran(&mut Command::new(rocm.beside("a"))).ok().out, "runs\n");
        ran(rocm.compiler("clang").args(["-c", "a.c", "-o", "b.o"])).ok();
        ran(rocm.compiler("clang").args(["b.o", "-o", "b"])).ok();
        let status = ran(&mut Command::new(rocm.beside("b"))).status;
        assert_eq!(status.code(), Some(7), "{clang} {layout}");
    }
}

#[test]
fn a_shim_has_the_mode_the_owner_and_the_time_of_its_compiler() {
    for (clang, layout) in kinds() {
        let rocm = Rocm::new(clang, layout);
        let real = rocm.bin().join("clang").canonicalize().unwrap();
        let real = match layout {
            "stub" => rocm.bin().join(format!("clang-{clang}")),
            _ => real,
        };
        let owner = if nix::unistd::geteuid().is_root() {
            "12:34"
        } else {
            ""
        };
        sh(
            r#"chmod 751 "$1"; [ -z "$2" ] || chown "$2" "$1"; touch -d '2001-02-03 04:05:06.7' "$1""#,
            &[&real, Path::new(owner)],
        );
        let wanted = real.metadata().unwrap();
        rocm.wrap(&ccache());
        for name in ["clang", "clang++"] {
            let shim = rocm.bin().join(name).symlink_metadata().unwrap();
            let of = |meta: &std::fs::Metadata| {
                let mode = meta.mode() & 0o7777;
                (
                    mode,
                    meta.uid(),
                    meta.gid(),
                    meta.mtime(),
                    meta.mtime_nsec(),
                )
            };
            // A hard link's clang++ is the same file as its clang.
            assert_eq!(of(&shim), of(&wanted), "{clang} {layout} {name}");
            assert!(is_shim(&rocm.bin().join(name)));
        }
    }
}

#[test]
fn installing_again_changes_nothing_and_says_so() {
    for (clang, layout) in kinds() {
        let rocm = Rocm::new(clang, layout);
        rocm.wrap(&ccache());
        let again = rocm.untouched(|rocm| rocm.wrap(&ccache()));
        let already = again.out.matches(": already wrapped").count();
        assert_eq!(already, 2, "{layout}: {}", again.out);
    }
}

#[test]
fn another_launcher_takes_the_place_of_the_first() {
    for (clang, layout) in kinds() {
        let rocm = Rocm::new(clang, layout);
        rocm.wrap(&ccache());
        let switched = rocm.wrap(&sccache());
        assert_has(
            &switched.out,
            &["clang++", ": wrapped anew", "sccache 0.16.0"],
        );
        for name in ["clang", "clang++"] {
            assert_eq!(launcher_of(&rocm, name), sccache());
        }
    }
}

#[test]
fn an_install_that_names_no_launcher_keeps_the_installed_one() {
    let rocm = Rocm::small();
    let strict: [&OsStr; 2] = ["--strict".as_ref(), "--launcher".as_ref()];
    rocm.install([strict[0], strict[1], ccache().as_ref()]).ok();
    let again = rocm.install([""; 0]).ok();
    assert_has(&again.out, &["already wrapped", "ccache"]);
    assert_eq!(launcher_of(&rocm, "clang"), ccache());
    rocm.restore().ok();
    // Without one to keep: a pass-through.
    let none = rocm.install([""; 0]).ok();
    assert_has(&none.out, &["launcher: none", "HIP_CLANG_LAUNCHER"]);
    assert_eq!(launcher_of(&rocm, "clang"), Path::new(""));
    ran(rocm.compiler("clang++").arg("--version")).ok();
}

#[test]
fn strict_is_baked_in_and_taken_out_again() {
    let rocm = Rocm::small();
    let strict = |rocm: &Rocm| baked(&rocm.bin().join("clang++"), |config| config.strict);
    rocm.install([
        OsStr::new("--strict"),
        "--launcher".as_ref(),
        ccache().as_ref(),
    ])
    .ok();
    assert!(strict(&rocm));
    rocm.wrap(&ccache());
    assert!(!strict(&rocm));
}

#[test]
fn a_dry_run_shows_every_step_and_takes_none() {
    for (clang, layout) in kinds() {
        let rocm = Rocm::new(clang, layout);
        let out = rocm.untouched(|rocm| rocm.install(["--dry-run"]).ok().out);
        let (_, plan) = out.split_once("would do:\n").expect("a plan");
        assert!(plan.lines().count() > 2, "{out}");
        assert_has(plan, &["clang", "clang++", "clang.7625", "clang++.9727"]);
        assert!(!out.contains(": wrapped"), "nothing was wrapped: {out}");

        rocm.wrap(&ccache());
        let args = ["--dry-run", "--launcher", text(&ccache())].map(str::to_owned);
        let out = rocm.untouched(|rocm| rocm.install(&args).ok().out);
        assert!(out.ends_with("would do:\n  nothing\n"), "{out}");
    }
}

#[test]
fn json_says_what_the_text_says() {
    let rocm = Rocm::new(15, "regular");
    let launcher = PathBuf::from("/usr/bin/sccache");
    let launcher = text(&launcher);
    let plan = rocm
        .install(["--json", "--dry-run", "--launcher", launcher])
        .json();
    let steps = plan["plan"]["steps"].as_array().expect("steps");
    assert!(steps.iter().all(|step| step["step"].is_string()), "{plan}");

    let args = ["--launcher", launcher];
    let json = rocm.install(["--json", args[0], args[1]]).json();
    let again = rocm.install(args).ok();
    let said = again.out + &again.err;
    let root = text(&rocm.root);
    assert_eq!(json["rocm_path"], root);
    assert_eq!(json["found_by"], "--rocm-path");
    assert_eq!(json["rocm_version"], "5.2.21153");
    assert_eq!(json["bin"], text(&rocm.bin()));
    assert_eq!(json["hipcc"], format!("{root}/bin/hipcc"));
    assert_eq!(json["hipcc_knows_launcher"], false);
    assert_eq!(json["launcher"], "/usr/bin/sccache (sccache 0.4.0)");
    let compilers = json["compilers"].as_array().unwrap();
    assert_eq!(compilers.len(), 2);
    for compiler in compilers {
        assert_eq!(compiler["did"], "installed");
        for field in ["name", "layout", "version"] {
            assert_has(&said, &[compiler[field].as_str().unwrap()]);
        }
    }
    let warnings = json["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{json}");
    for fact in [&json["launcher"], &json["hipcc"], &warnings[0]] {
        assert_has(&said, &[fact.as_str().unwrap()]);
    }
}

#[test]
fn a_hipcc_that_knows_the_variable_is_told_from_one_that_does_not() {
    let rocm = Rocm::small();
    let silent = rocm.install(["--dry-run"]).ok();
    assert!(!silent.out.contains("hipcc"), "there is none");
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
fn a_variable_that_a_new_hipcc_obeys_by_itself_is_warned_of() {
    let rocm = Rocm::small();
    script(&rocm.root.join("bin/hipcc"), "exec $HIP_CLANG_LAUNCHER");
    let mut install = rocm.rock_wrap("install");
    let warned = ran(install.arg("--dry-run").env("HIP_CLANG_LAUNCHER", ccache())).ok();
    assert_has(&warned.err, &["rock-wrap: warning:", "HIP_CLANG_LAUNCHER"]);
}

#[test]
fn an_sccache_without_hip_is_warned_of() {
    let rocm = Rocm::small();
    let old = rocm.wrap(Path::new("/usr/bin/sccache"));
    assert_has(
        &old.err,
        &["rock-wrap: warning: sccache 0.4.0", "no HIP", "0.8"],
    );
    assert!(
        is_shim(&rocm.bin().join("clang++")),
        "a warning, no refusal"
    );
    assert_eq!(rocm.wrap(&sccache()).err, "");
}

#[test]
fn a_launcher_of_another_kind_is_taken_with_a_warning() {
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
fn another_compiler_name_is_wrapped_alone_or_with_the_others() {
    for (clang, layout) in [
        (15, "symlink"),
        (19, "regular"),
        (15, "hardlink"),
        (19, "stub"),
    ] {
        let rocm = Rocm::new(clang, layout);
        rocm.install(["--compiler", "clang++-15", "--launcher", text(&ccache())])
            .ok();
        let shims = |rocm: &Rocm| {
            let names = ["clang", "clang++", "clang++-15"];
            names.map(|name| {
                let path = rocm.bin().join(name);
                !path.is_symlink() && is_shim(&path)
            })
        };
        assert_eq!(shims(&rocm), [false, false, true], "{layout}");
        std::fs::write(rocm.beside("a.cpp"), CXX).unwrap();
        let mut link = rocm.compiler("clang++-15");
        ran(link.args(["a.cpp", "-o", "a"])).ok();

        // The other names join it, and the launcher is one for all of them.
        rocm.wrap(&sccache());
        assert_eq!(shims(&rocm), [true; 3], "{layout}");
        assert_eq!(launcher_of(&rocm, "clang++-15"), sccache());
        ran(rocm.compiler("clang++-15").args(["a.cpp", "-o", "b"])).ok();
    }
}

#[test]
fn a_tree_without_clang_itself_is_wrapped_by_the_names_it_has() {
    // As /usr is with Debian's hipcc.
    let dir = scratch();
    let root = dir.path().join("usr");
    std::fs::create_dir_all(root.join("bin")).unwrap();
    symlink("/usr/lib/llvm-15/bin/clang++", root.join("bin/clang++-15")).unwrap();
    let before = Picture::of(&root);
    let call = |what: &str, more: &[&str]| {
        let mut command = rock_wrap([what, "--rocm-path"]);
        ran(command.arg(&root).args(more))
    };
    call(
        "install",
        &["--compiler", "clang++-15", "--launcher", "ccache"],
    )
    .ok();
    assert!(is_shim(&root.join("bin/clang++-15")));
    let status = call("status", &["--json"]).json();
    assert_eq!(status["state"], "wrapped", "{status}");
    call("restore", &[]).ok();
    Picture::of(&root).assert_same(&before);
}

#[test]
fn the_tree_is_found_by_variable_program_or_default_in_this_order() {
    let by = |name: &str| (Rocm::small(), name.to_owned());
    let trees = [
        by("--rocm-path"),
        by("ROCM_PATH"),
        by("ROCM_HOME"),
        by("rocm-sdk path --root"),
        by("hipcc"),
        by("hipconfig --rocmpath"),
    ];
    let programs = scratch();
    let path = programs.path();
    let says = |name: &str, args: &str, rocm: &Rocm| {
        let body = format!("[ \"$*\" = '{args}' ] && echo '{}'", text(&rocm.root));
        script(&path.join(name), &body);
    };
    // The one that is looked at last first; each one that is added comes before it.
    let mut install = rock_wrap(["install", "--dry-run"]);
    // Not /bin, where the machine's own hipcc may be.
    install.env("PATH", path);
    for (rocm, name) in trees.iter().rev() {
        match name.as_str() {
            "hipconfig --rocmpath" => says("hipconfig", "--rocmpath", rocm),
            "hipcc" => {
                let body = format!("echo 'hipcc-cmd: {}/clang++'", text(&rocm.bin()));
                script(&path.join("hipcc"), &body);
            }
            "rocm-sdk path --root" => says("rocm-sdk", "path --root", rocm),
            "--rocm-path" => drop(install.arg("--rocm-path").arg(&rocm.root)),
            variable => drop(install.env(variable, &rocm.root)),
        }
        let out = ran(&mut install).ok().out;
        assert_has(&out, &[&format!("at {} (from {name})", text(&rocm.root))]);
    }
}

#[test]
fn an_empty_variable_and_a_program_that_fails_are_passed_over() {
    let rocm = Rocm::small();
    let programs = scratch();
    script(&programs.path().join("rocm-sdk"), "echo broken; exit 1");
    let body = format!("echo '{}'", text(&rocm.root));
    script(&programs.path().join("hipconfig"), &body);
    let mut install = rock_wrap(["install", "--dry-run"]);
    install
        .env("PATH", programs.path())
        .env("ROCM_PATH", "")
        .env("ROCM_HOME", "");
    assert_has(
        &ran(&mut install).ok().out,
        &["(from hipconfig --rocmpath)"],
    );
}

#[test]
fn a_variable_that_names_no_tree_is_passed_over_with_a_warning() {
    let rocm = Rocm::small();
    let empty = scratch();
    for named in [empty.path().to_owned(), empty.path().join("gone")] {
        let mut install = rock_wrap(["install", "--dry-run"]);
        install
            .env("ROCM_PATH", &named)
            .env("ROCM_HOME", &rocm.root);
        let ran = ran(&mut install).ok();
        assert_has(&ran.out, &["(from ROCM_HOME)"]);
        assert_has(
            &ran.err,
            &[
                "warning: ",
                text(&named),
                "(from ROCM_PATH)",
                text(&rocm.root),
            ],
        );
    }
}

#[test]
fn two_ways_to_one_directory_are_wrapped_once() {
    // ROCm's own way round, the other way round, and a tree that was reached by a link.
    for (real, link, target) in [
        ("lib/llvm", "llvm", "lib/llvm"),
        ("llvm", "lib/llvm", "../llvm"),
    ] {
        let dir = scratch();
        let root = dir.path().join("rocm-7.0.0");
        std::fs::create_dir_all(root.join(real).join("bin")).unwrap();
        std::fs::create_dir_all(root.join("lib")).unwrap();
        let bin = root.join(real).join("bin");
        symlink("/usr/lib/llvm-19/bin/clang", bin.join("clang")).unwrap();
        symlink("clang", bin.join("clang++")).unwrap();
        symlink(target, root.join(link)).unwrap();
        let other = dir.path().join("rocm");
        symlink("rocm-7.0.0", &other).unwrap();
        let before = Picture::of(&root);

        let at = |what: &str, root: &Path| ran(rock_wrap([what, "--rocm-path"]).arg(root)).ok();
        let first = at("install", &root);
        assert_has(&first.out, &[&format!("compilers in {}:", text(&bin))]);
        let wrapped = Picture::with_changes(&root);
        let second = at("install", &other);
        assert_eq!(second.out.matches(": already wrapped").count(), 2);
        Picture::with_changes(&root).assert_same(&wrapped);
        at("restore", &other);
        Picture::of(&root).assert_same(&before);
    }
}

#[test]
fn one_bad_compiler_and_none_is_wrapped() {
    for bad in ["clang", "clang++"] {
        for layout in ["symlink", "regular"] {
            let rocm = Rocm::new(19, layout);
            if bad == "clang" && layout == "regular" {
                continue; // clang++ is a link to it.
            }
            std::fs::remove_file(rocm.bin().join(bad)).unwrap();
            script(&rocm.bin().join(bad), "exit 1");
            let message = rocm.untouched(|rocm| rocm.install([""; 0]).refused(4));
            assert_has(&message, &[text(&rocm.bin().join(bad))]);
        }
    }
    // A name that is not there at all.
    let rocm = Rocm::small();
    std::fs::remove_file(rocm.bin().join("clang++")).unwrap();
    let message = rocm.untouched(|rocm| rocm.install([""; 0]).refused(4));
    assert_has(
        &message,
        &[text(&rocm.bin().join("clang++")), "does not exist"],
    );
}

#[test]
fn a_shim_of_another_version_is_upgraded() {
    for writer in ["0.0.1", "99.0.0"] {
        let rocm = Rocm::new(15, "symlink");
        let before = Picture::of(&rocm.bin());
        rocm.wrap(&ccache());
        for name in ["clang", "clang++"] {
            let image = shim_image::stamp(&Config {
                name: name.as_bytes(),
                launcher: b"/gone/sccache",
                writer: writer.as_bytes(),
                ..Config::default()
            });
            let other = rocm.beside("other");
            std::fs::write(&other, image.unwrap()).unwrap();
            let at = rocm.bin().join(name);
            sh(r#"install -m755 "$1" "$2""#, &[&other, &at]);
        }
        let status = ran(rocm.rock_wrap("status").arg("--json")).json();
        assert_eq!(status["compilers"][0]["shim"]["outdated"], true, "{status}");
        let upgraded = rocm.wrap(&ccache());
        assert_eq!(upgraded.out.matches(": wrapped anew").count(), 2);
        let own = env!("CARGO_PKG_VERSION").as_bytes();
        assert!(baked(&rocm.bin().join("clang"), |config| config.writer == own));
        rocm.restore().ok();
        Picture::of(&rocm.bin()).assert_same(&before);
    }
}

#[test]
fn a_shim_whose_block_a_newer_version_wrote_is_upgraded() {
    let rocm = Rocm::small();
    let before = Picture::of(&rocm.bin());
    rocm.wrap(&ccache());
    let shim = rocm.bin().join("clang++");
    let mut image = std::fs::read(&shim).unwrap();
    let mark = rock_wrap::shared::shim_config::MAGIC;
    let at = image.windows(16).position(|bytes| bytes == mark).unwrap();
    image[at + 16] = 200;
    std::fs::write(rocm.beside("newer"), image).unwrap();
    sh(
        r#"install -m755 "$1" "$2""#,
        &[&rocm.beside("newer"), &shim],
    );
    ran(rocm.compiler("clang++").arg("--version")).ok();
    rocm.wrap(&ccache());
    assert_eq!(launcher_of(&rocm, "clang++"), ccache());
    rocm.restore().ok();
    Picture::of(&rocm.bin()).assert_same(&before);
}

// --- bad input: a clear error, and nothing is changed ------------------------------------------

fn install_at(root: &Path) -> Ran {
    ran(rock_wrap(["install", "--rocm-path"]).arg(root))
}

#[test]
fn a_directory_that_is_not_there_or_no_directory_is_refused() {
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
fn without_any_tree_the_message_lists_what_was_looked_at() {
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
fn a_part_of_the_compiler_behind_a_closed_directory_is_named_with_what_is_closed() {
    let rocm = Rocm::for_everybody(19, "symlink");
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
fn a_tree_without_the_right_to_write_is_refused_by_path_and_right() {
    for layout in ["symlink", "regular"] {
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
            "once: {message}"
        );

        // Wrapped by somebody who may, it cannot be switched or restored by one who may not.
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

/// Puts `content` in the place of clang++, the second name.
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
    // It wants another library than the one that there is.
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
    // Not executable; a directory; a link that leads nowhere.
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
fn a_wrapper_of_somebody_else_is_named_and_refused() {
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
        let named = format!("already a wrapper, for {launcher}\n");
        assert_has(&message, &[text(&at), &named, "hint: ", "remove it"]);
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
    assert_has(&refused(&plain), &["not executable", "hint: ", "x bit"]);
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

    let rocm = Rocm::new(19, "regular");
    sh(
        r#"cd "$1" && mv clang ccache-clang && ln -s ccache-clang clang"#,
        &[&rocm.bin()],
    );
    let message = rocm.untouched(|rocm| rocm.install([""; 0]).refused(4));
    let real = rocm.bin().join("ccache-clang");
    assert_has(&message, &[text(&real), "begins with `ccache`"]);
}

#[test]
fn names_that_are_no_compilers_are_wrong_usage() {
    let rocm = Rocm::small();
    for name in ["gcc", "clang-cl", "", "../gcc", "clang.7625", "clang.9727"] {
        let message = rocm.untouched(|rocm| rocm.install(["--compiler", name]).refused(2));
        assert_has(&message, &["--compiler", &format!("'{name}'")]);
    }
    let message = rocm.untouched(|rocm| rocm.install(["--compiler", "clang-99"]).refused(4));
    assert_has(&message, &["clang-99"]);
}

#[test]
fn a_file_of_somebody_elses_under_one_of_our_names_is_refused_and_kept() {
    for name in ["clang++.7625", "clang++.9727", ".rockwrap-orig-clang"] {
        let rocm = Rocm::small();
        std::fs::write(rocm.bin().join(name), "precious").unwrap();
        let message = rocm.untouched(|rocm| rocm.install([""; 0]).refused(4));
        assert_has(&message, &[name, text(&rocm.bin()), "in the way"]);
    }
}

#[test]
fn somebody_who_holds_the_tree_is_waited_for() {
    use std::io::{BufRead, BufReader};
    let rocm = Rocm::small();
    let held = std::fs::File::open(rocm.bin()).unwrap();
    held.lock().unwrap();
    let mut install = rocm.rock_wrap("install");
    let mut child = install
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let note = lines.next().unwrap().unwrap();
    let own = format!("rock-wrap: waiting for process {}", std::process::id());
    assert!(note.starts_with(&own), "{note}");
    assert!(!is_shim(&rocm.bin().join("clang")), "it waits");
    held.unlock().unwrap();
    assert!(child.wait().unwrap().success());
    assert!(is_shim(&rocm.bin().join("clang")));
}

#[test]
fn who_gives_up_waiting_for_the_tree_is_obeyed() {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::ExitStatusExt;
    for what in ["install", "restore"] {
        let rocm = Rocm::small();
        let held = std::fs::File::open(rocm.bin()).unwrap();
        held.lock().unwrap();
        let mut command = rocm.rock_wrap(what);
        let mut child = command
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        lines.next().unwrap().unwrap();
        let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(2), "{what}");
        assert!(!is_shim(&rocm.bin().join("clang")));
    }
}

#[test]
fn the_launcher_really_gets_the_compiles() {
    // The witness tells what it was given; see `explain.rs` for the comparison call by call.
    let rocm = Rocm::small();
    rocm.wrap(witness());
    std::fs::write(rocm.beside("a.c"), "int a;\n").unwrap();
    let told = ran(rocm.compiler("clang").args(["-c", "a.c"])).ok();
    let calls = crate::support::Told::all(told.err.as_bytes());
    assert_eq!(calls[0].argv[0], text(witness()));
    assert_eq!(calls[0].argv[1], text(&rocm.bin().join("clang.7625")));
}

#[test]
fn a_compilation_database_names_the_compiler_and_not_its_alias() {
    let rocm = Rocm::new(19, "regular");
    std::fs::write(rocm.beside("x.cpp"), "int x;\n").unwrap();
    let databases = || {
        let calls = [
            ("clang++", &["-MJ", "x.json"][..]),
            ("clang", &["-MJx.json", "-x", "c"]),
            // Two in one file, of which clang adds the second.
            ("clang", &["-MJ", "x.json", "-O1"]),
        ];
        let made = calls.map(|(name, args)| {
            let mut compiler = rocm.compiler(name);
            ran(compiler.args(args).args(["-c", "x.cpp", "-o", "x.o"])).ok();
            std::fs::read_to_string(rocm.beside("x.json")).unwrap()
        });
        std::fs::remove_file(rocm.beside("x.json")).unwrap();
        made
    };
    let bare = databases();
    let compiler = format!("\"{}\"", text(&rocm.bin().join("clang")));
    assert_has(&bare[0], &[&compiler]);
    rocm.wrap(&ccache());
    assert_eq!(databases(), bare);
    // The compiler's own status, and its messages.
    let mut failing = rocm.compiler("clang++");
    failing.args(["-MJ", "x.json", "-c", "missing.cpp"]);
    assert_eq!(ran(&mut failing).status.code(), Some(1));
}
