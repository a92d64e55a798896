//! Is a launcher at work already, outside of this call?
//!
//! Owns: the environment of it in the environment and among the ancestors. Must look at ancestors last:
//! each costs system calls.

use crate::shared::launchers::kind::LauncherKind;
use crate::shared::machine::Machine;
use crate::shared::paths::base_name;

/// Set for everything that a launch runs.
pub const GUARD: &str = "ROCK_WRAP_GUARD";

/// Characters that the kernel keeps of a process's name (`TASK_COMM_LEN` less the NUL).
const COMM: usize = 15;

/// Shells, which are looked past: a process of such a name is no launcher.
const SHELLS: [&[u8]; 3] = [b"sh", b"bash", b"dash"];

/// What starts compilers for a build. A launcher stands behind it if anywhere: nobody puts one in
/// front of a whole build.
const BUILD_TOOLS: [&[u8]; 3] = [b"make", b"gmake", b"ninja"];

/// Whether one of the nearest ancestors is sccache, ccache or the program at `launcher`.
///
/// Needed beside the environment: a launcher in front (`CMAKE_HIP_COMPILER_LAUNCHER=sccache`)
/// compiles with the environment of its client, in which nothing tells of it.
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
        // The kernel's mark of a program that was replaced while it runs.
        let exe = exe.strip_suffix(b" (deleted)").unwrap_or(exe);
        // A script's executable is its interpreter; only the process's name helps.
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
