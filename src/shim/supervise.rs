//! Waiting for a launcher that may fail, and finding out whether it did.
//!
//! Owns: the additional run that resolves an ambiguous exit status of ccache.
//! [`failure`](crate::shared::launchers::failure) interprets exit statuses.

use crate::checkout::ExpectedFiles;
use crate::launch_failure::LaunchFailure;
use crate::process::{self, Child, Inherited, SavedSignals, WakeUp};
use crate::program::LauncherProgram;
use crate::server::{PATIENCE, Patience, Server};
use crate::shared::call::Call;
use crate::shared::launchers::failure;
use crate::shared::launchers::failure::{Blame, End};
use crate::shared::launchers::kind::LauncherKind;
use crate::shared::parts::DECLINED;
use crate::shared::sys::{self, Errno};

/// Runs a launcher of this kind, which has to produce the expected files, and ends as the launcher ends. Returns if
/// the launcher itself failed.
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
    if expected.texts.is_some() && end == End::Exited(DECLINED) {
        return LaunchFailure::Declined;
    }
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
            expected.finish(end != End::Exited(0));
            process::end(end)
        }
    }
}

/// Starts the program that `execute` becomes, which is a launcher with this server or the compiler, and waits for
/// its end. Passes on signals sent to the shim alone.
pub fn run(
    server: Option<Server<'_>>,
    execute: &mut dyn FnMut() -> Errno,
) -> Result<End, LaunchFailure> {
    let signals = SavedSignals::hold();
    let mut failure = None;
    let child = Child::start(&mut || {
        if server.is_some() {
            // sccache prints some of its own messages to standard output; the compile of a single file prints nothing
            // there.
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

/// Whether ccache fails before it would run a compiler. To find out, runs it again in front of a program that fails
/// at once and prints nothing.
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
