//! A connection to a server on this machine that may be mute: nothing in here waits. Layouts as in
//! [`sys`](crate::sys).

use core::ffi::CStr;

use crate::sys::{Errno, File, syscall};

const SOCKET: usize = 41;
const CONNECT: usize = 42;
const SENDTO: usize = 44;
const RECVFROM: usize = 45;

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;

/// A connection that is there or under way.
pub struct Socket(File);

impl Socket {
    /// To a port of the loopback interface; `None` where nobody listens.
    pub fn of_port(port: u16) -> Option<Self> {
        let mut address = [0; 16];
        address[..2].copy_from_slice(&AF_INET.to_ne_bytes());
        address[2..4].copy_from_slice(&port.to_be_bytes());
        address[4..8].copy_from_slice(&[127, 0, 0, 1]);
        Self::connect(AF_INET, &address)
    }

    /// To a socket in the file system; `None` where nobody listens.
    pub fn of_path(path: &CStr) -> Option<Self> {
        let mut address = [0; 110];
        address[..2].copy_from_slice(&AF_UNIX.to_ne_bytes());
        let path = path.to_bytes();
        address.get_mut(2..2 + path.len())?.copy_from_slice(path);
        Self::connect(AF_UNIX, &address)
    }

    fn connect(family: u16, address: &[u8]) -> Option<Self> {
        const SOCK_STREAM_NONBLOCK_CLOEXEC: usize = 0o2_004_001;
        let args = [usize::from(family), SOCK_STREAM_NONBLOCK_CLOEXEC, 0, 0, 0, 0];
        // SAFETY: takes numbers, and gives a descriptor that is nobody else's.
        let socket = unsafe { File::from_descriptor(syscall(SOCKET, args).ok()?) };
        let args = [socket.descriptor(), address.as_ptr() as usize, address.len(), 0, 0, 0];
        // SAFETY: reads the slice only.
        match unsafe { syscall(CONNECT, args) } {
            // A full queue: a TCP connection is made later, one in the file system is not.
            Ok(_) | Err(Errno::EINPROGRESS | Errno::EAGAIN) => Some(Self(socket)),
            Err(_) => None,
        }
    }

    /// Sends what it takes at once.
    pub fn send(&self, bytes: &[u8]) {
        const MSG_NOSIGNAL: usize = 0x4000;
        let (start, len) = (bytes.as_ptr() as usize, bytes.len());
        let args = [self.0.descriptor(), start, len, MSG_NOSIGNAL, 0, 0];
        // SAFETY: reads the slice only. What is not taken is not answered.
        let _ = unsafe { syscall(SENDTO, args) };
    }

    /// Whether there is an answer, be it that the other end hangs up.
    pub fn has_answer(&self) -> bool {
        let mut byte = 0_u8;
        let args = [self.0.descriptor(), &raw mut byte as usize, 1, 0, 0, 0];
        // SAFETY: the kernel writes at most one byte.
        let received = unsafe { syscall(RECVFROM, args) };
        received != Err(Errno::EAGAIN)
    }
}
