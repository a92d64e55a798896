//! Writes a configuration block into a shim, and finds the block in a file. This is the installer's
//! half of the format.

use crate::shared::shim_config::{
    Config, ConfigFault, FORMAT, HEADER_LEN, MAGIC, TAG_ASKS_SERVER, TAG_DIR, TAG_EXACT,
    TAG_FINGERPRINT, TAG_HOME, TAG_LAUNCHER, TAG_LAUNCHER_VERSION, TAG_NAME, TAG_NEW_DRIVER,
    TAG_NEW_DRIVER_USES_ID, TAG_PARTS, TAG_STRICT, TAG_WITNESS, TAG_WRITER, WITNESS_DIR, Witness,
    WitnessKind, checksum,
};
use std::path::Path;

/// The freestanding executable with an empty configuration block. See `build.rs`.
pub const TEMPLATE: &[u8] = include_bytes!(env!("ROCK_WRAP_SHIM"));

/// Upper limit for the size of a shim of any version, in bytes. Larger files are not searched for a
/// block.
pub const MAX_LEN: u64 = 256 * 1024;

/// The configuration does not fit into the block.
#[derive(Debug, thiserror::Error)]
#[error("the shim's configuration takes {need} bytes, but there is room for only {room}")]
pub struct TooLong {
    /// Size of the configuration, in bytes.
    pub need: usize,
    /// Space in the block, in bytes.
    pub room: usize,
}

/// Builds a shim that contains `config`.
///
/// The payload goes to the end of the file, and the program header of the block's segment is
/// extended to cover it. The section headers, which follow the segment in the template, are
/// dropped: they are not needed to run the program.
///
/// # Errors
/// [`TooLong`] if `config` does not fit.
pub fn stamp(config: &Config<'_>) -> Result<Vec<u8>, TooLong> {
    let payload = payload(config);
    let at = block_offset(TEMPLATE).expect("the embedded shim has a block");
    let end = at + HEADER_LEN;
    let room = MAX_LEN as usize - end;
    if payload.len() > room {
        return Err(TooLong {
            need: payload.len(),
            room,
        });
    }
    let mut image = TEMPLATE[..end].to_vec();
    image[at + 16..at + 20].copy_from_slice(&FORMAT.to_le_bytes());
    image[at + 20..at + 24].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    image[at + 24..at + 32].copy_from_slice(&checksum(&payload).to_le_bytes());
    lengthen_segment(&mut image, end, payload.len() as u64);
    image.extend(payload);
    Ok(image)
}

/// Extends the segment that ends at `end` by `more` bytes, and clears the section headers from the
/// ELF header. Offsets are those of `Elf64_Ehdr` and `Elf64_Phdr` (elf(5)).
fn lengthen_segment(image: &mut [u8], end: usize, more: u64) {
    let number = |image: &[u8], at: usize| {
        u64::from_le_bytes(image[at..at + 8].try_into().expect("eight bytes"))
    };
    let half = |image: &[u8], at: usize| usize::from(image[at]) | usize::from(image[at + 1]) << 8;
    let (first, size, count) = (number(image, 32) as usize, half(image, 54), half(image, 56));
    let segment = (0..count).map(|i| first + i * size).find(|header| {
        let (offset, length) = (number(image, header + 8), number(image, header + 32));
        image[*header] == 1 && offset + length == end as u64
    });
    let segment = segment.expect("the block ends a loaded segment: see shim/link.ld");
    for length in [segment + 32, segment + 40] {
        let longer = number(image, length) + more;
        image[length..length + 8].copy_from_slice(&longer.to_le_bytes());
    }
    image[40..48].fill(0);
    image[60..64].fill(0);
}

/// Reads the configuration of the shim with the content `file`. `None` if the file is not one of
/// our shims.
#[must_use]
pub fn read(file: &[u8]) -> Option<Result<Config<'_>, ConfigFault>> {
    let at = block_offset(file)?;
    Some(Config::decode(&file[at..]))
}

/// Whether a file with the content `file` is one of our shims, of any version.
#[must_use]
pub fn is_shim(file: &[u8]) -> bool {
    block_offset(file).is_some()
}

/// Whether the file at `path`, with links followed, can be read and is one of our shims.
#[must_use]
pub fn is_shim_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.len() <= MAX_LEN)
        && std::fs::read(path).is_ok_and(|bytes| is_shim(&bytes))
}

fn block_offset(file: &[u8]) -> Option<usize> {
    if !file.starts_with(b"\x7fELF") {
        return None;
    }
    memchr::memmem::find(file, &MAGIC)
}

fn payload(config: &Config<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut record = |tag: u8, value: &[u8]| {
        out.push(tag);
        out.extend((value.len() as u32).to_le_bytes());
        out.extend(value);
    };
    record(TAG_NAME, config.name);
    record(TAG_LAUNCHER, config.launcher);
    if let Some(version) = config.launcher_version {
        let parts = [version.0, version.1, version.2];
        record(TAG_LAUNCHER_VERSION, &parts.map(u16::to_le_bytes).concat());
    }
    record(TAG_STRICT, &[u8::from(config.strict)]);
    record(TAG_WRITER, config.writer);
    record(TAG_FINGERPRINT, config.fingerprint);
    record(TAG_WITNESS, config.witness);
    for (tag, dir) in [
        (TAG_DIR, config.dir),
        (TAG_HOME, config.home),
        (TAG_PARTS, config.parts),
    ] {
        if !dir.is_empty() {
            record(tag, dir);
        }
    }
    for (tag, is_set) in [
        (TAG_EXACT, config.exact),
        (TAG_ASKS_SERVER, config.asks_server),
        (TAG_NEW_DRIVER, config.new_driver),
        (TAG_NEW_DRIVER_USES_ID, config.new_driver_uses_id),
    ] {
        if is_set {
            record(tag, &[1]);
        }
    }
    out
}

/// Encodes witnesses for [`Config::witnesses`], grouped by directory.
#[must_use]
pub fn encode_witnesses(witnesses: &[Witness<'_>]) -> Vec<u8> {
    let mut sorted: Vec<_> = witnesses.iter().collect();
    sorted.sort_by_key(|witness| witness.dir);
    let mut out = Vec::new();
    for together in sorted.chunk_by(|a, b| a.dir == b.dir) {
        out.push(WITNESS_DIR);
        out.extend(together[0].dir.to_bytes_with_nul());
        for witness in together {
            out.push(match witness.kind {
                WitnessKind::File => 0,
                WitnessKind::Directory => 1,
                WitnessKind::Absent => 2,
            });
            for number in [witness.ino, witness.size, witness.mtime, witness.mtime_nsec] {
                out.extend(number.to_le_bytes());
            }
            out.extend(witness.name.to_bytes_with_nul());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::launchers::kind::Version;

    fn example() -> Config<'static> {
        Config {
            name: b"clang++",
            dir: b"/opt/rocm/lib/llvm/bin/",
            home: b"/opt/rocm-7/lib/llvm/bin/",
            launcher: b"/usr/bin/sccache",
            launcher_version: Some(Version(0, 16, 0)),
            asks_server: true,
            strict: true,
            exact: true,
            new_driver: true,
            new_driver_uses_id: true,
            parts: b"a/usr/bin/rock-wrap",
            writer: b"1.2.3",
            fingerprint: &[7; 32],
            witness: b"",
        }
    }

    #[test]
    fn witnesses_are_read_back_those_of_one_directory_together() {
        let file = |dir, name, ino| Witness {
            kind: WitnessKind::File,
            dir,
            name,
            ino,
            size: u64::MAX,
            mtime: (-5_i64).cast_unsigned(),
            mtime_nsec: 999_999_999,
        };
        let nothing = |dir, name| Witness {
            kind: WitnessKind::Absent,
            dir,
            name,
            ino: 0,
            size: 0,
            mtime: 0,
            mtime_nsec: 0,
        };
        let [a, b, c, d] = [
            file(c"../a b/", c"c.so", 1),
            nothing(c"", c"clang.cfg"),
            file(c"../a b/", c"d.so", 2),
            file(c"", c"../alone/clang", 3),
        ];
        let config = Config {
            witness: &encode_witnesses(&[a, b, c, d]),
            ..example()
        };
        let read: Vec<_> = config.witnesses().collect();
        assert_eq!(read, [b, d, a, c]);
        assert!(std::ptr::eq(read[2].dir, read[3].dir));
    }

    #[test]
    fn what_is_baked_in_is_read_back() {
        let image = stamp(&example()).unwrap();
        assert_eq!(read(&image), Some(Ok(example())));
    }

    #[test]
    fn an_empty_template_says_so() {
        assert_eq!(read(TEMPLATE), Some(Err(ConfigFault::Template)));
    }

    #[test]
    fn a_changed_byte_of_the_configuration_is_noticed() {
        let mut image = stamp(&example()).unwrap();
        let at = block_offset(&image).unwrap() + HEADER_LEN + 7;
        image[at] ^= 1;
        assert_eq!(read(&image), Some(Err(ConfigFault::Damaged)));
    }

    #[test]
    fn a_newer_format_is_named() {
        let mut image = stamp(&example()).unwrap();
        let at = block_offset(&image).unwrap() + 16;
        image[at] = 9;
        assert_eq!(read(&image), Some(Err(ConfigFault::Format(9))));
    }

    #[test]
    fn a_script_or_another_executable_is_no_shim() {
        assert_eq!(read(b"#!/bin/sh\nexec sccache\n"), None);
        assert_eq!(read(b"\x7fELF and so on"), None);
    }

    #[test]
    fn a_configuration_that_does_not_fit_is_refused() {
        let long = vec![b'x'; MAX_LEN as usize];
        let config = Config {
            launcher: &long,
            ..example()
        };
        assert!(stamp(&config).unwrap_err().need > MAX_LEN as usize);
    }

    #[test]
    fn a_long_configuration_is_read_back() {
        let long = vec![b'x'; 100_000];
        let config = Config {
            witness: &long,
            ..example()
        };
        assert_eq!(read(&stamp(&config).unwrap()), Some(Ok(config)));
    }

    #[test]
    fn a_shim_is_small_and_static() {
        // The template itself is longer, because `install` strips its symbols.
        let len = stamp(&Config::default()).unwrap().len();
        assert!(len <= 128 * 1024, "{len} bytes");
        // e_type ET_EXEC: no dynamic loader, no relocations.
        assert_eq!(TEMPLATE[16..18], [2, 0]);
    }
}
