//! `rock-wrap install`: what it finds and reports, what it leaves in the tree, and how it refuses bad input without
//! changing anything.

mod launchers;
mod refusals;
mod trees;

use crate::support::compilers::kinds;
use crate::support::launchers::{ccache, sccache};
use crate::support::rocm::{Rocm, assert_has, ran, sh};
use crate::support::tree::Layout;
use crate::support::witness;
use rock_wrap::shared::shim_config::Config;
use rock_wrap::shim_image;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const CXX: &str = r#"
#include <iostream>
#include <string>
int main() { std::cout << std::string("runs") << std::endl; }
"#;

/// Reads from the configuration in a shim.
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
    std::fs::read(path).is_ok_and(|bytes| shim_image::is_shim(&bytes))
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
            Layout::Symlink => ("symbolic link", "symbolic link"),
            Layout::Regular => ("regular file", "symbolic link"),
            Layout::HardLink => (
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
        // Debian 13's hipcc, with clang 17, does know it.
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
            Layout::Stub => rocm.bin().join(format!("clang-{clang}")),
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
    // With no launcher to keep, the shims pass every call on to the compiler.
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
    let rocm = Rocm::new(15, Layout::Regular);
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
fn an_install_waits_while_another_process_holds_the_tree() {
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
    assert!(
        !is_shim(&rocm.bin().join("clang")),
        "wrapped while the tree was locked"
    );
    held.unlock().unwrap();
    assert!(child.wait().unwrap().success());
    assert!(is_shim(&rocm.bin().join("clang")));
}

#[test]
fn a_wait_for_the_tree_can_be_interrupted() {
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
    // The witness reports its arguments. `explain.rs` compares call by call.
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
    let rocm = Rocm::new(19, Layout::Regular);
    std::fs::write(rocm.beside("x.cpp"), "int x;\n").unwrap();
    let databases = || {
        let calls = [
            ("clang++", &["-MJ", "x.json"][..]),
            ("clang", &["-MJx.json", "-x", "c"]),
            // Two options for one file. clang adds the second entry itself.
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
    // A compile that fails keeps the compiler's status.
    let mut failing = rocm.compiler("clang++");
    failing.args(["-MJ", "x.json", "-c", "missing.cpp"]);
    assert_eq!(ran(&mut failing).status.code(), Some(1));
}
