//! A running case: its states and their results.

use std::ops::Deref;
use std::path::Path;
use std::process::Command;

use super::site::{Call, Made, Site};
use super::table::{Alone, Cell, Table};
use crate::support::dir::Dir;
use crate::support::launchers::Asked;
use crate::support::{run, stderr};

/// A small HIP unit. Without ROCm's headers it compiles in a fifth of the time. `exp` comes from the device libraries,
/// `V` from the command line or from `v.h`.
pub const SOURCE: &str = "
struct dim3 { unsigned x, y, z; };
typedef struct ihipStream_t *hipStream_t;
typedef enum { hipSuccess } hipError_t;
extern \"C\" hipError_t hipLaunchKernel(const void *, dim3, dim3, void **, unsigned long, hipStream_t);
extern \"C\" hipError_t __hipPopCallConfiguration(dim3 *, dim3 *, unsigned long *, hipStream_t *);
#if __has_include(\"v.h\")
#include \"v.h\"
#endif
#ifndef V
#define V 0
#endif
extern \"C\" __attribute__((device)) float __ocml_exp_f32(float);
int host = V;
__attribute__((device)) float state;
__attribute__((global)) void kernel(float *x) {
    state += __ocml_exp_f32(x[0]) + V;
    for (int i = 0; i < 4; ++i) x[i] = state * x[i + 4];
}
";

/// One state of a case.
pub struct State {
    /// What the bare compiler made.
    pub truth: Made,
    /// What the first call through the shim made.
    pub made: Made,
    /// What the launcher made without rock-wrap. It is only run when the table is written.
    pub alone: Option<Made>,
    /// What the call through the shim, made twice, asked of the launcher. Nothing if it went straight to the compiler.
    asked: Asked,
}

impl State {
    /// Whether the call missed the first time.
    pub fn missed(&self) -> bool {
        self.asked == Asked::new(1, 1)
    }

    /// Whether the launcher had the result of the call before.
    pub fn hit(&self) -> bool {
        self.asked == Asked::new(2, 0)
    }
}

/// A running case.
pub struct Trial<'a> {
    pub site: &'a Site,
    /// Contains `src`, and `out`, where calls run.
    dir: Dir,
    cell: Cell,
    truths: Vec<Made>,
    faults: Vec<String>,
}

/// Gives access to the files in the case's directory.
impl Deref for Trial<'_> {
    type Target = Dir;

    fn deref(&self) -> &Dir {
        &self.dir
    }
}

impl<'a> Trial<'a> {
    pub fn new(site: &'a Site) -> Self {
        let dir = Dir::new_in(site.dir.path(), &["src", "out"]);
        let trial = Self {
            site,
            dir,
            cell: Cell::default(),
            truths: Vec::new(),
            faults: Vec::new(),
        };
        trial.write("src/k.hip", SOURCE);
        trial
    }

    /// The table cell of this case, and its failures.
    pub fn end(self) -> (Cell, Vec<String>) {
        (self.cell, self.faults)
    }

    /// A call with the working directory `out`.
    pub fn call(&self, driver: &'static str, args: &[&str]) -> Call {
        Call {
            driver,
            args: Vec::new(),
            env: Vec::new(),
            dir: self.path("out"),
            top: self.path("out"),
        }
        .args(args)
    }

    /// A HIP compile of `src/k.hip` to `k.o` with its own `-cuid=`.
    pub fn hip(&self, args: &[&str]) -> Call {
        self.hip_without_id(args).args(&["-cuid=1"])
    }

    /// A HIP compile of `src/k.hip` to `k.o` without `-cuid=`.
    pub fn hip_without_id(&self, args: &[&str]) -> Call {
        let common = ["-O1", "-nogpuinc", "--offload-arch=gfx900"];
        let files = ["-c", "../src/k.hip", "-o", "k.o"];
        self.call("clang++", &common).args(args).args(&files)
    }

    /// A C++ compile of `src/h.cpp`, which the case must write, to `h.o`.
    pub fn cxx(&self, args: &[&str]) -> Call {
        let files = ["-c", "../src/h.cpp", "-o", "h.o"];
        self.call("clang++", args).args(&files)
    }

    /// A C compile of `src/h.c`, which the case must write, to `h.o`.
    pub fn c(&self, args: &[&str]) -> Call {
        let files = ["-c", "../src/h.c", "-o", "h.o"];
        self.call("clang", args).args(&files)
    }

    /// Checks `call` with the files as they are now: through the shim it must make what the bare compiler makes, and if
    /// it is launched, the second time must be a hit.
    pub fn state(&mut self, call: &Call) -> State {
        let site = self.site;
        let top = &call.top;
        let added = call.added_id(site);
        let with_id = added.iter().fold(call.clone(), |call, id| call.args(&[id]));
        let truth = Made::by(&mut with_id.bare(site), top);
        site.cache.zero();
        let (made, how) = self.wrapped(call);
        // If the compiler's output differs from run to run (clang 23 with -gsplit-dwarf), a direct call cannot be
        // compared. A launched call is always compared.
        let repeats = || {
            Made::by(&mut with_id.bare(site), top)
                .differs_from(&truth)
                .is_none()
        };
        if how.is_none() || made.differs_from(&truth).is_none() || repeats() {
            self.compare(&made, &truth, "at first");
        }
        self.cell.add(how.as_deref());
        let mut asked = Asked::default();
        if how.is_none() && truth.status.success() {
            let again = self.wrapped(call).0;
            self.compare(&again, &truth, "again");
            asked = site.cache.asked();
            // The launcher compiled the call both times. The table says which calls it does not cache.
            if asked.others == 2 || asked == Asked::new(0, 2) {
                self.cell.not_cached();
            } else if asked != Asked::new(1, 1) && asked != Asked::new(2, 0) {
                let args = call.args.join(" ");
                self.faults.push(format!("no hit: {asked:?} for {args}"));
            }
        }
        let alone = Table::is_written().then(|| {
            let call = self.kept_apart(call);
            let cold = Made::by(&mut call.alone(site), top);
            site.cache.zero();
            let warm = Made::by(&mut call.alone(site), top);
            let asked = site.cache.asked();
            // If the shim adds an id, the launcher alone cannot make the same object, because clang's id differs.
            let right = added.is_some()
                || cold.differs_from(&truth).is_none() && warm.differs_from(&truth).is_none();
            self.cell.alone(match (cold.status == truth.status, right) {
                (false, _) => Alone::Fails,
                (_, false) => Alone::Wrong,
                _ if asked.hits == 0 => Alone::Uncached,
                _ => Alone::Right,
            });
            warm
        });
        self.truths.push(truth.clone());
        State {
            truth,
            made,
            alone,
            asked,
        }
    }

    /// The control: the bare compiler's results must differ between the last two states.
    pub fn differs(&mut self) {
        let [.., before, after] = &self.truths[..] else {
            panic!("the control needs two states");
        };
        let fault = if !after.status.success() {
            format!("the compiler itself fails: {}", after.stderr)
        } else if before.differs_from(after).is_none() {
            "the control: the compiler's own results do not differ".to_owned()
        } else {
            return;
        };
        self.faults.push(fault);
    }

    /// Checks two calls for which the bare compiler's results must differ.
    pub fn both(&mut self, before: &Call, after: &Call) {
        self.state(before);
        self.state(after);
        self.differs();
    }

    /// Checks `call` before a file of the tree is replaced, after that, after the next install, and after the original
    /// file has been put back and installed, when the first results must be hits. `change` is given the file's path and
    /// content, and writes the new file. Until the next install nothing is launched.
    pub fn replaced(&mut self, call: &Call, file: &str, change: impl FnOnce(&Path, Vec<u8>)) {
        let path = self.site.tree.root.join(file);
        let aside = path.with_extension("aside");
        self.state(call);
        let before = std::fs::read(&path).unwrap();
        std::fs::rename(&path, &aside).unwrap();
        change(&path, before);
        self.state(call);
        self.differs();
        self.site.install();
        self.state(call);
        std::fs::rename(&aside, &path).unwrap();
        self.site.install();
        let hit = self.state(call).hit();
        self.must("the old compiler's results are found again", hit);
    }

    /// [Replaces](Self::replaced) one string in a program or library by another of the same length. The file keeps its
    /// modification time.
    pub fn patched(&mut self, call: &Call, file: &str, from: &str, to: &str) {
        let meta = self.site.tree.root.join(file).metadata().unwrap();
        self.replaced(call, file, |path, mut content| {
            let found = memchr::memmem::find(&content, from.as_bytes());
            let at = found.unwrap_or_else(|| panic!("no {from:?} in {file}"));
            content[at..at + to.len()].copy_from_slice(to.as_bytes());
            crate::support::write_program(path, &content);
            let file = std::fs::File::open(path).unwrap();
            file.set_modified(meta.modified().unwrap()).unwrap();
        });
    }

    /// Records a failure unless `is` holds. For requirements other than equal files.
    pub fn must(&mut self, what: &str, is: bool) {
        if !is {
            self.faults.push(format!("not so: {what}"));
        }
    }

    /// Records that the launcher alone gets the case wrong, where a comparison of files does not show it.
    pub fn alone_is_wrong(&mut self) {
        self.cell.alone(Alone::Wrong);
    }

    /// Gives the call a key that other cases do not have. They compile the same source in other directories, which a
    /// launcher alone may not tell apart.
    fn kept_apart(&self, call: &Call) -> Call {
        let mut apart = call.clone();
        for name in ["SCCACHE_C_CUSTOM_CACHE_BUSTER", "CCACHE_NAMESPACE"] {
            apart.env.insert(0, (name.to_owned(), self.text(".")));
        }
        apart
    }

    /// Makes a call through the shim. Returns what it made and, if it went straight to the compiler, the reason.
    pub fn wrapped(&self, call: &Call) -> (Made, Option<String>) {
        let events = self.path("events");
        std::fs::write(&events, "").unwrap();
        let call = call
            .clone()
            .env("ROCK_WRAP_EVENTS", events.to_str().unwrap());
        let made = Made::by(&mut call.wrapped(self.site), &call.top);
        let told = std::fs::read_to_string(&events).unwrap();
        let mut words = told.lines().next().unwrap_or_default().split('\t');
        let how = match words.next() {
            Some("launch") => None,
            Some("direct") => words.next().map(str::to_owned),
            _ => panic!("{told:?}"),
        };
        (made, how)
    }

    fn compare(&mut self, made: &Made, truth: &Made, when: &str) {
        self.site.objects.set(self.site.objects.get() + 1);
        if let Some(how) = made.differs_from(truth) {
            let state = self.truths.len() + 1;
            self.faults.push(format!("state {state}, {when}: {how}"));
        }
    }

    /// Runs a tool of the tree or the system in the case's directory. It must succeed. Returns its standard output.
    pub fn tool(&self, program: &str, args: &[&str]) -> String {
        let own = self.site.tree.bin().join(program);
        let program = if own.exists() { own } else { program.into() };
        let mut command = Command::new(program);
        let output = run(command.args(args).current_dir(self.path(".")));
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
