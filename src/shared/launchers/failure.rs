//! Tells failures of a launcher from failures of the compiler behind it.
//!
//! Owns: whether the launcher or the compiler caused an exit status, and the file through which the calls
//! of a build tell each other about a failure. `docs/correctness.md` has the measurements.

use crate::shared::call::{Call, user_cache_of};
use crate::shared::key::hash::{Hasher, push_hex};
use crate::shared::launchers::NamedLauncher;
use crate::shared::launchers::kind::LauncherKind;
use crate::shared::machine::Machine;
use alloc::ffi::CString;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited with this status.
    Exited(i32),
    /// This signal killed it.
    Killed(i32),
}

/// Who caused a launcher's exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The compiler: it would have exited the same way without the launcher.
    Compiler,
    /// The launcher, or a crash of the compiler that the launcher does not report as one. Run the real
    /// compiler; the next call may succeed.
    Launcher,
    /// The launcher, and it will fail the same way again.
    Settings,
    /// Either: run the launcher once more without the compiler to find out.
    Unclear,
}

/// Signals that a program raises by its own fault: ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS. Other signals come
/// from outside.
const FAULTS: [i32; 7] = [4, 5, 6, 7, 8, 11, 31];

/// Who caused this exit of a launcher of this kind (sccache 0.4 and 0.16, ccache 4.7.5 and 4.14.2, all
/// measured). clang 15 and 19 exit with 0 or 1, even if a program that they run crashes.
///
/// Blaming the launcher is always safe: the compiler runs again, and its result counts.
#[must_use]
pub fn blame(kind: LauncherKind, end: End) -> Blame {
    match (kind, end) {
        (LauncherKind::Other, _) => Blame::Compiler,
        (_, End::Killed(signal)) if FAULTS.contains(&signal) => Blame::Launcher,
        // 2: no server, or one that the client does not understand. 101: a panic of sccache.
        // 127: the stand-in found no shim beside it, as on the remote machine of a distributed compile.
        (LauncherKind::Sccache, End::Exited(2 | 101 | 127)) => Blame::Settings,
        (LauncherKind::Ccache, End::Exited(127)) => Blame::Launcher,
        // Any other error of sccache's own, or a signal killed the compiler.
        (LauncherKind::Sccache, End::Exited(254)) => Blame::Launcher,
        // ccache's own errors, and every ordinary error of the compiler.
        (LauncherKind::Ccache, End::Exited(1)) => Blame::Unclear,
        // A signal killed the compiler.
        (LauncherKind::Ccache, End::Exited(255)) => Blame::Launcher,
        _ => Blame::Compiler,
    }
}

/// How many seconds calls avoid a launcher that failed because of its settings. Long enough that a port
/// without a listener costs a build little, and short enough that a repaired launcher is soon used again.
const PAUSE: u64 = 300;

/// The file whose modification time records when `launcher` last failed because of its settings, that is,
/// its path and its variables; `None` if the user has no cache directory.
#[must_use]
pub fn mark(call: &Call<'_>, launcher: &NamedLauncher<'_>) -> Option<CString> {
    let prefix: &[u8] = match launcher.kind {
        LauncherKind::Sccache => b"SCCACHE_",
        LauncherKind::Ccache => b"CCACHE_",
        LauncherKind::Other => return None,
    };
    let mut path = user_cache_of(call.env)?;
    let mut hasher = Hasher::new();
    hasher.text(launcher.word);
    for entry in call.env {
        if entry.to_bytes().starts_with(prefix) {
            hasher.text(entry.to_bytes());
        }
    }
    path.extend_from_slice(b"/failed-");
    push_hex(&mut path, &hasher.finish()[..8]);
    CString::new(path).ok()
}

/// Whether `launcher` failed because of its settings within the last 300 seconds (`PAUSE`).
pub fn failed_lately<M: Machine + ?Sized>(
    call: &Call<'_>,
    launcher: &NamedLauncher<'_>,
    machine: &M,
) -> bool {
    let file_state = mark(call, launcher).and_then(|mark| machine.file_state(&mark));
    file_state.is_some_and(|file_state| machine.now().wrapping_sub(file_state.mtime) < PAUSE)
}

#[cfg(test)]
mod tests {
    use super::Blame::{Compiler, Launcher, Settings, Unclear};
    use super::End::{Exited, Killed};
    use super::*;

    #[test]
    fn an_end_is_blamed_on_who_is_to_blame() {
        use LauncherKind::{Ccache, Other, Sccache};
        for (kind, end, expected) in [
            (Sccache, Exited(0), Compiler),
            (Sccache, Exited(1), Compiler),
            (Sccache, Exited(2), Settings),
            (Sccache, Exited(70), Compiler),
            (Sccache, Exited(101), Settings),
            (Sccache, Exited(127), Settings),
            (Ccache, Exited(127), Launcher),
            (Sccache, Exited(254), Launcher),
            (Sccache, Killed(11), Launcher),
            (Sccache, Killed(2), Compiler),
            (Sccache, Killed(9), Compiler),
            (Sccache, Killed(15), Compiler),
            (Ccache, Exited(0), Compiler),
            (Ccache, Exited(1), Unclear),
            (Ccache, Exited(2), Compiler),
            (Ccache, Exited(254), Compiler),
            (Ccache, Exited(255), Launcher),
            (Ccache, Killed(6), Launcher),
            (Ccache, Killed(15), Compiler),
            (Other, Exited(2), Compiler),
            (Other, Exited(254), Compiler),
            (Other, Killed(11), Compiler),
        ] {
            assert_eq!(blame(kind, end), expected, "{kind:?} {end:?}");
        }
    }
}
