//! Finds the architectures that a file has device code for.
//!
//! Owns: the search for clang's offload bundles, plain and compressed (LLVM, `OffloadBundler.cpp`). The mere name of an
//! architecture proves nothing: compilers and their libraries contain many.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;

use ruzstd::decoding::StreamingDecoder;
use zip::ZipArchive;

use crate::ci::ArchSet;

/// The start of a bundle. The number of entries follows, and for each entry the offset, the size, the length of the
/// name (8 bytes each, little endian) and the name.
const PLAIN: &[u8] = b"__CLANG_OFFLOAD_BUNDLE__";

/// The start of a compressed bundle. Version and method (2 bytes each), sizes that depend on the version, and a hash of
/// 8 bytes follow.
const COMPRESSED: &[u8] = b"CCOB";

/// How many bytes are scanned at a time.
const CHUNK: usize = 4 << 20;

/// How many of these bytes are scanned again with the next ones. A bundle's header is shorter, and so is the first
/// block of a compressed bundle.
const OVERLAP: usize = 256 << 10;

/// Limits for a header: no real bundle has more entries or longer names.
const MAX_ENTRIES: u64 = 1024;
const MAX_NAME: u64 = 256;

/// The architectures in a wheel.
///
/// # Errors
/// If they cannot be determined; says why.
pub fn of_wheel(file: File) -> Result<ArchSet, String> {
    let mut archive = ZipArchive::new(file).map_err(|error| format!("no zip archive: {error}"))?;
    let mut found = BTreeSet::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(|error| error.to_string())?;
        scan(&mut member, &mut found)?;
    }
    Ok(found.into_iter().collect())
}

/// The architectures in a file that is not a wheel.
///
/// # Errors
/// If they cannot be determined; says why.
pub fn of_file(mut file: File) -> Result<ArchSet, String> {
    let mut found = BTreeSet::new();
    scan(&mut file, &mut found)?;
    Ok(found.into_iter().collect())
}

fn scan(from: &mut impl Read, found: &mut BTreeSet<String>) -> Result<(), String> {
    let mut buffer = Vec::new();
    loop {
        let before = buffer.len();
        let wanted = (CHUNK - before) as u64;
        let read = from.by_ref().take(wanted).read_to_end(&mut buffer);
        let read = read.map_err(|error| error.to_string())?;
        let at_end = (read as u64) < wanted;
        let end = if at_end {
            buffer.len()
        } else {
            CHUNK - OVERLAP
        };
        for at in memchr::memmem::find_iter(&buffer, PLAIN).take_while(|at| *at < end) {
            plain(&buffer[at + PLAIN.len()..], found);
        }
        for at in memchr::memmem::find_iter(&buffer, COMPRESSED).take_while(|at| *at < end) {
            compressed(&buffer[at + COMPRESSED.len()..], found)?;
        }
        if at_end {
            return Ok(());
        }
        buffer.drain(..CHUNK - OVERLAP);
    }
}

/// Reads the header of a bundle. The marks may also occur elsewhere, so anything that is not a header is ignored.
fn plain(header: &[u8], found: &mut BTreeSet<String>) -> Option<()> {
    let mut rest = header;
    let number = |rest: &mut &[u8]| {
        let (bytes, after) = rest.split_first_chunk::<8>()?;
        *rest = after;
        Some(u64::from_le_bytes(*bytes))
    };
    let entries = number(&mut rest).filter(|entries| *entries <= MAX_ENTRIES)?;
    let mut names = Vec::new();
    for _ in 0..entries {
        number(&mut rest)?;
        number(&mut rest)?;
        let length = number(&mut rest).filter(|length| *length <= MAX_NAME)?;
        let (name, after) = rest.split_at_checked(length as usize)?;
        rest = after;
        names.push(std::str::from_utf8(name).ok()?);
    }
    let archs = names.iter().filter_map(|name| {
        let (_, arch) = name.split_once("-amdgcn-amd-amdhsa-")?;
        let arch = arch.trim_start_matches('-');
        (!arch.is_empty()).then(|| arch.to_owned())
    });
    found.extend(archs);
    Some(())
}

fn compressed(header: &[u8], found: &mut BTreeSet<String>) -> Result<(), String> {
    const ZSTD: u16 = 1;
    let short = |at: usize| {
        let bytes = header.get(at..at + 2)?;
        Some(u16::from_le_bytes([bytes[0], bytes[1]]))
    };
    // Version 1 has the uncompressed size, version 2 has the file's size before it, version 3 has both in 8 bytes each.
    let sizes = match short(0) {
        Some(1) => 4,
        Some(2) => 8,
        Some(3) => 16,
        _ => return Ok(()),
    };
    let data = header.get(4 + sizes + 8..).unwrap_or_default();
    match short(2) {
        Some(ZSTD) => {}
        Some(0) => return Err("a compressed code object is not in zstd's form".to_owned()),
        _ => return Ok(()),
    }
    let Ok(mut decoder) = StreamingDecoder::new(data) else {
        return Ok(());
    };
    let mut text = Vec::new();
    // The data may be cut off at the end of this chunk, but the first block contains the header.
    let _ = decoder.by_ref().take(64 << 10).read_to_end(&mut text);
    if let Some(header) = text.strip_prefix(PLAIN) {
        plain(header, found);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(names: &[&str]) -> Vec<u8> {
        let mut bytes = PLAIN.to_vec();
        bytes.extend((names.len() as u64).to_le_bytes());
        for name in names {
            for number in [4096, 0, name.len() as u64] {
                bytes.extend(number.to_le_bytes());
            }
            bytes.extend(name.as_bytes());
        }
        bytes
    }

    fn archs(bytes: &[u8]) -> String {
        let mut found = BTreeSet::new();
        scan(&mut &bytes[..], &mut found).unwrap();
        found.into_iter().collect::<ArchSet>().to_string()
    }

    #[test]
    fn only_the_entries_of_bundles_count() {
        let names = [
            "host-x86_64-unknown-linux-gnu-",
            "hipv4-amdgcn-amd-amdhsa--gfx942:xnack-",
            "hip-amdgcn-amd-amdhsa--gfx90a",
        ];
        assert_eq!(archs(&bundle(&names)), "gfx90a,gfx942:xnack-");
        assert_eq!(
            archs(b"amdgcn-amd-amdhsa--gfx906 in a compiler's table"),
            ""
        );
        let cut = bundle(&names);
        assert_eq!(archs(&cut[..cut.len() - 1]), "", "no whole header");
        assert_eq!(archs(PLAIN), "");
    }

    #[test]
    fn a_bundle_between_two_chunks_is_found_once() {
        for before in [CHUNK - 10, CHUNK - OVERLAP - 3, CHUNK - OVERLAP, 2 * CHUNK] {
            let mut bytes = vec![0; before];
            bytes.extend(bundle(&["hipv4-amdgcn-amd-amdhsa--gfx1100"]));
            assert_eq!(archs(&bytes), "gfx1100", "{before}");
        }
    }
}
