//! Times commands against each other. They are interleaved, so that other load on the machine
//! affects all of them alike, and the remaining noise is estimated.

use std::cell::RefCell;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawn};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};

use super::host::Ticks;

/// A command line with its environment, ready to be spawned repeatedly. Its output is discarded.
#[derive(Clone)]
pub struct Call {
    args: Vec<CString>,
    env: Vec<CString>,
}

impl Call {
    /// A call of `program` in an environment that contains only PATH.
    pub fn new<S: AsRef<OsStr>>(program: &Path, args: impl IntoIterator<Item = S>) -> Self {
        let mut call = Self {
            args: vec![c_string(program.as_os_str())],
            env: vec![c"PATH=/usr/bin:/bin".to_owned()],
        };
        call.args
            .extend(args.into_iter().map(|arg| c_string(arg.as_ref())));
        call
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(c_string(arg.as_ref()));
        self
    }

    /// Adds a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let mut entry = OsStr::new(name).to_owned();
        entry.push("=");
        entry.push(value);
        self.env.push(c_string(&entry));
        self
    }

    /// Adds variables.
    pub fn envs<'a>(self, env: impl IntoIterator<Item = &'a (String, String)>) -> Self {
        env.into_iter()
            .fold(self, |call, (name, value)| call.env(name, value))
    }

    /// The same call as a `std` command.
    pub fn command(&self) -> std::process::Command {
        let text = |text: &CString| OsStr::from_bytes(text.as_bytes()).to_owned();
        let mut command = std::process::Command::new(text(&self.args[0]));
        command.args(self.args[1..].iter().map(text)).env_clear();
        for entry in &self.env {
            let split = entry.as_bytes().iter().position(|byte| *byte == b'=');
            let (name, value) = entry.as_bytes().split_at(split.expect("made by `env`"));
            command.env(OsStr::from_bytes(name), OsStr::from_bytes(&value[1..]));
        }
        command
    }

    /// Runs the call and returns its duration.
    ///
    /// # Panics
    /// If it cannot be run or fails, because its time is then meaningless.
    pub fn run(&self) -> Duration {
        let mut actions = PosixSpawnFileActions::init().expect("memory");
        for (descriptor, flags) in [
            (0, OFlag::O_RDONLY),
            (1, OFlag::O_WRONLY),
            (2, OFlag::O_WRONLY),
        ] {
            actions
                .add_open(descriptor, c"/dev/null", flags, Mode::empty())
                .expect("memory");
        }
        let attributes = PosixSpawnAttr::init().expect("memory");
        let program = self.args[0].as_c_str();
        let start = Instant::now();
        let child = posix_spawn(program, &actions, &attributes, &self.args, &self.env)
            .unwrap_or_else(|errno| panic!("{program:?}: {errno}"));
        let end = waitpid(child, None);
        let time = start.elapsed();
        assert_eq!(end, Ok(WaitStatus::Exited(child, 0)), "{self:?}");
        time
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = self.args.iter().take(20).chain(self.env.iter().take(20));
        f.debug_list().entries(shown).finish()
    }
}

fn c_string(text: &OsStr) -> CString {
    CString::new(text.as_bytes()).expect("no argument here has a NUL")
}

/// A command in a contest.
struct Runner<'a> {
    name: String,
    /// The command runs in one of this many rounds.
    every: usize,
    /// Runs the given part and returns its time.
    run: Box<dyn Fn(usize) -> Duration + 'a>,
    /// The time of each part, in microseconds.
    times: Vec<f64>,
}

/// Commands that are timed against each other. The first is the reference and runs twice per round:
/// the difference between its two halves is noise.
pub struct Contest<'a> {
    runners: Vec<Runner<'a>>,
    /// The number of parts of each command; long commands alternate by parts.
    parts: usize,
}

/// A number with its measurement uncertainty.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    pub value: f64,
    pub noise: f64,
}

/// The statistics of a sample that are shown, in microseconds.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Spread {
    pub samples: usize,
    pub min: f64,
    pub quartile: f64,
    pub median: f64,
    pub third_quartile: f64,
    pub max: f64,
}

impl<'a> Contest<'a> {
    pub fn new(reference: &str, call: Call) -> Self {
        Self::new_timed(reference, move || call.run())
    }

    /// A contest whose reference times itself.
    pub fn new_timed(reference: &str, run: impl Fn() -> Duration + Clone + 'a) -> Self {
        let again = run.clone();
        Self::new_in_parts(reference, 1, move |_| run(), move |_| again())
    }

    /// A contest whose reference, like every command that is added, does its work in `parts` parts.
    /// `again` is the reference's second run, which may need a cache of its own.
    pub fn new_in_parts(
        reference: &str,
        parts: usize,
        run: impl Fn(usize) -> Duration + 'a,
        again: impl Fn(usize) -> Duration + 'a,
    ) -> Self {
        let mut contest = Self {
            runners: Vec::new(),
            parts,
        };
        contest.add_in_parts(reference, run);
        contest.add_in_parts("the same again", again);
        contest
    }

    /// Adds a command and returns its index.
    pub fn add(&mut self, name: &str, call: Call) -> usize {
        self.add_rare(name, 1, move || call.run())
    }

    /// Adds a function that runs in one of `every` rounds and times itself. If it does not run in
    /// every round, it must not fill a cache that other commands use.
    pub fn add_rare(&mut self, name: &str, every: usize, run: impl Fn() -> Duration + 'a) -> usize {
        self.push(name, every, move |_| run())
    }

    /// Adds a function that runs and times the given part.
    pub fn add_in_parts(&mut self, name: &str, run: impl Fn(usize) -> Duration + 'a) -> usize {
        self.push(name, 1, run)
    }

    fn push(&mut self, name: &str, every: usize, run: impl Fn(usize) -> Duration + 'a) -> usize {
        self.runners.push(Runner {
            name: name.to_owned(),
            every,
            run: Box::new(run),
            times: Vec::new(),
        });
        self.runners.len() - 1
    }

    /// Runs all commands, in a new random order for each part. A warm-up round of the commands that
    /// run in every round is not counted.
    pub fn run(self, rounds: usize) -> Results {
        self.run_after(rounds, || {})
    }

    /// Like [`run`](Self::run), with `start` called after the warm-up round.
    pub fn run_after(self, rounds: usize, start: impl FnOnce()) -> Results {
        // Rare commands take long, so they have no warm-up.
        for runner in self.runners.iter().filter(|runner| runner.every == 1) {
            for part in 0..self.parts {
                (runner.run)(part);
            }
        }
        start();
        self.run_cold(rounds)
    }

    /// Runs all commands without a warm-up round, in a new random order for each part.
    pub fn run_cold(mut self, rounds: usize) -> Results {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let start = Ticks::now();
        let mut order: Vec<_> = (0..self.runners.len()).collect();
        for round in 0..rounds {
            for part in 0..self.parts {
                for last in (1..order.len()).rev() {
                    order.swap(last, random.below(last + 1));
                }
                for index in &order {
                    let runner = &mut self.runners[*index];
                    if round % runner.every == 0 {
                        let time = (runner.run)(part);
                        runner.times.push(time.as_secs_f64() * 1e6);
                    }
                }
            }
        }
        let runners = self.runners.into_iter();
        Results {
            runners: runners.map(|runner| (runner.name, runner.times)).collect(),
            parts: self.parts,
            stolen: Ticks::now().stolen_since(start),
        }
    }
}

/// The times of a contest, in microseconds.
pub struct Results {
    /// Names, and the times of each part of each round.
    runners: Vec<(String, Vec<f64>)>,
    parts: usize,
    /// The share of processor time that the host withheld from this machine during the contest.
    pub stolen: f64,
}

impl Results {
    pub fn name(&self, index: usize) -> &str {
        &self.runners[index].0
    }

    /// All indexes except that of the reference's second run.
    pub fn indexes(&self) -> impl Iterator<Item = usize> {
        (0..self.runners.len()).filter(|index| *index != 1)
    }

    /// The statistics of whole rounds.
    pub fn spread(&self, index: usize) -> Spread {
        let rounds = self.times(index).chunks(self.parts);
        let mut times: Vec<f64> = rounds.map(|parts| parts.iter().sum()).collect();
        times.sort_by(f64::total_cmp);
        let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
        Spread {
            samples: times.len(),
            min: at(0.0),
            quartile: at(0.25),
            median: at(0.5),
            third_quartile: at(0.75),
            max: at(1.0),
        }
    }

    fn times(&self, index: usize) -> &[f64] {
        &self.runners[index].1
    }

    /// The typical time of a round: the median, or for parts, which differ from each other, the
    /// mean.
    fn typical(&self, times: Vec<f64>) -> f64 {
        match self.parts {
            1 => median(times),
            parts => times.iter().sum::<f64>() / times.len() as f64 * parts as f64,
        }
    }

    /// The value of `of`, applied to the typical times of the commands. The noise is the larger of
    /// two values: that of the samples (half of the interval that contains 95 of 100 bootstrapped
    /// values), and the effect on `of` of the difference between the reference's two halves.
    pub fn estimate(&self, of: impl Fn(&dyn Fn(usize) -> f64) -> f64) -> Estimate {
        const DRAWS: usize = 300;
        let value = of(&|index| self.typical(self.times(index).to_vec()));
        let random = RefCell::new(Random(42));
        let drawn = |len: usize| -> Vec<usize> {
            let mut random = random.borrow_mut();
            (0..len).map(|_| random.below(len)).collect()
        };
        let mut draws: Vec<_> = (0..DRAWS)
            .map(|_| {
                // All commands ran a part within the same minute, so they are drawn together.
                let same = (self.parts > 1).then(|| drawn(self.times(0).len()));
                of(&|index| {
                    let times = self.times(index);
                    let drawn = same.clone().unwrap_or_else(|| drawn(times.len()));
                    self.typical(drawn.into_iter().map(|at| times[at]).collect())
                })
            })
            .collect();
        draws.sort_by(f64::total_cmp);
        let interval = draws[DRAWS * 39 / 40] - draws[DRAWS / 40];
        let again = of(&|index| {
            let half = if index == 0 { 1 } else { index };
            self.typical(self.times(half).to_vec())
        });
        Estimate {
            value,
            noise: (interval / 2.0).max((again - value).abs()),
        }
    }

    /// Like [`estimate`](Self::estimate), for a number that is proportional to time. Withheld processor time affects
    /// both sides of a ratio alike, but here it is noise of a known size.
    pub fn time(&self, of: impl Fn(&dyn Fn(usize) -> f64) -> f64) -> Estimate {
        let Estimate { value, noise } = self.estimate(of);
        let noise = noise.max(value * self.stolen);
        Estimate { value, noise }
    }

    /// A command's time divided by the reference's.
    pub fn ratio(&self, index: usize) -> Estimate {
        self.ratio_of(index, 0)
    }

    pub fn ratio_of(&self, index: usize, reference: usize) -> Estimate {
        self.estimate(|median| median(index) / median(reference))
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    let middle = times.len() / 2;
    *times.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// Marsaglia's xorshift, seeded for the same order and the same draws every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}
