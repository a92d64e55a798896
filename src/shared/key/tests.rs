//! What makes two calls share a cached result, and what keeps them apart.

use super::*;
use crate::shared::decision::Decision;
use crate::shared::decision::decide;
use crate::shared::machine::FileKind;
use crate::shared::machine::FileState;
use crate::shared::machine::Visitor;
use crate::shared::shim_config::Witness;
use crate::shared::shim_config::WitnessKind;
use crate::shim_image::encode_witnesses;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// A machine with every file that is asked for, a working directory, and device libraries.
#[derive(Clone)]
struct Fake {
    cwd: &'static str,
    stamps: BTreeMap<&'static str, FileState>,
    responses: BTreeMap<&'static str, &'static str>,
    tools: BTreeMap<&'static str, &'static str>,
    asked: Cell<usize>,
    kept: RefCell<BTreeMap<String, Vec<u8>>>,
}

fn file_state(ino: u64) -> FileState {
    FileState {
        dev: 1,
        ino,
        size: 10,
        mtime: 1000,
        mtime_nsec: 5,
    }
}

impl Fake {
    fn in_dir(cwd: &'static str) -> Self {
        let stamps = [
            ("/rocm/amdgcn/bitcode", file_state(1)),
            ("/rocm/amdgcn/bitcode/ocml.bc", file_state(2)),
            ("/other", file_state(3)),
            ("/other/ocml.bc", file_state(4)),
            ("../amdgcn/bitcode", file_state(1)),
            ("clang-19", file_state(5)),
            ("clang.9727", file_state(7)),
            ("clang++.9727", file_state(8)),
            ("../lib/libLLVM.so.19.1", file_state(6)),
        ];
        Self {
            cwd,
            stamps: stamps.into(),
            responses: BTreeMap::new(),
            tools: BTreeMap::new(),
            asked: Cell::default(),
            kept: RefCell::default(),
        }
    }

    fn with(mut self, path: &'static str, file_state: FileState) -> Self {
        self.stamps.insert(path, file_state);
        self
    }
}

impl Machine for Fake {
    type DirHandle = CString;

    fn kind(&self, path: &CStr) -> FileKind {
        let path = path.to_str().unwrap();
        let there = !path.ends_with(".pch") && !path.ends_with(".gch");
        if there {
            FileKind::Regular
        } else {
            FileKind::Missing
        }
    }

    fn kind_to_write(&self, path: &CStr, _: bool) -> FileKind {
        self.kind(path)
    }

    fn read(&self, path: &CStr) -> Option<Vec<u8>> {
        let path = path.to_str().unwrap();
        let kept = self.kept.borrow().get(path).cloned();
        kept.or_else(|| Some(self.responses.get(path)?.as_bytes().to_vec()))
    }

    fn holds(&self, _: &CStr, _: u8, _: &[u8]) -> bool {
        false
    }

    fn cwd(&self) -> Vec<u8> {
        self.cwd.into()
    }

    fn file_state(&self, path: &CStr) -> Option<FileState> {
        self.stamps.get(path.to_str().unwrap()).copied()
    }

    fn open_dir(&self, dir: &CStr) -> Option<CString> {
        Some(dir.to_owned())
    }

    fn state_in(&self, place: &CString, path: &CStr) -> Option<FileState> {
        let path = [place.to_bytes(), path.to_bytes()].concat();
        self.file_state(&CString::new(path).unwrap())
    }

    fn ask(&self, tool: &CStr, argument: Option<&CStr>) -> Option<Vec<u8>> {
        self.asked.set(self.asked.get() + 1);
        let argument = argument.map(|argument| argument.to_str().unwrap());
        let called = [tool.to_str().unwrap(), argument.unwrap_or_default()].join(" ");
        let said = self.tools.get(called.trim_end())?;
        Some(said.as_bytes().to_vec())
    }

    fn keep(&self, path: &CStr, content: &[u8]) {
        let path = path.to_str().unwrap().to_owned();
        self.kept.borrow_mut().insert(path, content.to_vec());
    }

    fn now(&self) -> u64 {
        0
    }

    fn list(&self, dir: &CStr, wanted: fn(&CStr) -> bool, visit: &mut dyn FnMut(&CStr, FileState)) {
        let prefix = format!("{}/", dir.to_str().unwrap());
        for (path, file_state) in self.stamps.iter().rev() {
            if let Some(name) = path.strip_prefix(&prefix) {
                let name = CString::new(name).unwrap();
                if wanted(&name) {
                    visit(&name, *file_state);
                }
            }
        }
    }

    fn ancestors(&self, _: &mut Visitor<'_>) {}
}

const WITNESSES: [Witness<'_>; 4] = [
    Witness {
        kind: WitnessKind::File,
        dir: c"../lib/",
        name: c"libLLVM.so.19.1",
        ino: 6,
        size: 10,
        mtime: 1000,
        mtime_nsec: 5,
    },
    Witness {
        kind: WitnessKind::File,
        dir: c"",
        name: c"clang-19",
        ino: 5,
        size: 10,
        mtime: 1000,
        mtime_nsec: 5,
    },
    Witness {
        kind: WitnessKind::Directory,
        dir: c"",
        name: c"../amdgcn/bitcode",
        ino: 1,
        size: 0,
        mtime: 1000,
        mtime_nsec: 5,
    },
    Witness {
        kind: WitnessKind::Absent,
        dir: c"",
        name: c"clang.cfg",
        ino: 0,
        size: 0,
        mtime: 0,
        mtime_nsec: 0,
    },
];

/// What a call comes to: the key's entry and the id that is added, or the reason.
fn call(
    fingerprint: &[u8],
    launcher: &str,
    env: &[&str],
    line: &str,
    machine: &Fake,
) -> Result<(String, Option<String>), &'static str> {
    let witness = encode_witnesses(&WITNESSES);
    let config = Config {
        name: b"clang++",
        launcher: launcher.as_bytes(),
        fingerprint,
        witness: &witness,
        ..Config::default()
    };
    let strings = |words: &mut dyn Iterator<Item = &str>| -> Vec<CString> {
        words.map(|word| CString::new(word).unwrap()).collect()
    };
    let argv = strings(&mut "clang++".split(' ').chain(line.split(' ')));
    let env = strings(&mut env.iter().copied());
    let argv: Vec<&CStr> = argv.iter().map(CString::as_c_str).collect();
    let env: Vec<&CStr> = env.iter().map(CString::as_c_str).collect();
    let call = Call {
        called: c"",
        argv: &argv,
        env: &env,
        config: &config,
    };
    match decide(&call, machine) {
        Decision::Direct(direct) => Err(direct.reason.as_str()),
        Decision::Launch(launch) => {
            let text = |text: CString| text.into_string().unwrap();
            let key = launch.key.map(|key| (text(key.entry), key.cuid.map(text)));
            Ok(key.unwrap_or_default())
        }
        Decision::Forward(_) => panic!("no compiler of ours"),
    }
}

#[test]
fn a_dependency_file_is_the_same_whoever_names_it() {
    let implied = key(&[], "-c a.cpp -o out/a.o -MD");
    assert_eq!(key(&[], "-c a.cpp -o out/a.o -MD -MF out/a.d"), implied);
    assert_ne!(key(&[], "-c a.cpp -o out/a.o -MD -MF out/b.d"), implied);
    assert_ne!(key(&[], "-c a.cpp -o out/a.o"), implied);
}

fn key_in(machine: &Fake, launcher: &str, env: &[&str], line: &str) -> String {
    call(b"clang", launcher, env, line, machine).unwrap().0
}

fn key(env: &[&str], line: &str) -> String {
    key_in(&Fake::in_dir("/w/build"), "sccache", env, line)
}

fn cuid(dir: &'static str, env: &[&str], line: &str) -> Option<String> {
    call(b"clang", "sccache", env, line, &Fake::in_dir(dir))
        .unwrap()
        .1
}

const PLAIN: &str = "-c a.cpp -o a.o";
const HIP: &str = "-x hip -c a.cpp -o a.o";

#[test]
fn the_same_call_has_the_same_key() {
    assert_eq!(key(&["A=1"], PLAIN), key(&["B=2"], PLAIN));
}

#[test]
fn the_name_by_which_the_compiler_is_called_counts_where_it_is_not_its_own() {
    let witness = encode_witnesses(&WITNESSES);
    let config = Config {
        name: b"clang++",
        home: b"/rocm/bin/",
        launcher: b"ccache",
        fingerprint: b"clang",
        witness: &witness,
        ..Config::default()
    };
    let key = |called: &CStr| {
        let call = Call {
            called,
            argv: &[c"clang++", c"-c", c"a.cpp"],
            env: &[],
            config: &config,
        };
        match decide(&call, &Fake::in_dir("/w")) {
            Decision::Launch(launch) => launch.key.unwrap().entry,
            other => panic!("{other:?}"),
        }
    };
    let names = [
        c"/rocm/bin/clang++",
        c"/usr/bin/clang++",
        c"/rocm/bin/clang++-19",
        c"bin/clang++",
    ];
    let keys: std::collections::BTreeSet<_> = names.map(key).into_iter().collect();
    assert_eq!(keys.len(), names.len());
}

#[test]
fn each_launcher_gets_it_in_its_own_variable() {
    let entry = |launcher| key_in(&Fake::in_dir("/w"), launcher, &[], PLAIN);
    assert!(entry("/x/sccache").starts_with("SCCACHE_C_CUSTOM_CACHE_BUSTER="));
    assert!(entry("/x/ccache").starts_with("CCACHE_COMPILERCHECK=string:"));
    assert_eq!(
        entry("/x/distcc"),
        "",
        "a launcher that does not cache gets none"
    );
}

#[test]
fn another_compiler_has_another_key() {
    let machine = Fake::in_dir("/w");
    let of = |fingerprint| {
        call(fingerprint, "sccache", &[], PLAIN, &machine)
            .unwrap()
            .0
    };
    assert_ne!(of(b"clang"), of(b"other"));
}

#[test]
fn variables_that_steer_clang_are_in_the_key() {
    for variable in [
        "HIP_PATH=/x",
        "LD_LIBRARY_PATH=/x",
        "CLANG_NO_DEFAULT_CONFIG=1",
        "HIP_DEVICE_LIB_PATH=/other",
        "ROCM_PATH=/x",
        "SCCACHE_C_CUSTOM_CACHE_BUSTER=the user's own",
    ] {
        assert_ne!(key(&[variable], HIP), key(&[], HIP), "{variable}");
    }
}

#[test]
fn libraries_that_the_loader_would_take_instead_are_looked_at() {
    let env = ["LD_LIBRARY_PATH=/x:/lib", "LD_PRELOAD=/pre.so"];
    let of = |path, ino| {
        key_in(
            &Fake::in_dir("/w").with(path, file_state(ino)),
            "ccache",
            &env,
            HIP,
        )
    };
    for path in ["/lib/libLLVM.so.19.1", "/pre.so"] {
        assert_ne!(of(path, 20), of(path, 21), "{path}");
    }
    let other = "/lib/libother.so";
    assert_eq!(of(other, 20), of(other, 21), "no library of the compiler's");
}

#[test]
fn the_users_own_check_is_folded_in_and_not_dropped() {
    let machine = Fake::in_dir("/w");
    let of = |value: &str| key_in(&machine, "ccache", &[value], PLAIN);
    assert_ne!(
        of("CCACHE_COMPILERCHECK=string:1"),
        of("CCACHE_COMPILERCHECK=string:2")
    );
}

#[test]
fn another_output_has_another_key() {
    assert_ne!(key(&[], PLAIN), key(&[], "-c a.cpp -o b.o"));
    assert_eq!(key(&[], PLAIN), key(&[], "-c a.cpp -o ./a.o"));
    assert_eq!(key(&[], PLAIN), key(&[], "-c a.cpp -o /w/build/a.o"));
    assert_eq!(key(&[], PLAIN), key(&[], "-c a.cpp"), "the default output");
}

#[test]
fn the_inputs_name_is_in_the_key_as_clang_sees_it() {
    // sccache's text has no names in it outside of direct mode.
    assert_ne!(key(&[], "-c x/a.cpp -o a.o"), key(&[], "-c y/a.cpp -o a.o"));
    assert_ne!(key(&[], "-c ./a.cpp -o a.o"), key(&[], "-c a.cpp -o a.o"));
}

#[test]
fn two_directories_of_one_build_never_share() {
    let of = |dir, env: &[&str]| key_in(&Fake::in_dir(dir), "sccache", env, HIP);
    assert_ne!(of("/w/build/x", &[]), of("/w/build/y", &[]));
    let base = ["ROCK_WRAP_BASE_DIR=/w"];
    assert_ne!(of("/w/build/x", &base), of("/w/build/y", &base));
}

#[test]
fn two_checkouts_share_below_their_base() {
    let line = "-x hip -I/BASE/include -c /BASE/src/a.cpp -o x/a.o -MD -MF x/a.d -MT x/a.o";
    let of = |base: &'static str, dir: &'static str| {
        let line = line.replace("/BASE", base);
        let env = [format!("ROCK_WRAP_BASE_DIR={base}/")];
        let env: Vec<&str> = env.iter().map(String::as_str).collect();
        call(b"clang", "sccache", &env, &line, &Fake::in_dir(dir)).unwrap()
    };
    assert_eq!(of("/one", "/one/build"), of("/else/two", "/else/two/build"));
    assert_ne!(of("/one", "/one/build"), of("/else/two", "/else/two/other"));
}

#[test]
fn a_base_that_is_no_absolute_path_means_nothing() {
    for base in [
        "ROCK_WRAP_BASE_DIR=",
        "ROCK_WRAP_BASE_DIR=w",
        "ROCK_WRAP_BASE_DIR=/",
    ] {
        assert_eq!(key(&[base], PLAIN), key(&[], PLAIN), "{base}");
    }
    // Not below it, although it begins so.
    assert_eq!(key(&["ROCK_WRAP_BASE_DIR=/w/bui"], PLAIN), key(&[], PLAIN));
}

#[test]
fn what_is_passed_to_the_preprocessor_alone_is_in_the_key() {
    // -fdebug-macro writes it into the object; sccache has only the text that it leads to.
    for launcher in ["sccache", "ccache"] {
        let of = |line: &str| key_in(&Fake::in_dir("/w"), launcher, &[], line);
        let with = |option: &str| of(&format!("{PLAIN} {option}"));
        assert_ne!(with("-Wp,-DX"), with("-Wp,-DY"), "{launcher}");
        assert_ne!(with("-Wp,-DX"), of(PLAIN), "{launcher}");
    }
}

#[test]
fn an_assembler_source_is_in_the_key_as_a_whole() {
    let of = |content| {
        let mut machine = Fake::in_dir("/w");
        machine.responses.insert("k.s", content);
        let line = "-x assembler --target=amdgcn-amd-amdhsa -c k.s -o k.o";
        key_in(&machine, "sccache", &[], line)
    };
    assert_eq!(of("s_nop 0"), of("s_nop 0"));
    assert_ne!(of("s_nop 0"), of("s_nop 1"));
}

#[test]
fn a_dependency_file_has_its_targets_text_in_the_key() {
    let depfile = "-c a.cpp -o a.o -MD -MF a.d";
    assert_ne!(key(&[], depfile), key(&[], PLAIN));
    assert_ne!(key(&[], depfile), key(&[], &format!("{depfile} -MT x")));
    assert_ne!(key(&[], depfile), key(&[], "-c a.cpp -o a.o -MD -MF b.d"));
    // The same file, but the dependency file says so in other words.
    assert_ne!(key(&[], depfile), key(&[], "-c a.cpp -o ./a.o -MD -MF a.d"));
}

#[test]
fn with_debug_information_sccache_gets_the_directory() {
    let of = |dir, launcher, options: &str| {
        let line = format!("{options} -c a.cpp -o /o/a.o");
        key_in(&Fake::in_dir(dir), launcher, &[], &line)
    };
    assert_eq!(of("/x", "sccache", "-O2"), of("/y", "sccache", "-O2"));
    assert_ne!(of("/x", "sccache", "-g"), of("/y", "sccache", "-g"));
    assert_eq!(
        of("/x", "ccache", "-g"),
        of("/y", "ccache", "-g"),
        "it minds that itself"
    );
    let mapped = |base, dir| of(dir, "sccache", &format!("-g -ffile-prefix-map={base}=."));
    assert_eq!(mapped("/x", "/x/b"), mapped("/y", "/y/b"));
    assert_ne!(mapped("/x", "/x/b"), mapped("/x", "/x/c"));
    assert_ne!(
        mapped("/z", "/x"),
        mapped("/z", "/y"),
        "a map of something else"
    );
    let named = "-g -fdebug-compilation-dir=.";
    assert_eq!(of("/x", "sccache", named), of("/y", "sccache", named));
}

#[test]
fn device_libraries_that_are_not_fingerprinted_are_looked_at() {
    let changed = FileState {
        mtime_nsec: 6,
        ..file_state(4)
    };
    let before = Fake::in_dir("/w");
    let after = before.clone().with("/other/ocml.bc", changed);
    let added = before.clone().with("/other/new.bc", file_state(9));
    let unrelated = before.clone().with("/other/README", file_state(9));
    for (env, line) in [
        (&["HIP_DEVICE_LIB_PATH=/other"][..], HIP.to_owned()),
        (&[], format!("{HIP} --hip-device-lib-path=/other")),
        (&[], format!("{HIP} --rocm-device-lib-path=/other")),
    ] {
        let of = |machine| key_in(machine, "sccache", env, &line);
        assert_ne!(of(&before), of(&after), "{line}");
        assert_ne!(of(&before), of(&added), "{line}");
        assert_eq!(of(&before), of(&unrelated), "{line}");
    }
}

#[test]
fn a_tree_named_by_hand_is_looked_at_where_clang_looks() {
    let before = Fake::in_dir("/w")
        .with("/tree/amdgcn/bitcode", file_state(20))
        .with("/tree/amdgcn/bitcode/ocml.bc", file_state(21));
    let after = before
        .clone()
        .with("/tree/amdgcn/bitcode/ocml.bc", file_state(22));
    for (env, line) in [
        (&["ROCM_PATH=/tree"][..], HIP.to_owned()),
        (&[], format!("{HIP} --rocm-path=/tree")),
    ] {
        let of = |machine| key_in(machine, "ccache", env, &line);
        assert_ne!(of(&before), of(&after), "{line}");
    }
}

#[test]
fn the_fingerprinted_libraries_are_the_same_wherever_the_tree_lies() {
    let here = Fake::in_dir("/w");
    let there = Fake::in_dir("/w")
        .with("/elsewhere/amdgcn/bitcode", file_state(1))
        .with("/elsewhere/amdgcn/bitcode/ocml.bc", file_state(77));
    let of = |machine, root: &str| key_in(machine, "sccache", &[&format!("ROCM_PATH={root}")], HIP);
    assert_eq!(of(&here, "/rocm"), of(&there, "/elsewhere"));
}

#[test]
fn a_hip_compile_gets_an_id_unless_it_has_one() {
    let id = cuid("/w", &[], HIP).unwrap();
    assert_eq!(id.len(), "-cuid=".len() + 16, "{id}");
    assert_eq!(cuid("/w", &[], &format!("{HIP} -cuid=1")), None);
    assert_eq!(cuid("/w", &[], &format!("{HIP} -fuse-cuid=none")), None);
    assert_eq!(cuid("/w", &[], PLAIN), None, "never on a host compile");
}

#[test]
fn a_call_that_asks_for_a_hash_gets_the_id_in_its_place() {
    // Of the words that the compiler is given, which launchers rewrite; -cuid= comes before it.
    for line in [
        "-fuse-cuid=hash",
        "-cuid=",
        "-fuse-cuid=none -fuse-cuid=hash",
    ] {
        assert!(
            cuid("/w", &[], &format!("{HIP} {line}")).is_some(),
            "{line}"
        );
    }
    for line in ["-fuse-cuid=hash -cuid=1", "-fuse-cuid=hash -fuse-cuid=none"] {
        assert_eq!(cuid("/w", &[], &format!("{HIP} {line}")), None, "{line}");
    }
}

#[test]
fn what_chooses_architectures_or_jobs_is_not_in_the_id() {
    let id = |line: &str| cuid("/w", &[], line);
    for option in [
        "--offload-arch=gfx900,gfx906",
        "--no-offload-arch=gfx900",
        "--cuda-gpu-arch=gfx900",
        "--no-cuda-gpu-arch=all",
        "--offload-targets=amdgcn-amd-amdhsa",
        "--offload-jobs=4",
        "--offload-jobs=jobserver",
        "-parallel-jobs=4",
    ] {
        assert_eq!(id(&format!("{HIP} {option}")), id(HIP), "{option}");
        let mut machine = Fake::in_dir("/w");
        let of = |machine: &Fake| call(b"clang", "sccache", &[], &format!("{HIP} @r"), machine);
        machine.responses.insert("r", "-DX @s");
        machine.responses.insert("s", "-DY");
        let without = of(&machine).unwrap().1;
        let text: &'static str = format!("-DY {option}").leak();
        machine.responses.insert("s", text);
        assert_eq!(
            of(&machine).unwrap().1,
            without,
            "{option} in a response file"
        );
    }
    assert_ne!(id(&format!("{HIP} -DX")), id(HIP), "the control");
}

#[test]
fn the_id_tells_outputs_directories_and_arguments_apart() {
    let id = |dir, line: &str| cuid(dir, &[], line);
    assert_eq!(id("/w", HIP), id("/w", HIP));
    assert_ne!(id("/w", HIP), id("/w", "-x hip -c a.cpp -o b.o"));
    assert_ne!(id("/w", HIP), id("/v", HIP));
    assert_ne!(id("/w", HIP), id("/w", &format!("{HIP} -DX")));
}

#[test]
fn the_id_knows_what_a_response_file_says() {
    let of = |content| {
        let mut machine = Fake::in_dir("/w");
        machine.responses.insert("r", content);
        call(b"clang", "sccache", &[], &format!("{HIP} @r"), &machine)
            .unwrap()
            .1
    };
    assert_ne!(of("-DX=1"), of("-DX=2"));
    assert_eq!(
        of("-DX=1"),
        of("  '-DX=1'\n"),
        "how it is written makes no difference"
    );
    let nested = |content| {
        let mut machine = Fake::in_dir("/w");
        machine.responses.insert("r", "@s");
        machine.responses.insert("s", content);
        call(b"clang", "sccache", &[], &format!("{HIP} @r"), &machine)
            .unwrap()
            .1
    };
    assert_ne!(nested("-DX=1"), nested("-DX=2"));
}

const NATIVE: &str = "-x hip --offload-arch=native -c a.cpp -o a.o";

/// A machine with a GPU, as an older clang asks for it.
fn with_gpu(architecture: &'static str) -> Fake {
    let mut machine = Fake::in_dir("/w").with("amdgpu-arch", file_state(40));
    machine.tools.insert("amdgpu-arch", architecture);
    let boot = "/proc/sys/kernel/random/boot_id";
    machine.responses.insert(boot, "1b30");
    machine
}

#[test]
fn what_native_stands_for_is_in_the_key() {
    let of = |machine: &Fake, line: &str| call(b"clang", "sccache", &[], line, machine);
    let key = |architecture| of(&with_gpu(architecture), NATIVE).unwrap().0;
    assert_eq!(
        key("gfx942
"),
        key("gfx942
")
    );
    assert_ne!(
        key("gfx942
"),
        key("gfx1100
")
    );
    assert_ne!(
        key("gfx942
"),
        key("gfx942
gfx1100
")
    );
    let named = NATIVE.replace("native", "gfx900,native");
    assert!(
        of(
            &with_gpu(
                "gfx942
"
            ),
            &named
        )
        .is_ok()
    );
    // As clang 22 and later ask for it.
    let mut newer = with_gpu(
        "gfx942
",
    )
    .with("offload-arch", file_state(41));
    newer.tools = [(
        "offload-arch --only=amdgpu",
        "gfx942
",
    )]
    .into();
    let one = of(&newer, NATIVE).unwrap().0;
    newer.tools = [(
        "offload-arch --only=amdgpu",
        "gfx90a
",
    )]
    .into();
    assert_ne!(of(&newer, NATIVE).unwrap().0, one);
}

#[test]
fn without_an_answer_native_is_not_cached() {
    for said in [
        "",
        "
",
        "error
",
        "gfx942",
        "gfx942
error: no
",
    ] {
        let machine = with_gpu(said);
        let outcome = call(b"clang", "ccache", &["HOME=/home/me"], NATIVE, &machine);
        assert_eq!(outcome, Err("native-target"), "{said:?}");
        assert!(machine.kept.borrow().is_empty(), "{said:?}");
    }
    let nothing = Fake::in_dir("/w");
    let outcome = call(b"clang", "ccache", &[], NATIVE, &nothing);
    assert_eq!(outcome, Err("native-target"));
}

#[test]
fn the_machine_is_asked_what_native_is_once_as_long_as_it_stays_the_same() {
    let of = |machine: &Fake, env: &[&str]| {
        let before = machine.asked.get();
        call(b"clang", "sccache", env, NATIVE, machine).unwrap();
        machine.asked.get() > before
    };
    let home = "HOME=/home/me";
    let machine = with_gpu(
        "gfx942
",
    );
    assert!(of(&machine, &[home]));
    assert!(
        !of(&machine, &[home, "OTHER=1"]),
        "the answer is remembered"
    );
    for variable in [
        "ROCR_VISIBLE_DEVICES=0",
        "HIP_VISIBLE_DEVICES=0",
        "GPU_DEVICE_ORDINAL=0",
        "CUDA_VISIBLE_DEVICES=0",
        "HSA_OVERRIDE_GFX_VERSION=11.0.0",
    ] {
        assert!(of(&machine, &[home, variable]), "{variable}");
    }
    let changed = |machine: Fake| of(&machine, &[home]);
    let another_boot = |mut machine: Fake| {
        let boot = "/proc/sys/kernel/random/boot_id";
        machine.responses.insert(boot, "1b31");
        machine
    };
    assert!(changed(another_boot(machine.clone())));
    for (path, ino) in [
        ("amdgpu-arch", 50),
        ("/proc/self/ns/mnt", 51),
        ("/dev/kfd", 52),
        ("/dev/dri/renderD129", 53),
        ("/sys/class/kfd/kfd/topology/nodes/2", 54),
    ] {
        assert!(
            changed(machine.clone().with(path, file_state(ino))),
            "{path}"
        );
    }
    assert!(!changed(machine.clone()), "the control");
    let cut = machine.clone();
    let shorten = |kept: &mut Vec<u8>| kept.truncate(kept.len() - 1);
    cut.kept.borrow_mut().values_mut().for_each(shorten);
    assert!(changed(cut), "half of an answer is none");
    assert!(
        of(&machine, &[]) && of(&machine, &[]),
        "nowhere to remember it"
    );
}

#[test]
fn without_a_fingerprint_nothing_is_cached() {
    let machine = Fake::in_dir("/w");
    assert_eq!(
        call(b"", "sccache", &[], PLAIN, &machine),
        Err("no-fingerprint")
    );
    assert!(call(b"", "distcc", &[], PLAIN, &machine).is_ok());
}

#[test]
fn a_compiler_that_changed_is_noticed_by_its_state() {
    let machine = Fake::in_dir("/w");
    let before = file_state(5);
    for changed in [
        FileState { ino: 6, ..before },
        FileState { size: 11, ..before },
        FileState {
            mtime: 1001,
            ..before
        },
        FileState {
            mtime_nsec: 6,
            ..before
        },
    ] {
        let machine = machine.clone().with("clang-19", changed);
        assert_eq!(
            call(b"clang", "ccache", &[], PLAIN, &machine),
            Err("compiler-changed")
        );
    }
    let mut gone = machine.clone();
    gone.stamps.remove("clang-19");
    let appeared = machine.clone().with("clang.cfg", file_state(9));
    let more = machine.clone().with(
        "../amdgcn/bitcode",
        FileState {
            mtime: 1,
            ..file_state(1)
        },
    );
    for machine in [gone, appeared, more] {
        assert_eq!(
            call(b"clang", "sccache", &[], PLAIN, &machine),
            Err("compiler-changed")
        );
    }
    let elsewhere = machine.with("clang-19", FileState { dev: 9, ..before });
    assert!(
        call(b"clang", "sccache", &[], PLAIN, &elsewhere).is_ok(),
        "another mount"
    );
}

#[test]
fn sccache_is_not_given_debug_information_of_a_directory_by_another_name() {
    let machine = Fake::in_dir("/real")
        .with("/link", file_state(30))
        .with(".", file_state(30));
    let of = |launcher, pwd, line| call(b"clang", launcher, &[pwd], line, &machine).map(|_| ());
    let debug = "-g -c a.cpp -o a.o";
    assert_eq!(of("sccache", "PWD=/link", debug), Err("logical-directory"));
    assert_eq!(of("sccache", "PWD=/real", debug), Ok(()));
    assert_eq!(
        of("sccache", "PWD=/nonsense", debug),
        Ok(()),
        "clang ignores it too"
    );
    assert_eq!(of("sccache", "PWD=/link", PLAIN), Ok(()));
    assert_eq!(of("ccache", "PWD=/link", debug), Ok(()), "it passes PWD on");
}

#[test]
fn a_device_number_is_not_in_the_key_and_a_path_is() {
    // A reboot or another container mounts the same file system under another number; two file systems
    // may hold a file of the same name with an equal inode, size and time.
    let on_device = |dev: u64| {
        let moved = |ino| FileState {
            dev,
            ..file_state(ino)
        };
        Fake::in_dir("/w")
            .with("/other", moved(3))
            .with("/other/ocml.bc", moved(4))
            .with("/mnt", moved(3))
            .with("/mnt/ocml.bc", moved(4))
            .with("/lib1/libLLVM.so.19.1", moved(6))
            .with("/lib1/p.so", moved(7))
    };
    for (env, line) in [
        (&["HIP_DEVICE_LIB_PATH=/other"][..], HIP.to_owned()),
        (&[], format!("{HIP} --hip-device-lib-path=/other")),
        (&["LD_LIBRARY_PATH=/lib1"], HIP.to_owned()),
        (&["LD_PRELOAD=/lib1/p.so"], HIP.to_owned()),
    ] {
        let keys = [1, 2].map(|dev| key_in(&on_device(dev), "ccache", env, &line));
        assert_eq!(keys[0], keys[1], "{env:?} {line}");
    }
    let of = |dir: &str| {
        let env = format!("HIP_DEVICE_LIB_PATH={dir}");
        key_in(&on_device(1), "ccache", &[&env], HIP)
    };
    assert_ne!(of("/other"), of("/mnt"));
}
