//! The system calls that the shim makes, and no others.
//!
//! Raw, because there is no libc: each function is one `syscall` instruction with typed arguments. Numbers and
//! layouts are those of x86-64 Linux (`asm/unistd_64.h`, `asm/stat.h`), which never change.

use crate::shared::paths::base_name;
use alloc::ffi::CString;
mod file;

pub use file::{EntryNames, File};

use alloc::vec::Vec;
use core::arch::asm;
use core::ffi::CStr;
use core::mem::MaybeUninit;

use crate::shared::machine::FileState;

/// A kernel error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// No such file or directory.
    pub const ENOENT: Self = Self(2);
    /// The directory is not empty.
    pub const ENOTEMPTY: Self = Self(39);
    /// Interrupted by a signal.
    pub const EINTR: Self = Self(4);
    /// Try again.
    pub const EAGAIN: Self = Self(11);
    /// Argument list too long.
    pub const E2BIG: Self = Self(7);
    /// Not a directory.
    pub const ENOTDIR: Self = Self(20);
    /// Operation in progress.
    pub const EINPROGRESS: Self = Self(115);

    /// Whether the error means that a path does not exist.
    #[must_use]
    pub fn means_missing(self) -> bool {
        matches!(self, Self::ENOENT | Self::ENOTDIR)
    }

    /// Why the kernel refuses to execute an existing file.
    #[must_use]
    #[cold]
    pub fn text(self) -> &'static [u8] {
        match self {
            Self::E2BIG => b"argument list too long",
            Self(1 | 13) => b"permission denied",
            Self(8) => b"exec format error",
            Self(12) => b"out of memory",
            Self(26) => b"text file busy",
            Self(36) => b"file name too long",
            Self(40) => b"too many levels of symbolic links",
            _ => b"the system refuses",
        }
    }
}

const READ: usize = 0;
const WRITE: usize = 1;
const CLOSE: usize = 3;
const POLL: usize = 7;
const MMAP: usize = 9;
const IOCTL: usize = 16;
const PREAD64: usize = 17;
const ACCESS: usize = 21;
const DUP2: usize = 33;
const EXECVE: usize = 59;
const GETPID: usize = 39;
const GETCWD: usize = 79;
const MKDIR: usize = 83;
const RMDIR: usize = 84;
const UNLINK: usize = 87;
const READLINK: usize = 89;
const FCHMOD: usize = 91;
const UMASK: usize = 95;
const GETEUID: usize = 107;
const GETPPID: usize = 110;
const GETXATTR: usize = 191;
const CLOCK_GETTIME: usize = 228;
const EXIT_GROUP: usize = 231;
const GETDENTS64: usize = 217;
const OPENAT: usize = 257;
const NEWFSTATAT: usize = 262;
const READLINKAT: usize = 267;
const PIPE2: usize = 293;
const GETRANDOM: usize = 318;
const MEMFD_CREATE: usize = 319;

/// Stands for the working directory where a directory descriptor is expected.
const AT_FDCWD: usize = -100_isize as usize;
const O_DIRECTORY: usize = 0o200_000;
const O_PATH: usize = 0o10_000_000;

/// Makes a system call.
///
/// # Safety
/// The arguments must be what the call with this number expects.
pub unsafe fn syscall(number: usize, args: [usize; 6]) -> Result<usize, Errno> {
    let result: isize;
    // SAFETY: the kernel changes only rax, rcx, r11 and the memory that the caller's pointers lead to.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") args[0], in("rsi") args[1],
            in("rdx") args[2], in("r10") args[3], in("r8") args[4], in("r9") args[5],
            out("rcx") _, out("r11") _, options(nostack));
    }
    if (-4095..0).contains(&result) {
        Err(Errno(-result as i32))
    } else {
        Ok(result as usize)
    }
}

/// A null-terminated list of C strings, as `execve` takes it.
pub type StringList = *const *const u8;

/// Replaces this process; returns only on failure.
///
/// # Safety
/// Both lists end with a null pointer and all their strings with a NUL.
pub unsafe fn execve(path: &CStr, argv: StringList, envp: StringList) -> Errno {
    let args = [
        path.as_ptr() as usize,
        argv as usize,
        envp as usize,
        0,
        0,
        0,
    ];
    // SAFETY: the caller vouches for the lists.
    match unsafe { syscall(EXECVE, args) } {
        Err(errno) => errno,
        // A successful execve does not return.
        Ok(_) => Errno(0),
    }
}

/// Ends this process.
pub fn exit(code: i32) -> ! {
    loop {
        // SAFETY: takes one number.
        let _ = unsafe { syscall(EXIT_GROUP, [code as usize, 0, 0, 0, 0, 0]) };
    }
}

/// The longest path that the kernel accepts or returns, including its NUL.
const PATH_MAX: usize = 4096;

/// The bytes that a call writes into a buffer of at most `max` bytes. The buffer is on the heap and not zeroed, so that
/// only the pages that the call writes to are touched.
fn filled(max: usize, fill: impl FnOnce(usize) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = Vec::<u8>::with_capacity(max);
    let len = fill(buffer.as_mut_ptr() as usize)?;
    // SAFETY: the kernel wrote as many bytes as it returned, and no more than the room that it was given.
    unsafe { buffer.set_len(len) };
    buffer.shrink_to_fit();
    Ok(buffer)
}

/// The target of a symbolic link, truncated to the kernel's longest path.
///
/// # Errors
/// The kernel's.
pub fn readlink(path: &CStr) -> Result<Vec<u8>, Errno> {
    filled(PATH_MAX, |room| {
        let args = [path.as_ptr() as usize, room, PATH_MAX, 0, 0, 0];
        // SAFETY: `path` ends with a NUL, and the kernel writes at most the buffer's length.
        unsafe { syscall(READLINK, args) }
    })
}

/// The parent process's ID; 0 if the parent is in another PID namespace.
pub fn getppid() -> usize {
    // SAFETY: takes no arguments, cannot fail.
    unsafe { syscall(GETPPID, [0; 6]) }.unwrap_or(0)
}

/// The effective user ID of this process.
#[must_use]
pub fn user() -> usize {
    // SAFETY: takes no arguments, cannot fail.
    unsafe { syscall(GETEUID, [0; 6]) }.unwrap_or(0)
}

/// The ID of this process.
#[must_use]
pub fn getpid() -> usize {
    // SAFETY: takes no arguments, cannot fail.
    unsafe { syscall(GETPID, [0; 6]) }.unwrap_or(0)
}

/// Nanoseconds since 1970.
#[must_use]
pub fn now() -> u64 {
    const CLOCK_REALTIME: usize = 0;
    clock(CLOCK_REALTIME)
}

/// Nanoseconds since boot, including time suspended.
#[must_use]
pub fn since_boot() -> u64 {
    const CLOCK_BOOTTIME: usize = 7;
    clock(CLOCK_BOOTTIME)
}

fn clock(which: usize) -> u64 {
    let mut time = [0u64; 2];
    let args = [which, time.as_mut_ptr() as usize, 0, 0, 0, 0];
    // SAFETY: the kernel writes seconds and nanoseconds.
    let _ = unsafe { syscall(CLOCK_GETTIME, args) };
    time[0] * 1_000_000_000 + time[1]
}

/// The metadata of a file, as `stat` returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The file's identity and the state of its content.
    pub file_state: FileState,
    /// `st_mode`: file type and permissions.
    pub mode: u32,
    /// Number of hard links.
    pub links: u64,
    /// Its owner.
    pub user: u32,
    /// When its content, name or metadata last changed, in nanoseconds since 1970.
    pub changed: u64,
}

impl Stat {
    /// The permission bits.
    #[must_use]
    pub fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        const S_IFMT: u32 = 0o170_000;
        const S_IFREG: u32 = 0o100_000;
        self.mode & S_IFMT == S_IFREG
    }
}

/// The metadata of the file at `path`, following links.
///
/// # Errors
/// The kernel's.
pub fn stat(path: &CStr) -> Result<Stat, Errno> {
    stat_at(AT_FDCWD, path, 0)
}

/// Whether `path` itself is a regular file, rather than a link to one.
#[must_use]
pub fn is_regular(path: &CStr) -> bool {
    stat_itself(path).is_ok_and(|stat| stat.is_regular())
}

/// The metadata of the file at `path`, without following a link.
///
/// # Errors
/// The kernel's.
pub fn stat_itself(path: &CStr) -> Result<Stat, Errno> {
    const AT_SYMLINK_NOFOLLOW: usize = 0x100;
    stat_at(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW)
}

/// Whether this user may write to the file at `path`.
#[must_use]
pub fn may_write(path: &CStr) -> bool {
    const W_OK: usize = 2;
    // SAFETY: `path` ends with a NUL.
    unsafe { syscall(ACCESS, [path.as_ptr() as usize, W_OK, 0, 0, 0, 0]) }.is_ok()
}

/// Reads an extended attribute of the file at `path`, following links; returns its length.
///
/// # Errors
/// The kernel's.
pub fn attribute(path: &CStr, name: &CStr, buffer: &mut [u8]) -> Result<usize, Errno> {
    let (path, name) = (path.as_ptr() as usize, name.as_ptr() as usize);
    let args = [path, name, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0];
    // SAFETY: both strings end with a NUL, and the kernel writes at most the buffer's length.
    unsafe { syscall(GETXATTR, args) }
}

/// `mode` without the umask's bits: the mode of a newly created file.
#[must_use]
pub fn new_mode(mode: u32) -> u32 {
    // The umask can only be read by setting it. This process has one thread.
    // SAFETY: takes a number.
    let set = |mask: usize| unsafe { syscall(UMASK, [mask, 0, 0, 0, 0, 0]) }.unwrap_or(0);
    let mask = set(0o077);
    set(mask);
    mode & !(mask as u32)
}

fn stat_at(directory: usize, path: &CStr, flags: usize) -> Result<Stat, Errno> {
    let mut stat = MaybeUninit::<[u64; 18]>::uninit(); // struct stat: 144 bytes
    let args = [
        directory,
        path.as_ptr() as usize,
        stat.as_mut_ptr() as usize,
        flags,
        0,
        0,
    ];
    // SAFETY: `path` ends with a NUL, and the buffer is as large as the kernel's struct stat.
    unsafe { syscall(NEWFSTATAT, args) }?;
    // SAFETY: the kernel has filled it in.
    let stat = unsafe { stat.assume_init() };
    // st_dev, st_ino, st_nlink; st_mode is the lower half of the fourth word; st_size is at offset 48, st_mtim at
    // 88, st_ctim at 104.
    let file_state = FileState {
        dev: stat[0],
        ino: stat[1],
        size: stat[6],
        mtime: stat[11],
        mtime_nsec: stat[12],
    };
    Ok(Stat {
        file_state,
        mode: stat[3] as u32,
        links: stat[2],
        user: (stat[3] >> 32) as u32,
        changed: stat[13] * 1_000_000_000 + stat[14],
    })
}

/// The working directory; empty if unknown.
#[must_use]
pub fn getcwd() -> Vec<u8> {
    let cwd = filled(PATH_MAX, |room| {
        // SAFETY: the kernel writes at most the buffer's length, including a final NUL.
        unsafe { syscall(GETCWD, [room, PATH_MAX, 0, 0, 0, 0]) }
    });
    let mut cwd = cwd.unwrap_or_default();
    cwd.pop();
    cwd
}

/// Creates a directory accessible to this user only.
///
/// # Errors
/// The kernel's.
pub fn make_dir(path: &CStr) -> Result<(), Errno> {
    const USER_ONLY: usize = 0o700;
    // SAFETY: `path` ends with a NUL.
    unsafe { syscall(MKDIR, [path.as_ptr() as usize, USER_ONLY, 0, 0, 0, 0]) }.map(drop)
}

/// Removes an empty directory.
///
/// # Errors
/// The kernel's.
pub fn remove_dir(path: &CStr) -> Result<(), Errno> {
    // SAFETY: `path` ends with a NUL.
    unsafe { syscall(RMDIR, [path.as_ptr() as usize, 0, 0, 0, 0, 0]) }.map(drop)
}

/// Removes a file. Ignores a failure.
pub fn remove_file(path: &CStr) {
    // SAFETY: `path` ends with a NUL.
    let _ = unsafe { syscall(UNLINK, [path.as_ptr() as usize, 0, 0, 0, 0, 0]) };
}

/// Writes to standard error with a single call; drops what does not fit into it.
pub fn write_stderr(bytes: &[u8]) {
    write(2, bytes);
}

/// Writes all of `bytes`, however long that takes. Returns whether it succeeded; if the reader is gone, the rest is
/// dropped.
#[cold]
pub fn write_all(descriptor: usize, mut bytes: &[u8]) -> bool {
    const POLLOUT: u64 = 4;
    while !bytes.is_empty() {
        let args = [descriptor, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0];
        // SAFETY: only reads the slice.
        match unsafe { syscall(WRITE, args) } {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                // struct pollfd: descriptor (4 bytes), requested and returned events (2 each).
                let mut poll = descriptor as u64 | POLLOUT << 32;
                let args = [&raw mut poll as usize, 1, usize::MAX, 0, 0, 0];
                // SAFETY: points to one struct pollfd.
                let _ = unsafe { syscall(POLL, args) };
            }
            Err(_) => return false,
        }
    }
    true
}

/// Unpredictable bytes; zeros if the kernel has none.
#[must_use]
pub fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    let args = [bytes.as_mut_ptr() as usize, bytes.len(), 0, 0, 0, 0];
    // SAFETY: the kernel writes at most the buffer's length.
    let _ = unsafe { syscall(GETRANDOM, args) };
    bytes
}

/// Whether a descriptor leads to a terminal.
#[must_use]
pub fn is_terminal(descriptor: usize) -> bool {
    const TCGETS: usize = 0x5401;
    let mut settings = [0_u64; 8];
    let args = [descriptor, TCGETS, settings.as_mut_ptr() as usize, 0, 0, 0];
    // SAFETY: there is room for the kernel's struct termios, 36 bytes.
    unsafe { syscall(IOCTL, args) }.is_ok()
}

/// Makes the descriptor `to` a duplicate of `from`.
pub fn duplicate(from: usize, to: usize) {
    // SAFETY: takes numbers. It fails only if `from` is closed; then `to` keeps its meaning.
    let _ = unsafe { syscall(DUP2, [from, to, 0, 0, 0, 0]) };
}

fn write(descriptor: usize, bytes: &[u8]) {
    let args = [descriptor, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0];
    // SAFETY: only reads the slice. Nothing can be done about a message that cannot be written.
    let _ = unsafe { syscall(WRITE, args) };
}

/// Maps `len` bytes of zeroed memory; null on failure.
pub fn map(len: usize) -> *mut u8 {
    const PROT_READ_WRITE: usize = 3;
    const MAP_PRIVATE_ANONYMOUS: usize = 0x22;
    let args = [
        0,
        len,
        PROT_READ_WRITE,
        MAP_PRIVATE_ANONYMOUS,
        usize::MAX,
        0,
    ];
    // SAFETY: requests new pages at an address of the kernel's choice.
    let address = unsafe { syscall(MMAP, args) };
    address.map_or(core::ptr::null_mut(), |address| address as *mut u8)
}

fn parent(path: &[u8]) -> &[u8] {
    let dir = path.strip_suffix(base_name(path));
    dir.and_then(|dir| dir.strip_suffix(b"/"))
        .unwrap_or_default()
}
