//! The whole rule book as tables: a command line, an environment, a launcher, and what becomes of
//! it. The real clang has the last word on quoting and on which options take a value.

use super::*;
use crate::shared::decision::language::Language;
use crate::shared::decision::unit::Sides;
use crate::shared::decision::unit::default_depfile;
use crate::shared::decision::unit::default_output;
use crate::shared::launchers::Source;
use crate::shared::launchers::kind::{LauncherKind, Version};
use crate::shared::machine::FileKind;
use crate::shared::machine::FileState;
use crate::shared::machine::Visitor;
use crate::shared::paths::STAND_IN_SUFFIX;
use crate::shared::shim_config::Config;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;

pub const SCCACHE: &str = "/usr/bin/sccache 0.16.0";
pub const CCACHE: &str = "/usr/bin/ccache 4.14.2";
pub const OTHER: &str = "/usr/bin/distcc ?";

/// Seconds since 1970 on the [`Fake`] machine.
const NOW: u64 = 1_800_000_000;

/// A machine in which the usual files are there.
#[derive(Default)]
pub struct Fake {
    files: BTreeMap<Vec<u8>, Vec<u8>>,
    others: BTreeSet<Vec<u8>>,
    pub stamps: BTreeMap<Vec<u8>, FileState>,
    ancestors: Vec<(&'static str, &'static str)>,
    cwd: &'static str,
}

impl Fake {
    pub fn new() -> Self {
        let mut fake = Self {
            cwd: "/build",
            ..Self::default()
        };
        for name in "a.c a.C a.cpp a.hip a.cu a.s a.S a.ii a.h a.o b.cpp dir/a.cpp".split(' ') {
            fake.file(name, "");
        }
        for name in ["clang", "clang++"] {
            fake.stamps.insert(
                [name.as_bytes(), STAND_IN_SUFFIX].concat(),
                FileState {
                    dev: 1,
                    ino: 1,
                    size: 1,
                    mtime: 1,
                    mtime_nsec: 1,
                },
            );
        }
        fake.file("incbin.cpp", "asm(\".incbin \\\"data\\\"\");");
        fake.file("embed.cpp", "#embed <data>");
        fake.file("include.s", "\t.include \"more.s\"");
        fake.file("incbin.s", ".INCBIN \"data\"");
        fake.file("with pch.h", "");
        fake.file("./plain.cfg", "# -save-temps\n-O2 -DX='a b'\n  -g\n");
        fake.file("./compiles.cfg", "-c\n");
        fake.file("./output.cfg", "-o x.o\n");
        fake.file("./includes.cfg", "@other.cfg\n");
        fake.file("./hazard.cfg", "-save-temps\n");
        fake.file("config.rsp", "--config=./plain.cfg");
        fake.file("pch.h.pch", "");
        for dir in ["dir", "dir/", "out", "out/", "x/"] {
            fake.others.insert(dir.into());
        }
        fake.others.insert(b"fifo".to_vec());
        fake.others.insert(b"fifo.cpp".to_vec());
        fake
    }

    pub fn file(&mut self, name: &str, content: &str) {
        self.files.insert(name.into(), content.into());
    }
}

impl Machine for Fake {
    type DirHandle = CString;

    fn kind(&self, path: &CStr) -> FileKind {
        if self.files.contains_key(path.to_bytes()) {
            FileKind::Regular
        } else if self.others.contains(path.to_bytes()) {
            FileKind::Other
        } else {
            FileKind::Missing
        }
    }

    fn kind_to_write(&self, path: &CStr, _: bool) -> FileKind {
        self.kind(path)
    }

    fn read(&self, path: &CStr) -> Option<Vec<u8>> {
        self.files.get(path.to_bytes()).cloned()
    }

    fn holds(&self, path: &CStr, mark: u8, word: &[u8]) -> bool {
        let text = [&[mark], word].concat();
        let content = self.files.get(path.to_bytes());
        content.is_none_or(|content| {
            content
                .windows(text.len())
                .any(|part| part.eq_ignore_ascii_case(&text))
        })
    }

    fn cwd(&self) -> Vec<u8> {
        self.cwd.as_bytes().to_vec()
    }

    fn file_state(&self, path: &CStr) -> Option<FileState> {
        self.stamps.get(path.to_bytes()).copied()
    }

    fn open_dir(&self, dir: &CStr) -> Option<CString> {
        Some(dir.to_owned())
    }

    fn state_in(&self, place: &CString, path: &CStr) -> Option<FileState> {
        let path = [place.to_bytes(), path.to_bytes()].concat();
        self.file_state(&CString::new(path).unwrap())
    }

    fn ask(&self, _: &CStr, _: Option<&CStr>) -> Option<Vec<u8>> {
        None
    }

    fn keep(&self, _: &CStr, _: &[u8]) {}

    fn now(&self) -> u64 {
        NOW
    }

    fn list(&self, dir: &CStr, wanted: fn(&CStr) -> bool, visit: &mut dyn FnMut(&CStr, FileState)) {
        let prefix = [dir.to_bytes(), b"/"].concat();
        for (path, file_state) in &self.stamps {
            if let Some(name) = path.strip_prefix(&prefix[..]) {
                let name = CString::new(name).unwrap();
                if wanted(&name) {
                    visit(&name, *file_state);
                }
            }
        }
    }

    fn ancestors(&self, visit: &mut Visitor<'_>) {
        for (exe, comm) in self.ancestors.iter().take(4) {
            if visit(comm.as_bytes(), &|| exe.as_bytes().to_vec()) {
                return;
            }
        }
    }
}

fn strings<S: AsRef<str>>(words: &[S]) -> Vec<CString> {
    let c = |word: &S| CString::new(word.as_ref()).unwrap();
    words.iter().map(c).collect()
}

/// Decides and shows the decision to `look`. `launcher` is a path and a version, or empty.
fn with<S: AsRef<str>, T>(
    name: &str,
    launcher: &str,
    env: &[&str],
    argv: &[S],
    machine: &Fake,
    look: impl FnOnce(&Decision<'_>) -> T,
) -> T {
    let config = Config {
        name: name.as_bytes(),
        ..Config::default()
    };
    decided_in(&config, launcher, env, argv, machine, look)
}

/// The same with an empty environment and more of the configuration, as a shim for clang++.
pub fn decided<T>(
    config: &Config<'_>,
    launcher: &str,
    argv: &[&str],
    machine: &Fake,
    look: impl FnOnce(&Decision<'_>) -> T,
) -> T {
    let config = Config {
        name: b"clang++",
        ..*config
    };
    decided_in(&config, launcher, &[], argv, machine, look)
}

fn decided_in<S: AsRef<str>, T>(
    config: &Config<'_>,
    launcher: &str,
    env: &[&str],
    argv: &[S],
    machine: &Fake,
    look: impl FnOnce(&Decision<'_>) -> T,
) -> T {
    let (path, version) = launcher.split_once(' ').unwrap_or((launcher, "?"));
    let parts: Vec<u16> = version.split('.').flat_map(str::parse).collect();
    let config = Config {
        launcher: path.as_bytes(),
        launcher_version: (parts.len() == 3).then(|| Version(parts[0], parts[1], parts[2])),
        fingerprint: b"a compiler",
        ..*config
    };
    let (argv, env) = (strings(argv), strings(env));
    let argv: Vec<&CStr> = argv.iter().map(CString::as_c_str).collect();
    let env: Vec<&CStr> = env.iter().map(CString::as_c_str).collect();
    let call = Call {
        called: c"",
        argv: &argv,
        env: &env,
        config: &config,
    };
    look(&decide(&call, machine))
}

pub fn word(decision: &Decision<'_>) -> &'static str {
    match decision {
        Decision::Direct(direct) => direct.reason.as_str(),
        Decision::Launch(_) => "launch",
        Decision::Forward(_) => "forward",
    }
}

/// `env ... clang++ args`, split at spaces; the shim is the one of the compiler's name.
fn outcome_in(machine: &Fake, launcher: &str, line: &str) -> &'static str {
    let words: Vec<&str> = line.split_whitespace().collect();
    let start = words
        .iter()
        .position(|word| word.contains("clang"))
        .unwrap();
    let start = words[..start]
        .iter()
        .all(|word| word.contains('='))
        .then_some(start)
        .unwrap();
    let name = if words[start].contains("++") {
        "clang++"
    } else {
        "clang"
    };
    with(
        name,
        launcher,
        &words[..start],
        &words[start..],
        machine,
        word,
    )
}

fn outcome(launcher: &str, line: &str) -> &'static str {
    outcome_in(&Fake::new(), launcher, line)
}

/// (outcome, launcher, line). The files of [`Fake::new`] are there.
#[rustfmt::skip]
const TABLE: &[(&str, &str, &str)] = &[
    // Who launches.
    ("disabled", SCCACHE, "ROCK_WRAP_DISABLE=1 clang++ -c a.cpp -o a.o"),
    ("launch", SCCACHE, "ROCK_WRAP_DISABLE= clang++ -c a.cpp -o a.o"),
    ("launch", SCCACHE, "ROCK_WRAP_DISABLE=0 clang++ -c a.cpp -o a.o"),
    ("disabled", SCCACHE, "ROCK_WRAP_DISABLE=1 HIP_CLANG_LAUNCHER=ccache clang++ -c a.cpp"),
    ("no-launcher", "", "clang++ -c a.cpp -o a.o"),
    ("no-launcher", "", "HIP_CLANG_LAUNCHER= clang++ -c a.cpp -o a.o"),
    ("launch", "", "HIP_CLANG_LAUNCHER=sccache clang++ -c a.cpp -o a.o"),
    ("launch", SCCACHE, "HIP_CLANG_LAUNCHER= clang++ -c a.cpp -o a.o"),
    // The name.
    ("launch", SCCACHE, "/opt/rocm/llvm/bin/clang++ -c a.cpp -o a.o"),
    ("launch", SCCACHE, "clang -c a.c -o a.o"),
    ("launch", SCCACHE, "clang-19 -c a.c -o a.o"),
    ("launch", SCCACHE, "../bin/clang++-15.0 -c a.cpp -o a.o"),
    ("driver-name", SCCACHE, "clang-cpp -c a.cpp -o a.o"),
    ("driver-name", SCCACHE, "clang-cl -c a.cpp -o a.o"),
    ("driver-name", SCCACHE, "x86_64-linux-gnu-clang++ -c a.cpp -o a.o"),
    ("driver-name", SCCACHE, "clang++.7625 -c a.cpp -o a.o"),
    ("driver-name", SCCACHE, "clang-dxc -c a.cpp -o a.o"),
    ("driver-mode", SCCACHE, "clang --driver-mode=cl -c a.cpp -o a.o"),
    ("launch", SCCACHE, "clang --driver-mode=g++ -c a.cpp -o a.o"),
    ("language-mode", SCCACHE, "clang --driver-mode=g++ -c a.c -o a.o"),
    // One compile of one file.
    ("launch", SCCACHE, "clang++ -c a.cpp"),
    ("launch", SCCACHE, "clang++ -oa.o -ca.cpp -c a.cpp"),
    ("not-a-compile", SCCACHE, "clang++"),
    ("not-a-compile", SCCACHE, "clang++ a.cpp"),
    ("not-a-compile", SCCACHE, "clang -o a.img -dumpdir a.img. --target=amdgcn-amd-amdhsa -mcpu=gfx90a a.o -flto=full"),
    ("not-a-compile", SCCACHE, "clang++ a.o b.o -o a"),
    ("not-a-compile", SCCACHE, "clang++ --driver-mode=g++ -O3 --hip-link a.o -o a"),
    ("no-input", SCCACHE, "clang++ -c -o a.o"),
    ("several-inputs", SCCACHE, "clang++ -c a.cpp b.cpp"),
    ("several-inputs", SCCACHE, "clang++ a.cpp b.cpp -c"),
    ("missing-value", SCCACHE, "clang++ -c a.cpp -o"),
    ("missing-value", SCCACHE, "clang++ -c a.cpp -isystem"),
    ("launch", SCCACHE, "clang++ -c -c a.cpp"),
    ("repeated-option", SCCACHE, "clang++ -c a.cpp -o a.o -ob.o"),
    ("repeated-option", SCCACHE, "clang++ -c a.cpp -x hip"),
    ("repeated-option", SCCACHE, "clang++ -x c++ -x hip -c a.cpp"),
    ("launch", SCCACHE, "clang++ -x hip -xhip -c a.cpp"),
    ("unusual-spelling", SCCACHE, "clang++ --compile a.cpp"),
    ("launch", SCCACHE, "clang++ -c a.cpp --output=a.o"),
    ("launch", CCACHE, "clang++ -c a.cpp --output a.o"),
    ("output-not-a-file", SCCACHE, "clang++ -c a.cpp --output=-"),
    ("repeated-option", SCCACHE, "clang++ -c a.cpp --output=a.o -o b.o"),
    ("missing-value", SCCACHE, "clang++ -c a.cpp --output"),
    ("unusual-spelling", SCCACHE, "clang++ -c a.cpp --output-class-directory=x"),
    ("unusual-spelling", SCCACHE, "clang++ -c a.cpp --output-asm-variant=1"),
    ("unusual-spelling", SCCACHE, "clang++ --language=hip -c a.cpp"),
    ("unusual-spelling", SCCACHE, "clang++ --write-dependencies -c a.cpp"),
    ("double-dash", SCCACHE, "clang++ -c -- a.cpp"),
    // Values are no inputs, and the other way round.
    ("launch", SCCACHE, "clang++ -c -resource-dir b.cpp a.cpp"),
    ("launch", SCCACHE, "clang++ -c -fdebug-compilation-dir b.cpp a.cpp"),
    ("launch", SCCACHE, "clang++ -c -isystem b.cpp -I b.cpp -D b.cpp -include b.cpp a.cpp"),
    ("launch", SCCACHE, "clang++ -c -sectcreate b.cpp b.cpp b.cpp a.cpp"),
    ("several-inputs", SCCACHE, "clang++ -c -sectcreate b.cpp b.cpp b.cpp b.cpp a.cpp"),
    ("several-inputs", SCCACHE, "clang++ -c -Ib b.cpp a.cpp"),
    ("launch", SCCACHE, "clang++ -c -fmade-up -mmade-up -gmade-up -Wmade-up a.cpp"),
    ("unclear-inputs", SCCACHE, "clang++ -c --made-up a.cpp"),
    ("launch", SCCACHE, "clang++ -c --made-up=yes a.cpp"),
    ("launch", SCCACHE, "clang++ -c --made-up -O2 a.cpp"),
    ("launch", SCCACHE, "clang++ -c a.cpp --made-up"),
    ("several-inputs", SCCACHE, "clang++ -c --made-up b.cpp a.cpp"),
    ("launch", SCCACHE, "clang++ -c -pthread a.cpp"),
    // Inputs.
    ("stdin", SCCACHE, "clang++ -x c++ -c -"),
    ("input-not-a-file", SCCACHE, "clang++ -c missing.cpp"),
    ("input-not-a-file", SCCACHE, "clang++ -c fifo.cpp"),
    ("input-not-a-file", SCCACHE, "clang++ -x c++ -c /dev/stdin"),
    ("launch", SCCACHE, "clang -c a.C"),
    ("launch", SCCACHE, "clang++ -c a.hip"),
    ("launch", SCCACHE, "clang++ -x hip -c a.cu"),
    ("launch", SCCACHE, "clang -xc -c a.h"),
    ("input-language", SCCACHE, "clang++ -c a.cu"),
    ("input-language", SCCACHE, "clang++ -c a.s"),
    ("input-language", SCCACHE, "clang++ -c a.S"),
    ("input-language", SCCACHE, "clang++ -c a.ii"),
    ("input-language", SCCACHE, "clang++ -c a.h"),
    ("input-language", SCCACHE, "clang++ -c a.o"),
    ("input-language", SCCACHE, "clang++ -c a"),
    ("input-language", SCCACHE, "clang++ -x none -c a.cpp"),
    ("input-language", SCCACHE, "clang++ -x cuda -c a.cu"),
    ("input-language", SCCACHE, "clang++ -x assembler-with-cpp -c a.s"),
    // What Tensile writes.
    ("launch", SCCACHE, "clang++ -x assembler -target amdgcn-amd-amdhsa -mcpu=gfx942 -c a.s -o a.o"),
    ("launch", CCACHE, "clang++ --target=amdgcn-amd-amdhsa -mcpu=gfx942 -c a.s -o a.o"),
    ("launch", OTHER, "clang -x assembler --target=amdgcn -c include.s"),
    ("included-data", SCCACHE, "clang -x assembler --target=amdgcn -c include.s"),
    ("included-data", CCACHE, "clang -x assembler --target=amdgcn -c include.s"),
    ("included-data", CCACHE, "clang --target=amdgcn -c incbin.s"),
    ("depfile", SCCACHE, "clang --target=amdgcn -MD -MF a.d -c a.s"),
    ("input-language", SCCACHE, "clang -x assembler -c a.s"),
    ("input-language", SCCACHE, "clang -x assembler --target=amdgcn --target=x86_64-linux-gnu -c a.s"),
    ("input-language", SCCACHE, "clang --target=amdgcn -c a.S"),
    ("input-language", SCCACHE, "clang++ -x c++-header -c a.h"),
    ("language-mode", SCCACHE, "clang++ -c a.c"),
    ("launch", CCACHE, "clang++ -c a.c"),
    ("launch", OTHER, "clang++ -c a.c"),
    ("launch", SCCACHE, "clang++ -x c++ -c a.c"),
    // What the input says.
    ("included-data", SCCACHE, "clang++ -c incbin.cpp"),
    ("included-data", "/usr/bin/sccache 0.4.0", "clang++ -c incbin.cpp"),
    ("launch", SCCACHE, "clang++ -c embed.cpp"),
    ("launch", CCACHE, "clang++ -c incbin.cpp"),
    ("launch", CCACHE, "clang++ -c embed.cpp"),
    ("included-data", "/usr/bin/ccache 4.7.5", "clang++ -c embed.cpp"),
    ("launch", "/usr/bin/ccache 4.7.5", "clang++ -c incbin.cpp"),
    ("launch", OTHER, "clang++ -c incbin.cpp"),
    // Outputs.
    ("output-not-a-file", SCCACHE, "clang++ -c a.cpp -o -"),
    ("output-not-a-file", SCCACHE, "clang++ -c a.cpp -o /dev/null"),
    ("output-not-a-file", SCCACHE, "clang++ -c a.cpp -o fifo"),
    ("launch", SCCACHE, "clang++ -c a.cpp -o b.cpp"),
    ("launch", SCCACHE, "clang++ -c a.cpp -objnot-listed"),
    ("other-action", SCCACHE, "clang++ -c a.cpp -objcmt-migrate-all"),
    ("default-output", SCCACHE, "clang++ --cuda-device-only -c a.hip"),
    ("default-output", SCCACHE, "clang++ --offload-device-only -c a.hip"),
    ("default-output", SCCACHE, "clang++ -emit-llvm -c a.cpp"),
    ("launch", SCCACHE, "clang++ -emit-llvm -c a.cpp -o a.bc"),
    ("launch", SCCACHE, "clang++ --cuda-device-only -c a.hip -o a.o"),
    ("launch", SCCACHE, "clang++ --cuda-host-only -c a.hip"),
    ("launch", SCCACHE, "clang++ --cuda-device-only --cuda-host-only -c a.hip"),
    // Other actions and questions.
    ("other-action", SCCACHE, "clang++ -E a.cpp"),
    ("other-action", SCCACHE, "clang++ -c -E a.cpp"),
    ("other-action", SCCACHE, "clang++ -M -c a.cpp"),
    ("other-action", SCCACHE, "clang++ -MM -c a.cpp"),
    ("other-action", SCCACHE, "clang++ -S a.cpp"),
    ("other-action", SCCACHE, "clang++ -fsyntax-only -c a.cpp"),
    ("other-action", SCCACHE, "clang++ --analyze -c a.cpp"),
    ("other-action", SCCACHE, "clang++ -emit-ast -c a.cpp"),
    ("other-action", SCCACHE, "clang++ --precompile -c a.cpp"),
    ("information", SCCACHE, "clang++ -### -c a.cpp"),
    ("information", SCCACHE, "clang++ -v -c a.cpp"),
    ("information", SCCACHE, "clang++ --verbose -c a.cpp"),
    ("information", SCCACHE, "clang++ -V"),
    ("information", SCCACHE, "clang++ --version"),
    ("information", SCCACHE, "clang++ --help-hidden"),
    ("information", SCCACHE, "clang++ -help"),
    ("information", SCCACHE, "clang++ -print-resource-dir"),
    ("information", SCCACHE, "clang++ --print-file-name=x -c a.cpp"),
    ("information", SCCACHE, "clang++ -dumpmachine"),
    ("information", SCCACHE, "clang++ -dM -c a.cpp"),
    ("information", SCCACHE, "clang++ -H -c a.cpp"),
    ("information", SCCACHE, "clang++ -mcpu=help -c a.cpp"),
    ("frontend", SCCACHE, "clang++ -cc1 -version"),
    ("frontend", SCCACHE, "clang++ -cc1as --help"),
    // Side outputs.
    ("save-temps", SCCACHE, "clang++ -save-temps -c a.cpp"),
    ("save-temps", CCACHE, "clang++ --save-temps=obj -c a.cpp"),
    ("side-output", SCCACHE, "clang++ -dumpdir x. -c a.cpp"),
    ("side-output", SCCACHE, "clang++ -MJ x.json -c a.cpp"),
    ("side-output", SCCACHE, "clang++ -MJx.json -c a.cpp"),
    ("side-output", SCCACHE, "clang++ -ftime-trace -c a.cpp"),
    ("side-output", SCCACHE, "clang++ -ftime-trace=x.json -c a.cpp"),
    ("information", SCCACHE, "clang++ -ftime-report -c a.cpp"),
    ("side-output", SCCACHE, "clang++ -fsave-optimization-record -c a.cpp"),
    ("side-output", SCCACHE, "clang++ -foptimization-record-file=x -c a.cpp"),
    ("side-output", SCCACHE, "clang++ -fstack-usage -c a.cpp"),
    ("side-output", SCCACHE, "clang++ -save-stats -c a.cpp"),
    ("side-output", SCCACHE, "clang++ -fproc-stat-report=x -c a.cpp"),
    ("side-output", SCCACHE, "clang++ -serialize-diagnostics x -c a.cpp"),
    ("side-output", SCCACHE, "clang++ -gen-reproducer=always -c a.cpp"),
    // Written only when the compiler crashes, which is never in a cache.
    ("launch", SCCACHE, "clang++ -fcrash-diagnostics-dir=x -c a.cpp"),
    ("depfile", SCCACHE, "clang++ -MD -MG -c a.cpp"),
    ("depfile", SCCACHE, "clang++ -MD -MF - -c a.cpp"),
    ("depfile", SCCACHE, "clang++ -MD -MF/dev/stdout -c a.cpp"),
    ("depfile", SCCACHE, "clang++ -MD -MF fifo -c a.cpp"),
    ("depfile", SCCACHE, "clang++ -MF a.d -c a.cpp"),
    ("repeated-option", SCCACHE, "clang++ -MD -MF a.d -MF b.d -c a.cpp"),
    ("launch", CCACHE, "clang++ -MD -MT x -MQy -MP -MF a.d -c a.cpp"),
    ("split-dwarf", SCCACHE, "clang++ -g -gsplit-dwarf -c a.cpp"),
    ("split-dwarf", SCCACHE, "clang++ -gsplit-dwarf=single -c a.cpp"),
    ("launch", SCCACHE, "clang++ -g -gno-split-dwarf -c a.cpp"),
    ("coverage", SCCACHE, "clang++ --coverage -c a.cpp"),
    ("coverage", SCCACHE, "clang++ -fprofile-arcs -c a.cpp"),
    ("coverage", SCCACHE, "clang++ -ftest-coverage -c a.cpp"),
    ("coverage", CCACHE, "clang++ -fprofile-instr-generate -fcoverage-mapping -c a.cpp"),
    ("recorded-command", SCCACHE, "clang++ -frecord-command-line -c a.cpp"),
    ("side-output", SCCACHE, "clang++ --ssaf-tu-summary-file=x -c a.cpp"),
    ("working-directory", SCCACHE, "clang++ -working-directory=dir -c a.cpp"),
    ("working-directory", SCCACHE, "clang++ -working-directory dir -c a.cpp"),
    // Inputs that no key holds.
    ("config-file", SCCACHE, "clang++ --config x.cfg -c a.cpp"),
    ("config-file", SCCACHE, "clang++ --config=x.cfg -c a.cpp"),
    ("config-file", SCCACHE, "clang++ --config-user-dir=x -c a.cpp"),
    ("config-file", CCACHE, "clang++ --config-user-dir=x -c a.cpp"),
    ("config-file", CCACHE, "clang++ --config=searched.cfg -c a.cpp"),
    ("config-file", CCACHE, "clang++ --config=./missing.cfg -c a.cpp"),
    ("launch", CCACHE, "clang++ --config=./plain.cfg -c a.cpp"),
    ("launch", CCACHE, "clang++ -c a.cpp --config ./plain.cfg"),
    ("config-file", SCCACHE, "clang++ --config=./plain.cfg -c a.cpp"),
    ("config-file", CCACHE, "clang++ --config=./compiles.cfg a.cpp"),
    ("config-file", CCACHE, "clang++ --config=./output.cfg -c a.cpp"),
    ("config-file", CCACHE, "clang++ --config=./includes.cfg -c a.cpp"),
    ("save-temps", CCACHE, "clang++ --config=./hazard.cfg -c a.cpp"),
    ("config-file", CCACHE, "clang++ @config.rsp -c a.cpp"),
    ("launch", SCCACHE, "clang++ --no-default-config -c a.cpp"),
    ("no-canonical-prefixes", SCCACHE, "clang++ -no-canonical-prefixes -c a.cpp"),
    ("precompiled-header", SCCACHE, "clang++ -include-pch x.pch -c a.cpp"),
    ("precompiled-header", SCCACHE, "clang++ -Xclang -include-pch -Xclang x.pch -c a.cpp"),
    ("precompiled-header", SCCACHE, "clang++ -Xclang -emit-pch -c a.cpp"),
    ("precompiled-header", SCCACHE, "clang++ -include pch.h -c a.cpp"),
    ("precompiled-header", SCCACHE, "clang++ -includepch.h -c a.cpp"),
    ("launch", SCCACHE, "clang++ -include a.h -c a.cpp"),
    ("modules", SCCACHE, "clang++ -fmodules -c a.cpp"),
    ("modules", SCCACHE, "clang++ -fmodule-file=x -c a.cpp"),
    ("modules", SCCACHE, "clang++ -fprebuilt-module-path=x -c a.cpp"),
    ("modules", SCCACHE, "clang++ -fcxx-modules -c a.cpp"),
    ("launch", SCCACHE, "clang++ -fno-modules -c a.cpp"),
    ("profile", SCCACHE, "clang++ -fprofile-use=x -c a.cpp"),
    ("profile", SCCACHE, "clang++ -fprofile-sample-use=x -c a.cpp"),
    ("profile", SCCACHE, "clang++ -fprofile-remapping-file=x -c a.cpp"),
    ("launch", SCCACHE, "clang++ -fprofile-generate -c a.cpp"),
    ("file-input", SCCACHE, "clang++ -fsanitize-ignorelist=x -c a.cpp"),
    ("file-input", SCCACHE, "clang++ -fxray-always-instrument= x -c a.cpp"),
    ("file-input", SCCACHE, "clang++ --warning-suppression-mappings=x -c a.cpp"),
    ("file-input", SCCACHE, "clang++ -fms-secure-hotpatch-functions-file=x -c a.cpp"),
    ("file-input", SCCACHE, "clang++ --libclc-lib=x -c a.cpp"),
    ("file-input", SCCACHE, "clang++ --multi-lib-config=x -c a.cpp"),
    ("profile", SCCACHE, "clang++ -fcodegen-data-use=x -c a.cpp"),
    ("vfs-overlay", SCCACHE, "clang++ -ivfsoverlay x -c a.cpp"),
    ("plugin", SCCACHE, "clang++ -fplugin=x.so -c a.cpp"),
    ("plugin", SCCACHE, "clang++ -fpass-plugin=x.so -c a.cpp"),
    ("plugin", SCCACHE, "clang++ -Xclang -load -Xclang x.so -c a.cpp"),
    ("plugin", SCCACHE, "clang++ -Xclang -add-plugin -Xclang x -c a.cpp"),
    ("external-tools", SCCACHE, "clang++ -B/opt/x -c a.cpp"),
    ("external-tools", SCCACHE, "clang++ -fno-integrated-as -c a.cpp"),
    ("external-tools", SCCACHE, "COMPILER_PATH=/opt/x clang++ -c a.cpp"),
    ("external-tools", SCCACHE, "clang++ --amdgpu-arch-tool=x -c a.hip"),
    ("external-tools", SCCACHE, "clang++ --offload-arch-tool=x -c a.hip"),
    ("native-target", SCCACHE, "clang++ --offload-arch=native -c a.hip"),
    ("native-target", OTHER, "clang++ --offload-arch=gfx906,native -c a.hip"),
    ("native-target", OTHER, "clang++ --cuda-gpu-arch=native -c a.hip"),
    ("native-target", SCCACHE, "clang++ -march=native -c a.cpp"),
    ("native-target", "/usr/bin/ccache 4.7.5", "clang++ -mtune=native -c a.cpp"),
    ("launch", CCACHE, "clang++ -march=native -c a.cpp"),
    ("launch", OTHER, "clang++ -march=native -c a.cpp"),
    ("random-cuid", SCCACHE, "clang++ -fuse-cuid=random -c a.hip"),
    ("launch", SCCACHE, "clang++ -fuse-cuid=hash -c a.hip"),
    // What launchers get wrong.
    ("unbundled-output", SCCACHE, "clang++ --no-gpu-bundle-output --cuda-device-only -c a.hip -o x"),
    ("unbundled-output", SCCACHE, "clang++ -no-gpu-bundle-output --offload-arch=gfx900,gfx906 -c a.hip -o x"),
    ("launch", SCCACHE, "clang++ --no-gpu-bundle-output --offload-arch=gfx900 --cuda-device-only -c a.hip -o x"),
    ("default-output", CCACHE, "clang++ --no-gpu-bundle-output --offload-arch=gfx900 --cuda-device-only -c a.hip"),
    ("launch", CCACHE, "clang++ --no-gpu-bundle-output --gpu-bundle-output -c a.hip -o x"),
    ("launch", SCCACHE, "clang++ -Xarch_device -DX=1 -Xarch_host -fno-exceptions -c a.hip"),
    ("launch", SCCACHE, "clang++ -Xarch_gfx906 -DX=1 -c a.hip"),
    ("xarch", SCCACHE, "clang++ -Xarch_host -Idir -c a.hip"),
    ("launch", SCCACHE, "clang++ -Xarch_device -O3 -Xarch_gfx906 -mcumode -c a.hip"),
    ("launch", SCCACHE, "clang++ -Xarch_host -fsanitize=address,undefined -c a.hip"),
    ("xarch", OTHER, "clang++ -Xarch_host -Wa,-alh -c a.hip"),
    ("xarch", SCCACHE, "clang++ -Xarch_host -include -Xarch_host a.h -c a.hip"),
    (
        "forced-colours",
        "/usr/bin/ccache 4.7.5",
        "clang++ -fcolor-diagnostics -c a.cpp",
    ),
    (
        "forced-colours",
        "/usr/bin/ccache ?",
        "clang++ -fdiagnostics-color=always -c a.cpp",
    ),
    ("launch", CCACHE, "clang++ -fcolor-diagnostics -c a.cpp"),
    ("launch", SCCACHE, "clang++ -fcolor-diagnostics -c a.cpp"),
    (
        "launch",
        "/usr/bin/ccache 4.7.5",
        "clang++ -fno-color-diagnostics -c a.cpp",
    ),
    ("output-not-a-file", CCACHE, "clang++ -c a.cpp -o nodir/a.o"),
    ("depfile", CCACHE, "clang++ -c a.cpp -MD -MF nodir/a.d"),
    (
        "depfile",
        SCCACHE,
        "clang++ -c a.cpp -o a.o -MD -MF a.d -MT one -MT two",
    ),
    (
        "launch",
        CCACHE,
        "clang++ -c a.cpp -o a.o -MD -MF a.d -MT one -MT two",
    ),
    ("xarch", SCCACHE, "clang++ -Xarch_host -fcolor-diagnostics -c a.hip"),
    ("side-output", SCCACHE, "clang++ -Xarch_host -ftime-trace -c a.hip"),
    ("launch", CCACHE, "clang++ -Xarch_host -O1 -c a.hip"),
    ("launch", "/usr/bin/ccache 4.12.1", "clang++ -Xarch_device -DX -c a.hip"),
    ("xarch", "/usr/bin/ccache 4.12.0", "clang++ -Xarch_host -DX -c a.hip"),
    ("xarch", "/usr/bin/ccache ?", "clang++ -Xarch_host -DX -c a.hip"),
    ("xarch", CCACHE, "HIP_CLANG_LAUNCHER=ccache clang++ -Xarch_host -DX -c a.hip"),
    ("launch", CCACHE, "HIP_CLANG_LAUNCHER=/usr/bin/ccache clang++ -Xarch_host -DX -c a.hip"),
    ("xarch", CCACHE, "clang++ -Xarch_gfx906 -DX -c a.hip"),
    ("launch", OTHER, "clang++ -Xarch_gfx906 -Idir -c a.hip"),
    ("xarch", OTHER, "clang++ -Xarch_host a.cpp -c a.hip"),
    ("target-forwarding", SCCACHE, "clang++ -Xopenmp-target=x -O1 -c a.cpp"),
    ("target-forwarding", SCCACHE, "clang++ -Xoffload-linker -x -c a.hip"),
    ("target-forwarding", CCACHE, "clang++ -Xoffload-linker --save-temps -c a.hip"),
    ("target-forwarding", SCCACHE, "clang++ -Xoffload-compiler -O3 -c a.hip"),
    ("launch", SCCACHE, "clang++ -Xoffload-linker -O3 -c a.hip"),
    ("launch", CCACHE, "clang++ -Xoffload-linker-amdgcn-amd-amdhsa --lto-O3 -c a.hip"),
    ("target-forwarding", SCCACHE, "clang++ -Xoffload-linker -O3 -Werror -c a.hip"),
    ("launch", CCACHE, "clang++ -Xoffload-linker -O3 -Werror -c a.hip"),
    ("missing-value", SCCACHE, "clang++ -c a.hip -Xoffload-linker"),
    ("target-forwarding", SCCACHE, "clang++ -Xcuda-ptxas -x -c a.hip"),
    ("target-forwarding", SCCACHE, "clang++ -Xthinlto-distributor=x -c a.hip"),
    ("recorded-command", CCACHE, "clang++ --offload-arch=amdgcnspirv -c a.hip"),
    ("depfile", SCCACHE, "clang++ --offload-device-only -MD -c a.hip -o a.o"),
    ("launch", CCACHE, "clang++ --offload-device-only -MD -c a.hip -o a.o"),
    ("file-input", CCACHE, "clang++ -include fifo -c a.cpp"),
    ("preprocessed-form", CCACHE, "clang++ -Xclang -fkeep-system-includes -c a.cpp"),
    ("preprocessed-form", SCCACHE, "clang++ -fdirectives-only -c a.hip"),
    ("preprocessed-form", SCCACHE, "clang++ -Xclang -fdirectives-only -c a.hip"),
    ("preprocessed-form", SCCACHE, "clang++ -Xclang=-fdirectives-only -c a.hip"),
    ("preprocessed-form", SCCACHE, "clang++ -Xarch_host -fdirectives-only -c a.hip"),
    ("preprocessed-form", SCCACHE, "clang++ -frewrite-includes -c a.hip"),
    ("preprocessed-form", SCCACHE, "clang++ -frewrite-imports -c a.hip"),
    ("launch", SCCACHE, "clang++ -fno-directives-only -c a.hip"),
    ("preprocessed-form", CCACHE, "clang++ -fdirectives-only -c a.hip"),
    ("preprocessed-form", CCACHE, "clang++ -frewrite-includes -c a.hip"),
    ("preprocessed-form", CCACHE, "clang++ --no-line-commands -c a.cpp"),
    ("reordered-options", SCCACHE, "clang++ --start-no-unused-arguments -c a.cpp"),
    ("launch", CCACHE, "clang++ --start-no-unused-arguments -c a.cpp"),
    ("launch", SCCACHE, "clang++ -Xclang -fno-cuda-host-device-constexpr -c a.hip"),
    ("launch", SCCACHE, "clang++ -Xclang -target-feature -Xclang +sse4 -c a.cpp"),
    ("launch", SCCACHE, "clang++ -Xclang=-fno-x -c a.cpp"),
    ("other-action", SCCACHE, "clang++ -Xclang -ast-dump -c a.cpp"),
    ("other-action", SCCACHE, "clang++ -Xclang -emit-llvm-bc -c a.cpp"),
    ("frontend-option", SCCACHE, "clang++ -Xclang -emit-llvm -c a.cpp"),
    ("other-action", SCCACHE, "clang++ -Xclang -E -c a.cpp"),
    ("frontend-option", SCCACHE, "clang++ -Xclang -o -Xclang x -c a.cpp"),
    ("frontend-option", SCCACHE, "clang++ -Xclang b.cpp -c a.cpp"),
    ("frontend-option", SCCACHE, "clang++ -Xclang -fx=/a/file -c a.cpp"),
    ("file-input", SCCACHE, "clang++ -Xclang -mlink-builtin-bitcode -Xclang x.bc -c a.hip"),
    ("side-output", SCCACHE, "clang++ -Xclang -dependency-dot -Xclang x -c a.cpp"),
    ("launch", SCCACHE, "clang++ -mllvm -amdgpu-early-inline-all=true -c a.hip"),
    ("backend-option", SCCACHE, "clang++ -mllvm -print-after-all -c a.hip"),
    ("backend-option", SCCACHE, "clang++ -mllvm --x=/a/file -c a.hip"),
    ("backend-option", SCCACHE, "clang++ -mllvm=-print-after-all -c a.hip"),
    ("frontend-option", SCCACHE, "clang++ -Xclang -mllvm=-print-after-all -c a.hip"),
    ("launch", SCCACHE, "clang++ -mllvm=-amdgpu-x=1 -c a.hip"),
    ("passthrough", SCCACHE, "clang++ -Wp,-MD,x.d -c a.cpp"),
    ("passthrough", SCCACHE, "clang++ -Wp,-D,X -c a.cpp"),
    ("passthrough", CCACHE, "clang++ -Wp,-DX,-MD -c a.cpp"),
    ("passthrough", CCACHE, "clang++ -Wp, -c a.cpp"),
    ("launch", SCCACHE, "clang++ -Wp,-D_FORTIFY_SOURCE=3 -Wp,-D_GLIBCXX_ASSERTIONS -c a.cpp"),
    ("launch", CCACHE, "clang++ -Wp,-U_FORTIFY_SOURCE,-D_FORTIFY_SOURCE=3 -c a.hip"),
    ("passthrough", SCCACHE, "clang++ -Wa,-alh=x -c a.cpp"),
    ("passthrough", SCCACHE, "clang++ -Wa,--noexecstack,--MD,x -c a.cpp"),
    ("launch", SCCACHE, "clang++ -Wa,--noexecstack -Wl,x -c a.cpp"),
    ("passthrough", SCCACHE, "clang++ -Xpreprocessor -DX -c a.cpp"),
    ("passthrough", SCCACHE, "clang++ -Xassembler -x -c a.cpp"),
    ("passthrough", SCCACHE, "clang++ -Xclangas -x -c a.cpp"),
    // Spellings whose versions disagree about what they are.
    ("unusual-spelling", SCCACHE, "clang++ -use-spirv-backend -c a.hip"),
    ("unusual-spelling", SCCACHE, "clang++ -lifetime-safety-max-cfg-blocks=1 -c a.cpp"),
    ("offload-kind", SCCACHE, "clang++ -fopenmp -fopenmp-targets=amdgcn -c a.cpp"),
    ("offload-kind", SCCACHE, "clang++ -fopenmp --offload-arch=gfx90a -c a.cpp"),
    ("launch", SCCACHE, "clang++ -fopenmp --offload-arch=gfx90a -c a.hip"),
    ("launch", SCCACHE, "clang++ --offload-arch=gfx90a -c a.cpp"),
    ("offload-kind", SCCACHE, "clang++ --offload-targets=spirv64-amd-amdhsa -c a.hip"),
    ("offload-kind", SCCACHE, "clang++ --offload-targets=amdgcn-amd-amdhsa -c a.cpp"),
    ("launch", SCCACHE, "clang++ --offload-targets=amdgcn-amd-amdhsa --offload-arch=gfx900 -c a.hip"),
    ("offload-kind", SCCACHE, "clang++ --hipstdpar -c a.cpp"),
    ("offload-kind", SCCACHE, "clang++ -foffload-via-llvm -c a.hip"),
    ("offload-kind", SCCACHE, "clang++ --sycl-link -c a.cpp"),
    ("launcher-option", CCACHE, "clang++ --ccache-skip -c a.cpp"),
    ("launcher-without-hip", "/usr/bin/sccache 0.7.7", "clang++ -c a.hip"),
    ("launch", "/usr/bin/sccache 0.8.0", "clang++ -c a.hip"),
    ("launch", "/usr/bin/sccache ?", "clang++ -c a.hip"),
    ("launch", "/usr/bin/sccache 0.7.7", "clang++ -c a.cpp"),
    // What hipcc and CMake really say.
    ("launch", SCCACHE, "clang++ -O3 --offload-arch=gfx906 --offload-arch=gfx90a -fPIC -MD -MT a.o -MF a.o.d -o a.o -x hip -c a.cpp"),
    ("launch", CCACHE, "clang++ --std=c++17 --cuda-gpu-arch=gfx906 --cuda-device-only -c -O3 -Wno-unused-command-line-argument -I. a.hip -o a.hip.o"),
    ("information", SCCACHE, "clang++ -v -MD -MT x -MF x.d -o x.o -c a.cpp"),
    ("launch", SCCACHE, "clang++ a.cpp -o t.obj -c -Werror=unknown-warning-option -Wfoo"),
    // The environment.
    ("source-date-epoch", SCCACHE, "SOURCE_DATE_EPOCH=1 clang++ -c a.cpp"),
    ("launch", CCACHE, "SOURCE_DATE_EPOCH=1 clang++ -c a.cpp"),
    ("ld-preload", SCCACHE, "LD_PRELOAD=/p.so clang++ -c a.cpp"),
    ("launch", SCCACHE, "LD_PRELOAD= clang++ -c a.cpp"),
    ("launch", CCACHE, "LD_PRELOAD=/p.so clang++ -c a.cpp"),
    ("repeated-variable", CCACHE, "CPATH=/a CPATH=/b clang++ -c a.cpp"),
    ("repeated-variable", OTHER, "CPATH=/a CPATH=/b clang++ -c a.cpp"),
    ("override-options", CCACHE, "CCC_OVERRIDE_OPTIONS=x-c clang++ -c a.cpp"),
    ("driver-log", SCCACHE, "CC_PRINT_OPTIONS=1 clang++ -c a.cpp"),
    ("nested-shim", SCCACHE, "ROCK_WRAP_GUARD=1 clang++ -c a.cpp"),
    ("nested-sccache", CCACHE, "SCCACHE_START_SERVER=1 clang++ -c a.cpp"),
    ("nested-ccache", SCCACHE, "CCACHE_DISABLE=1 UNCACHED_ERR_FD=5 clang++ -c a.cpp"),
    ("launch", SCCACHE, "CCACHE_DISABLE=1 clang++ -c a.cpp"),
    ("nested-distcc", SCCACHE, "_DISTCC_SAFEGUARD=1 clang++ -c a.cpp"),
    // Found earlier than nesting: it explains the call itself.
    ("not-a-compile", SCCACHE, "ROCK_WRAP_GUARD=1 clang++ a.cpp"),
];

#[test]
fn the_table_holds() {
    let mut wrong = String::new();
    for (expected, launcher, line) in TABLE {
        // `-ca.cpp` is one unknown option.
        let found = outcome(launcher, line);
        if found != *expected {
            writeln!(wrong, "{found}, not {expected}: {launcher}: {line}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_reason_is_reached() {
    let reached: BTreeSet<&str> = TABLE.iter().map(|row| row.0).collect();
    // These have tests of their own, below, in `key_tests` or in `offload_tests`.
    let elsewhere = [
        "response-file",
        "response-quoting",
        "nested-ancestor",
        "no-fingerprint",
        "compiler-changed",
        "logical-directory",
        "directory-gone",
        "foreign-compiler",
        "another-shim",
        "launcher-failed",
        "new-offload-driver",
        "no-stand-in",
        "configure-probe",
    ];
    for reason in Reason::ALL {
        let id = reason.as_str();
        assert!(reached.contains(id) || elsewhere.contains(&id), "{id}");
    }
}

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
fn every_reason_reads_well() {
    let mut ids = BTreeSet::new();
    for reason in Reason::ALL {
        let id = reason.as_str();
        assert!(ids.insert(id), "{id} twice");
        let kebab = |byte: u8| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit();
        assert!(id.bytes().all(kebab), "{id}");
        for sentence in [Some(reason.explanation()), reason.remedy()]
            .into_iter()
            .flatten()
        {
            assert!(
                sentence.ends_with('.') && !sentence.contains(". "),
                "{sentence}"
            );
        }
    }
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
        assert_eq!(unit.word(Role::Output), Some(c"out/a.o"));
        assert_eq!(unit.word(Role::Depfile), Some(c"a.d"));
        let of = |role| -> Vec<&str> {
            let words = unit.words.iter().filter(|(is, _)| *is == role);
            words.map(|(_, text)| text.to_str().unwrap()).collect()
        };
        assert_eq!(of(Role::Target), ["t1", "t2"]);
        assert_eq!(of(Role::Library), ["--rocm-path=r", "d"]);
        assert!(unit.writes_depfile && unit.debug_info && unit.has_cuid);
        assert!(unit.sides == Sides::Device && unit.relocatable_device_code);
        assert_eq!(unit.language, Language::Hip);
        assert_eq!(unit.archs, [c"gfx906", c"gfx908", c"gfx90a"]);
    });
    assert_eq!(default_output(c"dir.d/a.b.cpp"), b"a.b.o");
    assert_eq!(default_output(c"dir.d/a"), b"a.o");
}

/// What the launcher is given in the place of a call's arguments.
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
}

/// What a launch adds to the arguments, ids left out.
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
    // No place for it: clang will say so.
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
fn clang_agrees_about_the_names_of_dependency_files() {
    for version in ["15", "19"] {
        for (input, output) in [
            ("a.c", None),
            ("dir.d/b.x.c", None),
            ("plain", None),
            ("a.c", Some("o.o")),
            ("a.c", Some("dir.d/o")),
            ("a.c", Some("dir.d/o.a.b")),
            ("a.c", Some("dir.d/.o")),
            ("a.c", Some("o.")),
            ("a.c", Some("./..o")),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = |name: &str| dir.path().join(name);
            std::fs::create_dir(path("dir.d")).unwrap();
            std::fs::write(path(input), "int v;\n").unwrap();
            let mut clang = Command::new(format!("clang-{version}"));
            clang.args(["-x", "c", "-c", "-MD", input]);
            let output = output.map(|output| CString::new(output).unwrap());
            let mut words = Vec::new();
            if let Some(output) = &output {
                clang.arg("-o").arg(output.to_str().unwrap());
                words.push((Role::Output, output.as_c_str().into()));
            }
            assert!(clang.current_dir(dir.path()).status().unwrap().success());
            let input = CString::new(input).unwrap();
            let name = default_depfile(&Unit {
                input: input.as_c_str().into(),
                language: Language::C,
                words,
                writes_depfile: true,
                debug_info: false,
                bitcode: false,
                has_cuid: false,
                sides: Sides::Both,
                new_driver: false,
                relocatable_device_code: false,
                archs: Vec::new(),
                drops_archs: false,
                native: false,
                respelled: Vec::new(),
            });
            let name = String::from_utf8(name).unwrap();
            assert!(
                path(&name).is_file(),
                "clang {version}: {input:?} {output:?}: {name}"
            );
        }
    }
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
        // Which sccache has it turn off again.
        assert!(asked(new, &[&variable, "SCCACHE_LOG=debug"]), "{on}");
        assert!(!asked(new, &[&variable, "SCCACHE_LOG="]), "{on}");
        // Which knows nothing of it.
        assert!(asked(Version(0, 16, 0), &[&variable]), "{on}");
    }
    for off in ["0", "false", "off", "", "maybe"] {
        assert!(
            asked(new, &[&format!("SCCACHE_CLIENT_SIDE={off}")]),
            "{off}"
        );
    }
}

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
        let launcher = Launcher::choose(None, &config).unwrap();
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
fn response_files_are_looked_into() {
    let mut fake = Fake::new();
    fake.file("c.rsp", "-c a.cpp\n");
    fake.file("link.rsp", "a.o b.o");
    fake.file("two.rsp", "a.cpp b.cpp");
    fake.file("quoted.rsp", "-c 'a.cpp' \"-DX=a b\" -o a\\.o");
    fake.file("outer.rsp", "-O2 @inner.rsp");
    fake.file("inner.rsp", "@c.rsp");
    fake.file("loop.rsp", "@loop.rsp");
    fake.file("gone.rsp", "-c a.cpp @nothing");
    fake.file("bom.rsp", "\u{feff}-c a.cpp");
    fake.file("nul.rsp", "-c a.cpp\0 -E");
    fake.file("save.rsp", "-c a.cpp -save-temps");
    fake.file("value.rsp", "x.o");
    fake.file("empty.rsp", " \n ");
    fake.files
        .insert(b"utf16.rsp".to_vec(), b"\xff\xfe-\0c\0".to_vec());
    for (line, expected) in [
        ("clang++ @c.rsp", "launch"),
        ("clang++ @quoted.rsp", "launch"),
        ("clang++ @outer.rsp", "launch"),
        ("clang++ @bom.rsp", "launch"),
        ("clang++ @empty.rsp -c a.cpp", "launch"),
        ("clang++ -c a.cpp -o @value.rsp", "launch"),
        ("clang++ @c.rsp b.cpp", "several-inputs"),
        ("clang++ -c @two.rsp", "several-inputs"),
        ("clang++ @link.rsp -o x", "not-a-compile"),
        ("clang++ @save.rsp", "save-temps"),
        ("clang++ @loop.rsp", "response-file"),
        ("clang++ @gone.rsp", "response-file"),
        ("clang++ @nothing -c a.cpp", "response-file"),
        ("clang++ @nul.rsp", "response-file"),
        ("clang++ @utf16.rsp", "response-file"),
        ("clang++ -c @", "input-language"),
        ("clang++ --rsp-quoting=windows @c.rsp", "response-quoting"),
    ] {
        assert_eq!(outcome_in(&fake, SCCACHE, line), expected, "{line}");
    }
    let argv = ["clang++", "@quoted.rsp"];
    with("clang++", SCCACHE, &[], &argv, &fake, |decision| {
        let Decision::Launch(launch) = decision else {
            panic!("{decision:?}");
        };
        assert_eq!(launch.unit.word(Role::Output), Some(c"a.o"));
        assert_eq!(launch.unit.input.to_bytes(), b"a.cpp");
    });
}

#[test]
fn a_large_response_file_is_read_in_linear_time() {
    let mut fake = Fake::new();
    fake.file("large.rsp", &("-DX='y z' ".repeat(1 << 20) + "-c a.cpp"));
    let start = std::time::Instant::now();
    assert_eq!(outcome_in(&fake, SCCACHE, "clang++ @large.rsp"), "launch");
    // Unoptimised and on a busy machine; quadratic would take hours.
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}

fn tokens(text: &[u8]) -> Vec<String> {
    let mut text = text.to_vec();
    text.push(b' ');
    let mut out = Vec::new();
    let result: Result<(), ()> = response::tokenize(&mut text, 0, &mut |token| {
        out.push(String::from_utf8_lossy(token.to_bytes()).into_owned());
        Ok(())
    });
    result.unwrap();
    out
}

/// Runs a compiler of the test set-up: `apt-get install clang-15 clang-19`.
fn clang(version: &str, args: &[&str]) -> (bool, String) {
    // For some options it makes directories that it leaves behind, whether it is to run anything or not.
    let temporary = tempfile::tempdir().unwrap();
    let mut command = Command::new(format!("clang-{version}"));
    let output = command
        .args(args)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("TMPDIR", temporary.path())
        .output();
    let output = output.unwrap_or_else(|error| panic!("clang-{version}: {error}"));
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn response_files_are_quoted_as_clang_quotes() {
    let texts = [
        "a b\tc\r\nd",
        "'a b' \"c d\"",
        "a'b c'd",
        r"a\ b",
        r#""a\"b" 'c\'d'"#,
        r"\\ \n",
        "''",
        "a''b",
        r#"'a"b' "c'd""#,
        "'open",
        "\"open \\\" x",
        "end\\",
        "'end\\",
        "a\\\nb",
        "  \n\n ",
        "\"a\nb\"",
        "a\u{b}b a\u{c}b",
        "# no comment",
        "é 'ü ß'",
        r"\'a b\'",
        "'a'\"b\"c\\d",
        "\\",
    ];
    let dir = tempfile::tempdir().unwrap();
    for (number, text) in texts.iter().enumerate() {
        // Each argument becomes visible as one of the front end's: -D before each.
        let mut content = String::new();
        for token in tokens(text.as_bytes()) {
            content += &token;
            content.push('\u{1}');
        }
        let path = dir.path().join(format!("{number}.rsp"));
        std::fs::write(&path, text).unwrap();
        let argument = format!("@{}", path.display());
        for version in ["15", "19"] {
            // An argument that is no option is an input, and the driver names each that is missing.
            let (_, stderr) = clang(version, &["-fsyntax-only", "-x", "c", &argument]);
            let mut seen = String::new();
            let marker = "no such file or directory: '";
            for part in stderr.split(marker).skip(1) {
                let end = part.find("'\nclang").or_else(|| part.rfind('\'')).unwrap();
                seen += &part[..end];
                seen.push('\u{1}');
            }
            assert_eq!(seen, content, "clang {version} of {text:?}: {stderr}");
        }
    }
}

/// Whether clang takes the word behind `option` as its value: then a second input is missing.
fn consumed(version: &str, option: &str, values: usize) -> Option<bool> {
    let mut args = vec!["-###", "-fsyntax-only", "-x", "c", option];
    args.extend(std::iter::repeat_n("/nonexistent/value.c", values));
    args.extend(["/dev/null"]);
    let (_, stderr) = clang(version, &args);
    if stderr.contains("unknown argument") || stderr.contains("unsupported option") {
        return None;
    }
    Some(!stderr.contains("no such file or directory: '/nonexistent/value.c'"))
}

/// What LLVM's search makes of the table: the longest spelling that begins the argument and whose kind
/// accepts what is behind it.
fn longest_listed(argument: &[u8]) -> Option<&'static [u8]> {
    let lines = options_table::TABLE.lines();
    let fits = lines.filter_map(|line| {
        let (spelling, kind) = line.split_once(' ').unwrap();
        let behind = argument.strip_prefix(spelling.as_bytes())?;
        (behind.is_empty() || "JSA".contains(kind)).then_some(spelling.as_bytes())
    });
    fits.max_by_key(|spelling| spelling.len())
}

#[test]
fn the_longest_spelling_is_found_whatever_is_in_front_of_it_or_behind() {
    for line in options_table::TABLE.lines() {
        let (spelling, _) = line.split_once(' ').unwrap();
        let cut = (1..=spelling.len()).map(|len| spelling[..len].to_owned());
        let longer = ["=", "x", "=x", "-", "\x01", "\x7f"].map(|more| format!("{spelling}{more}"));
        for argument in cut.chain(longer) {
            let found = options::find(argument.as_bytes()).map(|found| found.name);
            let found = found.filter(|name| !name.is_empty());
            assert_eq!(found, longest_listed(argument.as_bytes()), "{argument:?}");
        }
    }
}

#[test]
fn clang_agrees_about_values() {
    let mut compared = 0;
    for line in options_table::TABLE.lines() {
        let (spelling, kind) = line.split_once(' ').unwrap();
        // A whole argument of kind A has something behind the spelling.
        let (option, values) = match kind {
            "A" => (format!("{spelling}gfx906"), 1),
            "S" => (spelling.to_owned(), 1),
            "1" | "2" | "3" => (spelling.to_owned(), kind.parse().unwrap()),
            _ => continue,
        };
        let found = options::find(option.as_bytes()).unwrap();
        assert_eq!(
            (found.name, found.values),
            (spelling.as_bytes(), values),
            "{option}"
        );
        for version in ["15", "19"] {
            // These end the driver or read the value as a file before inputs are looked at.
            let reads = [
                "--config",
                "-ivfsoverlay",
                "-vfsoverlay",
                "--vfsoverlay",
                "-x",
            ];
            if reads.contains(&spelling) || spelling == "--language" {
                continue;
            }
            match consumed(version, &option, values) {
                Some(true) => compared += 1,
                Some(false) => {
                    // The versions disagree, and the generator was told so.
                    let line = format!("clang++ -c a.cpp {option} x");
                    assert_ne!(outcome(OTHER, &line), "launch", "clang {version}");
                }
                None => {}
            }
        }
    }
    assert!(compared > 200, "only {compared} compared");
}

/// Flags of the table that a launched call may have: behind each is an input.
fn harmless_flags() -> Vec<&'static str> {
    let lines = options_table::TABLE.lines();
    let flags = lines.filter_map(|line| line.strip_suffix(" F").or(line.strip_suffix(" J")));
    flags
        .filter(|flag| outcome(OTHER, &format!("clang++ {flag} -c a.cpp")) == "launch")
        .collect()
}

#[test]
fn clang_takes_what_is_behind_a_flag_for_an_input() {
    let flags = harmless_flags();
    assert!(flags.len() > 120, "only {}", flags.len());
    for version in ["15", "19"] {
        // All in one call: the driver names every input that is missing.
        let mut args = vec!["-###".to_owned(), "-fsyntax-only".into(), "-xc".into()];
        for (number, flag) in flags.iter().enumerate() {
            args.extend([(*flag).to_owned(), format!("/nonexistent/{number}.c")]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (_, stderr) = clang(version, &args);
        for (number, flag) in flags.iter().enumerate() {
            let missing = format!("no such file or directory: '/nonexistent/{number}.c'");
            assert!(stderr.contains(&missing), "clang {version}: {flag}");
        }
    }
}

#[test]
fn the_committed_option_table_is_what_the_script_writes() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/generate-options.sh");
    let output = Command::new(script).arg("--check").output().unwrap();
    // Past what keeps back the words of a test that succeeds: it may have had nothing to compare.
    std::io::stderr().write_all(&output.stderr).unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&text)
    );
}

fn decide_bytes(argv: &[Vec<u8>], env: &[Vec<u8>], machine: &Fake) -> &'static str {
    let c = |bytes: &Vec<u8>| {
        CString::new(
            bytes
                .iter()
                .copied()
                .filter(|b| *b != 0)
                .collect::<Vec<_>>(),
        )
        .unwrap()
    };
    let (argv, env): (Vec<_>, Vec<_>) = (argv.iter().map(c).collect(), env.iter().map(c).collect());
    let argv: Vec<&CStr> = argv.iter().map(CString::as_c_str).collect();
    let env: Vec<&CStr> = env.iter().map(CString::as_c_str).collect();
    let config = Config {
        name: b"clang++",
        launcher: b"/usr/bin/sccache",
        fingerprint: b"a compiler",
        ..Config::default()
    };
    let call = Call {
        called: c"",
        argv: &argv,
        env: &env,
        config: &config,
    };
    word(&decide(&call, machine))
}

/// Words as a command line has them, and words as none has them.
fn words() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let listed: Vec<Vec<u8>> = options_table::TABLE
        .lines()
        .map(|line| line.split(' ').next().unwrap().into())
        .chain(["a.cpp", "-o", "a.o", "-x", "hip", "@r", "@s", "@", "-", ""].map(Into::into))
        .collect();
    let one = prop_oneof![
        prop::sample::select(listed),
        prop::collection::vec(any::<u8>(), 0..12),
        "-[a-zA-Z=,-]{0,9}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(one, 0..12)
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        argv in words(),
        env in words(),
        r in prop::collection::vec(any::<u8>(), 0..60),
        s in "[ '\"\\\\@rsac.p-]{0,30}",
    ) {
        let mut fake = Fake::new();
        fake.files.insert(b"r".to_vec(), r);
        fake.file("s", &s);
        decide_bytes(&argv, &env, &fake);
        let named: Vec<Vec<u8>> = [b"clang++".to_vec()].into_iter().chain(argv).collect();
        decide_bytes(&named, &env, &fake);
    }

    #[test]
    fn nothing_is_launched_without_c(argv in words()) {
        let named = [b"clang++".to_vec()].into_iter().chain(argv.into_iter().filter(|word| {
            word != b"-c" && word.first() != Some(&b'@')
        }));
        let named: Vec<Vec<u8>> = named.collect();
        prop_assert_ne!(decide_bytes(&named, &[], &Fake::new()), "launch");
    }

    #[test]
    fn tokens_are_never_longer_than_the_text(text in prop::collection::vec(1u8.., 0..200)) {
        let all: usize = tokens(&text).iter().map(|token| token.chars().count() + 1).sum();
        prop_assert!(all <= text.len() + 1);
    }
}

#[test]
fn of_a_variable_that_is_given_twice_the_first_counts_as_with_getenv() {
    // Each with a value that changes nothing, and one that shows.
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
