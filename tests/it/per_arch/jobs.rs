//! How many parts run at once, and that they never deadlock.

use std::process::Command;

use super::hold::{Hold, JobServer, with_waiting_linker};
use super::running::{all_end, assert_nothing_left, start};
use super::site::{Project, differs, told};
use super::with_clangs;
use crate::hazards::site::{CCACHE_14, Call, Launcher, Made, SCCACHE_16};
use crate::support::launchers::Cache;

const ARCHS: [&str; 4] = ["gfx900", "gfx906", "gfx90a", "gfx1030"];

#[test]
fn sixteen_units_at_once_do_not_deadlock_under_sccache_with_two_cores() {
    sixteen_at_once(&SCCACHE_16);
}

#[test]
fn sixteen_units_at_once_do_not_deadlock_under_ccache() {
    sixteen_at_once(&CCACHE_14);
}

fn sixteen_at_once(launcher: &Launcher) {
    with_clangs(&[19], launcher, |site| {
        let cache = Cache::on_cores(&site.base.cache.program, 2);
        let p = site.project();
        let unit = |number: usize| {
            // A short source, because only the waiting is tested.
            let source = format!("__attribute__((device)) int v = {number};\nint h = {number};\n");
            p.write(&format!("src/{number}.hip"), source);
            let mut call = p.hip(&ARCHS, &[]);
            call = call.with("../src/k.hip", &format!("../src/{number}.hip"));
            call = call.with("k.o", &format!("{number}.o"));
            cache
                .env()
                .fold(call, |call, (name, value)| call.env(name, value))
        };
        let units: Vec<_> = (0..16).map(unit).collect();
        let running = units.iter().enumerate().map(|(number, call)| {
            let (command, events) = p.wrapped(call);
            (start(command, &p.path(&format!("{number}.err"))), events)
        });
        let (children, events): (Vec<_>, Vec<_>) = running.unzip();
        all_end(children);
        for events in events {
            let parts = told(&events).1.expect("split");
            assert_eq!(parts.len(), ARCHS.len());
        }
        // Two objects are enough to show that they are the compiler's.
        let objects = Made::by(&mut Command::new("true"), &p.path("out"));
        for number in [0, 15] {
            let name = format!("{number}.o");
            let truth = p.truth(&units[number]);
            assert!(objects.file(&name) == truth.file(&name), "{name}");
        }
        assert_nothing_left(&p);
    });
}

#[test]
fn as_many_parts_run_at_once_as_a_job_server_allows() {
    with_clangs(&[19], &CCACHE_14, |site| {
        with_waiting_linker(site);
        for tokens in [0, 1, 2] {
            let p = site.project();
            let server = JobServer::new(&p, tokens);
            at_once(&p, tokens + 1, |call| server.call(call));
            assert_eq!(server.lost(), 0);
        }
    });
}

#[test]
fn as_many_parts_run_at_once_as_the_call_allows() {
    with_clangs(&[23], &CCACHE_14, |site| {
        if site.base.clang < 23 {
            return; // It does not know the option.
        }
        with_waiting_linker(site);
        for jobs in [1, 3] {
            let p = site.project();
            let option = format!("--offload-jobs={jobs}");
            at_once(&p, jobs, |call| call.clone().args(&[&option]));
        }
    });
}

/// Checks that a call for all architectures has exactly `most` parts at once, and makes what the compiler makes.
fn at_once(p: &Project<'_>, most: usize, limited: impl Fn(&Call) -> Call) {
    let call = limited(&p.hip(&ARCHS, &["-w"]));
    let truth = p.truth(&call);
    let mut hold = Hold::new(p);
    let (command, events) = p.wrapped(&hold.call(&call));
    let child = start(command, &p.path("messages"));
    for _ in 0..most {
        hold.wait();
    }
    let _go = hold.go();
    all_end(vec![child]);
    assert_eq!(hold.most(), most);
    assert!(told(&events).1.is_some(), "not split");
    let mut made = Made::by(&mut Command::new("true"), &call.top);
    made.stderr = std::fs::read_to_string(p.path("messages")).unwrap();
    assert_eq!(differs(&made, &truth), None);
    assert_nothing_left(p);
}

#[test]
fn make_gets_its_tokens_back_under_ccache() {
    under_make(&CCACHE_14);
}

#[test]
fn make_gets_its_tokens_back_under_sccache() {
    under_make(&SCCACHE_16);
}

fn under_make(launcher: &Launcher) {
    with_clangs(&[19], launcher, |site| {
        // make hands its job server only to recipes that begin with `+`.
        for (number, prefix) in ["+", ""].into_iter().enumerate() {
            let p = site.project();
            let mut makefile = String::from("all: 0.o 1.o 2.o 3.o\n");
            for unit in 0..4 {
                let kernel = format!("__attribute__((global)) void k{number}{unit}() {{}}\n");
                p.write(&format!("src/{unit}.hip"), super::site::unit() + &kernel);
                let call = p.hip(&ARCHS, &["-w"]);
                let call = call.with("../src/k.hip", &format!("../src/{unit}.hip"));
                let call = call.with("k.o", &format!("{unit}.o"));
                let (command, _) = p.wrapped(&call);
                let words = [command.get_program()]
                    .into_iter()
                    .chain(command.get_args());
                let words: Vec<_> = words.map(|word| format!("'{}'", word.display())).collect();
                makefile.push_str(&format!("{unit}.o:\n\t{prefix}@{}\n", words.join(" ")));
            }
            p.write("out/Makefile", makefile);
            let (environment, events) = p.wrapped(&p.hip(&ARCHS, &[]));
            let mut make = Command::new("make");
            make.env_clear()
                .current_dir(p.path("out"))
                .args(["-j2", "--no-print-directory"]);
            make.envs(
                environment
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
            let messages = p.path("messages");
            all_end(vec![start(make, &messages)]);
            // make prints a message if it does not get its tokens back.
            assert_eq!(std::fs::read_to_string(messages).unwrap(), "");
            let events = std::fs::read_to_string(events).unwrap();
            let split = events.lines().filter(|line| line.starts_with("parts\t"));
            assert_eq!(split.count(), 4, "{events}");
            assert_nothing_left(&p);
        }
    });
}
