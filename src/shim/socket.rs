//! A connection to a server on this machine that may be mute: nothing in here waits for longer than it
//! is told to. Layouts as in [`sys`](crate::sys).

use alloc::vec::Vec;

use crate::sys::{Errno, File, syscall};

const SOCKET: usize = 41;
const CONNECT: usize = 42;
const SENDTO: usize = 44;
const RECVFROM: usize = 45;
const SETSOCKOPT: usize = 54;
const GETSOCKOPT: usize = 55;

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;

const SOL_SOCKET: usize = 1;

/// For how long a call on a connection waits for the other end.
#[derive(Clone, Copy)]
pub enum Wait {
    /// Not at all.
    Never,
    /// So many seconds.
    Seconds(u64),
}

/// A connection that is there or, for one that never waits, under way.
pub struct Socket(File);

impl Socket {
    /// To a port of the loopback interface; `None` where nobody listens.
    pub fn of_port(port: u16, wait: Wait) -> Option<Self> {
        let mut address = [0; 16];
        address[..2].copy_from_slice(&AF_INET.to_ne_bytes());
        address[2..4].copy_from_slice(&port.to_be_bytes());
        address[4..8].copy_from_slice(&[127, 0, 0, 1]);
        Self::connect(AF_INET, &address, wait)
    }

    /// To a socket in the file system or, where `path` begins with a NUL, in Linux's own name space;
    /// `None` where nobody listens.
    pub fn of_path(path: &[u8], wait: Wait) -> Option<Self> {
        // Where a `struct sockaddr_un` has its path.
        const PATH: usize = 2;
        let mut address = [0; 110];
        address[..PATH].copy_from_slice(&AF_UNIX.to_ne_bytes());
        // As long as the path, in which any NUL that followed would count, were it no file's.
        let address = address.get_mut(..PATH + path.len())?;
        address[PATH..].copy_from_slice(path);
        Self::connect(AF_UNIX, address, wait)
    }

    fn connect(family: u16, address: &[u8], wait: Wait) -> Option<Self> {
        const SOCK_STREAM_CLOEXEC: usize = 0o2_000_001;
        const SOCK_NONBLOCK: usize = 0o4000;
        const SO_RCVTIMEO: usize = 20;
        const SO_SNDTIMEO: usize = 21;
        let kind = match wait {
            Wait::Never => SOCK_STREAM_CLOEXEC | SOCK_NONBLOCK,
            Wait::Seconds(_) => SOCK_STREAM_CLOEXEC,
        };
        // SAFETY: takes numbers, and gives a descriptor that is nobody else's.
        let socket = unsafe {
            File::from_descriptor(syscall(SOCKET, [usize::from(family), kind, 0, 0, 0, 0]).ok()?)
        };
        if let Wait::Seconds(seconds) = wait {
            let limit = [seconds, 0];
            for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
                let limit = (limit.as_ptr() as usize, size_of_val(&limit));
                let args = [socket.descriptor(), SOL_SOCKET, option, limit.0, limit.1, 0];
                // SAFETY: reads the struct timeval only.
                unsafe { syscall(SETSOCKOPT, args) }.ok()?;
            }
        }
        let args = [socket.descriptor(), address.as_ptr() as usize, address.len(), 0, 0, 0];
        // SAFETY: reads the slice only.
        match (unsafe { syscall(CONNECT, args) }, wait) {
            (Ok(_), _) => Some(Self(socket)),
            // A full queue: a TCP connection is made later, one in the file system is not.
            (Err(Errno::EINPROGRESS | Errno::EAGAIN), Wait::Never) => Some(Self(socket)),
            (Err(_), _) => None,
        }
    }

    /// The process that listens at the other end, and its user, if that end is in the file system. Process
    /// 0 is one that cannot be seen from here.
    pub fn peer(&self) -> Option<(usize, usize)> {
        const SO_PEERCRED: usize = 17;
        // struct ucred: process, user, group.
        let mut peer = [0_u32; 3];
        let mut length = size_of_val(&peer) as u32;
        let room = (peer.as_mut_ptr() as usize, &raw mut length as usize);
        let args = [self.0.descriptor(), SOL_SOCKET, SO_PEERCRED, room.0, room.1, 0];
        // SAFETY: the kernel writes at most the length given, and then that.
        unsafe { syscall(GETSOCKOPT, args) }.ok()?;
        Some((peer[0] as usize, peer[1] as usize))
    }

    /// Sends what is taken while it may wait, and whether that is all.
    pub fn send(&self, mut bytes: &[u8]) -> bool {
        const MSG_NOSIGNAL: usize = 0x4000;
        while !bytes.is_empty() {
            let (start, len) = (bytes.as_ptr() as usize, bytes.len());
            let args = [self.0.descriptor(), start, len, MSG_NOSIGNAL, 0, 0];
            // SAFETY: reads the slice only.
            match unsafe { syscall(SENDTO, args) } {
                Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
                Err(Errno::EINTR) => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Adds what has arrived to `buffer`, as far as its capacity goes; 0 when the other end has hung up.
    ///
    /// # Errors
    /// The kernel's; [`EAGAIN`](Errno::EAGAIN) where nothing has arrived in time.
    pub fn receive(&self, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
        self.0.read_more(buffer)
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
