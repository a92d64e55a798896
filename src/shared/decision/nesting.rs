//! Whether a launcher outside this call is already at work.
//!
//! Owns: the signs of such a launcher in the environment and among the ancestors. Must check ancestors
//! last, because each costs system calls.

use crate::shared::launchers::kind::LauncherKind;
use crate::shared::machine::Machine;
use crate::shared::paths::base_name;

/// Set for every process that a launch starts.
pub const GUARD: &str = "ROCK_WRAP_GUARD";

/// How many bytes of a process's name the kernel keeps (`TASK_COMM_LEN` minus the NUL).
const COMM: usize = 15;

/// Shells, which the search skips: a process with such a name is not a launcher.
const SHELLS: [&[u8]; 3] = [b"sh", b"bash", b"dash"];

/// Build tools, where the search ends: nobody puts a launcher in front of a whole build.
const BUILD_TOOLS: [&[u8]; 3] = [b"make", b"gmake", b"ninja"];

/// Whether one of the nearest ancestors is sccache, ccache or the program at `launcher`.
///
/// The environment alone is not enough: a launcher in front of the call
/// (`CMAKE_HIP_COMPILER_LAUNCHER=sccache`) compiles with its client's environment, which shows no sign of
/// it.
pub fn among_ancestors<M: Machine + ?Sized>(machine: &M, launcher: &[u8]) -> bool {
    let own = base_name(launcher);
    let cut = own.get(..COMM).unwrap_or(own);
    let mut found = false;
    machine.ancestors(&mut |comm, exe| {
        found = is_cache(comm) || is(comm, cut);
        if found || BUILD_TOOLS.contains(&comm) {
            return true;
        }
        if SHELLS.contains(&comm) {
            return false;
        }
        let exe = exe();
        let exe = base_name(&exe);
        // The kernel's mark for an executable that was replaced while it runs.
        let exe = exe.strip_suffix(b" (deleted)").unwrap_or(exe);
        // A script's executable is its interpreter; only the process's name identifies it.
        found = is_cache(exe) || is(exe, own);
        found
    });
    found
}

fn is_cache(name: &[u8]) -> bool {
    LauncherKind::of_path(name) != LauncherKind::Other
}

fn is(name: &[u8], own: &[u8]) -> bool {
    !own.is_empty() && name == own
}
