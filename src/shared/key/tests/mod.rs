//! What makes two calls share a cached result, and what keeps them apart.

mod compiler;
mod id;
mod native;

use super::*;
use crate::shared::decision::{Decision, decide};
use crate::shared::machine::{FileKind, FileState, Visitor};
use crate::shared::shim_config::{Witness, WitnessKind};
use crate::shim_image::encode_witnesses;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// A machine on which every requested file exists, with a working directory and device libraries.
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

/// The outcome of a call: the key's entry and the added id, or the reason.
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
    // Outside of direct mode, sccache's text contains no names.
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
    // Not below the base, although it has the same prefix.
    assert_eq!(key(&["ROCK_WRAP_BASE_DIR=/w/bui"], PLAIN), key(&[], PLAIN));
}

#[test]
fn what_is_passed_to_the_preprocessor_alone_is_in_the_key() {
    // -fdebug-macro writes it into the object; sccache sees only the resulting text.
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
    // The same file, but the dependency file spells it differently.
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
fn a_device_number_is_not_in_the_key_and_a_path_is() {
    // A reboot or another container mounts the same file system under another device number. Two file systems may
    // hold files of the same name with equal inode, size and time.
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
