//! The configuration inside the installed file: what `rock-wrap install` writes into each shim.
//!
//! A shim is the freestanding executable of [`crate::shim`](../shim/index.html) with one block of bytes filled in.
//! One inode therefore holds both program and configuration: the rename that puts a shim in place installs both, no
//! side file can go missing, and reading the configuration costs no system call. The block is also the mark by
//! which install and restore recognise our shims.
//!
//! Owns: the layout of the block. Shared by the shim (decoding) and the command line (decoding and, in
//! [`shim_image`](../../shim_image/index.html), encoding). Uses `core` only.
//!
//! ```text
//! offset  size  field
//!      0    16  MAGIC
//!     16     4  format, little endian (FORMAT; 0: a template that nobody has filled in)
//!     20     4  length of the payload in bytes, little endian
//!     24     8  checksum of the payload, little endian
//!     32     .  payload: records of tag (1 byte), length (4 bytes, little endian), bytes
//! ```
//!
//! Records with an unknown tag are skipped, so that an older rock-wrap can still identify and restore what a newer
//! one installed.

use crate::shared::bytes::find;
use crate::shared::launchers::kind::Version;
use core::ffi::CStr;

/// First bytes of the block.
pub const MAGIC: [u8; 16] = *b"rock-wrap image\0";

/// The block format that this version writes and reads.
pub const FORMAT: u32 = 1;

/// The header's length. A template consists of the header only: see [`shim_image`](../../shim_image/index.html).
pub const HEADER_LEN: usize = 32;

/// A shim's configuration, borrowed from the block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config<'a> {
    /// The name that the shim replaces, such as `clang++`; empty for a shim that is called as a launcher, with the
    /// compiler as its first argument.
    pub name: &'a [u8],
    /// The real compilers' directory, absolute and with a trailing slash; empty if it is the shim's own directory.
    pub dir: &'a [u8],
    /// The directory into which a shim that replaces a compiler was installed, without symbolic links and with a
    /// trailing slash. Empty if unknown. A copy of the tree keeps this value.
    pub home: &'a [u8],
    /// The absolute path of the launcher given at install; empty if none was given.
    pub launcher: &'a [u8],
    /// The version that this launcher printed at install, if it could be read.
    pub launcher_version: Option<Version>,
    /// Whether the launcher is sccache's own program, of a version whose server the shim may talk to directly.
    pub asks_server: bool,
    /// Whether the call fails if the launcher cannot be run. Otherwise the shim runs the compiler without it.
    pub strict: bool,
    /// Whether the launcher's direct mode is turned off.
    pub exact: bool,
    /// Whether the compiler uses the new offload driver by default.
    pub new_driver: bool,
    /// Whether the compiler honours `-cuid=` under the new offload driver.
    pub new_driver_uses_id: bool,
    /// How a compile for several architectures is cached by architecture, see [`Parts`](super::parts::Parts::record);
    /// empty if it is cached only as a whole.
    pub parts: &'a [u8],
    /// The version of the rock-wrap that wrote this shim.
    pub writer: &'a [u8],
    /// The compiler's fingerprint; empty if none was taken.
    pub fingerprint: &'a [u8],
    /// The state of the fingerprinted files; see [`witnesses`](Self::witnesses).
    pub witness: &'a [u8],
}

/// Why a block cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigFault {
    /// A template that was never filled in.
    Template,
    /// Written by a rock-wrap in a format unknown to this one.
    Format(u32),
    /// Truncated, or the checksum does not match.
    Damaged,
}

// Tag 7 is not reused: it held witnesses that named each file by its whole path.
pub(crate) const TAG_NAME: u8 = 1;
pub(crate) const TAG_LAUNCHER: u8 = 2;
pub(crate) const TAG_LAUNCHER_VERSION: u8 = 3;
pub(crate) const TAG_STRICT: u8 = 4;
pub(crate) const TAG_WRITER: u8 = 5;
pub(crate) const TAG_FINGERPRINT: u8 = 6;
pub(crate) const TAG_DIR: u8 = 9;
pub(crate) const TAG_EXACT: u8 = 10;
pub(crate) const TAG_ASKS_SERVER: u8 = 11;
pub(crate) const TAG_HOME: u8 = 12;
pub(crate) const TAG_WITNESS: u8 = 13;
pub(crate) const TAG_NEW_DRIVER: u8 = 14;
pub(crate) const TAG_NEW_DRIVER_USES_ID: u8 = 15;
pub(crate) const TAG_PARTS: u8 = 16;

impl<'a> Config<'a> {
    /// Decodes a block. Does not check for [`MAGIC`], because the caller found the block by it, and comparing here
    /// would put a second copy of the mark into the shim.
    ///
    /// # Errors
    /// See [`ConfigFault`].
    pub fn decode(block: &'a [u8]) -> Result<Self, ConfigFault> {
        let (header, rest) = block
            .split_at_checked(HEADER_LEN)
            .ok_or(ConfigFault::Damaged)?;
        match word(header, 16) {
            0 => return Err(ConfigFault::Template),
            FORMAT => {}
            other => return Err(ConfigFault::Format(other)),
        }
        let payload = rest
            .get(..word(header, 20) as usize)
            .ok_or(ConfigFault::Damaged)?;
        if header[24..32] != checksum(payload).to_le_bytes() {
            return Err(ConfigFault::Damaged);
        }
        Self::from_payload(payload).ok_or(ConfigFault::Damaged)
    }

    fn from_payload(mut payload: &'a [u8]) -> Option<Self> {
        let mut config = Self::default();
        while !payload.is_empty() {
            let (head, rest) = payload.split_at_checked(5)?;
            let (value, rest) = rest.split_at_checked(word(head, 1) as usize)?;
            payload = rest;
            match head[0] {
                TAG_NAME => config.name = value,
                TAG_LAUNCHER => config.launcher = value,
                TAG_LAUNCHER_VERSION => {
                    let part = |i: usize| {
                        Some(u16::from_le_bytes(
                            value.get(2 * i..2 * i + 2)?.try_into().ok()?,
                        ))
                    };
                    config.launcher_version = Some(Version(part(0)?, part(1)?, part(2)?));
                }
                TAG_STRICT => config.strict = value == [1],
                TAG_WRITER => config.writer = value,
                TAG_FINGERPRINT => config.fingerprint = value,
                TAG_WITNESS => config.witness = value,
                TAG_DIR => config.dir = value,
                TAG_EXACT => config.exact = value == [1],
                TAG_ASKS_SERVER => config.asks_server = value == [1],
                TAG_HOME => config.home = value,
                TAG_NEW_DRIVER => config.new_driver = value == [1],
                TAG_PARTS => config.parts = value,
                TAG_NEW_DRIVER_USES_ID => config.new_driver_uses_id = value == [1],
                _ => {}
            }
        }
        Some(config)
    }
}

impl<'a> Config<'a> {
    /// Whether this file is called as a launcher: `FILE COMPILER ARGUMENTS...`.
    #[must_use]
    pub fn is_launcher(&self) -> bool {
        self.name.is_empty()
    }

    /// The files and directories whose state shows whether the compiler is still the one that was fingerprinted.
    /// Witnesses in one directory are adjacent and share the identical `dir`.
    pub fn witnesses(&self) -> impl Iterator<Item = Witness<'a>> + use<'a> {
        let (mut dir, mut rest) = (c"", self.witness);
        core::iter::from_fn(move || {
            while let Some((&WITNESS_DIR, behind)) = rest.split_first() {
                (dir, rest) = split_string(behind)?;
            }
            let (witness, behind) = Witness::decode(dir, rest)?;
            rest = behind;
            Some(witness)
        })
    }
}

/// What a [`Witness`] describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WitnessKind {
    /// A file that was hashed.
    File,
    /// A directory of device libraries, each of which is also a witness.
    Directory,
    /// Something that did not exist and would matter if it did: a configuration file.
    Absent,
}

/// The state of one file or directory that affects the compiler's output.
///
/// ```text
/// kind (1 byte), then little endian: inode, size, seconds, nanoseconds (8 bytes each), then the
/// name and a NUL
/// ```
///
/// The witnesses of each further directory are preceded by [`WITNESS_DIR`], the directory and a NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness<'a> {
    /// The kind of witness.
    pub kind: WitnessKind,
    /// The directory that the name is relative to: empty, or with a trailing slash. Absolute, or relative to the
    /// compiler's directory, so that a copy of the tree checks its own files.
    pub dir: &'a CStr,
    /// The name in that directory.
    pub name: &'a CStr,
    /// The inode.
    pub ino: u64,
    /// The size in bytes; 0 for a directory, whose size means nothing.
    pub size: u64,
    /// The modification time in seconds since 1970; two's complement.
    pub mtime: u64,
    /// The nanoseconds of the modification time.
    pub mtime_nsec: u64,
}

/// Marks a directory record: stands where a witness has its kind.
pub(crate) const WITNESS_DIR: u8 = 3;

/// Length of a witness before its name.
const WITNESS_HEAD: usize = 33;

impl<'a> Witness<'a> {
    /// Whether this is the recorded state. Ignores the change time, because a new hard link elsewhere (uv, conda
    /// and build farms make them) changes it.
    #[must_use]
    pub fn is_of(&self, ino: u64, size: u64, mtime: u64, mtime_nsec: u64) -> bool {
        let size = self.kind == WitnessKind::Directory || size == self.size;
        self.kind != WitnessKind::Absent
            && size
            && (ino, mtime, mtime_nsec) == (self.ino, self.mtime, self.mtime_nsec)
    }

    fn decode(dir: &'a CStr, bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let ([kind, numbers @ ..], rest) = bytes.split_first_chunk::<WITNESS_HEAD>()?;
        let (name, rest) = split_string(rest)?;
        let kind = match kind {
            0 => WitnessKind::File,
            1 => WitnessKind::Directory,
            2 => WitnessKind::Absent,
            _ => return None,
        };
        let (numbers, _) = numbers.as_chunks::<8>();
        let witness = Self {
            kind,
            dir,
            name,
            ino: u64::from_le_bytes(numbers[0]),
            size: u64::from_le_bytes(numbers[1]),
            mtime: u64::from_le_bytes(numbers[2]),
            mtime_nsec: u64::from_le_bytes(numbers[3]),
        };
        Some((witness, rest))
    }
}

/// Splits off the string at the start of `bytes`; returns it and the bytes after its NUL.
fn split_string(bytes: &[u8]) -> Option<(&CStr, &[u8])> {
    let (string, rest) = bytes.split_at_checked(find(bytes, 0)? + 1)?;
    // SAFETY: the slice ends with its first NUL.
    Some((unsafe { CStr::from_bytes_with_nul_unchecked(string) }, rest))
}

/// Length of the payload after the header of a block.
#[must_use]
pub fn payload_len(header: &[u8]) -> usize {
    word(header, 20) as usize
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Detects a truncated or overwritten file, not an attack. FNV-1a over eight bytes at a time, because every call
/// computes it, with the high half folded in, because multiplication alone never carries high bits down.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut mix = |word: u64| {
        let mixed = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        hash = mixed ^ mixed >> 32;
    };
    let (words, rest) = bytes.as_chunks();
    for word in words {
        mix(u64::from_le_bytes(*word));
    }
    for byte in rest {
        mix(u64::from(*byte));
    }
    hash
}
