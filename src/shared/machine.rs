//! What a decision may ask of the machine. Tests answer from memory, both programs by system calls
//! ([`ThisMachine`](super::this_machine::ThisMachine)).

use alloc::vec::Vec;
use core::ffi::CStr;

/// What is at a path, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Nothing.
    Missing,
    /// A regular file.
    Regular,
    /// Something else, or nothing that can be looked at.
    Other,
}

/// The state of a file: as long as it is equal, the content is taken to be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileState {
    /// The device. Not compared over time: a reboot or another container changes it.
    pub dev: u64,
    /// The inode.
    pub ino: u64,
    /// The size in bytes.
    pub size: u64,
    /// When the content last changed, in seconds since 1970; two's complement.
    pub mtime: u64,
    /// The nanoseconds of that.
    pub mtime_nsec: u64,
}

/// Is shown a process: the kernel's name of it, and how to find out the path of its executable. True ends
/// it.
pub type Visitor<'v> = dyn FnMut(&[u8], &dyn Fn() -> Vec<u8>) -> bool + 'v;

/// What [`decide`](crate::shared::decision::decide) may ask of the machine.
pub trait Machine {
    /// A directory that was found: a look from there is a third cheaper than by the whole path.
    type DirHandle;

    /// What is at `path`.
    fn kind(&self, path: &CStr) -> FileKind;

    /// What is at `path`, which is to be written. Regular is only what a launcher replaces as the compiler does: no
    /// link to a file (clang replaces the link with an object, but writes a dependency file through it), and
    /// none that this user may not write to (clang refuses, a launcher renames another file over it). With
    /// `keeps_mode` the compiler may leave the file's mode as it is, so it has to be one that a new file would get.
    fn kind_to_write(&self, path: &CStr, keeps_mode: bool) -> FileKind;

    /// The content of a response file; `None` if it is not a regular file, cannot be read or is longer than
    /// [`BUDGET`](crate::shared::decision::response::BUDGET).
    fn read(&self, path: &CStr) -> Option<Vec<u8>>;

    /// Whether `word` stands behind `mark` in the file at `path`, in capitals or not, with at most a few
    /// blanks between them; also true where that cannot be told.
    fn holds(&self, path: &CStr, mark: u8, word: &[u8]) -> bool;

    /// The working directory, as the kernel knows it; empty if it cannot be told.
    fn cwd(&self) -> Vec<u8>;

    /// The state of what is at `path`, links followed; relative to the working directory.
    fn file_state(&self, path: &CStr) -> Option<FileState>;

    /// The directory at `dir`, a path relative to the compiler's own, or that where it is empty; `None` if it
    /// cannot be found.
    fn open_dir(&self, dir: &CStr) -> Option<Self::DirHandle>;

    /// The state of what is at `path`, relative to a place; links followed.
    fn state_in(&self, place: &Self::DirHandle, path: &CStr) -> Option<FileState>;

    /// Shows the wanted entries of a directory with their state, in any order. A look at each of a
    /// library directory's thousand files would cost more than everything else.
    fn list(&self, dir: &CStr, wanted: fn(&CStr) -> bool, visit: &mut dyn FnMut(&CStr, FileState));

    /// Seconds since 1970.
    fn now(&self) -> u64;

    /// What the program `tool` beside the compiler says, given that argument; `None` where it fails or
    /// nothing can be run.
    fn ask(&self, tool: &CStr, argument: Option<&CStr>) -> Option<Vec<u8>>;

    /// Writes a file in the user's cache directory, for [`read`](Machine::read) to find later; in vain where
    /// that cannot be done.
    fn keep(&self, path: &CStr, content: &[u8]);

    /// Shows up to four ancestors of this process, the nearest first: the kernel's name of the process
    /// and, if that is asked for, the path of the executable (empty if it cannot be read). Ends when
    /// `visit` returns true.
    fn ancestors(&self, visit: &mut Visitor<'_>);
}
