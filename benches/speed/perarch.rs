//! Measures compiles for several architectures that are cached by architecture.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Setup;
use super::caches::Cache;
use super::contest::{Call, Contest, Estimate};
use super::report::{Bar, Report};

/// Architectures that both Debian's compilers and its device libraries support.
const ARCHS: [&str; 4] = ["gfx906", "gfx90a", "gfx1030", "gfx908"];

/// Units of `scripts/heavy-units.sh`: a large and a small one, and two more.
const UNITS: [&str; 4] = [
    "radix-sort-float",
    "xorwow-float",
    "merge-sort-int",
    "philox-float",
];

/// A launcher, with the same tree wrapped and bare.
struct Rival<'a> {
    setup: &'a Setup,
    name: &'a str,
    program: &'a Path,
    units: &'a [&'a str],
}

/// Measures sccache and ccache. Leaves the trees wrapped as they were.
pub fn all(setup: &Setup, report: &mut Report) {
    let units = if setup.quick { &UNITS[..2] } else { &UNITS[..] };
    for (name, program) in [("sccache", &setup.sccache), ("ccache", &setup.ccache)] {
        let rival = Rival {
            setup,
            name,
            program,
            units,
        };
        rival.install("auto");
        rival.one_by_one(report);
        rival.two_at_once(report);
        rival.install("never");
    }
}

/// The number of rounds of whole builds. It is small, since each round takes a minute.
fn rounds(setup: &Setup) -> usize {
    setup.rounds(10).max(2)
}

impl Rival<'_> {
    fn install(&self, per_arch: &str) {
        let words = ["install", "--per-arch", per_arch, "--launcher"];
        let call = Call::new(&self.setup.rock_wrap, words).arg(self.program);
        call.arg("--rocm-path")
            .arg(self.setup.tree(self.name))
            .run();
    }

    /// The build of all units for the first `archs` architectures.
    fn make(&self, tree: &str, before: &str, archs: usize, jobs: usize, cache: &Cache) -> Call {
        let root = self.setup.tree(tree);
        let clang = root.join("lib/llvm/bin/clang++");
        let call = Call::new(
            Path::new("/usr/bin/make"),
            [
                "-C".to_owned(),
                self.setup.work.join("heavy").display().to_string(),
                format!("-j{jobs}"),
                format!(
                    "CXX={before}{} --rocm-path={}",
                    clang.display(),
                    root.display()
                ),
                format!("ROCM={}", root.display()),
                format!("ARCHS={}", ARCHS[..archs].join(" ")),
                format!("OBJ={}", self.objects().display()),
            ],
        );
        let targets = self
            .units
            .iter()
            .map(|unit| self.objects().join(format!("{unit}.o")));
        targets.fold(call, Call::arg).envs(&cache.env)
    }

    fn objects(&self) -> PathBuf {
        self.setup.work.join("per-arch-objects")
    }

    fn run(&self, call: &Call) -> Duration {
        let _ = std::fs::remove_dir_all(self.objects());
        std::fs::create_dir_all(self.objects()).expect("a directory of our own");
        call.run()
    }

    /// Measures one call at a time, which leaves a core for a second part.
    fn one_by_one(&self, report: &mut Report) {
        let Self { name, setup, .. } = self;
        let [mine, theirs] = ["mine", "theirs"].map(|cache| Cache::new(setup, self.program, cache));
        let before = format!("{} ", self.program.display());
        let compiler = self.make("bare", "", 4, 1, &theirs);
        let bare = self.make("bare", &before, 4, 1, &theirs);
        let [three, four] = [3, 4].map(|archs| self.make(name, "", archs, 1, &mine));

        // Sizes are taken right after the builds: after `added`, the cache also holds the objects for three
        // architectures.
        let (split_size, cold_size) = (Cell::new(0.0), Cell::new(0.0));
        let mut contest = Contest::new_timed("-j1: the compiler", || self.run(&compiler));
        let cold = contest.add_rare(&format!("-j1: {name}, cold"), 1, || {
            theirs.clear();
            let took = self.run(&bare);
            cold_size.set(theirs.size());
            took
        });
        let split = contest.add_rare(&format!("-j1: rock-wrap + {name}, cold"), 1, || {
            mine.clear();
            let took = self.run(&four);
            split_size.set(mine.size());
            took
        });
        let added = contest.add_rare(
            &format!("-j1: rock-wrap + {name}, a fourth added"),
            1,
            || {
                mine.clear();
                self.run(&three);
                self.run(&four)
            },
        );
        let results = contest.run(rounds(setup));
        report.contest("per-arch", &results, &[(split, Bar::AtMost(0.65))]);
        let what = format!("{name}: a fourth architecture added, over all four cold");
        let bar = Some(Bar::AtMost(0.45));
        report.number("per-arch", &what, results.ratio_of(added, cold), "x", bar);
        let ratio = Estimate {
            value: split_size.get() / cold_size.get(),
            noise: 0.0,
        };
        let what = format!("{name}: the cache's size, over the launcher's alone");
        report.number("per-arch", &what, ratio, "x", Some(Bar::AtMost(2.2)));
    }

    /// Measures two calls at once on two cores, which leave no core for a second part.
    fn two_at_once(&self, report: &mut Report) {
        let Self { name, setup, .. } = self;
        let [mine, theirs] = ["mine", "theirs"].map(|cache| Cache::new(setup, self.program, cache));
        let before = format!("{} ", self.program.display());
        let bare = self.make("bare", &before, 4, 2, &theirs);
        let four = self.make(name, "", 4, 2, &mine);
        let mut contest = Contest::new_timed(&format!("-j2: {name}, cold"), || {
            theirs.clear();
            self.run(&bare)
        });
        let split = contest.add_rare(&format!("-j2: rock-wrap + {name}, cold"), 1, || {
            mine.clear();
            self.run(&four)
        });
        let results = contest.run(rounds(setup));
        report.contest("per-arch", &results, &[(split, Bar::AtMost(1.1))]);

        let mut contest = Contest::new_timed(&format!("{name}, warm"), || self.run(&bare));
        let split = contest.add_rare(&format!("rock-wrap + {name}, warm"), 1, || self.run(&four));
        let results = contest.run(setup.rounds(200));
        report.contest("per-arch", &results, &[(split, Bar::AtMost(1.08))]);
    }
}
