//! The shim as a process: what reaches the compiler or the launcher. Fake ones report how they were called, because a
//! real compiler cannot show its argv, environment or signal masks.

mod process;
mod session;

use crate::support::{FakeTree, Told, run, stderr};
use rock_wrap::shared::shim_config::Config;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A call that the shim forwards to a launcher: one compile of one file that exists.
const COMPILE: [&str; 5] = ["-O2", "-c", "a.cpp", "-o", "a.o"];

fn tree(config: &Config<'_>) -> FakeTree {
    let tree = FakeTree::new(config);
    std::fs::write(tree.path("a.cpp"), "int a;\n").unwrap();
    tree
}

fn told(command: &mut Command) -> Vec<Told> {
    let output = run(command);
    assert_eq!(output.stdout, b"", "something went to standard output");
    Told::all(&output.stderr)
}

#[test]
fn a_direct_call_gets_its_arguments_and_environment_to_the_byte() {
    let tree = tree(&Config::default());
    let shim = tree.path("bin/clang++");
    let real = tree.path("bin/clang++.7625");
    let args = [
        "--version",
        "",
        "a b",
        "-DS=\"x y\"",
        "*",
        "$HOME",
        "\\",
        "--",
        "ä",
    ];
    let vars = [
        ("A", "1"),
        ("EMPTY", ""),
        ("ROCM_PATH", "/x y"),
        ("A_B", "=;="),
    ];
    let through = told(tree.call(args).envs(vars));
    let bare = told(
        Command::new(&real)
            .arg0(&shim)
            .args(args)
            .env_clear()
            .envs(vars)
            .env("PATH", "/usr/bin:/bin")
            .current_dir(tree.path("")),
    );
    assert_eq!(through, bare);
    assert_eq!(through[0].exe, real.to_str().unwrap());
    assert_eq!(through[0].argv[0], shim.to_str().unwrap());
}

#[test]
fn argv0_is_kept_however_the_shim_was_found() {
    let tree = tree(&Config::default());
    std::os::unix::fs::symlink("bin/clang++", tree.path("c++-link")).unwrap();
    for (program, argv0) in [("bin/clang++", "clang++"), ("c++-link", "./x/clang++-19")] {
        let through = told(
            Command::new(tree.path(program))
                .arg0(argv0)
                .arg("--version")
                .current_dir(tree.path("")),
        );
        assert_eq!(through[0].argv, [argv0, "--version"]);
        assert_eq!(
            through[0].exe,
            tree.path("bin/clang++.7625").to_str().unwrap()
        );
    }
}

#[test]
fn a_compile_goes_to_the_installed_launcher_with_the_alias_first() {
    let at = tempfile::tempdir().unwrap();
    let path = at.path().join("my launcher");
    let copied = Command::new("cp")
        .arg(crate::support::witness())
        .arg(&path)
        .status()
        .unwrap();
    assert!(copied.success());
    let tree = tree(&Config {
        launcher: path.to_str().unwrap().as_bytes(),
        ..Config::default()
    });
    let calls = told(tree.call(COMPILE).env("WITNESS_DO", "exec"));
    let alias = tree.path("bin/clang++.7625");
    let [launcher, compiler] = &calls[..] else {
        panic!("{calls:?}")
    };
    let rest = COMPILE.map(str::to_owned);
    assert_eq!(
        launcher.argv[..2],
        [path.to_str().unwrap(), alias.to_str().unwrap()]
    );
    assert_eq!(launcher.argv[2..], rest);
    assert_eq!(compiler.argv[0], alias.to_str().unwrap());
    assert_eq!(compiler.argv[1..], rest);
}

#[test]
fn a_launcher_is_given_one_path_of_the_compiler_however_it_is_called() {
    let launcher = crate::support::witness().to_str().unwrap().as_bytes();
    let tree = tree(&Config {
        launcher,
        ..Config::default()
    });
    std::os::unix::fs::symlink("bin", tree.path("link")).unwrap();
    std::os::unix::fs::symlink("bin/clang++", tree.path("clang++")).unwrap();
    let alias = tree.path("bin/clang++.7625");
    for called in [
        "bin/clang++",
        "link/clang++",
        "bin/../link/clang++",
        "clang++",
    ] {
        let absolute = tree.path(called);
        for program in [absolute.to_str().unwrap(), &format!("./{called}")] {
            let mut call = Command::new(program);
            let calls = told(call.args(COMPILE).current_dir(tree.path("")));
            assert_eq!(calls[0].argv[1], alias.to_str().unwrap(), "{program}");
        }
    }
}

#[test]
fn hip_clang_launcher_wins_over_the_installed_one_and_is_one_word() {
    let tree = tree(&Config {
        launcher: b"/nonexistent/installed",
        ..Config::default()
    });
    let spaced = tree.launcher("a launcher");
    tree.launcher("bin/onpath");
    // A path with spaces and a name that is looked up in PATH; below, a path relative to the current directory.
    for (value, expected) in [
        (spaced.to_str().unwrap().to_owned(), spaced.clone()),
        ("onpath".to_owned(), tree.path("bin/onpath")),
    ] {
        let path = format!("/nonexistent:{}:/usr/bin", tree.path("bin").display());
        let calls = told(
            tree.call(COMPILE)
                .env("HIP_CLANG_LAUNCHER", &value)
                .env("PATH", path),
        );
        assert_eq!(calls[0].exe, expected.to_str().unwrap(), "{value}");
    }
    let calls = told(tree.call(COMPILE).env("HIP_CLANG_LAUNCHER", "./a launcher"));
    assert_eq!(calls[0].exe, spaced.to_str().unwrap());
}

#[test]
fn hip_clang_launcher_is_never_given_to_a_shell() {
    let tree = tree(&Config {
        fingerprint: b"a compiler",
        ..Config::default()
    });
    for value in [
        "$(touch hacked)",
        "`touch hacked`",
        "a;touch hacked",
        "ccache -v",
    ] {
        let output = run(tree.call(COMPILE).env("HIP_CLANG_LAUNCHER", value));
        assert!(output.status.success(), "{value}");
        assert!(
            stderr(&output).starts_with("rock-wrap: launcher "),
            "{}",
            stderr(&output)
        );
        assert!(!tree.path("hacked").exists());
    }
}

#[test]
fn an_empty_hip_clang_launcher_is_as_if_unset() {
    let tree = tree(&Config::default());
    let calls = told(tree.call(COMPILE).env("HIP_CLANG_LAUNCHER", ""));
    assert_eq!(
        calls[0].exe,
        tree.path("bin/clang++.7625").to_str().unwrap()
    );
}

#[test]
fn rock_wrap_disable_goes_straight_to_the_compiler() {
    let tree = tree(&Config {
        launcher: b"/nonexistent/launcher",
        strict: true,
        ..Config::default()
    });
    let calls = told(tree.call(COMPILE).env("ROCK_WRAP_DISABLE", "1"));
    assert_eq!(calls.len(), 1);
    assert_eq!(
        calls[0].exe,
        tree.path("bin/clang++.7625").to_str().unwrap()
    );
}

#[test]
fn a_missing_launcher_costs_one_line_and_the_compiler_runs() {
    let tree = tree(&Config {
        launcher: b"/nonexistent/launcher",
        ..Config::default()
    });
    let output = run(tree.call(COMPILE).env("WITNESS_FILE", tree.path("told")));
    assert_eq!(
        stderr(&output),
        "rock-wrap: launcher /nonexistent/launcher (given to `rock-wrap install`) was not found; \
         compiling without it\n"
    );
    assert_eq!(output.status.code(), Some(0));
    let calls = Told::all(&std::fs::read(tree.path("told")).unwrap());
    assert_eq!(calls[0].argv[0], tree.path("bin/clang++").to_str().unwrap());
}

#[test]
fn a_launcher_that_cannot_be_executed_is_distinguished_from_a_missing_one() {
    let tree = tree(&Config::default());
    std::fs::write(tree.path("plain"), "no program").unwrap();
    for word in ["./plain", "./bin"] {
        let output = run(tree.call(COMPILE).env("HIP_CLANG_LAUNCHER", word));
        assert!(
            stderr(&output).contains("cannot be executed; compiling"),
            "{}",
            stderr(&output)
        );
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn a_strict_installation_fails_as_a_shell_does_and_names_the_remedy() {
    let tree = tree(&Config {
        launcher: b"/nonexistent/launcher",
        strict: true,
        ..Config::default()
    });
    std::fs::write(tree.path("plain"), "no program").unwrap();
    let missing = run(&mut tree.call(COMPILE));
    assert_eq!(missing.status.code(), Some(127));
    assert!(stderr(&missing).starts_with("rock-wrap: launcher /nonexistent/launcher"));
    assert!(stderr(&missing).contains("ROCK_WRAP_DISABLE=1"));
    let plain = run(tree.call(COMPILE).env("HIP_CLANG_LAUNCHER", "./plain"));
    assert_eq!(plain.status.code(), Some(126));
    assert_eq!(stderr(&plain).lines().count(), 1);
    // Calls that compile nothing need no launcher.
    assert_eq!(run(&mut tree.call(["--version"])).status.code(), Some(0));
}

#[test]
fn a_copy_of_the_tree_uses_its_own_compiler() {
    let tree = tree(&Config::default());
    let copy = tempfile::tempdir().unwrap();
    let status = Command::new("cp")
        .arg("-a")
        .arg(tree.path("bin"))
        .arg(copy.path())
        .status()
        .unwrap();
    assert!(status.success());
    let calls = told(Command::new(copy.path().join("bin/clang++")).arg("--version"));
    assert_eq!(
        calls[0].exe,
        copy.path().join("bin/clang++.7625").to_str().unwrap()
    );
}

#[test]
fn without_its_compiler_the_shim_says_what_to_do_and_ends() {
    let tree = tree(&Config::default());
    std::fs::remove_file(tree.path("bin/clang++.7625")).unwrap();
    let output = run(&mut tree.call(["--version"]));
    assert_eq!(output.status.code(), Some(127));
    let text = stderr(&output);
    assert!(
        text.starts_with("rock-wrap: the real compiler ") && text.contains("restore"),
        "{text}"
    );
}

#[test]
fn a_shim_whose_tree_is_restored_in_the_same_instant_runs_the_restored_compiler() {
    let tree = tree(&Config::default());
    // The instant after `restore`: the process is still the shim, but its name is the original again and the alias is
    // gone. A hard link to the shim stands for the process that started before.
    std::fs::hard_link(tree.path("bin/clang++"), tree.path("bin/begun-before")).unwrap();
    std::fs::rename(tree.path("bin/clang++.7625"), tree.path("bin/clang++")).unwrap();
    let mut begun = Command::new(tree.path("bin/begun-before"));
    let calls = told(
        begun
            .arg0("clang++")
            .arg("--version")
            .env_clear()
            .env("A", "1"),
    );
    assert_eq!(calls[0].exe, tree.path("bin/clang++").to_str().unwrap());
    assert_eq!(calls[0].env, ["A=1"]);
}

#[test]
fn a_damaged_configuration_costs_the_launcher_and_not_the_compile() {
    let tree = tree(&Config {
        launcher: b"/no/such/launcher",
        strict: true,
        ..Config::default()
    });
    let mut image = std::fs::read(tree.path("bin/clang++")).unwrap();
    let at = image
        .windows(17)
        .position(|window| window == b"/no/such/launcher")
        .unwrap();
    image[at] ^= 1;
    tree.program("bin/clang++", &image);
    assert_eq!(told(&mut tree.call(COMPILE)).len(), 1);
}

#[test]
fn sccache_gets_none_of_the_variables_that_make_it_refuse() {
    let tree = tree(&Config {
        fingerprint: b"a compiler",
        ..Config::default()
    });
    let sccache = tree.launcher("sccache");
    let vars = [
        ("CARGO_INCREMENTAL", "1"),
        ("CARGO_BUILD_INCREMENTAL", "1"),
        ("SCCACHE_S3_NO_CREDENTIALS", ""),
        ("SCCACHE_DIR", "/kept"),
        ("OTHER", ""),
    ];
    let calls = told(
        tree.call(COMPILE)
            .env("HIP_CLANG_LAUNCHER", &sccache)
            .envs(vars),
    );
    let has = |name: &str| calls[0].env.iter().any(|entry| entry.starts_with(name));
    assert!(has("SCCACHE_DIR=/kept") && has("OTHER="), "{calls:?}");
    assert!(
        !has("CARGO_") && !has("SCCACHE_S3_NO_CREDENTIALS"),
        "{calls:?}"
    );
}
