//! Open files and directories.

use alloc::vec::Vec;
use core::ffi::CStr;

use super::*;

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

    /// Opens the directory `path`, for lookups inside it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open_dir(path: &CStr) -> Result<Self, Errno> {
        Self::at(AT_FDCWD, path, O_PATH | O_DIRECTORY)
    }

    /// Opens `path`, which must exist, for appending.
    ///
    /// # Errors
    /// The kernel's.
    pub fn append(path: &CStr) -> Result<Self, Errno> {
        const O_WRONLY: usize = 1;
        const O_APPEND: usize = 0o2000;
        Self::with_flags(path, O_WRONLY | O_APPEND)
    }

    /// Opens `path` for writing at its beginning; creates it, accessible to this user only, if it does not exist.
    /// Never follows a symbolic link.
    ///
    /// # Errors
    /// The kernel's.
    pub fn create(path: &CStr) -> Result<Self, Errno> {
        const O_WRONLY: usize = 1;
        const O_CREAT: usize = 0o100;
        const O_NOFOLLOW: usize = 0o400_000;
        Self::with_flags(path, O_WRONLY | O_CREAT | O_NOFOLLOW)
    }

    /// Like [`create`](Self::create), but in rock-wrap's directory in the user's cache, which is created if
    /// missing.
    #[must_use]
    #[cold]
    pub fn create_with_directories(path: &CStr) -> Option<Self> {
        let own = parent(path.to_bytes());
        for dir in [parent(own), own] {
            // If this fails, opening a file in the directory reports it.
            let _ = make_dir(&CString::new(dir).ok()?);
        }
        Self::create(path).ok()
    }

    /// Opens `path` for writing and truncates it; creates it if it does not exist.
    ///
    /// # Errors
    /// The kernel's.
    pub fn replace(path: &CStr) -> Result<Self, Errno> {
        const O_WRONLY: usize = 1;
        const O_CREAT: usize = 0o100;
        const O_TRUNC: usize = 0o1000;
        Self::with_flags(path, O_WRONLY | O_CREAT | O_TRUNC)
    }

    /// Opens `path`, which must not be a symbolic link, for reading, without blocking.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open_itself(path: &CStr) -> Result<Self, Errno> {
        const O_NONBLOCK: usize = 0o4000;
        const O_NOFOLLOW: usize = 0o400_000;
        Self::with_flags(path, O_NONBLOCK | O_NOFOLLOW)
    }

    /// Creates a pipe: the read end, then the write end. Programs that are started do not inherit it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn pipe() -> Result<(Self, Self), Errno> {
        const O_CLOEXEC: usize = 0o2_000_000;
        let mut ends = [0_i32; 2];
        let args = [ends.as_mut_ptr() as usize, O_CLOEXEC, 0, 0, 0, 0];
        // SAFETY: the kernel writes two descriptors.
        unsafe { syscall(PIPE2, args) }?;
        let [read, write] = ends;
        Ok((Self(read as usize), Self(write as usize)))
    }

    /// Creates an anonymous file.
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

    /// Wraps a descriptor that is already open.
    ///
    /// # Safety
    /// Nothing else closes `descriptor`.
    #[must_use]
    pub unsafe fn from_descriptor(descriptor: usize) -> Self {
        Self(descriptor)
    }

    /// The descriptor's number.
    #[must_use]
    pub fn descriptor(&self) -> usize {
        self.0
    }

    /// The state of the open file itself.
    ///
    /// # Errors
    /// The kernel's.
    pub fn own_stat(&self) -> Result<Stat, Errno> {
        const AT_EMPTY_PATH: usize = 0x1000;
        stat_at(self.0, c"", AT_EMPTY_PATH)
    }

    /// Sets the file's mode, if permitted.
    pub fn set_mode(&self, mode: u32) {
        // SAFETY: takes numbers.
        let _ = unsafe { syscall(FCHMOD, [self.0, mode as usize, 0, 0, 0, 0]) };
    }

    fn with_flags(path: &CStr, flags: usize) -> Result<Self, Errno> {
        Self::at(AT_FDCWD, path, flags)
    }

    fn at(from: usize, path: &CStr, flags: usize) -> Result<Self, Errno> {
        const O_CLOEXEC: usize = 0o2_000_000;
        const USER_ONLY: usize = 0o600;
        let args = [
            from,
            path.as_ptr() as usize,
            flags | O_CLOEXEC,
            USER_ONLY,
            0,
            0,
        ];
        // SAFETY: `path` ends with a NUL.
        unsafe { syscall(OPENAT, args) }.map(File)
    }

    /// The state of `path` relative to this directory.
    ///
    /// # Errors
    /// The kernel's.
    pub fn stat(&self, path: &CStr) -> Result<Stat, Errno> {
        stat_at(self.0, path, 0)
    }

    /// Reads the next entries of this directory, as many as the kernel returns at once; empty at the end.
    ///
    /// # Errors
    /// The kernel's.
    pub fn entries(&self) -> Result<Vec<u8>, Errno> {
        const AT_ONCE: usize = 8192;
        filled(AT_ONCE, |room| {
            // SAFETY: the kernel writes at most the buffer's length.
            unsafe { syscall(GETDENTS64, [self.0, room, AT_ONCE, 0, 0, 0]) }
        })
    }

    /// Reads the next entries of this directory into a reusable buffer; false at the end.
    pub fn more_entries(&self, buffer: &mut Vec<u8>) -> bool {
        const AT_ONCE: usize = 8192;
        buffer.clear();
        buffer.reserve(AT_ONCE);
        let args = [self.0, buffer.as_mut_ptr() as usize, AT_ONCE, 0, 0, 0];
        // SAFETY: the kernel writes at most the room that was reserved.
        let length = unsafe { syscall(GETDENTS64, args) }.unwrap_or(0);
        // SAFETY: the kernel wrote this many bytes.
        unsafe { buffer.set_len(length) };
        length > 0
    }

    /// Reads the target of the symbolic link `name` in this directory, truncated to the buffer; returns its length.
    ///
    /// # Errors
    /// The kernel's.
    pub fn link_target(&self, name: &CStr, buffer: &mut [u8]) -> Result<usize, Errno> {
        let (start, len) = (buffer.as_mut_ptr() as usize, buffer.len());
        let args = [self.0, name.as_ptr() as usize, start, len, 0, 0];
        // SAFETY: `name` ends with a NUL, and the kernel writes at most the buffer's length.
        unsafe { syscall(READLINKAT, args) }
    }

    /// Writes with a single call; drops what does not fit into it.
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

    /// Appends to `buffer`, up to its capacity; 0 at the end.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read_more(&self, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
        let room = buffer.spare_capacity_mut();
        let args = [self.0, room.as_mut_ptr() as usize, room.len(), 0, 0, 0];
        // SAFETY: the kernel writes at most the length of the spare capacity.
        let read = unsafe { syscall(READ, args) }?;
        // SAFETY: the kernel wrote this many bytes after the existing content.
        unsafe { buffer.set_len(buffer.len() + read) };
        Ok(read)
    }

    /// Like [`read`](Self::read), but from the start of the file, independent of the file offset.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read_from_start(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let args = [self.0, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0];
        // SAFETY: the kernel writes at most the buffer's length.
        unsafe { syscall(PREAD64, args) }
    }
}

/// Iterates over the names in the result of [`File::entries`].
pub struct EntryNames<'b>(pub &'b [u8]);

impl<'b> Iterator for EntryNames<'b> {
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
