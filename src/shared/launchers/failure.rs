//! When a launcher fails, and not the compiler behind it.
//!
//! Owns: whose failure an end is, and the file by which the
//! calls of a build tell each other. What was measured stands in `docs/correctness.md`.

use crate::shared::call::Call;
use crate::shared::call::user_cache_of;
use crate::shared::key::hash::{Hasher, push_hex};
use crate::shared::launchers::NamedLauncher;
use crate::shared::launchers::kind::LauncherKind;
use crate::shared::machine::Machine;
use alloc::ffi::CString;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with a status.
    Exited(i32),
    /// By a signal.
    Killed(i32),
}

/// Whose doing a launcher's end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The compiler's: what it would have ended with by itself.
    Compiler,
    /// The launcher's, or a death of the compiler that the launcher does not pass on. The real
    /// compiler knows better; the next call may fare better.
    Launcher,
    /// The launcher's, and it will fail the same way again.
    Settings,
    /// Either's: the launcher has to be [asked](self) once more, without the compiler.
    Unclear,
}

/// Signals by which a program dies of its own faults: ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS. Others
/// are sent.
const FAULTS: [i32; 7] = [4, 5, 6, 7, 8, 11, 31];

/// Whose doing it is that a launcher of this kind ended so (sccache 0.4 and 0.16, ccache 4.7.5 and
/// 4.14.2, all measured). clang 15 and 19 end with 0 or 1, also where what they run has crashed.
///
/// To blame the launcher is never wrong: the compiler runs again and ends as it ends.
#[must_use]
pub fn blame(kind: LauncherKind, end: End) -> Blame {
    match (kind, end) {
        (LauncherKind::Other, _) => Blame::Compiler,
        (_, End::Killed(signal)) if FAULTS.contains(&signal) => Blame::Launcher,
        // 2: no server, or one that it does not understand. 101: its panic.
        // 127: the stand-in has found no shim beside it, as on the machine that a distributed compile is sent to.
        (LauncherKind::Sccache, End::Exited(2 | 101 | 127)) => Blame::Settings,
        (LauncherKind::Ccache, End::Exited(127)) => Blame::Launcher,
        // Any other error of its own, and a compiler that died by a signal.
        (LauncherKind::Sccache, End::Exited(254)) => Blame::Launcher,
        // Its own errors, and every ordinary error of the compiler.
        (LauncherKind::Ccache, End::Exited(1)) => Blame::Unclear,
        // A compiler that died by a signal.
        (LauncherKind::Ccache, End::Exited(255)) => Blame::Launcher,
        _ => Blame::Compiler,
    }
}

/// How many seconds calls keep away from a launcher that failed for its settings. Long enough that
/// a port on which nobody answers costs a build little, short enough that nobody wonders for long.
const PAUSE: u64 = 300;

/// The file whose time of change says when `launcher` last failed for its settings, which are its
/// path and its variables; `None` where the user has no cache directory.
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

/// Whether `launcher` failed for its settings a moment ago.
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
