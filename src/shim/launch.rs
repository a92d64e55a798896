//! Handing a compile to a launcher, and recovering when the launcher itself fails.

use alloc::vec::Vec;
use core::ffi::CStr;
use core::ptr;

use crate::checkout::{ExpectedFiles, Restored};
use crate::compiler::Real;
use crate::launch_failure::LaunchFailure;
use crate::message::say;
use crate::outputs::Outputs;
use crate::process::Inherited;
use crate::program::{
    EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, LauncherProgram, Path, candidates, start,
};
use crate::server::{self, RequestOutcome, Server};
use crate::shared::bytes::push_decimal;
use crate::shared::call::Call;
use crate::shared::decision::Launch;
use crate::shared::decision::unit::WordRole;
use crate::shared::launchers::edits::Edits;
use crate::shared::launchers::kind::LauncherKind;
use crate::shared::launchers::{NamedLauncher, Source, failure, sccache};
use crate::shared::parts::{self, Parts, Phase};
use crate::shared::sys::{self, Errno};
use crate::{process, supervise, tell};

/// Hands the compile to the launcher, with `args`. If the launcher cannot be run or itself fails, runs the real
/// compiler or, if the installation is strict, fails the call.
///
/// `launch` describes the compile, if it is known.
pub fn launch(
    real: &Real,
    call: &Call<'_>,
    launcher: &NamedLauncher<'_>,
    edits: Edits,
    launch: Option<&Launch<'_>>,
) -> ! {
    let word = launcher.word;
    let key = launch.and_then(|launch| launch.key.as_ref());
    let outputs = launch
        .filter(|_| key.is_some())
        .map(|launch| Outputs::of(&launch.unit));
    let stood_in = launch.filter(|_| crate::shared::stand_in::is_used(launcher));
    let value = stood_in.and_then(|launch| parts::value(call, &launch.unit, unique));
    let parts = value
        .as_deref()
        .and_then(|value| Parts::parse(value, call.config.parts));
    let plan = stood_in.map(|launch| real.plan(launch, parts));
    let compiler = if plan.is_some() {
        real.stand_in()
    } else {
        real.path()
    };
    let mut args = match launch {
        Some(launch) => launch.unit.arguments(call.argv),
        None => call.argv.get(1..).unwrap_or_default().to_vec(),
    };
    key.iter().for_each(|key| args.extend(key.words()));
    let keeps = |entry: &&&CStr| {
        let entry = entry.to_bytes();
        edits.keeps(entry) && key.is_none_or(|key| key.keeps(entry))
    };
    let mut env = Vec::<&CStr>::with_capacity(call.env.len() + 8);
    env.extend(call.env.iter().filter(keeps));
    edits.added().for_each(|entry| env.push(entry));
    key.iter().for_each(|key| env.extend(key.entries()));
    plan.iter().for_each(|plan| env.push(plan));

    let restored = launch.and_then(|launch| {
        let shared = launch.shared.as_ref()?;
        Some(Restored {
            shared,
            depfile: launch.unit.word(WordRole::Depfile),
        })
    });
    let expected = outputs.as_ref().map(|outputs| ExpectedFiles {
        outputs,
        restored: restored.as_ref(),
        texts: parts
            .filter(|parts| parts.phase == Phase::Ask)
            .zip(launch.map(|launch| &*launch.unit.archs)),
    });
    if let Some(expected) = expected.as_ref().filter(|_| launcher.asks_server) {
        ask_server(real, call, launcher, &compiler, &args, expected, &env);
    }

    let mut argv = Vec::with_capacity(args.len() + 3);
    argv.extend([ptr::null(), start(&compiler.as_cstr())]);
    argv.extend(args.iter().map(start).chain([ptr::null()]));
    let mut variables = Vec::with_capacity(env.len() + 1);
    variables.extend(env.iter().map(start).chain([ptr::null()]));
    let mut program = LauncherProgram {
        paths: candidates(call.env, word).collect(),
        argv,
        env: variables,
    };

    // The launcher's exit status can only be interpreted if it was given a key.
    let failure = if let Some(expected) = &expected {
        match supervise::launch(call, launcher.kind, expected, &mut program) {
            LaunchFailure::NotRun(errno) => errno,
            failed => after(real, call, launcher, &failed, parts),
        }
    } else {
        if launcher.kind == LauncherKind::Sccache && Server::of(call.env).is_strangers() {
            after(real, call, launcher, &LaunchFailure::Stranger, None)
        }
        let held = (launcher.kind == LauncherKind::Sccache).then(Inherited::hold_back);
        let failure = program.execute();
        held.iter().for_each(Inherited::give_back);
        failure
    };
    if failure == Errno::E2BIG {
        // The launcher's additions exceeded the limit; the call may still fit without them.
        real.exec()
    }
    let source: &[u8] = match launcher.from {
        Source::Environment => b" (from HIP_CLANG_LAUNCHER)",
        Source::Installed => b" (given to `rock-wrap install`)",
    };
    let (what, exit): (&[u8], i32) = if failure.means_missing() {
        (b" was not found", EXIT_NOT_FOUND)
    } else {
        (b" cannot be executed", EXIT_NOT_EXECUTABLE)
    };
    if !call.config.strict {
        say(&[b"launcher ", word, source, what, b"; compiling without it"]);
        real.exec()
    }
    say(&[
        b"launcher ",
        word,
        source,
        what,
        b", and this installation is strict: install the launcher, name another one in \
          HIP_CLANG_LAUNCHER, or set ROCK_WRAP_DISABLE=1",
    ]);
    sys::exit(exit)
}

/// What distinguishes the directory of this compile from any other's.
fn unique() -> Vec<u8> {
    let mut name = Vec::with_capacity(32);
    push_decimal(&mut name, sys::now());
    name.push(b'-');
    push_decimal(&mut name, sys::getpid() as u64);
    name
}

/// Asks the launcher's server to do the compile. Returns if the launcher itself still has to be run.
#[cold]
#[inline(never)]
fn ask_server(
    real: &Real,
    call: &Call<'_>,
    launcher: &NamedLauncher<'_>,
    compiler: &Path,
    args: &[&CStr],
    expected: &ExpectedFiles<'_>,
    env: &[&CStr],
) {
    let directory = sys::getcwd();
    // Only absolute paths can be sent; the client resolves any other.
    let ([b'/', ..], [b'/', ..]) = (compiler.as_bytes(), &directory[..]) else {
        return;
    };
    let args = args.iter().copied();
    let request = sccache::request(compiler.as_bytes(), &directory, args, env);
    match server::compile(Server::of(call.env), &request, expected, call.env) {
        RequestOutcome::NotAsked => {}
        RequestOutcome::NotCached => real.exec(),
        // The client also continues without its server, regardless of the setting for other failures.
        RequestOutcome::Lost => {
            let word = launcher.word;
            say(&[
                b"the server of launcher ",
                word,
                b" went away; compiling without it",
            ]);
            real.exec()
        }
        RequestOutcome::Failed(failed) => {
            let parts = expected.texts.map(|(parts, _)| parts);
            after(real, call, launcher, &failed, parts)
        }
    }
}

/// Continues after a launcher that itself failed.
#[cold]
fn after(
    real: &Real,
    call: &Call<'_>,
    launcher: &NamedLauncher<'_>,
    failed: &LaunchFailure,
    parts: Option<Parts<'_>>,
) -> ! {
    let word = launcher.word;
    let strict = call.config.strict;
    let (what, end, lasting): (&[u8], _, _) = match *failed {
        LaunchFailure::Declined => {
            parts.iter().for_each(|parts| real.make_parts(parts));
            real.exec()
        }
        LaunchFailure::Failed { end, lasting } => (b" failed", end, lasting),
        LaunchFailure::Mute | LaunchFailure::NotRun(_) => (
            b" waits for a server that does not answer",
            server::NO_SERVER,
            true,
        ),
        LaunchFailure::Stranger => (
            b" has a server that is another user's or in another container",
            server::NO_SERVER,
            true,
        ),
        LaunchFailure::NoOutput => (b" has succeeded without an output", server::NO_SERVER, true),
    };
    say(&[
        b"launcher ",
        word,
        what,
        if strict {
            b""
        } else {
            b"; compiling without it"
        },
    ]);
    if strict {
        process::end(end)
    }
    if lasting && let Some(mark) = failure::mark(call, launcher) {
        tell::launcher_failed(&mark);
    }
    real.exec()
}
