//! Waiting for a launcher that may fail, and finding out whether it did.
//!
//! Owns: the question that clears up what ccache's status leaves open. What an end means is
//! [`failure`](crate::shared::launchers::failure)'s.

use crate::checkout::ExpectedFiles;
use crate::launch_failure::LaunchFailure;
use crate::process::{self, Child, Inherited, SavedSignals, WakeUp};
use crate::program::LauncherProgram;
use crate::server::{PATIENCE, Patience, Server};
use crate::shared::call::Call;
use crate::shared::launchers::failure;
use crate::shared::launchers::failure::{Blame, End};
use crate::shared::launchers::kind::LauncherKind;
use crate::shared::sys::{self, Errno};

/// Runs a launcher of this kind, which is to make what is expected, and ends as it ends, unless that is its own
/// failure.
pub fn launch(
    call: &Call<'_>,
    kind: LauncherKind,
    expected: &ExpectedFiles<'_>,
    program: &mut LauncherProgram,
) -> LaunchFailure {
    let server = (kind == LauncherKind::Sccache).then(|| Server::of(call.env));
    if server.is_some_and(Server::is_strangers) {
        return LaunchFailure::Stranger;
    }
    let end = match run(server, &mut || program.execute()) {
        Ok(end) => end,
        Err(failure) => return failure,
    };
    if end == End::Exited(0)
        && kind != LauncherKind::Other
        && sys::stat(&expected.outputs.object).is_err()
    {
        return LaunchFailure::NoOutput;
    }
    if end == End::Exited(0) {
        expected
            .restored
            .iter()
            .for_each(|restored| restored.depfile());
    }
    let lasting = match failure::blame(kind, end) {
        Blame::Compiler => None,
        Blame::Launcher => Some(false),
        Blame::Settings => Some(true),
        Blame::Unclear => fails_by_itself(program).then_some(true),
    };
    match lasting {
        Some(lasting) => LaunchFailure::Failed { end, lasting },
        None => {
            expected.outputs.mend(end != End::Exited(0));
            process::end(end)
        }
    }
}

/// Starts what `execute` becomes, a launcher with this server or the compiler, and waits for its end. What is
/// sent to the shim alone is passed on.
pub fn run(
    server: Option<Server<'_>>,
    execute: &mut dyn FnMut() -> Errno,
) -> Result<End, LaunchFailure> {
    let signals = SavedSignals::hold();
    let mut failure = None;
    let child = Child::start(&mut || {
        if server.is_some() {
            // sccache says some things of its own there; a compile of one file says nothing.
            sys::duplicate(2, 1);
            Inherited::hold_back();
        }
        signals.release();
        failure = Some(execute());
    });
    let result = match (child, failure) {
        (Err(errno), _) => Err(LaunchFailure::NotRun(errno)),
        (Ok(child), Some(errno)) => {
            child.kill();
            Err(LaunchFailure::NotRun(errno))
        }
        (Ok(child), None) => watch(child, server),
    };
    signals.release();
    result
}

fn watch(child: Child, server: Option<Server<'_>>) -> Result<End, LaunchFailure> {
    let mut patience = server.map(Patience::with);
    loop {
        match child.wait(server.map(|_| PATIENCE)) {
            WakeUp::Ended(end) => return Ok(end),
            WakeUp::Timeout => {}
        }
        if patience.as_mut().is_some_and(Patience::is_over) {
            child.kill();
            return Err(LaunchFailure::Mute);
        }
    }
}

/// Whether ccache fails before it would run a compiler: it is run again in front of a program that
/// fails at once and says nothing.
#[cold]
#[inline(never)]
fn fails_by_itself(program: &mut LauncherProgram) -> bool {
    const COMPLAINT: &[u8; 14] = b"ccache: error:";
    let Some(said) = sys::File::anonymous() else {
        return false;
    };
    program.replace(
        c"/bin/false",
        &[c"CCACHE_COMPILERTYPE=clang", c"CCACHE_NOSTATS=1"],
    );
    let signals = SavedSignals::hold();
    let child = Child::start(&mut || {
        sys::duplicate(said.descriptor(), 1);
        sys::duplicate(said.descriptor(), 2);
        signals.release();
        program.execute();
    });
    if let Ok(child) = child {
        child.wait(None);
    }
    signals.release();
    let mut start = [0; COMPLAINT.len()];
    said.read_from_start(&mut start).is_ok() && start == *COMPLAINT
}
