//! Nobody can tell that the shim is there: the same calls of a real clang in a real tree, on the
//! bare tree and through the shim, cold and warm, with each launcher and with none, give the same
//! standard output, standard error, exit status and files, to the byte.
//!
//! Two things are not compared as they are:
//! - the six random digits in the names of clang's temporary files, which two bare runs differ in;
//! - in trees where `clang` is itself the program (regular file, hard link), that file's own name
//!   in what clang prints and in what `-MJ` writes: there it lies at `clang.7625` while the tree
//!   is wrapped.
//!
//! One is compared by another way, see [`Site::differs_in_the_id_alone`]. And two things that sccache
//! does are counted and shown apart, since no wrapper that hands a call to it can change them:
//! - its server writes files under umask 027 (0.16, `commands.rs`), whatever the caller's, so that
//!   an object that others could read is 0640;
//! - where a warning of the preprocessor is made an error, it returns that one and not the errors
//!   that the compiler would have found behind it ([`probes::HALF_SAID_BY_SCCACHE`]).
//!
//! The quick form has every layout of clang 19 and one of clang 23, whose new offload driver keeps device code
//! from launchers. `ROCK_WRAP_TEST_FULL` adds the other trees, sccache 0.17, Debian's ccache, and in each tree
//! both names for each call instead of `clang` and `clang++` in turn.

mod files;
mod probes;

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::compilers::{QUICK, clangs, full};
use crate::support::launchers::{self, Asked, Cache};
use crate::support::tree::{Kind, LAYOUTS, Tree, alias};
use files::{Entry, Listing};
use probes::{lines, words};
use tempfile::TempDir;
use wait_timeout::ChildExt;

/// Far more than any call takes: what does not end is a difference too.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// Prints past the test harness, which keeps what a test that passes prints to itself: the numbers
/// are what this suite is for.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).unwrap();
    out.write_all(b"\n").unwrap();
}

/// One call.
#[derive(Clone)]
struct Probe {
    program: String,
    args: Vec<String>,
    stdin: Option<String>,
    /// More environment.
    env: Vec<(&'static str, String)>,
    /// Whether clang makes up an id for it.
    makes_id: bool,
    /// Whether sccache keeps some of the compiler's messages to itself.
    half_said_by_sccache: bool,
}

impl Probe {
    fn new(program: &str, mut args: Vec<String>) -> Self {
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

    fn shown(&self) -> String {
        let mut text = self.program.clone();
        for arg in &self.args {
            write!(text, " {arg:?}").unwrap();
        }
        text
    }
}

/// What came of a call.
#[derive(Clone, PartialEq, Eq)]
struct Outcome {
    /// Exit status or signal, as text.
    status: String,
    stdout: String,
    stderr: String,
    files: Listing,
}

impl Outcome {
    /// Takes the mode from files of `other` that have this one's mode less what umask 027 takes.
    /// Returns whether there were such.
    fn under_sccaches_umask(&mut self, other: &Self) -> bool {
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

/// What lies around a tree: sources, and a place for each call, the same in every run.
struct Site {
    tree: Tree,
    dir: TempDir,
}

impl Site {
    fn new(kind: Kind) -> Self {
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

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    /// A word of a table with its placeholders filled in.
    fn fill(&self, word: &str) -> String {
        word.replace("{rocm}", self.tree.root.to_str().unwrap())
            .replace("{bin}", self.tree.bin().to_str().unwrap())
            .replace("{links}", self.path("links").to_str().unwrap())
    }

    /// Everything that is asked in one run; with `both_names`, `clang` and `clang++` the same.
    fn probes(&self, both_names: bool) -> Vec<Probe> {
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
                if both_names || index % 2 == parity {
                    ask(name, args.clone());
                }
            }
        }
        ask("{bin}/clang++", words("main.cpp -o main"));
        // By other ways to the same compiler; in the last two, a path that is relative and a search.
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

    /// Makes one call in a fresh copy of the sources, at a path that is this probe's own.
    fn call(&self, index: usize, probe: &Probe, cache: Option<&Cache>) -> Outcome {
        let dir = self.path("work").join(index.to_string());
        files::copy(&self.path("sources"), &dir);
        // Apart from what is compared: clang 15 leaves directories there with random names.
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
            // What -MJ writes names clang's own file, as its messages do.
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

    /// What clang printed without what this file's comment names.
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

    fn run(&self, probes: &[Probe], cache: Option<&Cache>) -> Vec<Outcome> {
        in_parallel(probes.len(), |index| {
            self.call(index, &probes[index], cache)
        })
    }

    /// Whether `outcome`, which a launcher brought about, is what the bare compiler makes of the same
    /// arguments and the id that the shim added to them.
    ///
    /// Without `-cuid=`, clang takes the id of a HIP compile from the input's path and all arguments
    /// (15 and 19: with `-fgpu-rdc`; 19: always, as `__hip_cuid_<hash>`). Launchers share objects that
    /// need ids of their own and order the arguments anew, so the shim gives the compile an id: the
    /// one argument that it ever adds. The id goes into symbol names, and so into string and hash
    /// tables: two objects differ in a hundred bytes and cannot be compared by masking.
    fn differs_in_the_id_alone(
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

/// `text` with the compilers' own names in the place of those that they have in a wrapped tree.
fn without_aliases(text: &str) -> String {
    let text = text.replace(&alias("clang++"), "clang++");
    text.replace(&alias("clang"), "clang")
}

/// `f` of each number below `count`, on all cores.
fn in_parallel<T: Send>(count: usize, f: impl Fn(usize) -> T + Sync) -> Vec<T> {
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

/// What is not the same, for people.
fn differences(bare: &Outcome, through: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    if bare.status != through.status {
        found.push(format!("status: {} became {}", bare.status, through.status));
    }
    for (what, bare, through) in [
        ("stdout", &bare.stdout, &through.stdout),
        ("stderr", &bare.stderr, &through.stderr),
    ] {
        if bare != through {
            let mut lines = bare.lines().zip(through.lines()).enumerate();
            let (line, pair) = match lines.find(|(_, (bare, through))| bare != through) {
                Some((line, (bare, through))) => (line, format!("-{bare}\n      +{through}")),
                None => (
                    0,
                    format!(
                        "{} bytes became {}: {bare:?} {through:?}",
                        bare.len(),
                        through.len()
                    ),
                ),
            };
            found.push(format!("{what}, line {}:\n      {pair}", line + 1));
        }
    }
    for (name, entry) in &bare.files {
        match (entry, through.files.get(name)) {
            (_, None) => found.push(format!("{name:?} is missing")),
            (entry, Some(other)) if entry == other => {}
            (Entry::File(mode, bytes), Some(Entry::File(other_mode, other))) => {
                let differing = bytes.iter().zip(other).filter(|(a, b)| a != b).count();
                found.push(format!(
                    "{name:?}: mode {mode:o} and {other_mode:o}, {} and {} bytes, {differing} of them differ",
                    bytes.len(),
                    other.len()
                ));
                if let (Ok(a), Ok(b)) = (std::str::from_utf8(bytes), std::str::from_utf8(other)) {
                    found.push(format!("      -{a}\n      +{b}"));
                }
            }
            _ => found.push(format!("{name:?} is of another kind")),
        }
    }
    for name in through
        .files
        .keys()
        .filter(|name| !bare.files.contains_key(*name))
    {
        found.push(format!("{name:?} is new"));
    }
    found
}

/// What came of one comparison.
#[derive(Default)]
struct Verdict {
    found: Vec<String>,
    other_id: bool,
    other_mode: bool,
    half_said: bool,
}

/// The count of one or more runs.
#[derive(Default)]
struct Tally {
    comparisons: usize,
    differing: usize,
    /// Not differing, under the id that clang made up of the launcher's arguments.
    other_ids: usize,
    /// Not differing, but for sccache's umask.
    other_modes: usize,
    /// Not differing, but for messages that sccache keeps to itself.
    half_said: usize,
}

impl Tally {
    fn say(&self, what: &str, since: Instant) {
        let mut notes = String::new();
        for (count, note) in [
            (self.other_ids, "under the launcher's id"),
            (self.other_modes, "but for sccache's umask"),
            (self.half_said, "but for messages lost in sccache"),
        ] {
            if count > 0 {
                write!(notes, "; {count} equal {note}").unwrap();
            }
        }
        say(&format!(
            "transparency: {what}: {} comparisons, {} differing{notes} ({} s)",
            self.comparisons,
            self.differing,
            since.elapsed().as_secs()
        ));
    }

    /// For the total, in which only these two are told.
    fn add(&mut self, other: &Self) {
        self.comparisons += other.comparisons;
        self.differing += other.differing;
    }
}

/// Compares one run with the bare one.
fn compare(
    site: &Site,
    what: &str,
    probes: &[Probe],
    bare: &[Outcome],
    through: &[Outcome],
    cache: Option<&Cache>,
) -> Tally {
    let verdicts = in_parallel(probes.len(), |index| {
        let (probe, through) = (&probes[index], &through[index]);
        let mut bare = bare[index].clone();
        let mut verdict = Verdict::default();
        if cache.is_some_and(Cache::is_sccache) {
            verdict.other_mode = bare.under_sccaches_umask(through);
            if probe.half_said_by_sccache && bare.stderr != through.stderr {
                verdict.half_said = true;
                bare.stderr.clone_from(&through.stderr);
            }
        }
        verdict.found = differences(&bare, through);
        if let Some(cache) = cache
            && probe.makes_id
            && !verdict.found.is_empty()
        {
            verdict.other_id = true;
            verdict.found = site.differs_in_the_id_alone(index, probe, through, cache);
        }
        verdict
    });
    let mut tally = Tally::default();
    for (probe, verdict) in probes.iter().zip(verdicts) {
        tally.comparisons += 1;
        if verdict.found.is_empty() {
            tally.other_ids += usize::from(verdict.other_id);
            tally.other_modes += usize::from(verdict.other_mode);
            tally.half_said += usize::from(verdict.half_said);
            continue;
        }
        tally.differing += 1;
        say(&format!("differs: {what}: {}", probe.shown()));
        for line in verdict.found {
            say(&format!(
                "    {}",
                line.chars().take(2000).collect::<String>()
            ));
        }
    }
    tally
}

/// All runs in one tree.
fn check_tree(kind: Kind, launchers: &[PathBuf], both_names: bool) -> Tally {
    let site = Site::new(kind);
    let probes = site.probes(both_names);
    let bare = site.run(&probes, None);
    let mut total = Tally::default();
    let mut report = |what: &str,
                      expected: &[Outcome],
                      through: &[Outcome],
                      cache: Option<&Cache>,
                      since: Instant| {
        let what = format!("{kind}, {what}");
        let tally = compare(&site, &what, &probes, expected, through, cache);
        tally.say(&what, since);
        total.add(&tally);
    };

    // A shim without a launcher does the same in every layout: each compiler once.
    if kind.layout == LAYOUTS[0] || full() {
        let start = Instant::now();
        site.tree.install(None);
        report("no launcher", &bare, &site.run(&probes, None), None, start);
    }
    for launcher in launchers {
        let cache = Cache::new(launcher);
        // The version is in the directory's name; Debian's is in none.
        let dir = launcher.parent().unwrap().file_name().unwrap();
        let name = dir
            .to_str()
            .filter(|dir| *dir != "bin")
            .unwrap_or("Debian's ccache");
        site.tree.install(Some(launcher));
        let start = Instant::now();
        let cold = site.run(&probes, Some(&cache));
        let stored = cache.asked().misses;
        assert!(
            stored >= 20,
            "{kind}, {name}: only {stored} calls reached the cache"
        );
        report(&format!("{name}, cold"), &bare, &cold, Some(&cache), start);
        let start = Instant::now();
        let warm = site.run(&probes, Some(&cache));
        // Where an id had to be found out, once is enough: warm must be what cold was.
        let mut expected = bare.clone();
        for (index, probe) in probes.iter().enumerate() {
            if probe.makes_id {
                expected[index].clone_from(&cold[index]);
            }
        }
        report(
            &format!("{name}, warm"),
            &expected,
            &warm,
            Some(&cache),
            start,
        );
        // Were everything Direct, all of this would be equal too.
        for (index, probe) in probes.iter().enumerate() {
            if probe.makes_id {
                cache.zero();
                site.call(index, probe, Some(&cache));
                assert_eq!(
                    cache.asked_for_hip(),
                    Asked::new(1, 0),
                    "{kind}, {name}: {}",
                    probe.shown()
                );
            }
        }
    }
    site.tree.restore();
    if full() {
        let start = Instant::now();
        report("restored", &bare, &site.run(&probes, None), None, start);
    }
    total
}

#[test]
fn no_call_differs_from_the_bare_compilers_in_any_tree_with_any_launcher() {
    let mut launchers = vec![launchers::sccache(), launchers::ccache()];
    let clangs = clangs(&QUICK);
    let mut kinds = Vec::new();
    if full() {
        launchers.extend(launchers::find("sccache 0.17.0", "sccache-0.17.0/sccache"));
        launchers.extend(launchers::find("ccache 4.7.5", "/usr/bin/ccache"));
        for clang in clangs {
            kinds.extend(LAYOUTS.map(|layout| Kind::new(clang, layout)));
            // clang 15 does not read configuration files by itself.
            if clang > 15 {
                kinds.extend(LAYOUTS.map(|layout| Kind::new(clang, layout).with_cfg()));
            }
        }
    } else {
        // Every layout of one, the first one with configuration files; of the others one.
        for (index, clang) in clangs.into_iter().enumerate() {
            let layouts = if index == 0 {
                &LAYOUTS[..]
            } else {
                &LAYOUTS[..1]
            };
            kinds.extend(layouts.iter().map(|layout| Kind::new(clang, layout)));
        }
        if let Some(first) = kinds.first_mut() {
            *first = first.with_cfg();
        }
    }
    let mut total = Tally::default();
    for (index, kind) in kinds.into_iter().enumerate() {
        total.add(&check_tree(kind, &launchers, index == 0 || full()));
    }
    say(&format!(
        "transparency: {} comparisons, {} differing",
        total.comparisons, total.differing
    ));
    assert_eq!(total.differing, 0);
}

/// hipcc and hipconfig, which call `clang++` by its path for what they print and what they do.
#[test]
fn hipcc_and_hipconfig_do_the_same_in_a_wrapped_tree() {
    for clang in clangs(&[19]) {
        hipcc_does_the_same(clang);
    }
}

fn hipcc_does_the_same(clang: u32) {
    let site = Site::new(Kind::new(clang, "symlink"));
    let mut probes = Vec::new();
    for line in lines(probes::HIPCC) {
        let mut line: Vec<String> = line.iter().map(|word| site.fill(word)).collect();
        let program = line.remove(0);
        probes.push(Probe::new(&program, line));
    }
    let bare = site.run(&probes, None);
    assert!(bare[0].status.ends_with(": 0"), "{}", bare[0].stderr);
    let mut total = Tally::default();
    for launcher in [launchers::sccache(), launchers::ccache()] {
        let cache = Cache::new(&launcher);
        site.tree.install(Some(&launcher));
        for state in ["cold", "warm"] {
            let start = Instant::now();
            let through = site.run(&probes, Some(&cache));
            let name = launcher.file_name().unwrap().to_str().unwrap();
            let what = format!("hipcc, {name}, {state}");
            let tally = compare(&site, &what, &probes, &bare, &through, Some(&cache));
            tally.say(&what, start);
            total.add(&tally);
        }
        assert!(
            cache.asked_for_hip().hits > 0,
            "clang {clang}: hipcc's compiles reach {launcher:?}"
        );
    }
    assert_eq!(total.differing, 0);
}

/// Whatever `HIP_CLANG_LAUNCHER` says, the compile is the same; what cannot be run is one line more.
#[test]
fn hip_clang_launcher_changes_nothing_but_the_way() {
    for clang in clangs(&[19]) {
        hip_clang_launcher_changes_nothing(clang);
    }
}

fn hip_clang_launcher_changes_nothing(clang: u32) {
    let site = Site::new(Kind::new(clang, "symlink"));
    let spaced = site.path("with space");
    std::fs::create_dir(&spaced).unwrap();
    std::os::unix::fs::symlink(launchers::ccache(), spaced.join("ccache")).unwrap();
    let compiler = site.fill("{bin}/clang++");
    let probes: Vec<Probe> = [
        "-c warn.cpp -o y.o -Wall -MD",
        "-c bad.cpp -o y.o",
        "--version",
        "x.o -o x",
    ]
    .iter()
    .map(|line| Probe::new(&compiler, words(line)))
    .collect();
    let bare = site.run(&probes, None);
    site.tree.install(None);
    let cannot_be_run = ["ccache -v", "/nonexistent/launcher", "nonexistent"];
    let can = [
        "".to_owned(),
        launchers::sccache().to_str().unwrap().to_owned(),
        launchers::ccache().to_str().unwrap().to_owned(),
        spaced.join("ccache").to_str().unwrap().to_owned(),
    ];
    let values = can.iter().map(String::as_str).chain(cannot_be_run);
    for value in values {
        // As the launcher's own file tells which it is.
        let cache = Cache::new(&if value.ends_with("sccache") {
            launchers::sccache()
        } else {
            launchers::ccache()
        });
        let mut probes = probes.clone();
        let mut expected = bare.clone();
        for (index, (probe, expected)) in probes.iter_mut().zip(&mut expected).enumerate() {
            probe.env.push(("HIP_CLANG_LAUNCHER", value.to_owned()));
            if index < 2 && cannot_be_run.contains(&value) {
                let line = format!(
                    "rock-wrap: launcher {value} (from HIP_CLANG_LAUNCHER) was not found; compiling without it\n"
                );
                expected.stderr.insert_str(0, &line);
            }
        }
        let through = site.run(&probes, Some(&cache));
        let start = Instant::now();
        let what = format!("HIP_CLANG_LAUNCHER={value:?}");
        let tally = compare(&site, &what, &probes, &expected, &through, Some(&cache));
        tally.say(&what, start);
        assert_eq!(tally.differing, 0);
        let reached = cache.asked() != Asked::default();
        assert_eq!(
            reached,
            value.contains('/') && !cannot_be_run.contains(&value),
            "{what}"
        );
    }
}
