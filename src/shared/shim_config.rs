//! The installed file's own configuration: what `rock-wrap install` bakes into each shim.
//!
//! A shim is the freestanding executable of [`crate::shim`](../shim/index.html) with one block of
//! bytes filled in. One inode then carries program and configuration, so the rename that puts a
//! shim in place puts both in place, no side file can go missing, and reading the configuration
//! costs no system call. The block is also the mark by which install and restore know a shim of
//! ours from anything else.
//!
//! Owns: the layout of the block. Shared by the shim (decoding) and the command line (decoding
//! and, in [`shim_image`](../../shim_image/index.html), encoding). Uses `core` only.
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
//! A record with an unknown tag is skipped, so that an older rock-wrap can still name and restore
//! what a newer one installed.

use crate::shared::bytes::find;
use crate::shared::launchers::kind::Version;
use core::ffi::CStr;

/// First bytes of the block.
pub const MAGIC: [u8; 16] = *b"rock-wrap image\0";

/// The block's format that this source writes and reads.
pub const FORMAT: u32 = 1;

/// Bytes before the payload. In a template they are all there is: see [`shim_image`](../../shim_image/index.html).
pub const HEADER_LEN: usize = 32;

/// What a shim knows, borrowed from the block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config<'a> {
    /// The name that the shim stands at, `clang++`; empty for one that is itself called as a
    /// launcher, with the compiler as its first argument.
    pub name: &'a [u8],
    /// The real compilers' directory, absolute and with the slash; empty where that is the shim's
    /// own.
    pub dir: &'a [u8],
    /// Where a shim in the place of a compiler was put: a directory without links, and with the slash.
    /// Empty where it is not known. A copy of the tree has the same.
    pub home: &'a [u8],
    /// Absolute path of the launcher given at install; empty where none was.
    pub launcher: &'a [u8],
    /// The version that this launcher printed at install, where it could be read.
    pub launcher_version: Option<Version>,
    /// Whether the launcher is sccache's own program, of a version whose server may be asked without
    /// it.
    pub asks_server: bool,
    /// Whether a launcher that cannot be run fails the call instead of being passed by.
    pub strict: bool,
    /// Whether the launcher's direct mode is turned off.
    pub exact: bool,
    /// Whether the compiler uses the new offload driver where no option chooses.
    pub new_driver: bool,
    /// Whether the compiler uses `-cuid=` under the new offload driver.
    pub new_driver_uses_id: bool,
    /// The version of the rock-wrap that wrote this shim.
    pub writer: &'a [u8],
    /// The compiler's fingerprint; empty where it was not taken.
    pub fingerprint: &'a [u8],
    /// The state of what the fingerprint was taken of; see [`witnesses`](Self::witnesses).
    pub witness: &'a [u8],
}

/// Why a block could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigFault {
    /// Nobody filled this block in.
    Template,
    /// Written by a rock-wrap whose format this one does not know.
    Format(u32),
    /// Cut short, or the checksum does not match.
    Damaged,
}

// 7 was a witness that named each file by its whole path.
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

impl<'a> Config<'a> {
    /// Reads a block. That it begins with [`MAGIC`] is how it was found: to compare here would put
    /// a second copy of the mark into the shim.
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
                TAG_NEW_DRIVER_USES_ID => config.new_driver_uses_id = value == [1],
                _ => {}
            }
        }
        Some(config)
    }
}

impl<'a> Config<'a> {
    /// Whether this file is called as a launcher is: `FILE COMPILER ARGUMENTS...`.
    #[must_use]
    pub fn is_launcher(&self) -> bool {
        self.name.is_empty()
    }

    /// The files and directories whose state tells whether the compiler is still the one that was
    /// fingerprinted. Those of one directory come together, and have the very same `dir`.
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

/// What a [`Witness`] speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WitnessKind {
    /// A file that was hashed.
    File,
    /// A directory of device libraries, each of which is a witness too.
    Directory,
    /// Something that was not there, and would count if it were: a configuration file.
    Absent,
}

/// The state of one thing that decides what the compiler makes.
///
/// ```text
/// kind (1 byte), then little endian: inode, size, seconds, nanoseconds (8 bytes each), then the
/// name and a NUL
/// ```
///
/// Before those of another directory: `WITNESS_DIR`, then the directory and a NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness<'a> {
    /// What it is.
    pub kind: WitnessKind,
    /// The directory from which it is seen: empty, or with a slash at its end. Absolute, or relative to the
    /// directory of the compiler, so that a copy of the tree looks at its own files.
    pub dir: &'a CStr,
    /// What is looked at there.
    pub name: &'a CStr,
    /// The inode.
    pub ino: u64,
    /// The size in bytes; 0 of a directory, whose size means nothing.
    pub size: u64,
    /// When it last changed, in seconds since 1970; two's complement.
    pub mtime: u64,
    /// The nanoseconds of that.
    pub mtime_nsec: u64,
}

/// Stands where a witness has its kind.
pub(crate) const WITNESS_DIR: u8 = 3;

/// Bytes of a witness before its name.
const WITNESS_HEAD: usize = 33;

impl<'a> Witness<'a> {
    /// Whether this is the state that was found. The change time is not asked: a new hard link
    /// elsewhere (uv, conda and build farms make them) changes it.
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

/// The string that `bytes` begin with, and what is behind its NUL.
fn split_string(bytes: &[u8]) -> Option<(&CStr, &[u8])> {
    let (string, rest) = bytes.split_at_checked(find(bytes, 0)? + 1)?;
    // SAFETY: it ends with the first NUL.
    Some((unsafe { CStr::from_bytes_with_nul_unchecked(string) }, rest))
}

/// Bytes behind the header of a block.
#[must_use]
pub fn payload_len(header: &[u8]) -> usize {
    word(header, 20) as usize
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Guards against a file that was cut or overwritten, not against an attacker: FNV-1a over eight
/// bytes at a time, since every call computes it, and with the high half folded in, which a
/// multiplication alone would never carry down.
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
