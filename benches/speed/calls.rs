//! Measures single calls of the shim in front of `/bin/true`, and of its peers.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::prctl;
use nix::unistd::Pid;
use rock_wrap::shared::launchers::kind::Version;
use rock_wrap::shared::shim_config::Config;
use rock_wrap::shim_image;

use super::contest::{Call, Contest, Estimate};
use super::report::{Bar, Report};
use super::{Setup, executable, trace, witnessed};

/// A link: the most frequent call that goes directly to the compiler.
const LINK: [&str; 5] = ["main.o", "kernel.o", "-O2", "-o", "main"];

/// A HIP compile.
static COMPILE: [&str; 12] = [
    "-x",
    "hip",
    "--offload-arch=gfx900",
    "--offload-arch=gfx906",
    "-O2",
    "-std=c++17",
    "-Iinclude",
    "-DNDEBUG",
    "-c",
    "k.hip",
    "-o",
    "k.o",
];

/// Those options of [`COMPILE`] that fit any HIP compile.
pub fn hip_options() -> &'static [&'static str] {
    &COMPILE[..6]
}

/// A directory with `/bin/true` as the compiler, and everything that can be put in front of it.
struct Place(PathBuf);

impl Place {
    fn new(setup: &Setup) -> Self {
        let dir = setup.work.join("place");
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a directory of our own");
        let place = Self(dir);
        for name in ["clang++.7625", "ccache", "launcher"] {
            std::fs::copy("/bin/true", place.at(name)).expect("/bin/true");
        }
        std::fs::write(place.at("k.hip"), "").expect("a directory of our own");
        let target = format!("-DTARGET=\"{}\"", place.at("clang++.7625").display());
        let built = Command::new("cc")
            .args([
                "-O2",
                "-static",
                "-nostdlib",
                "-Wl,--build-id=none",
                "-s",
                &target,
                "-o",
            ])
            .args([place.at("wrapper"), setup.peer("wrapper.c")])
            .status();
        assert!(built.is_ok_and(|status| status.success()), "cc");
        std::env::set_current_dir(&place.0).expect("a directory of our own");
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A shim with a caching launcher and a witness of `members` files.
    fn shim(&self, name: &str, members: usize) -> PathBuf {
        self.shim_of("ccache", name, members)
    }

    fn shim_of(&self, launcher: &str, name: &str, members: usize) -> PathBuf {
        let path = |number| CString::new(format!("member-{number}")).expect("no NUL");
        let names: Vec<_> = (0..members).map(path).collect();
        let witnesses = names.iter().map(|name| {
            let path = self.at(name.to_str().expect("ours"));
            // Write each file only once: earlier shims have its times in their witnesses.
            if !path.exists() {
                std::fs::write(&path, "").expect("a directory of our own");
            }
            witnessed::file(c"../", name, &path.metadata().expect("written just now"))
        });
        let witness = shim_image::encode_witnesses(&witnesses.collect::<Vec<_>>());
        let home = self.at(name).join("").into_os_string();
        let image = shim_image::stamp(&Config {
            name: b"clang++",
            home: home.as_bytes(),
            launcher: self.at(launcher).as_os_str().as_bytes(),
            launcher_version: Some(Version(4, 14, 2)),
            fingerprint: &[7; 32],
            witness: &witness,
            writer: b"0.1.0",
            ..Config::default()
        });
        let dir = self.at(name);
        std::fs::create_dir(&dir).expect("a directory of our own");
        symlink("../clang++.7625", dir.join("clang++.7625")).expect("a directory of our own");
        let shim = dir.join("clang++");
        executable(&shim, &image.expect("it fits"))
    }

    /// A script; `@` in `body` becomes the compiler's path.
    fn stub(&self, name: &str, body: &str) -> PathBuf {
        let compiler = self.at("clang++.7625").display().to_string();
        executable(&self.at(name), body.replace('@', &compiler).as_bytes())
    }
}

/// A compile by `shim`. Checks first that the shim does not report that it bypasses the launcher.
fn launch(shim: &Path) -> Call {
    let call = Call::new(shim, COMPILE);
    let output = call.command().output().expect("the shim runs");
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    call
}

/// Keeps this process and its children on one core while it exists.
struct Pinned(CpuSet);

impl Pinned {
    fn to_one_core() -> Self {
        let this = Pid::from_raw(0);
        let before = sched_getaffinity(this).expect("our own process");
        let last = (0..CpuSet::count()).rfind(|core| before.is_set(*core) == Ok(true));
        let mut cores = CpuSet::new();
        cores
            .set(last.expect("we run somewhere"))
            .expect("a core that there is");
        sched_setaffinity(this, &cores).expect("our own process");
        Self(before)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        sched_setaffinity(Pid::from_raw(0), &self.0).expect("as it was");
    }
}

/// Measures a call that goes directly to the compiler.
pub fn direct(setup: &Setup, report: &mut Report) {
    let place = Place::new(setup);
    let shim = place.shim("shim", 40);
    let _pinned = Pinned::to_one_core();
    let mut contest = Contest::new("C, static, no libc", Call::new(&place.at("wrapper"), LINK));
    contest.add(
        "/bin/true by itself",
        Call::new(&place.at("clang++.7625"), LINK),
    );
    let bar = contest.add("rock-wrap's shim", Call::new(&shim, LINK));
    let sh = place.stub("sh", "#!/bin/sh\nexec @ \"$@\"\n");
    contest.add("sh stub", Call::new(&sh, LINK));
    let ps = place.stub(
        "ps",
        "#!/bin/sh\nif [ \"$(env -u LD_PRELOAD ps -p $PPID -o comm=)\" != sccache ]; then\n  \
         exec @ \"$@\"\nelse\n  exec @ \"$@\"\nfi\n",
    );
    let ps = Call::new(&ps, LINK);
    contest.add_rare("sh stub that asks ps", 10, move || ps.run());
    let compiler = place.at("clang++.7625");
    let python = [&[compiler.to_str().expect("ours")], &LINK[..]].concat();
    let python = Call::new(&setup.peer("launcher.py"), python).env("PEER_CACHE", "/usr/bin/env");
    contest.add_rare("Python launcher", 10, move || python.run());
    let results = contest.run(setup.rounds(3000));
    report.contest("direct", &results, &[(bar, Bar::AtMost(1.10))]);
}

/// Runs `call` from a process called `name`.
fn started_by(name: &'static CStr, call: &Call) -> Duration {
    prctl::set_name(name).expect("a short name");
    call.run()
}

/// Measures a compile with a launcher that does nothing, started by a process that is named like a build tool: the
/// shim does not look for launchers above a build tool.
pub fn launched(setup: &Setup, report: &mut Report) {
    let place = Place::new(setup);
    let shims = [1, 40, 400].map(|members| place.shim(&format!("shim-{members}"), members));
    // An unknown launcher: the shim does not check the witness for a key, and does not wait.
    let other = launch(&place.shim_of("launcher", "shim-other", 40));
    let _pinned = Pinned::to_one_core();
    prctl::set_name(c"ninja").expect("a short name");
    let mut contest = Contest::new(
        "C, static, no libc",
        Call::new(&place.at("wrapper"), COMPILE),
    );
    let [one, forty, many] =
        [("1 member", 0), ("40 members", 1), ("400 members", 2)].map(|(name, shim)| {
            let call = launch(&shims[shim]);
            contest.add_rare(&format!("shim, a witness of {name}"), 1, move || {
                started_by(c"ninja", &call)
            })
        });
    contest.add_rare("shim, neither sccache nor ccache", 1, move || {
        started_by(c"ninja", &other)
    });
    let call = launch(&shims[1]);
    contest.add_rare("shim, 40 members, by who knows whom", 1, move || {
        started_by(c"somebody", &call)
    });
    let sh = place.stub("sh", "#!/bin/sh\nexec /bin/true @ \"$@\"\n");
    contest.add("sh stub", Call::new(&sh, COMPILE));
    let results = contest.run(setup.rounds(3000));
    prctl::set_name(c"speed").expect("a short name");
    report.contest("launched", &results, &[(forty, Bar::AtMost(1.25))]);
    let member = results.estimate(|median| (median(many) - median(one)) / 399.0);
    report.number(
        "launched",
        "one more member of the witness",
        member,
        "us",
        None,
    );
}

/// What grows, its four sizes, and the call with a given size.
type Growth<'a> = (&'a str, [usize; 4], &'a dyn Fn(&Path, usize) -> Call);

/// Measures how the cost grows with the input of a call.
pub fn growth(setup: &Setup, report: &mut Report) {
    let place = Place::new(setup);
    let shim = place.shim("shim", 40);
    let _pinned = Pinned::to_one_core();
    let wrapper = place.at("wrapper");
    let argument = |number: usize| format!("-DN_{number:05}");
    let growths: [Growth<'_>; 4] = [
        (
            "argument of a link",
            [10, 1000, 10_000, 100_000],
            &|program, count| {
                Call::new(
                    program,
                    LINK.map(str::to_owned)
                        .into_iter()
                        .chain((0..count).map(argument)),
                )
            },
        ),
        (
            "argument of a compile",
            [10, 1000, 10_000, 100_000],
            &|program, count| {
                Call::new(
                    program,
                    COMPILE
                        .map(str::to_owned)
                        .into_iter()
                        .chain((0..count).map(argument)),
                )
            },
        ),
        ("variable", [10, 100, 1000, 10_000], &|program, count| {
            let call = Call::new(program, COMPILE);
            (0..count).fold(call, |call, number| {
                call.env(&format!("CI_VARIABLE_{number}"), "value")
            })
        }),
        (
            "KB of a response file",
            [1, 100, 1000, 10_000],
            &|program, count| {
                let name = format!("{count}.rsp");
                let words = (0..)
                    .map(|number| argument(number) + "\n")
                    .take(count * 1000 / 10);
                std::fs::write(&name, words.collect::<String>()).expect("a directory of our own");
                Call::new(
                    program,
                    COMPILE
                        .map(str::to_owned)
                        .into_iter()
                        .chain([format!("@{name}")]),
                )
            },
        ),
    ];
    for (unit, counts, call) in growths {
        let mut contest = Contest::new("", call(&wrapper, counts[0]));
        let pairs: Vec<_> = counts
            .iter()
            .map(|count| {
                let wrapped = contest.add("", call(&wrapper, *count));
                (*count as f64, wrapped, contest.add("", call(&shim, *count)))
            })
            .collect();
        let results = contest.run(setup.rounds(200).max(20));
        // The shim's own cost, on top of the kernel's and the wrapper's.
        let slope = |median: &dyn Fn(usize) -> f64, (few, many): (usize, usize)| {
            let added = |(_, wrapper, shim): (f64, usize, usize)| median(shim) - median(wrapper);
            (added(pairs[many]) - added(pairs[few])) / (pairs[many].0 - pairs[few].0)
        };
        let whole = results.estimate(|median| slope(median, (0, 3)));
        report.number("growth", &format!("one more {unit}"), whole, "us", None);
        let bend = results.estimate(|median| slope(median, (0, 3)) / slope(median, (0, 2)));
        let what = "the last ten times of that over the ones before";
        report.number("growth", what, bend, "x", Some(Bar::AtMost(1.5)));
    }
}

/// Measures many calls in parallel.
pub fn parallel(setup: &Setup, report: &mut Report) {
    let place = Place::new(setup);
    let shim = launch(&place.shim("shim", 40));
    let wrapper = Call::new(&place.at("wrapper"), COMPILE);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut contest = Contest::new_timed("wrapper, as many as there are cores", || {
        at_once(cores, &wrapper)
    });
    let few = contest.add_rare("shim, as many as there are cores", 1, || {
        at_once(cores, &shim)
    });
    let wrapped = contest.add_rare("wrapper, 64 at a time", 1, || at_once(64, &wrapper));
    let many = contest.add_rare("shim, 64 at a time", 1, || at_once(64, &shim));
    let results = contest.run(setup.rounds(200));
    report.contest("parallel", &results, &[]);
    let growth =
        results.estimate(|median| (median(many) - median(wrapped)) / (median(few) - median(0)));
    report.number(
        "parallel",
        "what the shim adds, at 64 over at the cores",
        growth,
        "x",
        Some(Bar::AtMost(1.25)),
    );
}

/// The time for 128 calls in `threads` threads.
fn at_once(threads: usize, call: &Call) -> Duration {
    let left = AtomicUsize::new(128);
    let take = || {
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(1)
        })
    };
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while take().is_ok() {
                    call.run();
                }
            });
        }
    });
    start.elapsed()
}

/// Measures the peak resident set at the final `execve`, and the size of the installed shim.
pub fn memory(setup: &Setup, report: &mut Report) {
    let place = Place::new(setup);
    let shim = place.shim("shim", 40);
    let exact = |value: f64| Estimate { value, noise: 0.0 };
    let peak = |call: Call| trace::peak_of(call.command()) as f64;
    for (what, args) in [("link", &LINK[..]), ("compile", &COMPILE[..])] {
        let few = peak(Call::new(&shim, args));
        report.number(
            "memory",
            &format!("resident, {what}"),
            exact(few),
            "KiB",
            Some(Bar::AtMost(1024.0)),
        );
        let more: Vec<_> = (0..40_000)
            .map(|number| format!("-DNAME_OF_A_DEFINITION_{number:05}=1"))
            .collect();
        // As the kernel counts them: the text, its terminator, and a pointer.
        let given: usize = more.iter().map(|argument| argument.len() + 9).sum();
        let all = args.iter().map(|arg| (*arg).to_owned()).chain(more);
        let many = peak(Call::new(&shim, all));
        let copies = (many - few) * 1024.0 / given as f64;
        report.number(
            "memory",
            &format!("resident, a {what}'s arguments over what they take"),
            exact(copies),
            "x",
            Some(Bar::AtMost(2.0)),
        );
    }
    let size = |path: PathBuf| {
        path.metadata()
            .map_or(0.0, |metadata| metadata.len() as f64 / 1024.0)
    };
    let bare = shim_image::stamp(&Config::default()).expect("it fits");
    report.number(
        "memory",
        "the shim, without configuration",
        exact(bare.len() as f64 / 1024.0),
        "KiB",
        Some(Bar::AtMost(128.0)),
    );
    report.number(
        "memory",
        "the shim, with a witness of 40",
        exact(size(shim)),
        "KiB",
        None,
    );
    report.number(
        "memory",
        "rock-wrap",
        exact(size(setup.rock_wrap.clone())),
        "KiB",
        None,
    );
}
