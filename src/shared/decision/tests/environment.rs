//! What the environment decides, and which parts of it a launcher gets.

use super::*;

#[test]
fn the_launcher_is_the_environments_then_the_installers() {
    let launcher = |env: &[&str], installed: &str| {
        let argv = ["clang", "-c", "a.c"];
        with(
            "clang",
            installed,
            env,
            &argv,
            &Fake::new(),
            |decision| match decision {
                Decision::Launch(launch) => {
                    let word = String::from_utf8(launch.launcher.word.to_vec()).unwrap();
                    (
                        word,
                        launch.launcher.kind,
                        launch.launcher.version,
                        launch.launcher.from,
                    )
                }
                other => panic!("{other:?}"),
            },
        )
    };
    use LauncherKind::{Ccache, Other, Sccache};
    assert_eq!(
        launcher(&[], SCCACHE),
        (
            "/usr/bin/sccache".into(),
            Sccache,
            Some(Version(0, 16, 0)),
            Source::Installed
        )
    );
    assert_eq!(
        launcher(&["HIP_CLANG_LAUNCHER=/a b/ccache"], SCCACHE),
        ("/a b/ccache".into(), Ccache, None, Source::Environment)
    );
    assert_eq!(
        launcher(&["HIP_CLANG_LAUNCHER=$(x)"], SCCACHE),
        ("$(x)".into(), Other, None, Source::Environment)
    );
    assert_eq!(
        launcher(&["HIP_CLANG_LAUNCHER=/usr/bin/sccache"], SCCACHE).2,
        Some(Version(0, 16, 0))
    );
}

#[test]
fn a_launcher_that_failed_for_its_settings_is_left_alone_for_a_while() {
    let env = ["HOME=/home/me", "SCCACHE_DIR=/x"];
    let argv = ["clang", "-c", "a.c"];
    let mark = with("clang", SCCACHE, &env, &argv, &Fake::new(), |decision| {
        let Decision::Launch(launch) = decision else {
            panic!("{decision:?}");
        };
        let (env, config) = (strings(&env), Config::default());
        let env: Vec<&CStr> = env.iter().map(CString::as_c_str).collect();
        let call = Call {
            called: c"",
            argv: &[],
            env: &env,
            config: &config,
        };
        failure::mark(&call, &launch.launcher).unwrap()
    });
    let failed = |seconds_ago: u64, env: &[&str]| {
        let mut machine = Fake::new();
        let file_state = FileState {
            dev: 1,
            ino: 1,
            size: 1,
            mtime: NOW - seconds_ago,
            mtime_nsec: 0,
        };
        machine.stamps.insert(mark.to_bytes().into(), file_state);
        with("clang", SCCACHE, env, &argv, &machine, word)
    };
    assert_eq!(failed(0, &env), "launcher-failed");
    assert_eq!(failed(299, &env), "launcher-failed");
    assert_eq!(failed(300, &env), "launch");
    let other = ["HOME=/home/me", "SCCACHE_DIR=/y"];
    assert_eq!(failed(0, &other), "launch", "with other settings");
    let relative = ["XDG_CACHE_HOME=cache", "HOME=/home/me", "SCCACHE_DIR=/x"];
    assert_eq!(
        failed(0, &relative),
        "launcher-failed",
        "a relative path is ignored"
    );
    assert_eq!(failed(0, &env[1..]), "launch", "nowhere to remember it");
}

#[test]
fn the_launchers_environment_is_cleaned() {
    let env = |launcher: &str, argv: &[&str]| -> Vec<String> {
        let env = [
            "PATH=/bin",
            "SCCACHE_BUCKET=",
            "SCCACHE_DIR=/x",
            "SCCACHE_DIRECT=true",
            "EMPTY=",
            "CCACHE_COMPILER=gcc",
            "CCACHE_DEPEND=1",
            "CCACHE_BASEDIR=/x",
            "CCACHE_SLOPPINESS=system_headers,include_file_ctime",
            "CARGO_INCREMENTAL=1",
            "CARGO_BUILD_INCREMENTAL=1",
            "odd",
        ];
        with("clang", launcher, &env, argv, &Fake::new(), |decision| {
            let Decision::Launch(launch) = decision else {
                panic!("{decision:?}");
            };
            let kept = env
                .into_iter()
                .filter(|entry| launch.edits.keeps(entry.as_bytes()));
            let added = launch.edits.added().map(|entry| entry.to_str().unwrap());
            kept.chain(added).map(str::to_owned).collect()
        })
    };
    let plain = ["clang", "-c", "a.c"];
    let deps = ["clang", "-MMD", "-c", "a.c"];
    assert_eq!(
        env(SCCACHE, &plain),
        [
            "PATH=/bin",
            "SCCACHE_DIR=/x",
            "SCCACHE_DIRECT=true",
            "EMPTY=",
            "CCACHE_COMPILER=gcc",
            "CCACHE_DEPEND=1",
            "CCACHE_BASEDIR=/x",
            "CCACHE_SLOPPINESS=system_headers,include_file_ctime",
            "odd",
            "ROCK_WRAP_GUARD=1"
        ]
    );
    assert_eq!(env(SCCACHE, &deps), env(SCCACHE, &["clang", "-c", "a.c"]));
    assert_eq!(env(OTHER, &deps).len(), 13);
    let ccache = [
        "PATH=/bin",
        "SCCACHE_BUCKET=",
        "SCCACHE_DIR=/x",
        "SCCACHE_DIRECT=true",
        "EMPTY=",
        "CARGO_INCREMENTAL=1",
        "CARGO_BUILD_INCREMENTAL=1",
        "odd",
        "ROCK_WRAP_GUARD=1",
        "CCACHE_COMPILER=",
        "CCACHE_SLOPPINESS=include_file_ctime",
        "CCACHE_NODEPEND=1",
        "CCACHE_CPP2=1",
        "CCACHE_BASEDIR=",
        "CCACHE_HASHDIR=1",
        "CCACHE_IGNOREHEADERS=",
        "CCACHE_IGNOREOPTIONS=",
    ];
    assert_eq!(env(CCACHE, &deps), ccache);
    assert_eq!(env(CCACHE, &["clang", "-c", "a.hip"]), ccache);
    let exact = |kind: &str| {
        let config = Config {
            launcher: kind.as_bytes(),
            ..Config::default()
        };
        let launcher = NamedLauncher::choose(None, &config).unwrap();
        let edits = launcher.edits(true);
        let own = ["SCCACHE_DIRECT=true", "CCACHE_DIRECT=1", "CCACHE_NODIRECT="];
        let kept = own
            .into_iter()
            .filter(|entry| edits.keeps(entry.as_bytes()));
        assert_eq!(kept.count(), 0, "{kind}");
        let added = edits.added().map(|entry| entry.to_str().unwrap());
        added.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(exact("sccache"), "ROCK_WRAP_GUARD=1 SCCACHE_DIRECT=false");
    assert_eq!(
        exact("ccache"),
        "ROCK_WRAP_GUARD=1 CCACHE_COMPILER= CCACHE_NODIRECT=1"
    );
}

#[test]
fn a_part_has_no_direct_mode() {
    let added = |launcher: &str, parts: &str| -> Vec<String> {
        let argv = ["clang++", "-c", "a.hip"];
        with(
            "clang++",
            launcher,
            &[parts],
            &argv,
            &Fake::new(),
            |decision| {
                let Decision::Launch(launch) = decision else {
                    panic!("{decision:?}");
                };
                let added = launch.edits.added().map(|entry| entry.to_str().unwrap());
                added.map(str::to_owned).collect()
            },
        )
    };
    for (launcher, entry) in [
        (SCCACHE, "SCCACHE_DIRECT=false"),
        (CCACHE, "CCACHE_NODIRECT=1"),
    ] {
        for (phase, off) in [("a", false), ("p", true), ("r", false)] {
            let added = added(launcher, &format!("ROCK_WRAP_PARTS={phase}/tmp/dir"));
            assert_eq!(
                added.iter().any(|own| own == entry),
                off,
                "{launcher}, {phase}"
            );
        }
    }
}

#[test]
fn an_ancestor_that_launches_is_noticed() {
    let with_ancestors = |launcher: &str, ancestors: &[(&'static str, &'static str)]| {
        let mut fake = Fake::new();
        fake.ancestors = ancestors.to_vec();
        outcome_in(&fake, launcher, "clang++ -c a.cpp")
    };
    let shell = ("/usr/bin/dash", "sh");
    let nested = "nested-ancestor";
    assert_eq!(with_ancestors(SCCACHE, &[shell; 4]), "launch");
    assert_eq!(
        with_ancestors(SCCACHE, &[("/x/sccache", "sccache")]),
        nested
    );
    assert_eq!(
        with_ancestors(SCCACHE, &[shell, shell, shell, ("/x/ccache-4", "x")]),
        nested
    );
    assert_eq!(
        with_ancestors(SCCACHE, &[shell, shell, shell, shell, ("/x/ccache", "x")]),
        "launch"
    );
    assert_eq!(
        with_ancestors(CCACHE, &[("/x/sccache (deleted)", "x")]),
        nested
    );
    assert_eq!(with_ancestors(CCACHE, &[("", "sccache")]), nested);
    // A script: its executable is the shell.
    let script = "/opt/my-very-long-launcher.sh ?";
    assert_eq!(
        with_ancestors(script, &[("/usr/bin/dash", "my-very-long-la")]),
        nested
    );
    assert_eq!(
        with_ancestors(script, &[("/x/my-very-long-launcher.sh", "x")]),
        nested
    );
    assert_eq!(with_ancestors(script, &[("", "")]), "launch");
}

#[test]
fn of_a_variable_that_is_given_twice_the_first_counts_as_with_getenv() {
    // Each variable with a value that changes nothing and a value that has an effect.
    for (name, quiet, loud) in [
        ("ROCK_WRAP_DISABLE", "0", "1"),
        ("CCC_OVERRIDE_OPTIONS", "", "+-g"),
        ("COMPILER_PATH", "", "/tools"),
        ("LD_PRELOAD", "", "/lib/p.so"),
        ("HIP_DEVICE_LIB_PATH", "/a", "/b"),
        ("ROCM_PATH", "/a", "/b"),
        ("HIP_PATH", "/a", "/b"),
        ("LD_LIBRARY_PATH", "/a", "/b"),
        ("CLANG_NO_DEFAULT_CONFIG", "", "1"),
        ("ROCK_WRAP_BASE_DIR", "/a", "/b"),
        ("PWD", "/a", "/b"),
        ("HIP_CLANG_LAUNCHER", "/a", "/b"),
    ] {
        let entry = |value: &str| CString::new(format!("{name}={value}")).unwrap();
        let (quiet, loud) = (entry(quiet), entry(loud));
        for (first, second) in [(&quiet, &loud), (&loud, &quiet)] {
            let environment = |env: &[&CStr]| format!("{:?}", Environment::of(env));
            assert_eq!(
                environment(&[first, second]),
                environment(&[first]),
                "{first:?} {second:?}"
            );
        }
        assert_ne!(
            format!("{:?}", Environment::of(&[&quiet])),
            format!("{:?}", Environment::of(&[&loud])),
            "{name} shows"
        );
    }
}

#[test]
fn a_call_under_a_variable_with_two_values_is_not_launched() {
    let argv = ["clang", "-c", "a.c"];
    let decided = |env: &[&str]| with("clang", SCCACHE, env, &argv, &Fake::new(), word);
    for name in ["HIP_DEVICE_LIB_PATH", "LD_LIBRARY_PATH", "CPATH", "ANY", ""] {
        let [a, b] = ["/a", "/b"].map(|value| format!("{name}={value}"));
        assert_eq!(decided(&[&a, "X=1", &b]), "repeated-variable", "{name}");
        assert_eq!(
            decided(&[&a, "X=1", &a]),
            "launch",
            "{name}: both are the same"
        );
    }
    let many: Vec<_> = (0..3000)
        .map(|number| format!("V{number}={number}"))
        .collect();
    let mut many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(decided(&many), "launch");
    many.push("V1=2");
    assert_eq!(decided(&many), "repeated-variable");
    assert_eq!(decided(&["odd", "odd", "odder"]), "launch", "no variables");
}
