//! What a decision may ask the machine. Tests answer from memory, both programs with system calls
//! ([`ThisMachine`](super::this_machine::ThisMachine)).

use alloc::vec::Vec;
use core::ffi::CStr;

/// What a path leads to, following links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Nothing.
    Missing,
    /// A regular file.
    Regular,
    /// Anything else, or something that cannot be inspected.
    Other,
}

/// The state of a file. As long as it is equal, the content is assumed to be unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileState {
    /// The device. Not compared over time: a reboot or another container changes it.
    pub dev: u64,
    /// The inode.
    pub ino: u64,
    /// The size in bytes.
    pub size: u64,
    /// The modification time in seconds since 1970; two's complement.
    pub mtime: u64,
    /// The nanoseconds of the modification time.
    pub mtime_nsec: u64,
}

/// Called for each process with the kernel's name for it and a function that finds the path of its executable.
/// Returns true to stop.
pub type Visitor<'v> = dyn FnMut(&[u8], &dyn Fn() -> Vec<u8>) -> bool + 'v;

/// What [`decide`](super::decision::decide) may ask the machine.
pub trait Machine {
    /// An open directory: a look-up relative to it costs a third less than a look-up of the whole path.
    type DirHandle;

    /// What is at `path`.
    fn kind(&self, path: &CStr) -> FileKind;

    /// What is at `path`, which the call will write. Returns `Regular` only for a file that a launcher replaces the
    /// same way as the compiler does. That excludes a symbolic link (clang replaces the link with an object, but
    /// writes a dependency file through it) and a file that this user may not write to (clang refuses, a launcher
    /// renames another file over it). With `keeps_mode`, the compiler may leave the file's mode unchanged, so the
    /// mode must equal that of a new file.
    fn kind_to_write(&self, path: &CStr, keeps_mode: bool) -> FileKind;

    /// The content of a response file; `None` if it is not a regular file, cannot be read or is longer than
    /// [`BUDGET`].
    fn read(&self, path: &CStr) -> Option<Vec<u8>>;

    /// Whether the file at `path` contains `word` after `mark`, ignoring case, with at most a few blanks between
    /// them. Also true if this cannot be determined.
    fn holds(&self, path: &CStr, mark: u8, word: &[u8]) -> bool;

    /// The working directory as the kernel reports it; empty if unknown.
    fn cwd(&self) -> Vec<u8>;

    /// The state of the file at `path`, following links; `path` is relative to the working directory.
    fn file_state(&self, path: &CStr) -> Option<FileState>;

    /// Opens the directory `dir`, a path relative to the compiler's own directory, or that directory itself if
    /// `dir` is empty; `None` if it does not exist.
    fn open_dir(&self, dir: &CStr) -> Option<Self::DirHandle>;

    /// The state of the file at `path` relative to an open directory, following links.
    fn state_in(&self, place: &Self::DirHandle, path: &CStr) -> Option<FileState>;

    /// Visits the wanted entries of a directory with their state, in any order. Inspecting each of a library
    /// directory's thousand files would cost more than everything else.
    fn list(&self, dir: &CStr, wanted: fn(&CStr) -> bool, visit: &mut dyn FnMut(&CStr, FileState));

    /// Seconds since 1970.
    fn now(&self) -> u64;

    /// The output of the program `tool` beside the compiler, run with that argument; `None` if it fails or cannot
    /// be run.
    fn ask(&self, tool: &CStr, argument: Option<&CStr>) -> Option<Vec<u8>>;

    /// Writes a file in the user's cache directory, so that [`read`](Machine::read) finds it later. Failures are
    /// ignored.
    fn keep(&self, path: &CStr, content: &[u8]);

    /// Visits up to four ancestors of this process, nearest first, with the kernel's name of the process and, on
    /// request, the path of its executable (empty if it cannot be read). Stops when `visit` returns true.
    fn ancestors(&self, visit: &mut Visitor<'_>);
}
