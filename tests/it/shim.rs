//! The shim as a process: what reaches the compiler or the launcher, told by fake ones that report
//! how they were called. A real compiler cannot show its argv, environment or signal masks.

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{FakeTree, Told, run, stderr, witnessed};
use rock_wrap::shared::shim_config::Config;

/// A call that the shim forwards to a launcher: one compile of one file that exists.
const COMPILE: [&str; 5] = ["-O2", "-c", "a.cpp", "-o", "a.o"];

fn tree(config: &Config<'_>) -> FakeTree {
    let tree = FakeTree::new(config);
    std::fs::write(tree.path("a.cpp"), "int a;\n").unwrap();
    tree
}

fn told(command: &mut Command) -> Vec<Told> {
    let output = run(command);
    assert_eq!(output.stdout, b"", "nothing goes to standard output");
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
    // A path with spaces; a name that is looked up; a path relative to the current directory.
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
fn a_missing_launcher_is_one_line_and_then_the_compiler() {
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
fn a_launcher_that_cannot_be_executed_is_told_from_a_missing_one() {
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
    // What is not a compile needs no launcher.
    assert_eq!(run(&mut tree.call(["--version"])).status.code(), Some(0));
}

#[test]
fn the_compiler_finds_signals_and_descriptors_as_without_the_shim() {
    let tree = tree(&Config::default());
    // A shell sets up what the call inherits: SIGPIPE and SIGINT ignored or not, a closed standard
    // input, one more descriptor.
    for setup in ["", "trap '' PIPE;", "trap '' INT QUIT;"] {
        for redirect in ["", "0<&-", "7</dev/null", ">&-"] {
            let run_one = |program: &str| {
                let script = format!("{setup} exec {program} --version {redirect}");
                let output = run(Command::new("sh")
                    .args(["-c", &script])
                    .current_dir(tree.path("")));
                let mut told = Told::all(&output.stderr).remove(0);
                told.argv.clear();
                told.env.clear();
                told
            };
            let through = run_one("bin/clang++");
            let bare = run_one("bin/clang++.7625");
            assert_eq!(through.rest, bare.rest, "{setup} {redirect}");
        }
    }
}

#[test]
fn blocked_signals_stay_blocked() {
    use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
    let tree = tree(&Config::default());
    let mut command = tree.call(["--version"]);
    // SAFETY: sigprocmask is safe between fork and exec.
    unsafe {
        command.pre_exec(|| {
            let mut set = SigSet::empty();
            set.add(Signal::SIGUSR1);
            sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None)?;
            Ok(())
        });
    }
    let calls = told(&mut command);
    assert!(
        calls[0]
            .rest
            .iter()
            .any(|line| line == "SigBlk:\t0000000000000200"),
        "{calls:?}"
    );
}

#[test]
fn exit_status_and_signal_are_the_compilers() {
    let tree = tree(&Config::default());
    let exited = run(tree.call(["--version"]).env("WITNESS_DO", "exit 77"));
    assert_eq!(exited.status.code(), Some(77));
    let killed = run(tree.call(["--version"]).env("WITNESS_DO", "kill 6"));
    assert_eq!(killed.status.signal(), Some(6));
}

#[test]
fn standard_input_reaches_the_compiler() {
    let tree = tree(&Config::default());
    let input = File::open(tree.path("a.cpp")).unwrap();
    let mut call = tree.call(["-E", "-"]);
    let output = run(call.env("WITNESS_DO", "cat").stdin(Stdio::from(input)));
    assert_eq!(output.stdout, b"int a;\n");
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
    // The instant after `restore`: the process still is the shim, its name is the original again
    // and the alias is gone. A hard link to the shim stands for the process that began before.
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

#[test]
fn a_pass_through_makes_at_most_eight_system_calls_and_opens_no_file() {
    let tree = tree(&Config::default());
    let log = tree.path("strace");
    for args in [&["--version"][..], &COMPILE, &["a.cpp", "-o", "a"]] {
        let status = Command::new("strace")
            .arg("-o")
            .arg(&log)
            .arg(tree.path("bin/clang++"))
            .args(args)
            .current_dir(tree.path(""))
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        let log = std::fs::read_to_string(&log).unwrap();
        let second = log.match_indices("execve(").nth(1).unwrap().0;
        let calls: Vec<_> = log[..second].lines().skip(1).collect();
        assert!(calls.len() <= 8, "{args:?}: {calls:#?}");
        assert!(
            !calls.iter().any(|call| call.starts_with("open")),
            "{args:?}: {calls:#?}"
        );
    }
}

#[test]
fn the_shim_needs_no_more_stack_than_clang() {
    let tree = tree(&Config {
        fingerprint: b"a compiler",
        ..Config::default()
    });
    let launcher = tree.launcher("ccache");
    // The least that clang 15 and 19 compile an empty file with.
    let script = "ulimit -s 48; exec bin/clang++ \"$@\"";
    for (launcher, words) in [(Path::new(""), 6), (&launcher, 7)] {
        let calls = told(
            Command::new("sh")
                .args(["-c", script, "sh"])
                .args(COMPILE)
                .current_dir(tree.path(""))
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .env("HIP_CLANG_LAUNCHER", launcher),
        );
        assert_eq!(calls[0].argv.len(), words, "{calls:?}");
    }
}

#[test]
fn a_session_gets_one_line_for_each_call_and_parallel_calls_lose_none() {
    const CALLERS: usize = 50;
    const CALLS: usize = 40;
    let tree = tree(&Config::default());
    let log = tree.path("events");
    std::fs::write(&log, "").unwrap();
    std::fs::write(tree.path("a.cpp"), "").unwrap();
    let launcher = tree.launcher("a-launcher");
    let with_log = |command: &mut Command| {
        command
            .env("ROCK_WRAP_EVENTS", &log)
            .env("HIP_CLANG_LAUNCHER", &launcher)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
    };
    let hip = [
        "-x",
        "hip",
        "--offload-arch=gfx900",
        "--offload-arch=gfx906",
        "-c",
        "a.cpp",
    ];
    for args in [&["--version"][..], &hip] {
        let mut call = tree.call(args);
        with_log(&mut call);
        assert!(run(&mut call).status.success());
    }
    let events = |log: &Path| rock_wrap::shared::call_log::read(&std::fs::read(log).unwrap());
    let of = events(&log);
    assert!(!of[0].launched && of[0].detail == "information" && of[0].source.is_none());
    assert!(of[1].launched && of[1].detail == "other" && of[1].archs == 2);
    assert_eq!(of[1].source.as_deref(), Some(Path::new("a.cpp")));
    assert_eq!(of[1].output.as_deref(), Some(Path::new("a.o")));
    assert_eq!(
        of[1].cwd,
        Some(tree.path("").canonicalize().unwrap()),
        "what the relative names are relative to"
    );

    // Long names, so that lines are cut if anything could cut them.
    let script = r#"i=0; while [ $i -lt "$3" ]; do "$1" -c "/no/$2-$i.cpp"; i=$((i + 1)); done"#;
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let mut call = Command::new("sh");
            call.args(["-c", script, "sh"])
                .arg(tree.path("bin/clang++"))
                .args([format!("{caller}{}", "x".repeat(3000)), CALLS.to_string()])
                .env_clear();
            with_log(&mut call);
            call.spawn().unwrap()
        })
        .collect();
    for mut caller in callers {
        assert!(caller.wait().unwrap().success());
    }
    let sources: std::collections::BTreeSet<_> = events(&log)
        .into_iter()
        .filter_map(|event| event.source)
        .filter(|source| source.starts_with("/no"))
        .collect();
    assert_eq!(sources.len(), CALLERS * CALLS);
}

#[test]
fn a_session_log_that_has_gone_away_bothers_no_compile() {
    let tree = tree(&Config::default());
    let output = run(tree
        .call(["--version"])
        .env("ROCK_WRAP_EVENTS", tree.path("gone")));
    assert!(output.status.success());
    assert!(!stderr(&output).contains("rock-wrap"));
    assert!(!tree.path("gone").exists());
}

/// The witness of a file that lies beside the shim, as it is now or with another size.
fn witness_of(path: &std::path::Path, name: &str, grown: u64) -> Vec<u8> {
    let name = std::ffi::CString::new(name).unwrap();
    let mut witness = witnessed::file(c"", &name, &path.metadata().unwrap());
    witness.size += grown;
    rock_wrap::shim_image::encode_witnesses(&[witness])
}

#[test]
fn a_caching_launcher_gets_the_key_and_a_hip_compile_its_id() {
    let tree = tree(&Config {
        fingerprint: b"a compiler",
        ..Config::default()
    });
    let hip = ["-x", "hip", "-c", "a.cpp"];
    for (name, variable) in [
        ("sccache", "SCCACHE_C_CUSTOM_CACHE_BUSTER="),
        ("ccache", "CCACHE_COMPILERCHECK=string:"),
    ] {
        let launcher = tree.launcher(name);
        let calls = told(tree.call(hip).env("HIP_CLANG_LAUNCHER", &launcher));
        let keys: Vec<_> = calls[0]
            .env
            .iter()
            .filter(|it| it.starts_with(variable))
            .collect();
        assert_eq!(keys.len(), 1, "{calls:?}");
        assert_eq!(keys[0].len(), variable.len() + 64);
        let (id, rest) = calls[0].argv.split_last().unwrap();
        assert!(id.starts_with("-cuid="), "{calls:?}");
        assert_eq!(rest[2..], hip);
    }
    let other = tree.launcher("other");
    let calls = told(tree.call(hip).env("HIP_CLANG_LAUNCHER", &other));
    assert_eq!(
        calls[0].argv[2..],
        hip,
        "another launcher gets nothing but the call"
    );
}

#[test]
fn a_compiler_that_changed_is_not_cached_and_that_is_told_once() {
    let fake = tree(&Config::default());
    let same = witness_of(&fake.path("bin/clang++.7625"), "clang++.7625", 0);
    let other = witness_of(&fake.path("bin/clang++.7625"), "clang++.7625", 1);
    let launcher = fake.launcher("ccache");
    let config = Config {
        fingerprint: b"a compiler",
        ..Config::default()
    };
    let install = |witness: &[u8]| {
        let config = Config {
            name: b"clang++",
            witness,
            ..config
        };
        fake.program(
            "bin/clang++",
            &rock_wrap::shim_image::stamp(&config).unwrap(),
        );
    };
    let call = || {
        let mut call = fake.call(COMPILE);
        call.env("HIP_CLANG_LAUNCHER", &launcher)
            .env("HOME", fake.path("home"));
        run(call.env("WITNESS_FILE", fake.path("told")))
    };
    std::fs::create_dir_all(fake.path("home/.cache")).unwrap();

    install(&same);
    // What the launcher would have written.
    std::fs::write(fake.path("a.o"), "").unwrap();
    assert_eq!(stderr(&call()), "");
    install(&other);
    let first = stderr(&call());
    assert!(
        first.starts_with("rock-wrap: clang++.7625 has changed"),
        "{first}"
    );
    assert_eq!(stderr(&call()), "", "once for a build");
    let ran: Vec<_> = Told::all(&std::fs::read(fake.path("told")).unwrap())
        .into_iter()
        .map(|told| told.exe)
        .collect();
    let real = fake.path("bin/clang++.7625").to_str().unwrap().to_owned();
    assert_eq!(
        ran,
        [launcher.to_str().unwrap().to_owned(), real.clone(), real]
    );
}
