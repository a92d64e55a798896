//! A tree with sources beside it, and the calls that are made there.

use super::compare::differences;
use super::files::{Entry, Listing};
use super::probes::{lines, words};
use super::{files, probes};
use crate::support::launchers::Cache;
use crate::support::tree::{Kind, Tree, alias};
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use wait_timeout::ChildExt;

/// Far more than any call takes. A call that does not end counts as a difference.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// One call.
#[derive(Clone)]
pub struct Probe {
    pub program: String,
    pub args: Vec<String>,
    pub stdin: Option<String>,
    /// Additional environment variables.
    pub env: Vec<(&'static str, String)>,
    /// Whether clang makes up an id for the call.
    pub makes_id: bool,
    /// Whether sccache does not return all of the compiler's messages.
    pub half_said_by_sccache: bool,
}

impl Probe {
    pub fn new(program: &str, mut args: Vec<String>) -> Self {
        let stdin = args.iter().position(|arg| arg.starts_with('<'));
        let stdin = stdin.map(|at| args.remove(at).split_off(1));
        Self {
            program: program.to_owned(),
            args,
            stdin,
            env: Vec::new(),
            makes_id: false,
            half_said_by_sccache: false,
        }
    }

    pub fn shown(&self) -> String {
        let mut text = self.program.clone();
        for arg in &self.args {
            write!(text, " {arg:?}").unwrap();
        }
        text
    }
}

/// The result of a call.
#[derive(Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Exit status or signal, as text.
    pub status: String,
    pub stdout: String,
    pub stderr: String,
    pub files: Listing,
}

impl Outcome {
    /// Adopts the mode of each file of `other` whose mode is this file's without the bits of umask 027.
    /// Returns whether there were such files.
    pub fn under_sccaches_umask(&mut self, other: &Self) -> bool {
        let mut any = false;
        for (name, entry) in &mut self.files {
            if let (Entry::File(mode, _), Some(Entry::File(narrower, _))) =
                (entry, other.files.get(name))
                && mode != narrower
                && *mode & !0o027 == *narrower
            {
                *mode = *narrower;
                any = true;
            }
        }
        any
    }
}

/// Which of the compiler's two names gets the calls that both understand.
#[derive(Clone, Copy)]
pub enum Names {
    /// Each name gets every call.
    Both,
    /// The names take turns. The first call goes to `clang` if the number is even.
    InTurn(usize),
}

impl Names {
    /// Whether the call with the index `call` goes to `clang` (`name` 0) or `clang++` (1).
    fn are_asked(self, call: usize, name: usize) -> bool {
        match self {
            Self::Both => true,
            Self::InTurn(first) => (call + first) % 2 == name,
        }
    }
}

/// A tree, and beside it sources and a directory for each call. All paths are the same in every run.
pub struct Site {
    pub tree: Tree,
    pub dir: TempDir,
}

impl Site {
    pub fn new(kind: Kind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let site = Self {
            tree: kind.build(&root.join("tree")),
            dir,
        };
        probes::write_sources(&site.path("sources"), &site.tree);
        let links = site.path("links");
        std::fs::create_dir(&links).unwrap();
        std::fs::create_dir(site.path("said")).unwrap();
        for name in ["clang++", "c++"] {
            let target = site.tree.bin().join("clang++");
            std::os::unix::fs::symlink(target, links.join(name)).unwrap();
        }
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    /// A word of a table with its placeholders filled in.
    pub fn fill(&self, word: &str) -> String {
        word.replace("{rocm}", self.tree.root.to_str().unwrap())
            .replace("{bin}", self.tree.bin().to_str().unwrap())
            .replace("{links}", self.path("links").to_str().unwrap())
    }

    /// All calls of one run.
    pub fn probes(&self, names: Names) -> Vec<Probe> {
        let mut probes = Vec::new();
        let mut ask = |program: &str, args: Vec<String>| {
            let mut filled = Vec::new();
            for arg in args {
                if arg == "{hip}" {
                    filled.extend(
                        words("--rocm-path={rocm} -x hip")
                            .iter()
                            .map(|arg| self.fill(arg)),
                    );
                } else {
                    filled.push(self.fill(&arg));
                }
            }
            probes.push(Probe::new(&self.fill(program), filled));
        };
        for args in lines(probes::HIP_WITHOUT_CUID) {
            ask("{bin}/clang++", args);
        }
        ask(
            "{bin}/clang",
            lines(probes::HIP_WITHOUT_CUID).next().unwrap(),
        );
        let with_made_up_ids = 3;
        for args in lines(probes::HALF_SAID_BY_SCCACHE) {
            ask("{bin}/clang++", args);
        }
        let half_said = with_made_up_ids + lines(probes::HALF_SAID_BY_SCCACHE).count();
        for args in lines(probes::HIP) {
            ask("{bin}/clang++", args);
        }
        for (index, args) in lines(probes::ANY).enumerate() {
            for (parity, name) in ["{bin}/clang", "{bin}/clang++"].into_iter().enumerate() {
                if names.are_asked(index, parity) {
                    ask(name, args.clone());
                }
            }
        }
        ask("{bin}/clang++", words("main.cpp -o main"));
        // Other paths to the same compiler. The last two are a relative path and a search in PATH.
        for way in [
            "{rocm}/bin/amdclang++",
            "{bin}/amdclang",
            "{rocm}/llvm/bin/clang++",
            "{links}/clang++",
            "{links}/c++",
            "/usr/bin/env ../../tree/lib/llvm/bin/clang++",
            "/usr/bin/env clang++",
        ] {
            let mut way = words(way);
            let program = way.remove(0);
            for args in lines(probes::ATTACHED) {
                ask(&program, [way.clone(), args].concat());
            }
        }
        for probe in &mut probes[..with_made_up_ids] {
            probe.makes_id = true;
        }
        for probe in &mut probes[with_made_up_ids..half_said] {
            probe.half_said_by_sccache = true;
        }
        probes
    }

    /// Makes one call in a fresh copy of the sources, in this probe's own directory.
    pub fn call(&self, index: usize, probe: &Probe, cache: Option<&Cache>) -> Outcome {
        let dir = self.path("work").join(index.to_string());
        files::copy(&self.path("sources"), &dir);
        // Not in the directory that is compared: clang 15 leaves directories with random names there.
        let temporary = self.path("tmp").join(index.to_string());
        drop(std::fs::remove_dir_all(&temporary));
        std::fs::create_dir_all(&temporary).unwrap();
        let said = |name: &str| self.path("said").join(format!("{index}.{name}"));
        let create = |name: &str| File::create(said(name)).unwrap();

        let mut command = Command::new(&probe.program);
        let stdin = probe
            .stdin
            .as_ref()
            .map(|name| File::open(dir.join(name)).unwrap());
        command
            .args(&probe.args)
            .current_dir(&dir)
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.tree.bin().display()),
            )
            .env("HOME", "/nonexistent")
            .env("LC_ALL", "C.UTF-8")
            .env("TMPDIR", &temporary)
            .envs(probe.env.iter().map(|(name, value)| (name, value)))
            .stdin(stdin.map_or_else(Stdio::null, Stdio::from))
            .stdout(create("out"))
            .stderr(create("err"));
        if let Some(cache) = cache {
            command.envs(cache.env());
        }
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let status = child.wait_timeout(TIME_LIMIT).unwrap();
        if status.is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let text = |name: &str| {
            let text = std::fs::read(said(name)).unwrap();
            let text = String::from_utf8_lossy(&text);
            self.comparable(&text, &temporary)
        };
        let mut files = files::read(&dir);
        if self.tree.kind.moves_the_compiler()
            && let Some(Entry::File(_, database)) = files.get_mut(Path::new("compile.json"))
        {
            // The file that -MJ writes contains the compiler's own path, as its messages do.
            let text = String::from_utf8_lossy(database);
            *database = without_aliases(&text).into_bytes();
        }
        Outcome {
            status: status.map_or_else(|| "does not end".to_owned(), |status| status.to_string()),
            stdout: text("out"),
            stderr: text("err"),
            files,
        }
    }

    /// What clang printed, with the random digits of temporary files masked and the compiler's original name.
    fn comparable(&self, text: &str, temporary: &Path) -> String {
        let prefix = format!("{}/", temporary.display());
        let mut parts = text.split(&prefix);
        let mut result = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part
                .find(|c: char| "\" \n:'/,".contains(c))
                .unwrap_or(part.len());
            let (name, rest) = part.split_at(end);
            result.push_str(&prefix);
            // NAME-xxxxxx.o
            match name.rfind('-') {
                Some(dash) if name.len() >= dash + 7 => {
                    result.push_str(&name[..=dash]);
                    result.push_str("XXXXXX");
                    result.push_str(&name[dash + 7..]);
                }
                _ => result.push_str(name),
            }
            result.push_str(rest);
        }
        if self.tree.kind.moves_the_compiler() {
            result = without_aliases(&result);
        }
        result
    }

    pub fn run(&self, probes: &[Probe], cache: Option<&Cache>) -> Vec<Outcome> {
        in_parallel(probes.len(), |index| {
            self.call(index, &probes[index], cache)
        })
    }

    /// The differences between `outcome`, which a launcher brought about, and what the bare compiler makes of the same
    /// arguments and the id that the shim added to them.
    ///
    /// Without `-cuid=`, clang derives the id of a HIP compile from the input's path and all arguments (15 and 19: with
    /// `-fgpu-rdc`; 19: always, as `__hip_cuid_<hash>`). Launchers reorder the arguments, and share objects that need
    /// different ids, so the shim adds an id to the compile. It adds no other argument. The id is part of symbol names,
    /// and so of string and hash tables: two objects differ in a hundred bytes and cannot be compared by masking.
    pub fn differs_in_the_id_alone(
        &self,
        index: usize,
        probe: &Probe,
        outcome: &Outcome,
        cache: &Cache,
    ) -> Vec<String> {
        let mut explain = probe.clone();
        explain.program = env!("CARGO_BIN_EXE_rock-wrap").to_owned();
        let words = ["explain", "--json", "--", &probe.program].map(str::to_owned);
        explain.args.splice(0..0, words);
        self.call(index, &explain, Some(cache));
        let said = std::fs::read_to_string(self.path("said").join(format!("{index}.out"))).unwrap();
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        let added = said["runs"]
            .as_array()
            .and_then(|runs| runs.last()?.as_str());
        let Some(id) = added.and_then(|word| word.strip_prefix("-cuid=")) else {
            return vec![format!("the shim adds no id: {said}")];
        };

        let mut bare = probe.clone();
        bare.args.push(format!("-cuid={id}"));
        bare.env.push(("ROCK_WRAP_DISABLE", "1".to_owned()));
        let mut bare = self.call(index, &bare, None);
        if cache.is_sccache() {
            bare.under_sccaches_umask(outcome);
        }
        differences(&bare, outcome)
    }
}

/// Replaces the names that the compilers have in a wrapped tree by their original names.
fn without_aliases(text: &str) -> String {
    let text = text.replace(&alias("clang++"), "clang++");
    text.replace(&alias("clang"), "clang")
}

/// Calls `f` with each number below `count`, on all cores. Returns the results in order.
pub fn in_parallel<T: Send>(count: usize, f: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<T>>> = (0..count).map(|_| Mutex::new(None)).collect();
    let cores = std::thread::available_parallelism().map_or(2, Into::into);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(result) = results.get(index) else {
                        break;
                    };
                    *result.lock().unwrap() = Some(f(index));
                }
            });
        }
    });
    results
        .into_iter()
        .map(|result| result.into_inner().unwrap().unwrap())
        .collect()
}
