//! All rules as tables: a command line, an environment, a launcher, and the resulting decision. The real
//! clang is the authority on quoting and on which options take a value.

mod arguments;
mod clang;
mod environment;
mod launching;
mod offload;
mod table;

use super::*;
use crate::shared::decision::language::Language;
use crate::shared::decision::unit::{Sides, default_depfile, default_output};
use crate::shared::launchers::Source;
use crate::shared::launchers::kind::{LauncherKind, Version};
use crate::shared::machine::{FileKind, FileState, Visitor};
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

/// A machine on which the usual files exist.
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

/// Decides and passes the decision to `look`. `launcher` is a path and a version, or empty.
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

/// Like [`with`], with an empty environment and the given configuration, for the shim of clang++.
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

/// The outcome of a line `NAME=VALUE... clang++ ARGS...`, split at spaces, for the shim of the compiler's name.
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
