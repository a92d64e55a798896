//! The system calls that the shim makes, and no others.
//!
//! Raw, since there is no libc: each function is one `syscall` instruction with its types put
//! right. Numbers and layouts are those of x86-64 Linux (`asm/unistd_64.h`, `asm/stat.h`), which
//! never change.

use core::arch::asm;
use core::ffi::CStr;
use core::mem::MaybeUninit;

use crate::decide::Stamp;

/// An error number of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// No such file or directory.
    pub const ENOENT: Self = Self(2);
    /// Interrupted by a signal.
    pub const EINTR: Self = Self(4);
    /// Not now.
    pub const EAGAIN: Self = Self(11);
    /// Argument list too long.
    pub const E2BIG: Self = Self(7);
    /// Not a directory.
    pub const ENOTDIR: Self = Self(20);
    /// Under way.
    pub const EINPROGRESS: Self = Self(115);

    /// Whether a path led nowhere.
    #[must_use]
    pub fn means_missing(self) -> bool {
        matches!(self, Self::ENOENT | Self::ENOTDIR)
    }

    /// The reasons for which the kernel refuses to execute a file that is there.
    #[must_use]
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
const OPEN: usize = 2;
const CLOSE: usize = 3;
const MMAP: usize = 9;
const PREAD64: usize = 17;
const DUP2: usize = 33;
const EXECVE: usize = 59;
const GETPID: usize = 39;
const GETCWD: usize = 79;
const MKDIR: usize = 83;
const READLINK: usize = 89;
const GETPPID: usize = 110;
const CLOCK_GETTIME: usize = 228;
const EXIT_GROUP: usize = 231;
const GETDENTS64: usize = 217;
const NEWFSTATAT: usize = 262;
const MEMFD_CREATE: usize = 319;

/// Calls the kernel.
///
/// # Safety
/// The arguments must be what the call with this number expects.
pub(super) unsafe fn syscall(number: usize, args: [usize; 6]) -> Result<usize, Errno> {
    let result: isize;
    // SAFETY: the kernel changes only rax, rcx, r11 and what the caller's pointers lead to.
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

/// A list of C strings that ends with a null pointer, as `execve` takes it.
pub type StringList = *const *const u8;

/// Replaces this process; returns only where that fails.
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
        // The kernel does not return from an execve that worked.
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

/// The longest path that the kernel takes or gives, with its NUL.
const PATH_MAX: usize = 4096;

/// Room for a path. Not filled with zeros, of which the kernel would have to provide the pages.
pub struct PathBuffer([MaybeUninit<u8>; PATH_MAX]);

impl PathBuffer {
    /// One in which nothing is written yet.
    #[must_use]
    pub const fn unwritten() -> Self {
        Self([MaybeUninit::uninit(); PATH_MAX])
    }

    /// # Safety
    /// The first `len` bytes have been written.
    unsafe fn written(&self, len: usize) -> &[u8] {
        // SAFETY: the caller vouches for what the slice shows; `len` is within the buffer.
        unsafe { core::slice::from_raw_parts(self.0[..len].as_ptr().cast(), len) }
    }
}

/// Reads the target of a symbolic link into `buffer`; a longer target is cut.
///
/// # Errors
/// The kernel's.
pub fn readlink<'a>(path: &CStr, buffer: &'a mut PathBuffer) -> Result<&'a [u8], Errno> {
    let args = [
        path.as_ptr() as usize,
        buffer.0.as_mut_ptr() as usize,
        PATH_MAX,
        0,
        0,
        0,
    ];
    // SAFETY: `path` ends with a NUL, and the kernel writes at most the buffer's length.
    let len = unsafe { syscall(READLINK, args) }?;
    // SAFETY: so much was written.
    Ok(unsafe { buffer.written(len) })
}

/// The process that started this one; 0 where it is in another PID namespace.
pub fn getppid() -> usize {
    // SAFETY: takes nothing, cannot fail.
    unsafe { syscall(GETPPID, [0; 6]) }.unwrap_or(0)
}

/// This process.
#[must_use]
pub fn getpid() -> usize {
    // SAFETY: takes nothing, cannot fail.
    unsafe { syscall(GETPID, [0; 6]) }.unwrap_or(0)
}

/// Nanoseconds since 1970.
#[must_use]
pub fn now() -> u64 {
    const CLOCK_REALTIME: usize = 0;
    clock(CLOCK_REALTIME)
}

/// Nanoseconds since boot, suspended time included.
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

/// A file, as `stat` knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Which file it is, and the state of its content.
    pub stamp: Stamp,
    /// `st_mode`: kind and permissions.
    pub mode: u32,
}

/// The file that `path` leads to.
///
/// # Errors
/// The kernel's.
pub fn stat(path: &CStr) -> Result<Stat, Errno> {
    const AT_FDCWD: usize = -100_isize as usize;
    stat_at(AT_FDCWD, path, 0)
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
    // st_dev, st_ino, st_nlink, st_mode in the lower half of the fourth word; st_size at 48, st_mtim
    // at 88.
    let stamp = Stamp {
        dev: stat[0],
        ino: stat[1],
        size: stat[6],
        mtime: stat[11],
        mtime_nsec: stat[12],
    };
    Ok(Stat {
        stamp,
        mode: stat[3] as u32,
    })
}

/// The working directory, written into `buffer`.
///
/// # Errors
/// The kernel's.
pub fn getcwd(buffer: &mut PathBuffer) -> Result<&CStr, Errno> {
    // SAFETY: the kernel writes at most the buffer's length.
    let len = unsafe {
        syscall(
            GETCWD,
            [buffer.0.as_mut_ptr() as usize, PATH_MAX, 0, 0, 0, 0],
        )
    }?;
    // SAFETY: so much was written, the NUL among it.
    let path = unsafe { buffer.written(len) };
    Ok(CStr::from_bytes_until_nul(path).unwrap_or_default())
}

/// Makes a directory for this user alone, if it is not there.
pub fn make_dir(path: &CStr) {
    const USER_ONLY: usize = 0o700;
    // SAFETY: `path` ends with a NUL. What is not made will be missed by whoever opens a file in it.
    let _ = unsafe { syscall(MKDIR, [path.as_ptr() as usize, USER_ONLY, 0, 0, 0, 0]) };
}

/// Writes to standard error; what does not fit into one write is dropped.
pub fn write_stderr(bytes: &[u8]) {
    write(2, bytes);
}

/// Makes the descriptor `to` another name of `from`.
pub fn duplicate(from: usize, to: usize) {
    // SAFETY: takes numbers. Where it fails, `from` is closed, and `to` stays what it was.
    let _ = unsafe { syscall(DUP2, [from, to, 0, 0, 0, 0]) };
}

fn write(descriptor: usize, bytes: &[u8]) {
    let args = [descriptor, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0];
    // SAFETY: reads the slice only. Nothing can be done about a message that nobody takes.
    let _ = unsafe { syscall(WRITE, args) };
}

/// An open file, closed when dropped.
pub struct File(usize);

impl File {
    /// Opens `path` for reading.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(path: &CStr) -> Result<Self, Errno> {
        Self::with_flags(path, 0)
    }

    /// Opens the directory `path`, for looks at what is in it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn place(path: &CStr) -> Result<Self, Errno> {
        const O_DIRECTORY: usize = 0o200_000;
        const O_PATH: usize = 0o10_000_000;
        Self::with_flags(path, O_PATH | O_DIRECTORY)
    }

    /// Opens `path`, which must exist, for writing at its end.
    ///
    /// # Errors
    /// The kernel's.
    pub fn append(path: &CStr) -> Result<Self, Errno> {
        const O_WRONLY: usize = 1;
        const O_APPEND: usize = 0o2000;
        Self::with_flags(path, O_WRONLY | O_APPEND)
    }

    /// Opens `path` for writing at its beginning, and makes it, for this user alone, if it is not
    /// there. Never through a link.
    ///
    /// # Errors
    /// The kernel's.
    pub fn create(path: &CStr) -> Result<Self, Errno> {
        const O_WRONLY: usize = 1;
        const O_CREAT: usize = 0o100;
        const O_NOFOLLOW: usize = 0o400_000;
        Self::with_flags(path, O_WRONLY | O_CREAT | O_NOFOLLOW)
    }

    /// A file without a name.
    #[must_use]
    pub fn anonymous() -> Option<Self> {
        const MFD_CLOEXEC: usize = 1;
        let name = c"rock-wrap";
        // SAFETY: `name` ends with a NUL.
        let file = unsafe {
            syscall(
                MEMFD_CREATE,
                [name.as_ptr() as usize, MFD_CLOEXEC, 0, 0, 0, 0],
            )
        };
        file.ok().map(File)
    }

    /// A file that is open already.
    ///
    /// # Safety
    /// Nobody else closes `descriptor`.
    #[must_use]
    pub unsafe fn from_descriptor(descriptor: usize) -> Self {
        Self(descriptor)
    }

    /// The number that the kernel knows it by.
    #[must_use]
    pub fn descriptor(&self) -> usize {
        self.0
    }

    /// The state of this file itself.
    ///
    /// # Errors
    /// The kernel's.
    pub fn own_stat(&self) -> Result<Stat, Errno> {
        const AT_EMPTY_PATH: usize = 0x1000;
        stat_at(self.0, c"", AT_EMPTY_PATH)
    }

    fn with_flags(path: &CStr, flags: usize) -> Result<Self, Errno> {
        const O_CLOEXEC: usize = 0o2_000_000;
        const USER_ONLY: usize = 0o600;
        let args = [
            path.as_ptr() as usize,
            flags | O_CLOEXEC,
            USER_ONLY,
            0,
            0,
            0,
        ];
        // SAFETY: `path` ends with a NUL.
        unsafe { syscall(OPEN, args) }.map(File)
    }

    /// The state of `path` as seen from this directory.
    ///
    /// # Errors
    /// The kernel's.
    pub fn stat(&self, path: &CStr) -> Result<Stat, Errno> {
        stat_at(self.0, path, 0)
    }

    /// Reads as many entries of this directory as fit into `buffer`; 0 bytes at the end.
    ///
    /// # Errors
    /// The kernel's.
    pub fn entries<'b>(&self, buffer: &'b mut [u8]) -> Result<Entries<'b>, Errno> {
        let args = [self.0, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0];
        // SAFETY: the kernel writes at most the buffer's length.
        let len = unsafe { syscall(GETDENTS64, args) }?;
        Ok(Entries(&buffer[..len]))
    }

    /// Writes at once; what does not fit into one write is dropped.
    pub fn write(&self, bytes: &[u8]) {
        write(self.0, bytes);
    }

    /// Reads at most the buffer's length; 0 at the end.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let args = [self.0, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0];
        // SAFETY: the kernel writes at most the buffer's length.
        unsafe { syscall(READ, args) }
    }

    /// The same from the beginning, wherever others read or write.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read_from_start(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let args = [self.0, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0];
        // SAFETY: the kernel writes at most the buffer's length.
        unsafe { syscall(PREAD64, args) }
    }
}

/// Names in a directory.
pub struct Entries<'b>(&'b [u8]);

impl Entries<'_> {
    /// Whether the directory had no more.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'b> Iterator for Entries<'b> {
    type Item = &'b CStr;

    fn next(&mut self) -> Option<&'b CStr> {
        // struct linux_dirent64: inode, offset (8 bytes each), length (2), kind (1), name.
        let length = u16::from_le_bytes([*self.0.get(16)?, *self.0.get(17)?]);
        let (entry, rest) = self.0.split_at_checked(usize::from(length))?;
        self.0 = rest;
        CStr::from_bytes_until_nul(entry.get(19..)?).ok()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours.
        let _ = unsafe { syscall(CLOSE, [self.0, 0, 0, 0, 0, 0]) };
    }
}

/// `len` bytes of fresh zeroed memory, or null.
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
    // SAFETY: asks for new pages at an address of the kernel's choice.
    let address = unsafe { syscall(MMAP, args) };
    address.map_or(core::ptr::null_mut(), |address| address as *mut u8)
}
