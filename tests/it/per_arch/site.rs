//! A tree whose shims split compiles, and units that are compiled with it.

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::hazards::site::{self, Call, Launcher, Made};
use crate::hazards::trial::SOURCE;
use crate::support::dir::Dir;

/// A tree that is wrapped with `--per-arch=always`, and a launcher with a cache of its own.
pub struct Site {
    pub base: site::Site,
}

impl Site {
    pub fn new(clang: u32, launcher: &Launcher, program: &Path) -> Self {
        let base = site::Site::new(clang, launcher, program);
        let site = Self { base };
        site.install();
        site
    }

    /// Installs again, so that the shims know the compiler as it is now.
    pub fn install(&self) {
        let launcher = Some(self.base.cache.program.as_path());
        self.base
            .tree
            .install_with(launcher, &["--per-arch=always"]);
    }

    /// Makes a new project, with a unit `src/k.hip`.
    pub fn project(&self) -> Project<'_> {
        let dir = Dir::new_in(self.base.dir.path(), &["src", "out", "tmp"]);
        let project = Project { site: self, dir };
        project.write("src/k.hip", unit());
        project
    }
}

/// The unit of the tests. For each architecture it has a line that only this architecture sees. It also has an unused
/// variable, about which the compiler warns for the host and every architecture.
pub fn unit() -> String {
    let head = "void kernel(float *x) {\n";
    let mut lines = String::from("int unused;\nx[6] = V;\n");
    for arch in ARCHS {
        let name = arch.replace('-', "_");
        lines.push_str(&format!("#ifdef __{name}__\nx[7] = 1;\n#endif\n"));
    }
    SOURCE.replace(head, &format!("{head}{lines}"))
}

/// The architectures that have a line of their own in the unit.
const ARCHS: [&str; 9] = [
    "gfx900",
    "gfx906",
    "gfx90a",
    "gfx942",
    "gfx950",
    "gfx1030",
    "gfx1201",
    "gfx9-4-generic",
    "gfx11-generic",
];

/// The parts of a call: each architecture, and whether the launcher had the part in its cache.
pub type Parts = Vec<(String, bool)>;

/// The architectures that had to be compiled.
pub fn missed(parts: &Parts) -> Vec<&str> {
    let missed = parts.iter().filter(|(_, hit)| !hit);
    missed.map(|(arch, _)| arch.as_str()).collect()
}

/// The result of a call through the shim.
pub struct Compiled {
    pub made: Made,
    /// Why it went straight to the compiler, if it did.
    pub direct: Option<String>,
    /// Its parts, if it was split.
    pub parts: Option<Parts>,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (direct, parts) = (&self.direct, &self.parts);
        let files: Vec<_> = self.made.files.keys().collect();
        let (status, said) = (self.made.status, &self.made.stderr);
        write!(
            f,
            "direct {direct:?}, parts {parts:?}, {status}, {files:?}: {said}"
        )
    }
}

/// Sources, a directory to compile in, and one for temporary files.
pub struct Project<'a> {
    pub site: &'a Site,
    /// Contains `src`, `out`, where calls run, and `tmp` for temporary files.
    dir: Dir,
}

/// Gives access to the files in the project's directory.
impl Deref for Project<'_> {
    type Target = Dir;

    fn deref(&self) -> &Dir {
        &self.dir
    }
}

impl Project<'_> {
    /// Sets the value in the line that only `arch` sees, in every source of the project.
    pub fn edit(&self, arch: &str, value: u32) {
        let name = arch.split(':').next().unwrap().replace('-', "_");
        let before = format!("#ifdef __{name}__\nx[7] = ");
        for entry in self.path("src").read_dir().unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            if let Some((head, tail)) = text.split_once(&before) {
                let (_, tail) = tail.split_once(';').unwrap();
                std::fs::write(path, format!("{head}{before}{value};{tail}")).unwrap();
            }
        }
    }

    /// A compile of `src/k.hip` to `out/k.o`.
    pub fn hip(&self, archs: &[&str], args: &[&str]) -> Call {
        let call = Call {
            driver: "clang++",
            args: Vec::new(),
            env: Vec::new(),
            dir: self.path("out"),
            top: self.path("out"),
        };
        let archs = archs.iter().map(|arch| format!("--offload-arch={arch}"));
        let archs: Vec<_> = archs.collect();
        let archs: Vec<_> = archs.iter().map(String::as_str).collect();
        call.args(&["-O1", "-nogpuinc", "-Wall"])
            .args(&archs)
            .args(args)
            .args(&["-c", "../src/k.hip", "-o", "k.o"])
            .env("TMPDIR", self.text("tmp"))
    }

    /// What the bare compiler makes of a call with the id that the shim adds to it.
    pub fn truth(&self, call: &Call) -> Made {
        let id = call.added_id(&self.site.base);
        let call = id.iter().fold(call.clone(), |call, id| call.args(&[id]));
        Made::by(&mut call.bare(&self.site.base), &call.top)
    }

    /// The command that makes the call through the shim, and the file to which it writes its events.
    pub fn wrapped(&self, call: &Call) -> (Command, PathBuf) {
        let events = tempfile::Builder::new()
            .prefix("events")
            .tempfile_in(self.path("."));
        let (_, events) = events.unwrap().keep().unwrap();
        let call = call
            .clone()
            .env("ROCK_WRAP_EVENTS", events.to_str().unwrap());
        (call.wrapped(&self.site.base), events)
    }

    /// Makes the call through the shim.
    pub fn compile(&self, call: &Call) -> Compiled {
        let (mut command, events) = self.wrapped(call);
        let made = Made::by(&mut command, &call.top);
        let (direct, parts) = told(&events);
        Compiled {
            made,
            direct,
            parts,
        }
    }

    /// Makes the call through the shim. The error says how the result differs from the bare compiler's.
    pub fn compared(&self, call: &Call) -> Result<Compiled, String> {
        let truth = self.truth(call);
        let compiled = self.compile(call);
        differs(&compiled.made, &truth).map_or(Ok(compiled), Err)
    }

    /// Makes the call through the shim, which must make what the bare compiler makes.
    #[track_caller]
    pub fn right(&self, call: &Call) -> Compiled {
        self.compared(call).unwrap_or_else(|how| panic!("{how}"))
    }

    /// Makes the call through the shim, which must be split and make what the bare compiler makes. Returns its parts.
    #[track_caller]
    pub fn split(&self, call: &Call) -> Parts {
        let compiled = self.right(call);
        assert!(compiled.parts.is_some(), "not split: {compiled:?}");
        compiled.parts.unwrap()
    }
}

/// Reads the events of a call: the reason why it was not launched, if any, and its parts, if it was split.
pub fn told(events: &Path) -> (Option<String>, Option<Parts>) {
    let told = std::fs::read_to_string(events).unwrap();
    let mut direct = None;
    let mut parts = None;
    for line in told.lines() {
        let mut words = line.split('\t');
        match words.next() {
            Some("direct") => direct = words.next().map(str::to_owned),
            Some("parts") => {
                assert!(parts.is_none(), "split twice: {told}");
                let part = |word: &str| {
                    let (arch, what) = word.split_once('=').unwrap();
                    (arch.to_owned(), what.starts_with("hit,"))
                };
                let (host, archs): (Vec<_>, Vec<_>) =
                    words.skip(1).partition(|word| word.starts_with("host="));
                // Without the host's part, the unit was compiled whole after all.
                parts = (!host.is_empty()).then(|| archs.into_iter().map(part).collect());
            }
            _ => {}
        }
    }
    (direct, parts)
}

/// Says how the files, messages or status of a call differ from those of the bare compiler, if they do.
pub fn differs(made: &Made, truth: &Made) -> Option<String> {
    let files = made.differs_from(truth);
    files
        .map(|how| format!("{how}\n{}", made.stderr))
        .or_else(|| {
            let (own, right) = (&made.stderr, &truth.stderr);
            (own != right).then(|| format!("other messages: {own}\nexpected: {right}"))
        })
}
