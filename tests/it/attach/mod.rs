//! How a session attaches, what it shares with other sessions, and how it detaches.

mod end;
mod several;

use crate::support::launchers::{Asked, Cache, ccache, sccache};
use crate::support::manifest::Manifest;
use crate::support::processes::{eventually, guard_of};
use crate::support::rocm::{Rocm, as_nobody, assert_has, ran, sh};
use crate::support::tree::Layout;
use nix::unistd::Pid;
use rock_wrap::shim_image;
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

/// Compiles a HIP unit that needs no headers with `$CLANG`, through `$LAUNCHER` if that is set.
const COMPILE: &str = r#"printf '__attribute__((device)) int g;\n' >k.hip
$LAUNCHER "$CLANG" -x hip -nogpuinc -nogpulib --offload-arch=gfx906 -c k.hip -o k.o"#;

/// The start of the report's line for one launched HIP compile.
const ONE_HIP_COMPILE: &str = "HIP            1 ";

/// `rock-wrap run ARGS -- sh -c BUILD`, with `cache` and a private `XDG_CACHE_HOME`.
fn session(rocm: &Rocm, cache: &Cache, args: &[&str], build: &str) -> Command {
    let mut run = rocm.rock_wrap("run");
    run.arg("--launcher")
        .arg(&cache.program)
        .args(args)
        .args(["--", "sh", "-c", build])
        .envs(cache.env())
        .env("XDG_CACHE_HOME", rocm.beside("user"))
        .env("CLANG", rocm.bin().join("clang++"))
        .current_dir(rocm.beside(""));
    run
}

fn is_shim(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| shim_image::is_shim(&bytes))
}

fn is_wrapped(rocm: &Rocm) -> bool {
    is_shim(&rocm.bin().join("clang++"))
}

fn shadows(rocm: &Rocm) -> Vec<PathBuf> {
    let dirs = std::fs::read_dir(rocm.beside("user/rock-wrap/shadow"));
    dirs.into_iter()
        .flatten()
        .map(|dir| dir.unwrap().path())
        .collect()
}

/// A session whose build prints `ready` and then waits for a line.
struct Running {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// The build's shell.
    build: Pid,
}

const WAIT: &str = "echo ready $$; read line";

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = output.next().unwrap().unwrap();
        let pid = ready.strip_prefix("ready ").unwrap().parse().unwrap();
        Self {
            child,
            input,
            output,
            build: Pid::from_raw(pid),
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    fn guard(&self) -> Pid {
        guard_of(self.pid())
    }

    /// Lets the build finish, and returns the session's exit status.
    fn finish(mut self) -> ExitStatus {
        self.input.write_all(b"\n").unwrap();
        self.child.wait().unwrap()
    }
}

#[test]
fn every_way_of_attaching_makes_the_same_object_and_leaves_the_tree_unchanged() {
    let rocm = Rocm::new(19, Layout::Symlink);
    // ccache's key has the compiler's file name. With every way of attaching it is the stand-in's.
    for launcher in [sccache(), ccache()] {
        let cache = Cache::new(&launcher);
        let before = Manifest::of(&rocm.root);
        let mut objects = Vec::new();
        for (way, clang, hits) in [
            ("in-place", "", 0),
            ("shadow", "CLANG=$HIP_CLANG_PATH/clang++;", 1),
            ("launcher", "LAUNCHER=$HIP_CLANG_LAUNCHER;", 1),
        ] {
            cache.zero();
            let build = format!("{clang}{COMPILE}");
            let ran = ran(&mut session(&rocm, &cache, &["--attach", way], &build)).ok();
            assert_has(&ran.err, &[ONE_HIP_COMPILE, &format!("attached {way}")]);
            assert_eq!(cache.asked(), Asked::new(hits, 1 - hits), "{way}");
            objects.push(std::fs::read(rocm.beside("k.o")).unwrap());
            before.assert_same(&Manifest::of(&rocm.root), "the tree");
            assert_eq!(shadows(&rocm), [] as [PathBuf; 0]);
        }
        assert!(objects.iter().all(|object| *object == objects[0]));
    }
}

#[test]
fn a_shadow_and_a_launcher_write_nothing_to_the_tree_while_the_build_runs() {
    let rocm = Rocm::small();
    let cache = Cache::new(&ccache());
    for way in ["shadow", "launcher"] {
        let mut running = Running::start(&mut session(&rocm, &cache, &["--attach", way], WAIT));
        let during = Manifest::with_changes(&rocm.root);
        assert!(!is_wrapped(&rocm), "{way}");
        running.input.write_all(b"\n").unwrap();
        assert!(running.child.wait().unwrap().success());
        during.assert_same(&Manifest::with_changes(&rocm.root), "the tree");
    }
}

#[test]
fn a_shadow_has_the_trees_other_tools_and_directories() {
    let rocm = Rocm::new(19, Layout::Symlink);
    let cache = Cache::new(&ccache());
    let build = r#"set -e
        "$HIP_CLANG_PATH/llvm-objcopy" --version >/dev/null
        test -d "$HIP_CLANG_PATH/../lib"
        "$HIP_CLANG_PATH/clang++" -print-resource-dir
        test "$(command -v clang++)" = "$HIP_CLANG_PATH/clang++"
        test "$CXX" = "$HIP_CLANG_PATH/clang++""#;
    let mut command = session(&rocm, &cache, &["--attach", "shadow"], build);
    let path = format!("{}:/usr/bin:/bin", rocm.bin().display());
    command
        .env("PATH", path)
        .env("CXX", rocm.bin().join("clang++"));
    let shadow = ran(&mut command).ok();
    let bare = ran(rocm.compiler("clang++").arg("-print-resource-dir")).ok();
    assert_eq!(
        shadow.out, bare.out,
        "clang does not find the tree's resource directory"
    );
}

#[test]
fn a_depfile_made_in_a_shadow_names_no_file_of_the_shadow() {
    let rocm = Rocm::new(15, Layout::Symlink);
    let cache = Cache::new(&sccache());
    let build = r#"printf '#include <stddef.h>\nint x;\n' >a.cpp
        "$HIP_CLANG_PATH/clang++" -c a.cpp -MD -MF a.d -o a.o; cat a.d"#;
    let ran = ran(&mut session(&rocm, &cache, &["--attach", "shadow"], build)).ok();
    assert_has(&ran.out, &["stddef.h"]);
    assert!(!ran.out.contains("shadow"), "{}", ran.out);
}

#[test]
fn a_user_who_cannot_write_to_the_tree_is_told_of_the_shadow_and_gets_one_by_default() {
    let rocm = Rocm::for_everybody(19, Layout::Symlink);
    let open = |path: PathBuf, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(rocm.beside(""), 0o777);
    open(rocm.bin(), 0o555);
    let [program, launcher] = ["rock-wrap", "ccache"].map(|name| rocm.beside(name));
    sh(
        r#"cp "$1" "$2""#,
        &[Path::new(env!("CARGO_BIN_EXE_rock-wrap")), &program],
    );
    sh(r#"cp "$1" "$2""#, &[&ccache(), &launcher]);
    let run = |args: &[&str], build: &str| {
        let mut run = rocm.rock_wrap("run");
        run.arg("--launcher")
            .arg(&launcher)
            .args(args)
            .args(["--", "sh", "-c", build]);
        let mut run = as_nobody(&run, &program);
        run.env("HOME", rocm.beside(""))
            .current_dir(rocm.beside(""));
        ran(&mut run)
    };
    let message = rocm.untouched(|_| run(&["--attach", "in-place"], "true").refused(4));
    assert_has(
        &message,
        &["Permission denied", "hint: ", "--attach shadow"],
    );
    let build = format!("CLANG=$HIP_CLANG_PATH/clang++;{COMPILE}");
    let ran = rocm.untouched(|_| run(&[], &build).ok());
    assert_has(
        &ran.err,
        &[
            "attached shadow: the tree cannot be written to",
            ONE_HIP_COMPILE,
        ],
    );
}

#[test]
fn host_compilers_get_the_launcher_through_cmakes_variables() {
    let rocm = Rocm::new(19, Layout::Symlink);
    let cache = Cache::new(&ccache());
    let build = r#"printf 'int x;\n' >h.cpp; $CMAKE_CXX_COMPILER_LAUNCHER g++ -c h.cpp -o h.o
        $CMAKE_C_COMPILER_LAUNCHER "$CLANG" -c h.cpp -o h.o"#;
    for way in ["in-place", "shadow", "launcher"] {
        cache.zero();
        ran(&mut session(&rocm, &cache, &["--attach", way], build)).ok();
        let asked = cache.asked();
        assert_eq!(
            asked.hits + asked.misses,
            2,
            "{way}: one look-up per compile, {asked:?}"
        );
    }
    let shown = r#"echo "$CMAKE_C_COMPILER_LAUNCHER|$CMAKE_CXX_COMPILER_LAUNCHER""#;
    let mut own = session(&rocm, &cache, &[], shown);
    let own = ran(own
        .env("CMAKE_C_COMPILER_LAUNCHER", "mine")
        .env("CMAKE_CXX_COMPILER_LAUNCHER", "mine"))
    .ok();
    assert_eq!(own.out, "mine|mine\n");
    let none = ran(&mut session(&rocm, &cache, &["--no-host"], shown)).ok();
    assert_eq!(none.out, "|\n");
}

#[test]
fn the_launcher_that_cmake_recorded_works_after_the_session() {
    let rocm = Rocm::new(19, Layout::Symlink);
    let cache = Cache::new(&ccache());
    let ran = ran(&mut session(
        &rocm,
        &cache,
        &[],
        "echo $CMAKE_CXX_COMPILER_LAUNCHER",
    ))
    .ok();
    let launcher = ran.out.trim();
    let mut compile = Command::new(launcher);
    let source = rocm.beside("later.cpp");
    std::fs::write(&source, "int x;\n").unwrap();
    compile
        .args(["g++", "-c"])
        .arg(&source)
        .arg("-o")
        .arg(rocm.beside("later.o"))
        .envs(cache.env());
    crate::support::rocm::ran(&mut compile).ok();
    assert!(rocm.beside("later.o").exists());
}

#[test]
fn doctor_within_a_session_examines_the_sessions_launcher() {
    let rocm = Rocm::new(19, Layout::Symlink);
    let cache = Cache::new(&ccache());
    // A hipcc that obeys HIP_CLANG_LAUNCHER, and outside a session would call the launcher itself.
    let hipcc = rocm.root.join("bin/hipcc");
    let _ = std::fs::remove_file(&hipcc);
    std::fs::write(&hipcc, "getenv HIP_CLANG_LAUNCHER").unwrap();
    // `shadow` is left out: the environment does not name the directory behind it.
    for way in ["in-place", "launcher"] {
        let build = format!(
            "{} doctor --rocm-path {} --json",
            env!("CARGO_BIN_EXE_rock-wrap"),
            rocm.root.display()
        );
        let ran = ran(&mut session(&rocm, &cache, &["--attach", way], &build));
        let answer: serde_json::Value = serde_json::from_str(&ran.out)
            .unwrap_or_else(|error| panic!("{way}: {error}: {ran:?}"));
        assert_eq!(answer["verdict"], "ok", "{way}: {answer:#}");
        let program = cache.program.to_str().unwrap();
        assert!(ran.out.contains(program), "{way}: {answer:#}");
    }
}

#[test]
fn without_an_option_the_way_of_attaching_follows_from_the_tree_and_is_reported() {
    let cache = Cache::new(&ccache());
    let said = |rocm: &Rocm| ran(&mut session(rocm, &cache, &[], "true")).ok().err;
    let rocm = Rocm::small();
    // No reason is reported if no hipcc was examined.
    assert_has(&said(&rocm), &["attached in-place\n"]);
    let hipcc = rocm.root.join("bin/hipcc");
    let with = |content: &str, way: &str| {
        std::fs::create_dir_all(hipcc.parent().unwrap()).unwrap();
        std::fs::write(&hipcc, content).unwrap();
        let hipcc = hipcc.display();
        assert_has(
            &said(&rocm),
            &[&format!("attached {way} HIP_CLANG_LAUNCHER").replace("HIPCC", &hipcc.to_string())],
        );
    };
    with("exec clang++", "in-place: HIPCC does not know");
    with("getenv HIP_CLANG_LAUNCHER", "launcher: HIPCC obeys");
    rocm.wrap(&cache.program);
    assert_has(
        &said(&rocm),
        &["attached in-place: the tree is wrapped already"],
    );
}
