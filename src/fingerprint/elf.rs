//! Reads the part of an ELF file's dynamic section that decides which shared objects are loaded.
//!
//! Only the parts that are needed are read: libLLVM has 130 MB, its dynamic section a few hundred
//! bytes.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use object::elf::{self, FileHeader32, FileHeader64};
use object::read::StringTable;
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, FileKind, ReadCache};

use crate::fingerprint::IdentityError;

/// An object's class (32 or 64 bits) and machine (`e_machine`). Two objects can be loaded into one
/// process only if these are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abi {
    wide: bool,
    machine: u16,
}

/// The dynamic section as the loader sees it. All fields but `abi` are empty for a static
/// executable.
#[derive(Debug, PartialEq, Eq)]
pub struct Dynamic {
    /// The class and machine that it can be loaded with.
    pub abi: Abi,
    /// DT_NEEDED in the file's order, which is the loading order.
    pub needed: Vec<OsString>,
    /// DT_SONAME, by which later look-ups find the loaded object.
    pub soname: Option<OsString>,
    /// DT_RPATH, with colons and `$ORIGIN` unexpanded. The loader ignores it if there is a
    /// DT_RUNPATH.
    pub rpath: Option<OsString>,
    /// DT_RUNPATH, in the same form.
    pub runpath: Option<OsString>,
    /// DF_1_NODEFLIB: the loader skips its cache and its default directories.
    pub no_default_dirs: bool,
}

/// Whether the file at `path` starts with the ELF magic number.
///
/// # Errors
/// If it cannot be read.
pub fn is_elf(path: &Path) -> Result<bool, IdentityError> {
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(4).read_to_end(&mut head))
        .map_err(|source| IdentityError::read(path, source))?;
    Ok(head == elf::ELFMAG)
}

/// Reads the dynamic section of the ELF file at `path`.
///
/// # Errors
/// If the file cannot be opened or is not a valid ELF file.
pub fn read(path: &Path) -> Result<Dynamic, IdentityError> {
    let file = File::open(path).map_err(|source| IdentityError::read(path, source))?;
    let data = ReadCache::new(file);
    let parsed = FileKind::parse(&data).and_then(|kind| match kind {
        FileKind::Elf32 => parse::<FileHeader32<Endianness>>(&data),
        _ => parse::<FileHeader64<Endianness>>(&data),
    });
    parsed.map_err(|source| IdentityError::Elf {
        path: path.to_owned(),
        source,
    })
}

fn parse<Elf: FileHeader<Endian = Endianness>>(
    data: &ReadCache<File>,
) -> Result<Dynamic, object::read::Error> {
    let header = Elf::parse(data)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, data)?;
    let mut dynamic = Dynamic {
        abi: Abi {
            wide: header.is_class_64(),
            machine: header.e_machine(endian).0,
        },
        needed: Vec::new(),
        soname: None,
        rpath: None,
        runpath: None,
        no_default_dirs: false,
    };
    let mut entries = None;
    for segment in segments {
        entries = entries.or(segment.dynamic(endian, data)?);
    }
    let entries = entries.unwrap_or_default();
    let value = |tag| {
        let entry = entries.iter().find(|entry| entry.tag(endian) == tag);
        entry.map(|entry| entry.val(endian))
    };
    let (Some(address), Some(size)) = (value(elf::DT_STRTAB), value(elf::DT_STRSZ)) else {
        return Ok(dynamic);
    };
    // An address in memory; the PT_LOAD segment maps it to an offset in the file. The segment has
    // tens of megabytes, so only the strings are read.
    let start = segments.iter().find_map(|segment| {
        let offset = address.checked_sub(segment.p_vaddr(endian).into())?;
        let loaded = segment.p_type(endian) == elf::PT_LOAD;
        let (file, length) = segment.file_range(endian);
        (loaded && offset < length).then(|| file.checked_add(offset))?
    });
    let start = start.unwrap_or(u64::MAX);
    let strings = StringTable::new(data, start, start.saturating_add(size));
    for entry in entries {
        let text = || {
            entry
                .string(endian, strings)
                .map(|text| OsString::from_vec(text.to_vec()))
        };
        match entry.tag(endian) {
            elf::DT_NULL => break,
            elf::DT_NEEDED => dynamic.needed.push(text()?),
            elf::DT_SONAME => dynamic.soname = Some(text()?),
            elf::DT_RPATH => dynamic.rpath = Some(text()?),
            elf::DT_RUNPATH => dynamic.runpath = Some(text()?),
            elf::DT_FLAGS_1 => {
                dynamic.no_default_dirs = entry.val(endian) & elf::DF_1_NODEFLIB.0 != 0;
            }
            _ => {}
        }
    }
    Ok(dynamic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::testing::{Fixture, debians};

    #[test]
    fn needed_soname_and_runpath_are_read() {
        let dir = Fixture::new();
        dir.library("libone.so", &[]);
        let two = dir.library(
            "libtwo.so",
            &["-lone", "-Wl,-rpath,$ORIGIN/x", "-Wl,--enable-new-dtags"],
        );
        let dynamic = read(&two).unwrap();
        assert_eq!(dynamic.needed[0], "libone.so");
        assert_eq!(dynamic.soname.unwrap(), "libtwo.so");
        assert_eq!(dynamic.runpath.unwrap(), "$ORIGIN/x");
        assert_eq!(dynamic.rpath, None);
    }

    #[test]
    fn a_static_executable_needs_nothing() {
        let dir = Fixture::new();
        let path = dir.write("shim", crate::shim_image::TEMPLATE);
        let dynamic = read(&path).unwrap();
        assert!(dynamic.needed.is_empty());
    }

    #[test]
    fn a_large_library_is_read() {
        let path = debians("/usr/lib/llvm-19/lib/libclang-cpp.so.19.1");
        let dynamic = read(&path).unwrap();
        assert!(dynamic.needed.iter().any(|name| name == "libLLVM.so.19.1"));
    }

    #[test]
    fn a_damaged_file_is_an_error_with_its_path() {
        let dir = Fixture::new();
        let path = dir.write("cut", b"\x7fELF\x02\x01\x01");
        let error = read(&path).unwrap_err();
        assert!(error.to_string().contains("cut"), "{error}");
    }
}
