//! What a launched call gets, and which launcher gets the call.

use super::*;

#[test]
fn a_launcher_forwards_plain_compiles_of_compilers_that_are_not_of_the_tree() {
    let dir = |ino| FileState {
        dev: 1,
        ino,
        size: 0,
        mtime: 0,
        mtime_nsec: 0,
    };
    let mut machine = Fake::new();
    machine.stamps.insert(b".".to_vec(), dir(7));
    machine.stamps.insert(b"/rocm/llvm/bin/".to_vec(), dir(7));
    machine.stamps.insert(b"/usr/bin/".to_vec(), dir(8));
    let shim = format!("\x7fELF{}", "\0".repeat(100));
    machine
        .stamps
        .insert(b"/shadow/bin/clang++".to_vec(), dir(9));
    machine.file("/shadow/bin/clang++", &shim);
    for (expected, line) in [
        ("launch", "/rocm/llvm/bin/clang++ -x hip -c a.cpp -o x/a.o"),
        ("information", "/rocm/llvm/bin/clang++ --version"),
        ("driver-name", "/rocm/llvm/bin/amdclang++ -c a.cpp -o x/a.o"),
        ("forward", "/usr/bin/g++ -c a.cpp"),
        ("forward", "/usr/bin/aarch64-linux-gnu-gcc-12.2 -c a.c"),
        ("forward", "clang++-19 -c a.cpp"),
        ("foreign-compiler", "/usr/bin/clang++ -x hip -c a.cpp"),
        ("foreign-compiler", "/usr/bin/clang++ -xhip -c a.cpp"),
        ("foreign-compiler", "/usr/bin/clang++ -c a.hip"),
        ("foreign-compiler", "/usr/bin/clang++ @all.rsp"),
        ("another-shim", "/shadow/bin/clang++ -c a.cpp"),
        ("another-shim", "/shadow/bin/clang++ -x hip -c a.cpp"),
        ("foreign-compiler", "/usr/bin/hipcc -c a.cpp"),
        ("foreign-compiler", "/usr/bin/nvcc -c a.cpp"),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(
            with("", SCCACHE, &[], &words, &machine, word),
            expected,
            "{line}"
        );
    }
    let nested = |env: &str| with("", SCCACHE, &[env], &["/usr/bin/g++", "-c"], &machine, word);
    assert_eq!(nested("ROCK_WRAP_GUARD=1"), "nested-shim");
    assert_eq!(nested("ROCK_WRAP_DISABLE=1"), "disabled");
    let own = "HIP_CLANG_LAUNCHER=/home/me/rock-wrap-launcher";
    assert_eq!(nested(own), "forward", "its own name is no other launcher");
}

#[test]
fn what_cmake_tries_out_in_a_directory_of_its_own_is_kept_from_caches() {
    const PROBE: &str = "CMakeFiles/cmTC_66f73.dir/a.cpp.o";
    const SCRATCH: &str = "/b/CMakeFiles/CMakeScratch/TryCompile-Gl1Swe";
    let decided = |cwd, launcher: &str, name: &str, output: &str| {
        let mut machine = Fake { cwd, ..Fake::new() };
        let dir = output.rsplit_once('/').map_or("", |(dir, _)| dir);
        machine.others.insert(dir.into());
        machine.others.insert(format!("{dir}/").into());
        let compiler = if name.is_empty() {
            "/usr/bin/g++"
        } else {
            name
        };
        let words = [compiler, "-c", "a.cpp", "-o", output];
        with(name, launcher, &[], &words, &machine, word)
    };
    for launcher in [SCCACHE, CCACHE] {
        for cwd in [SCRATCH, "/b/CMakeFiles/CMakeTmp"] {
            for name in ["clang++", ""] {
                let found = decided(cwd, launcher, name, PROBE);
                assert_eq!(found, "configure-probe", "{launcher} {cwd} {name}");
            }
        }
    }
    for (cwd, output) in [
        (SCRATCH, "CMakeFiles/app.dir/a.cpp.o"),
        (SCRATCH, "x/a.o"),
        ("/b", PROBE),
        ("/b/CMakeFiles/CMakeScratch", PROBE),
        ("/b/CMakeFiles/CMakeScratch/TryCompile-", PROBE),
        ("/b/CMakeFiles/CMakeScratch/TryCompile-Gl1Swe/sub", PROBE),
        ("/b/CMakeScratch/TryCompile-Gl1Swe", PROBE),
        ("/b/CMakeFiles/TryCompile-Gl1Swe", PROBE),
        ("/b/myCMakeFiles/CMakeTmp", PROBE),
        ("/CMakeTmp", PROBE),
        ("/", PROBE),
    ] {
        assert_eq!(decided(cwd, CCACHE, "clang++", output), "launch", "{cwd}");
        assert_eq!(decided(cwd, CCACHE, "", output), "forward", "{cwd}");
    }
    assert_eq!(decided(SCRATCH, OTHER, "clang++", PROBE), "launch");
}

#[test]
fn the_argument_to_blame_is_named() {
    let at = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        with(
            "clang++",
            SCCACHE,
            &[],
            &words,
            &Fake::new(),
            |decision| match decision {
                Decision::Direct(direct) => direct.at.map(|at| words[at].to_owned()),
                _ => panic!("{line} is launched"),
            },
        )
    };
    assert_eq!(at("clang++ -c a.cpp -v").as_deref(), Some("-v"));
    assert_eq!(at("clang++ -c a.cpp b.cpp").as_deref(), Some("b.cpp"));
    assert_eq!(
        at("clang++ -O2 -c missing.cpp").as_deref(),
        Some("missing.cpp")
    );
    assert_eq!(at("clang++ a.cpp"), None);
}

#[test]
fn what_a_key_needs_is_told() {
    let line = "clang++ -x hip -c dir/a.cpp -o out/a.o -MD -MF a.d -MT t1 -MQ t2 -g -fgpu-rdc \
                --offload-arch=gfx906,gfx908 --cuda-gpu-arch=gfx90a -cuid=1 --cuda-device-only \
                --rocm-path=r -resource-dir d -Xarch_host -g0";
    let words: Vec<&str> = line.split_whitespace().collect();
    with("clang++", CCACHE, &[], &words, &Fake::new(), |decision| {
        let Decision::Launch(launch) = decision else {
            panic!("{decision:?}");
        };
        let unit = &launch.unit;
        assert_eq!(unit.input.to_bytes(), b"dir/a.cpp");
        assert_eq!(unit.word(WordRole::Output), Some(c"out/a.o"));
        assert_eq!(unit.word(WordRole::Depfile), Some(c"a.d"));
        let of = |role| -> Vec<&str> {
            let words = unit.words.iter().filter(|(is, _)| *is == role);
            words.map(|(_, text)| text.to_str().unwrap()).collect()
        };
        assert_eq!(of(WordRole::Target), ["t1", "t2"]);
        assert_eq!(of(WordRole::Library), ["--rocm-path=r", "d"]);
        assert!(unit.writes_depfile && unit.debug_info && unit.has_cuid);
        assert!(unit.sides == Sides::Device && unit.relocatable_device_code);
        assert_eq!(unit.language, Language::Hip);
        assert_eq!(unit.archs, [c"gfx906", c"gfx908", c"gfx90a"]);
    });
    assert_eq!(default_output(c"dir.d/a.b.cpp"), b"a.b.o");
    assert_eq!(default_output(c"dir.d/a"), b"a.o");
}

/// The arguments that the launcher gets for a call.
fn given(launcher: &str, line: &str, machine: &Fake) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    with("clang++", launcher, &[], &words, machine, |decision| {
        let Decision::Launch(launch) = decision else {
            panic!("{line}: {decision:?}");
        };
        let argv = strings(&words);
        let argv: Vec<&CStr> = argv.iter().map(CString::as_c_str).collect();
        let arguments = launch.unit.arguments(&argv);
        let arguments = arguments.iter().map(|word| word.to_str().unwrap());
        arguments.collect::<Vec<_>>().join(" ")
    })
}

#[test]
fn spellings_that_launchers_do_not_know_are_put_in_the_ones_that_they_do() {
    let given = |launcher, line| given(launcher, line, &Fake::new());
    for launcher in [SCCACHE, CCACHE] {
        for (line, expected) in [
            ("clang++ -c a.cpp --output=out/a.o", "-c a.cpp -oout/a.o"),
            ("clang++ --output a.o -c a.cpp", "-o a.o -c a.cpp"),
            ("clang++ -c a.cpp -D --output", "-c a.cpp -D --output"),
        ] {
            assert_eq!(given(launcher, line), expected, "{launcher}");
        }
    }
    let line = "clang++ -resource-dir dir -c a.cpp";
    let joined = "-resource-dir=dir -resource-dir=dir -c a.cpp";
    assert_eq!(given(SCCACHE, line), joined, "it takes dir for an input");
    assert_eq!(given(CCACHE, line), &line[8..]);
    let line = "clang++ -Xarch_host -DX -c a.hip -O2 -Xarch_gfx906 -O1";
    let skipped = "--ccache-skip -Xarch_host --ccache-skip -DX -c a.hip -O2 \
                   --ccache-skip -Xarch_gfx906 --ccache-skip -O1";
    assert_eq!(given(CCACHE, line), skipped, "it drops them");
    assert_eq!(given(SCCACHE, line), &line[8..]);
    let mut machine = Fake::new();
    machine.file("r", "--output=a.o");
    assert_eq!(
        outcome_in(&machine, SCCACHE, "clang++ -c a.cpp @r"),
        "unusual-spelling",
        "what is in a file stays there"
    );
    machine.file("r", "-resource-dir dir");
    let line = "clang++ -c a.cpp @r";
    assert_eq!(outcome_in(&machine, SCCACHE, line), "unusual-spelling");
    assert_eq!(outcome_in(&machine, CCACHE, line), "launch");
    machine.file("r", "-Xarch_host -DX");
    assert_eq!(outcome_in(&machine, CCACHE, line), "xarch");
    assert_eq!(outcome_in(&machine, SCCACHE, line), "launch");
    machine.file("r", "-Xarch_host");
    assert_eq!(
        outcome_in(&machine, CCACHE, &format!("{line} -DX")),
        "xarch"
    );
}

/// The arguments that a launch adds, without ids.
fn added(launcher: &str, line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    with("clang", launcher, &[], &words, &Fake::new(), |decision| {
        let Decision::Launch(launch) = decision else {
            return word(decision).to_owned();
        };
        let words = launch.key.iter().flat_map(Key::words);
        let words = words.map(|word| word.to_str().unwrap());
        words.collect::<Vec<_>>().join(" ")
    })
}

#[test]
fn a_working_directory_without_a_name_is_left_to_the_compiler() {
    for cwd in ["", "(unreachable)/x"] {
        let machine = Fake { cwd, ..Fake::new() };
        for launcher in [SCCACHE, CCACHE] {
            let outcome = outcome_in(&machine, launcher, "clang -c a.c");
            assert_eq!(outcome, "directory-gone", "{launcher} {cwd}");
        }
        assert_eq!(outcome_in(&machine, OTHER, "clang -c a.c"), "launch");
    }
}

#[test]
fn sccache_is_told_the_name_of_a_dependency_file() {
    for (line, name) in [
        ("clang -c a.c -MD", "a.d"),
        ("clang -c dir/a.cpp -MMD", "a.d"),
        ("clang -c a.c -MD -o out/b.c.o", "out/b.c.d"),
        ("clang -c a.c -MD -o x/b", "x/b.d"),
        ("clang -c a.c -MD -o x/.o", "x/.d"),
    ] {
        let expected = format!("-MF {name}");
        assert_eq!(added(SCCACHE, line), expected, "{line}");
        assert_eq!(added("/usr/bin/sccache 0.11.0", line), expected, "{line}");
        assert_eq!(added("/usr/bin/sccache ?", line), expected, "{line}");
        for other in ["/usr/bin/sccache 0.10.0", CCACHE, OTHER] {
            assert_eq!(added(other, line), "", "{other}: {line}");
        }
    }
    assert_eq!(added(SCCACHE, "clang -c a.c -MD -MF b.d"), "");
    assert_eq!(added(SCCACHE, "clang -c a.c"), "");
    // The output `out` is a directory: clang will report the error.
    assert_eq!(
        added(SCCACHE, "clang -c a.c -MD -o out"),
        "output-not-a-file"
    );
    let mut machine = Fake::new();
    machine.others.insert(b"a.d".to_vec());
    assert_eq!(outcome_in(&machine, SCCACHE, "clang -c a.c -MD"), "depfile");
    assert_eq!(outcome_in(&machine, CCACHE, "clang -c a.c -MD"), "launch");
}

#[test]
fn sccaches_client_is_run_where_it_does_the_servers_work() {
    let asked = |version, env: &[&str]| {
        let config = Config {
            name: b"clang",
            asks_server: true,
            ..Config::default()
        };
        let launcher = format!("/usr/bin/sccache {version}");
        let argv = ["clang", "-c", "a.c"];
        decided_in(
            &config,
            &launcher,
            env,
            &argv,
            &Fake::new(),
            |decision| match decision {
                Decision::Launch(launch) => launch.launcher.asks_server,
                other => panic!("{other:?}"),
            },
        )
    };
    let new = Version(0, 17, 0);
    assert!(asked(new, &[]));
    for on in ["1", "true", "On"] {
        let variable = format!("SCCACHE_CLIENT_SIDE={on}");
        assert!(!asked(new, &[&variable]), "{on}");
        // sccache ignores the variable while it logs.
        assert!(asked(new, &[&variable, "SCCACHE_LOG=debug"]), "{on}");
        assert!(!asked(new, &[&variable, "SCCACHE_LOG="]), "{on}");
        // sccache 0.16 does not know the variable.
        assert!(asked(Version(0, 16, 0), &[&variable]), "{on}");
    }
    for off in ["0", "false", "off", "", "maybe"] {
        assert!(
            asked(new, &[&format!("SCCACHE_CLIENT_SIDE={off}")]),
            "{off}"
        );
    }
}
