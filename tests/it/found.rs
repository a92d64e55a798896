//! Users need not know where clang is: rock-wrap asks hipcc.

use crate::support::tree::Layout;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::launchers::{Cache, ccache};
use crate::support::manifest::Manifest;
use crate::support::rocm::{Ran, Rocm, assert_has, ran, rock_wrap, scratch, script, sh};

/// The report's line for one launched HIP compile that missed.
const ONE_HIP_COMPILE: &str = "rock-wrap: HIP            1       0       1       0\n";

/// Compiles a unit that needs no headers with the hipcc on PATH.
const BUILD: &str = r#"printf '__attribute__((device)) int g;\n' >k.hip
hipcc -nogpuinc -nogpulib --offload-arch=gfx906 -c k.hip -o k.o"#;

/// A distribution's `usr` with LLVM in a directory of its own, below a scratch directory.
struct Usr {
    rocm: Rocm,
    cache: Cache,
    usr: PathBuf,
}

impl Usr {
    /// With LLVM in `usr/lib/llvm-NN`, which only hipcc leads to.
    fn new(version: u32) -> Self {
        let rocm = Rocm::new(19, Layout::Regular);
        let usr = rocm.beside("usr");
        let llvm = usr.join(format!("lib/llvm-{version}"));
        std::fs::create_dir_all(usr.join("bin")).unwrap();
        std::fs::create_dir_all(usr.join("lib")).unwrap();
        std::fs::rename(rocm.root.join("lib/llvm"), llvm).unwrap();
        Self {
            cache: Cache::new(&ccache()),
            usr,
            rocm,
        }
    }

    /// With Debian's own hipcc 5.2, which calls `usr/bin/clang++-VERSION`, and with that link.
    fn with_versioned_name(version: u32) -> Self {
        let usr = Self::new(version);
        let copy = r#"
            cp -a /usr/bin/hipcc /usr/bin/hipcc.pl /usr/bin/hipconfig /usr/bin/hipconfig.pl \
                /usr/bin/hipvars.pm "$1/bin"
            printf '#!/bin/sh\n' >"$1/bin/rocm_agent_enumerator"
            chmod 755 "$1/bin/rocm_agent_enumerator"
            sed -i "s/clang\(+*\)-15/clang\1-$2/" "$1/bin/hipcc.pl" "$1/bin/hipconfig.pl"
            ln -s "../lib/llvm-$2/bin/clang++" "$1/bin/clang++-$2"
        "#;
        sh(copy, &[&usr.usr, Path::new(&version.to_string())]);
        usr
    }

    /// With a hipcc that calls the compiler in LLVM's own directory, as hipcc does from 6 on.
    fn with_own_directory(version: u32) -> Self {
        let usr = Self::new(version);
        let body = format!(
            r#"dir=${{HIP_CLANG_PATH:-{}/lib/llvm-{version}/bin}}
            case $HIPCC_VERBOSE in 1) echo "hipcc-cmd: $dir/clang++  -O3  $*";; esac
            case $* in *--cxxflags*) exit;; esac
            exec sh -c "\"$dir/clang++\" -x hip $*""#,
            usr.usr.display()
        );
        script(&usr.usr.join("bin/hipcc"), &body);
        usr
    }

    /// `rock-wrap WHAT ARGS`, with only PATH leading to a tree.
    fn rock_wrap(&self, what: &str, args: &[&str]) -> Command {
        let mut command = rock_wrap([what]);
        let path = format!("{}/bin:/usr/bin:/bin", self.usr.display());
        command
            .args(args)
            .envs(self.cache.env())
            .env("PATH", path)
            .env("HOME", self.rocm.beside(""))
            .env("HIP_CLANG_LAUNCHER", &self.cache.program)
            .current_dir(self.rocm.beside(""));
        command
    }

    /// Runs a build, and checks that the tree is unchanged afterwards.
    #[track_caller]
    fn run(&self, args: &[&str], build: &str) -> Ran {
        self.comes_back(&mut self.rock_wrap("run", &[args, &["--", "sh", "-c", build]].concat()))
    }

    #[track_caller]
    fn comes_back(&self, command: &mut Command) -> Ran {
        let before = Manifest::of(&self.usr);
        let ran = ran(command);
        before.assert_same(&Manifest::of(&self.usr), "the tree");
        ran
    }

    fn path(&self, name: &str) -> String {
        self.usr.join(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn a_build_with_hipcc_is_cached_without_an_option_wherever_clang_is() {
    for (usr, named) in [
        (Usr::with_versioned_name(15), "usr/bin with "),
        (Usr::with_versioned_name(17), "usr/bin with "),
        (Usr::with_own_directory(21), "usr/lib/llvm-21/bin with "),
    ] {
        let ran = usr.run(&[], BUILD).ok();
        assert_has(&ran.err, &[named, ONE_HIP_COMPILE]);
    }
}

#[test]
fn a_build_with_hipcc_is_cached_in_a_shadow_too() {
    for usr in [Usr::with_versioned_name(17), Usr::with_own_directory(21)] {
        let ran = usr.run(&["--attach", "shadow"], BUILD).ok();
        assert_has(&ran.err, &[ONE_HIP_COMPILE]);
    }
}

#[test]
fn within_a_shadow_hipcc_still_leads_to_the_tree_that_the_session_is_for() {
    let usr = Usr::with_own_directory(21);
    let nested = format!("{} run -- true", env!("CARGO_BIN_EXE_rock-wrap"));
    let ran = usr.run(&["--attach", "shadow"], &nested).ok();
    assert_has(&ran.err, &["within a session for", "usr/lib/llvm-21/bin"]);
}

#[test]
fn an_installation_by_hipcc_is_seen_and_restored_without_an_option() {
    for (usr, name) in [
        (Usr::with_versioned_name(17), "clang++-17"),
        (Usr::with_own_directory(21), "clang++"),
    ] {
        let before = Manifest::of(&usr.usr);
        ran(&mut usr.rock_wrap("install", &[])).ok();
        let status = ran(&mut usr.rock_wrap("status", &["--json"])).json();
        assert_eq!(status["state"], "wrapped", "{status}");
        let compilers = status["compilers"].as_array().unwrap();
        assert!(compilers.iter().any(|it| it["name"] == name), "{status}");
        ran(&mut usr.rock_wrap("restore", &[])).ok();
        before.assert_same(&Manifest::of(&usr.usr), "the tree");
    }
}

#[test]
fn hip_clang_path_counts_as_it_does_for_hipcc_unless_a_tree_is_named() {
    let usr = Usr::with_own_directory(21);
    let other = Rocm::small();
    let other_bin = other.bin().display().to_string();
    let run = |args: &[&str]| {
        let words = [args, &["--", "true"]].concat();
        let mut run = usr.rock_wrap("run", &words);
        usr.comes_back(run.env("HIP_CLANG_PATH", &other_bin))
            .ok()
            .err
    };
    assert_has(&run(&[]), &[&format!("{other_bin} with ")]);
    let root = usr.path("lib/llvm-21");
    std::fs::create_dir(usr.usr.join("lib/llvm-21/hip")).unwrap();
    let named = run(&["--rocm-path", &root]);
    assert_has(&named, &["usr/lib/llvm-21/bin with "]);
    // The named tree has a hipcc that calls another compiler, which gives a warning.
    symlink(usr.path("bin/hipcc"), usr.usr.join("lib/llvm-21/bin/hipcc")).unwrap();
    let calls = format!("calls {other_bin}/clang++, which is not among");
    assert_has(&run(&["--rocm-path", &root]), &["warning: ", &calls]);
}

#[test]
fn a_compiler_can_be_named_by_its_path() {
    let usr = Usr::new(21);
    for dir in ["lib/llvm-21/bin", "lib/llvm-21/compilers"] {
        let compiler = usr.path(&format!("{dir}/clang++"));
        let build = format!("echo 'int a;' >a.cpp; '{compiler}' -c a.cpp -o a.o");
        let ran = usr.run(&["--compiler", &compiler], &build).ok();
        let host = "rock-wrap: host           1 ";
        assert_has(&ran.err, &[&format!("usr/{dir} with "), host]);
        // Such an installation is restored by naming the directory, or the one above `bin`.
        let before = Manifest::of(&usr.usr);
        crate::support::rocm::ran(&mut usr.rock_wrap("install", &["--compiler", &compiler])).ok();
        let root = usr.path(dir.strip_suffix("/bin").unwrap_or(dir));
        crate::support::rocm::ran(&mut usr.rock_wrap("restore", &["--rocm-path", &root])).ok();
        before.assert_same(&Manifest::of(&usr.usr), "the tree");
        // For the second round: the same compilers in a directory of another name.
        let renamed = usr.usr.join("lib/llvm-21/compilers");
        if !renamed.exists() {
            std::fs::rename(usr.usr.join("lib/llvm-21/bin"), &renamed).unwrap();
        }
    }
}

#[test]
fn a_path_without_a_compiler_is_refused_and_the_compilers_there_are_named() {
    let usr = Usr::new(21);
    let bin = usr.path("lib/llvm-21/bin");
    let refused = |args: &[&str], code| usr.run(args, "touch built").refused(code);
    let absent = refused(&["--compiler", &format!("{bin}/clang++-99")], 4);
    let held = "it has clang, clang++, clang++-15, clang-19";
    assert_has(&absent, &[&bin, "has no clang++-99", held, "hint: "]);
    let empty = refused(&["--compiler", &format!("{}/clang++", usr.path("bin"))], 4);
    assert_has(
        &empty,
        &["it has no clang at all", "hint: ", "hipconfig -l"],
    );
    let gone = refused(&["--compiler", "/no/such/dir/clang++"], 4);
    assert_has(&gone, &["/no/such/dir", "No such file"]);
    let not_clang = refused(&["--compiler", &format!("{bin}/lld")], 2);
    assert_has(
        &not_clang,
        &["lld", "is not a compiler that rock-wrap can wrap"],
    );
    let [one, two] = [format!("{bin}/clang"), "/usr/bin/clang-19".to_owned()];
    let both = refused(&["--compiler", &one, "--compiler", &two], 4);
    assert_has(&both, &[&bin, "/usr/bin", "hint: "]);
    let root = usr.rocm.root.to_str().unwrap();
    let other = refused(&["--rocm-path", root, "--compiler", &one], 4);
    assert_has(&other, &[&bin, root, "hint: leave --rocm-path out"]);
    assert!(!usr.rocm.beside("built").exists());
}

#[test]
fn a_required_cache_fails_a_build_that_called_none_of_the_wrapped_compilers() {
    let usr = Usr::with_own_directory(21);
    let build = "hipcc --version >/dev/null";
    // The call is seen, though there is nothing to cache.
    usr.run(&["--require-cache"], build).ok();
    let other = Rocm::small();
    let root = other.root.to_str().unwrap();
    let calls = format!("calls {}", usr.path("lib/llvm-21/bin/clang++"));
    let args = ["--rocm-path", root, "--require-cache"];
    let message = usr.run(&args, build);
    assert_eq!(message.status.code(), Some(3), "{message:?}");
    let wrapped = format!("(clang, clang++ in {})", other.bin().display());
    let hint = format!("--compiler {}", usr.path("lib/llvm-21/bin/clang++"));
    let parts = [
        "the build called none of the wrapped compilers",
        &wrapped,
        &calls,
        "hint: ",
        &hint,
    ];
    assert_has(&message.err, &parts);
    // If the build fails by itself, its status is kept.
    assert_eq!(usr.run(&args, "exit 7").status.code(), Some(7));
    // Without `--require-cache` the message is only advice.
    let advised = usr.run(&args[..2], build).ok().err;
    let parts = ["has not called", &usr.path("lib/llvm-21/bin/clang++")];
    assert_has(&advised, &parts);
}

#[test]
fn if_no_tree_is_found_every_source_is_named_with_its_answer() {
    if Path::new("/opt/rocm").exists() {
        eprintln!("SKIPPED: this machine has /opt/rocm, so that a tree is always found");
        return;
    }
    let programs = scratch();
    let path = programs.path();
    let says = |name: &str, body: &str| script(&path.join(name), body);
    says("hipcc", "echo 'hipcc-cmd: /no/such/bin/clang++-17 -O3'");
    says("rocm-sdk", "exit 3");
    let refused = || {
        let mut install = rock_wrap(["install", "--dry-run"]);
        install.env("PATH", path).env("ROCM_PATH", path);
        ran(&mut install).refused(4)
    };
    let named = path.display().to_string();
    assert_has(
        &refused(),
        &[
            &format!("{named} (from ROCM_PATH) has no compiler"),
            "ROCM_HOME: not set",
            "rocm-sdk path --root: ",
            "failed (exit status: 3)",
            &format!("{named}/hipcc (hipcc) calls /no/such/bin/clang++-17, which is not there"),
            "hipconfig --rocmpath: not on PATH",
            "/opt/rocm (from the default): no such directory",
            "hint: ",
            "--rocm-path DIR",
        ],
    );
    says("hipcc", "echo 'hipcc-cmd: /usr/local/cuda/bin/nvcc -O3'");
    assert_has(&refused(), &["nvcc, which is not clang"]);
    says("hipcc", "echo nothing");
    assert_has(&refused(), &["hipcc: does not say what it calls"]);
}
