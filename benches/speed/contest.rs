//! Timing commands against each other: interleaved, so that whatever else the machine does falls on
//! all of them alike, and with an estimate of what is left of it.

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

/// A command line with its environment, ready to be spawned again and again. Its output is not shown.
#[derive(Clone)]
pub struct Call {
    args: Vec<CString>,
    env: Vec<CString>,
}

impl Call {
    /// A call of `program`, in an environment in which only PATH is set.
    pub fn new<S: AsRef<OsStr>>(program: &Path, args: impl IntoIterator<Item = S>) -> Self {
        let mut call = Self {
            args: vec![c_string(program.as_os_str())],
            env: vec![c"PATH=/usr/bin:/bin".to_owned()],
        };
        call.args
            .extend(args.into_iter().map(|arg| c_string(arg.as_ref())));
        call
    }

    /// With an argument more.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(c_string(arg.as_ref()));
        self
    }

    /// With a variable more.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let mut entry = OsStr::new(name).to_owned();
        entry.push("=");
        entry.push(value);
        self.env.push(c_string(&entry));
        self
    }

    /// With variables more.
    pub fn envs<'a>(self, env: impl IntoIterator<Item = &'a (String, String)>) -> Self {
        env.into_iter()
            .fold(self, |call, (name, value)| call.env(name, value))
    }

    /// The same as `std` has it.
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

    /// Runs it to its end.
    ///
    /// # Panics
    /// Where it cannot be run or fails: then no time means anything.
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

/// One of those that run against each other.
struct Runner<'a> {
    name: String,
    /// Runs in one of so many rounds.
    every: usize,
    /// Runs one part of it.
    run: Box<dyn Fn(usize) -> Duration + 'a>,
    /// Of each part, in microseconds.
    times: Vec<f64>,
}

/// Commands that run against each other. The first one is the reference, and runs twice: what differs
/// between its two halves is noise.
pub struct Contest<'a> {
    runners: Vec<Runner<'a>>,
    /// Of each; what takes long takes turns by parts.
    parts: usize,
}

/// A number, and by how much another measurement may give another one.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    pub value: f64,
    pub noise: f64,
}

/// What of a sample is shown, in microseconds.
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

    /// With something that times itself as the reference.
    pub fn new_timed(reference: &str, run: impl Fn() -> Duration + Clone + 'a) -> Self {
        let again = run.clone();
        Self::new_in_parts(reference, 1, move |_| run(), move |_| again())
    }

    /// With a reference that does its work in so many parts, as all that is added does. `again` is the
    /// same, where that needs a cache of its own.
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

    /// Adds a command; its index is that of the order.
    pub fn add(&mut self, name: &str, call: Call) -> usize {
        self.add_rare(name, 1, move || call.run())
    }

    /// Adds something that is run in one of `every` rounds and times itself. What is not run in each
    /// must not fill a cache of which others are timed.
    pub fn add_rare(&mut self, name: &str, every: usize, run: impl Fn() -> Duration + 'a) -> usize {
        self.push(name, every, move |_| run())
    }

    /// Adds something that does and times the part that it is told.
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

    /// Runs everything, in another order for each part, after a round that does not count, of all that
    /// is run in each.
    pub fn run(self, rounds: usize) -> Results {
        self.run_after(rounds, || {})
    }

    /// The same, with something to be done between the round that does not count and the others.
    pub fn run_after(self, rounds: usize, start: impl FnOnce()) -> Results {
        // What is run rarely takes long: its first time counts.
        for runner in self.runners.iter().filter(|runner| runner.every == 1) {
            for part in 0..self.parts {
                (runner.run)(part);
            }
        }
        start();
        self.run_cold(rounds)
    }

    /// Runs everything, in another order for each part, from the first round on.
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
    /// The share of the processors' time that the host kept from this machine meanwhile.
    pub stolen: f64,
}

impl Results {
    pub fn name(&self, index: usize) -> &str {
        &self.runners[index].0
    }

    /// The indexes of all but the reference's second half.
    pub fn indexes(&self) -> impl Iterator<Item = usize> {
        (0..self.runners.len()).filter(|index| *index != 1)
    }

    /// Of whole rounds.
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

    /// What a round takes: the median, or, of parts that differ from each other, the mean.
    fn typical(&self, times: Vec<f64>) -> f64 {
        match self.parts {
            1 => median(times),
            parts => times.iter().sum::<f64>() / times.len() as f64 * parts as f64,
        }
    }

    /// What `of` makes of what the commands typically take. The noise is that of the samples (the half of
    /// the interval in which 95 of 100 bootstrapped values lie) or, where that is more, what `of` makes of
    /// a reference that is not the same from one half to the other.
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
                // Of a part all took their turns in the same minute.
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

    /// The same of a number that grows as the time does. A ratio's two sides are slowed down alike by what the
    /// host keeps; here that is noise, and it is known how much.
    pub fn time(&self, of: impl Fn(&dyn Fn(usize) -> f64) -> f64) -> Estimate {
        let Estimate { value, noise } = self.estimate(of);
        let noise = noise.max(value * self.stolen);
        Estimate { value, noise }
    }

    /// How many times the reference's time a command takes.
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

/// Marsaglia's xorshift: the same order and the same draws every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}
