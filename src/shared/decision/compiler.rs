//! Whether the compiler behind a shim is the installed one, and whether a launcher would see the same
//! files.

use crate::shared::decision::reasons::{Direct, Reason};
use crate::shared::machine::{FileState, Machine};
use crate::shared::paths::STAND_IN_SUFFIX;
use crate::shared::shim_config::{Config, WitnessKind};
use alloc::ffi::CString;
use alloc::vec::Vec;

/// Device and inode of each directory of device libraries that the fingerprint covers.
pub type Directories = Vec<(u64, u64)>;

/// Whether the compiler still matches the fingerprint taken at install, and where its device libraries are.
pub fn check_compiler<M: Machine + ?Sized>(
    config: &Config<'_>,
    machine: &M,
) -> Result<Directories, Direct> {
    if config.fingerprint.is_empty() {
        return Err(Reason::NoFingerprint.into());
    }
    let mut directories = Directories::new();
    let (mut dir, mut place) = (None, None);
    for (at, witness) in config.witnesses().enumerate() {
        if !dir.is_some_and(|known| core::ptr::eq(known, witness.dir)) {
            dir = Some(witness.dir);
            place = machine.open_dir(witness.dir);
        }
        let found = place
            .as_ref()
            .and_then(|place| machine.state_in(place, witness.name));
        let same = match &found {
            Some(file_state) => witness.is_of(
                file_state.ino,
                file_state.size,
                file_state.mtime,
                file_state.mtime_nsec,
            ),
            None => witness.kind == WitnessKind::Absent,
        };
        if !same {
            return Err(Direct {
                reason: Reason::CompilerChanged,
                at: Some(at),
            });
        }
        if let (WitnessKind::Directory, Some(file_state)) = (witness.kind, found) {
            directories.push((file_state.dev, file_state.ino));
        }
    }
    Ok(directories)
}

/// Whether the stand-in, which a launcher gets as the compiler, exists. The stand-in of a shim outside the
/// tree is in a directory of rock-wrap's own.
pub fn check_stand_in<M: Machine + ?Sized>(config: &Config<'_>, machine: &M) -> Result<(), Direct> {
    if !config.dir.is_empty() || config.is_launcher() {
        return Ok(());
    }
    let name = CString::new([config.name, STAND_IN_SUFFIX].concat()).unwrap_or_default();
    let found = machine
        .open_dir(c"")
        .and_then(|dir| machine.state_in(&dir, &name));
    found.map(drop).ok_or(Reason::NoStandIn.into())
}

/// Which part of the compiler has changed, if `direct` is about that.
#[must_use]
pub fn changed(direct: &Direct, config: &Config<'_>) -> Option<Vec<u8>> {
    let at = direct
        .at
        .filter(|_| direct.reason == Reason::CompilerChanged)?;
    let witness = config.witnesses().nth(at)?;
    Some([witness.dir.to_bytes(), witness.name.to_bytes()].concat())
}

/// Whether clang, which prefers PWD if it refers to the working directory, would use the same name for it
/// as sccache's compile, which has no PWD (0.16, `cmdline.rs`).
pub fn check_directory<M: Machine + ?Sized>(
    pwd: Option<&[u8]>,
    cwd: &[u8],
    machine: &M,
) -> Result<(), Direct> {
    let leads_there = |pwd: &[u8]| {
        let file_state = |path: &[u8]| machine.file_state(&CString::new(path).ok()?);
        let same = |a: FileState, b: FileState| (a.dev, a.ino) == (b.dev, b.ino);
        pwd.first() == Some(&b'/')
            && file_state(pwd)
                .zip(file_state(b"."))
                .is_some_and(|(a, b)| same(a, b))
    };
    match pwd {
        Some(pwd) if pwd != cwd && leads_there(pwd) => Err(Reason::LogicalDirectory.into()),
        _ => Ok(()),
    }
}
