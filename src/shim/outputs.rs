//! Gives the files of a launched compile the modes that the compiler would have given them.
//!
//! sccache's server compiles with its own umask, and on a hit either launcher chooses the mode: sccache the stored
//! one, ccache 0666 without the umask's bits, even for a linked code object, which is executable (sccache 0.16 and
//! 0.17, ccache 4.7.5 and 4.14.2, measured).

use alloc::ffi::CString;
use core::ffi::CStr;

use crate::shared::access_list::granted_by_default;
use crate::shared::decision::unit::{Text, Unit};
use crate::shared::paths::base_name;
use crate::shared::sys::{self, File, Stat};

/// The files that a compile produces.
pub struct Outputs<'u> {
    /// The object.
    pub object: Text<'u>,
    /// Whether the object may be a linked code object.
    linked: bool,
    /// The dependency file and, if it already existed, its permissions: clang writes into the existing file.
    depfile: Option<(Text<'u>, Option<u32>)>,
}

impl<'u> Outputs<'u> {
    /// The outputs of `unit`, before it is compiled.
    pub fn of(unit: &'u Unit<'_>) -> Self {
        let depfile = unit.depfile().map(|path| {
            let before = sys::stat_itself(&path).ok();
            (path, before.as_ref().map(Stat::permissions))
        });
        Self {
            object: unit.output(),
            linked: !unit.replaces_output(),
            depfile,
        }
    }

    /// Gives the outputs the modes that the compiler would have given them. A failed compile has produced no
    /// object.
    pub fn mend(&self, failed: bool) {
        if !failed {
            set(&self.object, |file| {
                let linked = self.linked && is_linked(file);
                new_mode(&self.object, if linked { 0o777 } else { 0o666 })
            });
        }
        if let Some((path, before)) = &self.depfile {
            set(path, |_| before.unwrap_or_else(|| new_mode(path, 0o666)));
        }
    }
}

/// Gives the file at `path` the mode that `mode` chooses. Skips symbolic links and files with more than one hard
/// link: those belong to someone else, or to ccache (`hard_link`).
fn set(path: &CStr, mode: impl FnOnce(&File) -> u32) {
    let Ok(file) = File::open_itself(path) else {
        return;
    };
    let Ok(stat) = file.own_stat() else { return };
    if stat.is_regular() && stat.links == 1 {
        let mode = mode(&file);
        if mode != stat.permissions() {
            file.set_mode(mode);
        }
    }
}

/// The mode of a new file at `path` when a program requests `mode`.
fn new_mode(path: &CStr, mode: u32) -> u32 {
    let path = path.to_bytes();
    let dir = match path.strip_suffix(base_name(path)) {
        None | Some(b"") => b".",
        Some(dir) => dir,
    };
    let dir = CString::new(dir).unwrap_or_default();
    // A directory's default access list replaces the umask (acl(5)).
    let mut list = [0; 1024];
    match sys::attribute(&dir, c"system.posix_acl_default", &mut list) {
        Ok(length) => mode & granted_by_default(list.get(..length).unwrap_or_default()),
        Err(_) => sys::new_mode(mode),
    }
}

/// Whether lld produced the file: an ELF shared object (elf(5)). The front end, assembler and bundler produce no
/// such files.
fn is_linked(file: &File) -> bool {
    const ET_DYN: u8 = 3;
    let mut head = [0; 18];
    file.read_from_start(&mut head)
        .is_ok_and(|length| length == head.len())
        && head.starts_with(b"\x7fELF")
        && head[16] == ET_DYN
}
