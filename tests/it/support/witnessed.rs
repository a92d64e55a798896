//! Witnesses of files, for shims that are made without an install. The benchmark shares this module.

use std::ffi::CStr;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use rock_wrap::shared::shim_config::{Witness, WitnessKind};

/// The witness of the file `name` in `dir`, whose state is in `metadata`.
pub fn file<'a>(dir: &'a CStr, name: &'a CStr, metadata: &Metadata) -> Witness<'a> {
    Witness {
        kind: WitnessKind::File,
        dir,
        name,
        ino: metadata.ino(),
        size: metadata.size(),
        mtime: metadata.mtime().cast_unsigned(),
        mtime_nsec: metadata.mtime_nsec().cast_unsigned(),
    }
}
