//! Compilers outside the tree, as passed by `CMAKE_CXX_COMPILER_LAUNCHER` to a shim that is called as a
//! launcher.
//!
//! Owns: telling such compilers from our own, and what may be forwarded. Nothing is known about such a
//! compiler, so the launcher gets the call as CMake would have passed it: no key, no id.

use crate::shared::call::Call;
use crate::shared::decision::driver_name::versionless;
use crate::shared::decision::environment::Environment;
use crate::shared::decision::reasons::{Direct, Reason};
use crate::shared::decision::{nesting, probe};
use crate::shared::launchers::edits::Edits;
use crate::shared::launchers::kind::LauncherKind;
use crate::shared::launchers::{NamedLauncher, failure};
use crate::shared::machine::{FileState, Machine};
use crate::shared::paths::base_name;
use alloc::ffi::CString;
use core::ffi::CStr;

/// A call that a launcher gets unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward<'a> {
    /// The launcher.
    pub launcher: NamedLauncher<'a>,
    /// The changes to its environment.
    pub edits: Edits,
}

/// Whether the compiler that a launcher was called with is outside the tree's directory, whatever its path.
pub fn is_foreign<M: Machine + ?Sized>(call: &Call<'_>, machine: &M) -> bool {
    if !call.config.is_launcher() {
        return false;
    }
    let called = call.argv.first().map_or(&b""[..], |name| name.to_bytes());
    let dir = &called[..called.len() - base_name(called).len()];
    // A name without a slash would need a look-up in PATH; hipcc and CMake always resolve it themselves.
    let Some(dir) = CString::new(dir).ok().filter(|dir| !dir.is_empty()) else {
        return true;
    };
    let place = |file_state: FileState| (file_state.dev, file_state.ino);
    let ours = machine
        .open_dir(c"")
        .and_then(|dir| machine.state_in(&dir, c"."));
    let ours = ours.map(place);
    ours.is_none() || machine.file_state(&dir).map(place) != ours
}

/// Whether and how a launcher gets the call.
pub fn forward<'a, M: Machine + ?Sized>(
    call: &Call<'a>,
    machine: &M,
) -> Result<Forward<'a>, Direct> {
    let environment = Environment::of(call.env);
    if environment.disabled {
        return Err(Reason::Disabled.into());
    }
    let launcher = NamedLauncher::choose(environment.hip_clang_launcher, call.config)
        .ok_or(Reason::NoLauncher)?;
    if is_shim(call, machine) {
        return Err(Reason::AnotherShim.into());
    }
    if !is_host_compiler(call) || compiles_for_devices(call) {
        return Err(Reason::ForeignCompiler.into());
    }
    if let Some(reason) = environment.reason(&launcher, call.env) {
        return Err(reason.into());
    }
    if launcher.kind != LauncherKind::Other && probe::is_configure_probe(output(call), machine) {
        return Err(Reason::ConfigureProbe.into());
    }
    if nesting::among_ancestors(machine, launcher.word) {
        return Err(Reason::NestedAncestor.into());
    }
    if launcher.kind == LauncherKind::Sccache && machine.cwd().first() != Some(&b'/') {
        return Err(Reason::DirectoryGone.into());
    }
    if !call.config.strict && failure::failed_lately(call, &launcher, machine) {
        return Err(Reason::LauncherFailed.into());
    }
    Ok(Forward {
        launcher,
        edits: launcher.edits(call.config.exact),
    })
}

/// Whether the compiler may be a shim, in a shadow or in another tree. That shim knows its own compiler
/// better than this one does. Any small program without sections counts as a shim; if that is wrong, the
/// only cost is that this call is not cached.
fn is_shim<M: Machine + ?Sized>(call: &Call<'_>, machine: &M) -> bool {
    const MAX_LEN: u64 = 256 * 1024;
    /// Where the ELF header holds the offset of the sections (elf(5)).
    const SECTIONS: core::ops::Range<usize> = 40..48;
    let Some(path) = call.argv.first() else {
        return false;
    };
    machine
        .file_state(path)
        .is_some_and(|file_state| file_state.size <= MAX_LEN)
        && machine
            .read(path)
            .is_some_and(|file| file.starts_with(b"\x7fELF") && file.get(SECTIONS) == Some(&[0; 8]))
}

/// The output, in the only form that CMake uses.
fn output<'a>(call: &Call<'a>) -> Option<&'a CStr> {
    let option = call.argv.iter().position(|argument| *argument == c"-o")?;
    call.argv.get(option + 1).copied()
}

/// Whether the compiler's name is a usual one, apart from a target prefix and a version suffix:
/// `x86_64-linux-gnu-g++-12`.
fn is_host_compiler(call: &Call<'_>) -> bool {
    const NAMES: [&[u8]; 6] = [b"cc", b"c++", b"gcc", b"g++", b"clang", b"clang++"];
    let called = call.argv.first().map_or(&b""[..], |name| name.to_bytes());
    let name = versionless(base_name(called));
    let name = name.rsplit(|byte| *byte == b'-').next().unwrap_or(name);
    NAMES.contains(&name)
}

/// Whether device code is or may be compiled. Its result depends on more than a launcher knows, and the
/// fingerprint that covers the rest belongs to another compiler.
fn compiles_for_devices(call: &Call<'_>) -> bool {
    call.argv.iter().skip(1).any(|argument| {
        let argument = argument.to_bytes();
        let environment: [&[u8]; 5] = [b"--offload-", b"--cuda-", b"-xhip", b"-xcuda", b"@"];
        let ends: [&[u8]; 3] = [b".hip", b".cu", b".cuh"];
        matches!(argument, b"hip" | b"cuda")
            || environment.iter().any(|sign| argument.starts_with(sign))
            || ends.iter().any(|end| argument.ends_with(end))
    })
}
