//! The device libraries in the key.
//!
//! Owns: where clang looks for them, and their state there.

use super::hash::Hasher;
use super::ingredients::Ingredients;
use super::paths::Paths;
use crate::shared::decision::compiler::Directories;
use crate::shared::decision::environment::Steering;
use crate::shared::decision::unit::{Unit, WordRole};
use crate::shared::machine::Machine;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

/// Where clang looks for device libraries below the directory that names a ROCm tree (clang 15 and 19,
/// `AMDGPU.cpp`, and ROCm's own layouts).
const BITCODE_DIRS: [&[u8]; 3] = [
    b"/amdgcn/bitcode",
    b"/lib/amdgcn/bitcode",
    b"/lib/llvm/amdgcn/bitcode",
];

/// Where clang 15 also looks if the first of [`BITCODE_DIRS`] does not exist (measured; 19 does not). Not searched if
/// the fingerprint covers that one: ROCm's `lib` has a thousand entries.
const LATER_BITCODE_DIRS: [&[u8]; 2] = [b"/lib", b"/lib/bitcode"];

/// Adds the device libraries that the call names and the fingerprint does not cover: path, size, inode and
/// modification time of each.
pub(super) fn libraries<M: Machine + ?Sized>(
    into: &mut impl Ingredients,
    unit: &Unit<'_>,
    steering: &Steering<'_>,
    fingerprinted: &Directories,
    paths: &Paths,
    machine: &M,
) {
    let mut look = |dir: &[u8], below: &[u8]| {
        let mut path = Vec::with_capacity(dir.len() + below.len() + 1);
        path.extend_from_slice(dir);
        path.extend_from_slice(below);
        let path = CString::new(path).unwrap_or_default();
        let Some(file_state) = machine.file_state(&path) else {
            into.text(b"nothing");
            return false;
        };
        if fingerprinted.contains(&(file_state.dev, file_state.ino)) {
            into.text(b"fingerprinted");
            return true;
        }
        // Directory entries come in no particular order, so their hashes are summed.
        let mut sum = [0u64; 4];
        let is_library = |name: &CStr| name.to_bytes().ends_with(b".bc");
        machine.list(&path, is_library, &mut |name, file_state| {
            let mut entry = Hasher::new();
            entry.text(name.to_bytes());
            entry.file_state(&file_state);
            for (sum, bytes) in sum.iter_mut().zip(entry.finish().chunks_exact(8)) {
                let number = bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
                *sum = sum.wrapping_add(number);
            }
        });
        into.text(b"libraries");
        into.text(&paths.absolute(path.to_bytes()));
        sum.iter().for_each(|sum| into.number(*sum));
        false
    };
    if let Some(dir) = steering.hip_device_lib_path {
        look(dir, b"");
    }
    if let Some(root) = steering.rocm_path {
        look_below(root, &mut look);
    }
    for (role, text) in &unit.words {
        let text = text.to_bytes();
        if *role != WordRole::Library {
            continue;
        }
        match text.iter().position(|byte| *byte == b'=') {
            Some(split) => {
                let (option, value) = (&text[..split], &text[split + 1..]);
                if option.ends_with(b"device-lib-path") {
                    look(value, b"");
                } else {
                    look_below(value, &mut look);
                }
            }
            // The separate value of `-resource-dir`.
            None => look_below(text, &mut look),
        }
    }
}

/// Calls `look` for each place where device libraries may be in the tree `root`. `look` returns whether the
/// fingerprint covers the place.
fn look_below(root: &[u8], look: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
    let [is_known, ..] = BITCODE_DIRS.map(|below| look(root, below));
    if !is_known {
        for below in LATER_BITCODE_DIRS {
            look(root, below);
        }
    }
}
