//! CMake's `try_compile`: compiles that can never hit a cache.
//!
//! Owns: recognising them by their output and their working directory. CMake invents a new target name for
//! each of them, which is part of the output and the dependency target, and in newer releases of the
//! directory too. Every such compile of every configure run missed (CMake 3.22, 3.25 and 4.4, Make and
//! Ninja, ccache 4.14.2 and sccache 0.16).

use crate::shared::machine::Machine;
use core::ffi::CStr;

/// Whether `try_compile` started the compile into `output`. The working directory is queried only if the
/// output looks like it.
pub fn is_configure_probe<M: Machine + ?Sized>(output: Option<&CStr>, machine: &M) -> bool {
    const TARGET: &[u8] = b"CMakeFiles/cmTC_";
    output.is_some_and(|output| output.to_bytes().starts_with(TARGET)) && is_scratch(&machine.cwd())
}

/// Whether `dir` is `.../CMakeFiles/CMakeScratch/TryCompile-RANDOM`, or `.../CMakeFiles/CMakeTmp` as in
/// older releases (3.22).
fn is_scratch(dir: &[u8]) -> bool {
    let mut names = dir.rsplit(|byte| *byte == b'/');
    let last = names.next().unwrap_or_default();
    let parent = match last {
        b"CMakeTmp" => names.next(),
        _ => {
            let random = last.strip_prefix(b"TryCompile-").unwrap_or_default();
            let is_random = !random.is_empty() && names.next() == Some(b"CMakeScratch");
            names.next().filter(|_| is_random)
        }
    };
    parent == Some(b"CMakeFiles")
}
