//! What the shim logs for a session, and what it gives to a caching launcher.

use super::{COMPILE, told, tree};
use crate::support::{Told, run, stderr, witnessed};
use rock_wrap::shared::shim_config::Config;
use std::path::Path;
use std::process::{Command, Stdio};

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
        "the directory that relative names refer to"
    );

    // The names are long, so that lines would be cut if parallel writes could cut them.
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
fn a_session_log_that_has_been_removed_does_not_disturb_a_compile() {
    let tree = tree(&Config::default());
    let output = run(tree
        .call(["--version"])
        .env("ROCK_WRAP_EVENTS", tree.path("gone")));
    assert!(output.status.success());
    assert!(!stderr(&output).contains("rock-wrap"));
    assert!(!tree.path("gone").exists());
}

/// The encoded witness of a file beside the shim, with `grown` bytes added to its size.
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
        "another launcher gets only the call"
    );
}

#[test]
fn calls_of_a_changed_compiler_are_not_cached_and_one_line_says_so() {
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
    // The output that the launcher would have written.
    std::fs::write(fake.path("a.o"), "").unwrap();
    assert_eq!(stderr(&call()), "");
    install(&other);
    let first = stderr(&call());
    assert!(
        first.starts_with("rock-wrap: clang++.7625 has changed"),
        "{first}"
    );
    assert_eq!(stderr(&call()), "", "the line is printed once per build");
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
