//! Shims outside of the tree: in a shadow directory, and called as a launcher. Fake compilers and launchers report
//! how they were called.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Told, run, stderr, witness, write_program};
use rock_wrap::shared::shim_config::Config;
use rock_wrap::shared::stand_in::StandInPlan;
use rock_wrap::shim_image;

const COMPILE: [&str; 4] = ["-c", "a.cpp", "-o", "a.o"];

/// A compiler's directory, and shims outside of it.
struct Outside {
    dir: tempfile::TempDir,
}

impl Outside {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let outside = Self { dir };
        for (place, name) in [
            ("tree", "clang++"),
            ("host", "x86_64-linux-gnu-g++-12"),
            ("host", "hipcc"),
            ("bin", "sccache"),
        ] {
            std::fs::create_dir_all(outside.path(place)).unwrap();
            let program = std::fs::read(witness()).unwrap();
            write_program(&outside.path(place).join(name), &program);
        }
        std::fs::create_dir(outside.path("shadow")).unwrap();
        let shims = [("shadow/clang++", "clang++"), ("rock-wrap-launcher", "")];
        for (path, name) in shims {
            let config = Config {
                name: name.as_bytes(),
                dir: format!("{}/", outside.path("tree").display())
                    .into_bytes()
                    .leak(),
                launcher: outside
                    .path("bin/sccache")
                    .into_os_string()
                    .into_encoded_bytes()
                    .leak(),
                fingerprint: b"a compiler",
                ..Config::default()
            };
            write_program(&outside.path(path), &shim_image::stamp(&config).unwrap());
        }
        std::fs::write(outside.path("a.cpp"), "int a;\n").unwrap();
        outside
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn told<S: AsRef<OsStr>>(
        &self,
        program: &Path,
        args: &[S],
        env: &[(&str, &Path)],
    ) -> Vec<Told> {
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.dir.path());
        command.envs(env.iter().copied());
        let output = run(&mut command);
        assert_eq!(output.stdout, b"", "something went to standard output");
        Told::all(&output.stderr)
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_shadow_runs_the_trees_compiler_by_its_own_path() {
    let outside = Outside::new();
    let compiler = outside.path("tree/clang++");
    let calls = outside.told(&outside.path("shadow/clang++"), &["--version"], &[]);
    assert_eq!(calls[0].exe, text(&compiler));
    assert_eq!(calls[0].argv, [text(&compiler), "--version"]);
}

#[test]
fn a_shadow_hands_a_compile_to_the_launcher_with_the_trees_compiler() {
    let outside = Outside::new();
    let calls = outside.told(&outside.path("shadow/clang++"), &COMPILE, &[]);
    assert_eq!(calls[0].exe, text(&outside.path("bin/sccache")));
    assert_eq!(calls[0].argv[1], text(&outside.path("shadow/clang++.9727")));
    assert_eq!(calls[0].argv[2..], COMPILE);
    assert_eq!(stood_in_for(&calls[0]), outside.path("tree/clang++"));
}

/// The compiler that the stand-in of a launched call stands in for.
fn stood_in_for(call: &Told) -> PathBuf {
    let entry = call
        .env
        .iter()
        .find_map(|entry| entry.strip_prefix("ROCK_WRAP_STAND_IN="));
    let plan = StandInPlan::parse(entry.unwrap().as_bytes()).unwrap();
    PathBuf::from(std::str::from_utf8(plan.real).unwrap())
}

#[test]
fn called_as_a_launcher_it_takes_its_first_argument_for_the_compiler() {
    let outside = Outside::new();
    let (launcher, compiler) = (
        outside.path("rock-wrap-launcher"),
        outside.path("tree/clang++"),
    );
    let call = |args: &[&'static str]| [vec![text(&compiler)], args.to_vec()].concat();
    let own = [("HIP_CLANG_LAUNCHER", &*launcher)];
    for env in [&[][..], &own] {
        let calls = outside.told(&launcher, &call(&COMPILE), env);
        assert_eq!(
            calls[0].exe,
            text(&outside.path("bin/sccache")),
            "its own name in the environment does not count as another launcher"
        );
        assert_eq!(calls[0].argv[1], text(&outside.path("clang++.9727")));
        assert_eq!(calls[0].argv[2..], COMPILE);
        assert_eq!(stood_in_for(&calls[0]), compiler);
        assert!(
            calls[0]
                .env
                .iter()
                .any(|it| it.starts_with("SCCACHE_C_CUSTOM_CACHE_BUSTER="))
        );
    }
    let calls = outside.told(&launcher, &call(&["--version"]), &[]);
    assert_eq!(calls[0].exe, text(&compiler));
    assert_eq!(calls[0].argv, call(&["--version"]));
}

#[test]
fn called_as_a_launcher_on_a_wrapped_tree_it_goes_to_the_real_compiler_once() {
    let outside = Outside::new();
    let (compiler, alias) = (
        outside.path("tree/clang++"),
        outside.path("tree/clang++.7625"),
    );
    std::fs::rename(&compiler, &alias).unwrap();
    let shim = Config {
        name: b"clang++",
        ..Config::default()
    };
    write_program(&compiler, &shim_image::stamp(&shim).unwrap());
    let launcher = outside.path("rock-wrap-launcher");
    let call = |args: &[&'static str]| [vec![text(&compiler)], args.to_vec()].concat();
    let calls = outside.told(&launcher, &call(&COMPILE), &[]);
    assert_eq!(calls[0].argv[1], text(&outside.path("clang++.9727")));
    assert_eq!(stood_in_for(&calls[0]), alias);
    let calls = outside.told(&launcher, &call(&["--version"]), &[]);
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].exe, text(&alias));
    assert_eq!(calls[0].argv[0], text(&compiler));
}

#[test]
fn a_host_compiler_is_given_to_the_launcher_as_cmake_would_give_it() {
    let outside = Outside::new();
    let launcher = outside.path("rock-wrap-launcher");
    let compiler = outside.path("host/x86_64-linux-gnu-g++-12");
    let call = [&[text(&compiler)][..], &COMPILE].concat();
    let calls = outside.told(&launcher, &call, &[]);
    assert_eq!(calls[0].exe, text(&outside.path("bin/sccache")));
    assert_eq!(calls[0].argv[1..], call);
    assert!(
        !calls[0]
            .env
            .iter()
            .any(|it| it.starts_with("SCCACHE_C_CUSTOM")),
        "nothing is known about this compiler to make a key from"
    );
    // Another launcher already runs around this call.
    let calls = outside.told(&launcher, &call, &[("ROCK_WRAP_GUARD", Path::new("1"))]);
    assert_eq!(calls[0].exe, text(&compiler));
}

#[test]
fn device_code_of_a_compiler_without_fingerprint_is_never_cached() {
    let outside = Outside::new();
    let launcher = outside.path("rock-wrap-launcher");
    let host = outside.path("host/x86_64-linux-gnu-g++-12");
    let hipcc = outside.path("host/hipcc");
    for (compiler, args) in [
        (&host, &["-x", "hip", "-c", "a.cpp"][..]),
        (&host, &["--offload-arch=gfx942", "-c", "a.cpp"]),
        (&hipcc, &["-c", "a.cpp"]),
    ] {
        let call = [&[text(compiler)], args].concat();
        let calls = outside.told(&launcher, &call, &[]);
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].exe, text(compiler), "{args:?}");
        assert_eq!(calls[0].argv, call);
    }
}

#[test]
fn a_launcher_without_a_compiler_says_how_to_call_it() {
    let outside = Outside::new();
    let output = run(&mut Command::new(outside.path("rock-wrap-launcher")));
    assert_eq!(output.status.code(), Some(127));
    assert!(
        stderr(&output).contains("rock-wrap-launcher COMPILER ARGUMENTS"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_shadow_of_a_tree_that_is_gone_names_the_compiler() {
    let outside = Outside::new();
    std::fs::remove_file(outside.path("tree/clang++")).unwrap();
    let output = run(Command::new(outside.path("shadow/clang++")).arg("--version"));
    assert_eq!(output.status.code(), Some(127));
    assert!(
        stderr(&output).contains(text(&outside.path("tree/clang++"))),
        "{}",
        stderr(&output)
    );
}

#[test]
fn another_shim_decides_about_its_own_compiler() {
    let outside = Outside::new();
    let launcher = outside.path("rock-wrap-launcher");
    let shadow = outside.path("shadow/clang++");
    let call = [&[text(&shadow)][..], &COMPILE].concat();
    let calls = outside.told(&launcher, &call, &[]);
    assert_eq!(calls[0].exe, text(&outside.path("bin/sccache")));
    let compiler = outside.path("tree/clang++");
    assert_eq!(
        calls[0].argv[1],
        text(&outside.path("shadow/clang++.9727")),
        "the shadow's own stand-in, with its key"
    );
    assert_eq!(stood_in_for(&calls[0]), compiler);
    let key = |it: &&String| it.starts_with("SCCACHE_C_CUSTOM");
    assert!(calls[0].env.iter().any(|it| key(&it)));
}
