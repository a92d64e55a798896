//! A connection to a server on this machine that may not respond: no call here waits longer than it is told to.
//! Layouts as in [`sys`](crate::shared::sys).

use alloc::vec::Vec;

use crate::shared::namespaces::shares_namespaces;
use crate::shared::sys::{self, Errno, File, syscall};

const SOCKET: usize = 41;
const CONNECT: usize = 42;
const SENDTO: usize = 44;
const RECVFROM: usize = 45;
const SETSOCKOPT: usize = 54;
const GETSOCKOPT: usize = 55;

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;

const SOL_SOCKET: usize = 1;

/// How long a call on a connection waits for the other end.
#[derive(Clone, Copy)]
pub enum Wait {
    /// Not at all.
    Never,
    /// This many seconds.
    Seconds(u64),
}

/// A listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The user that owns it.
    pub user: usize,
    /// Its inode number, which the kernel does not reuse for another socket for a long time.
    pub inode: u64,
}

/// The socket that a connection to a port of the loopback interface would reach, by the kernel's own lookup; `None`
/// if there is none. Takes 5 us.
///
/// # Errors
/// If the kernel does not support the query (sock_diag(7)).
pub fn listener(port: u16) -> Result<Option<Listener>, Errno> {
    const AF_NETLINK: usize = 16;
    const SOCK_RAW_CLOEXEC: usize = 0o2_000_003;
    const NETLINK_SOCK_DIAG: usize = 4;
    const SOCK_DIAG_BY_FAMILY: u8 = 20;
    const NLMSG_ERROR: u8 = 2;
    const NLM_F_REQUEST: u8 = 1;
    const TCP: u8 = 6;
    const LISTENING: u8 = 10;
    const LEN: u8 = 72;
    // struct nlmsghdr: length (4 bytes), type, flags (2 each), number, sender (4 each).
    // struct inet_diag_req_v2: family, protocol, extensions, padding (1 each), states (4), then the socket:
    // both ports (2 each, big endian), both addresses (16 each), interface (4), cookie (8).
    let mut request = [0_u8; LEN as usize];
    (request[0], request[4], request[6]) = (LEN, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST);
    (request[16], request[17]) = (AF_INET as u8, TCP);
    request[20..24].copy_from_slice(&(1_u32 << LISTENING).to_ne_bytes());
    request[24..26].copy_from_slice(&port.to_be_bytes());
    request[28..32].copy_from_slice(&[127, 0, 0, 1]);
    request[64..].fill(0xff);
    // SAFETY: takes numbers, and returns a descriptor that nothing else owns.
    let kernel = unsafe {
        let args = [AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_SOCK_DIAG, 0, 0, 0];
        File::from_descriptor(syscall(SOCKET, args)?)
    };
    let args = [
        kernel.descriptor(),
        request.as_ptr() as usize,
        request.len(),
        0,
        0,
        0,
    ];
    // SAFETY: only reads the array.
    unsafe { syscall(SENDTO, args) }?;
    let mut answer = [0_u8; 512];
    let length = kernel.read(&mut answer)?;
    let number = |at: usize| {
        let bytes = answer.get(at..at + 4).filter(|_| at + 4 <= length);
        bytes.and_then(|bytes| Some(u32::from_ne_bytes(bytes.try_into().ok()?)))
    };
    match answer[4] {
        // struct inet_diag_msg: 4 bytes, the socket (48), a timer, two queues, the user, the inode (4 each).
        SOCK_DIAG_BY_FAMILY => Ok(number(80).zip(number(84)).map(|(user, inode)| Listener {
            user: user as usize,
            inode: u64::from(inode),
        })),
        NLMSG_ERROR => match Errno(-(number(16).unwrap_or(0) as i32)) {
            Errno::ENOENT => Ok(None),
            other => Err(other),
        },
        _ => Err(Errno::EAGAIN),
    }
}

/// A connection that is established or, with [`Wait::Never`], in progress.
pub struct Socket(File);

impl Socket {
    /// Connects to a port of the loopback interface; `None` if nothing listens there.
    pub fn of_port(port: u16, wait: Wait) -> Option<Self> {
        let mut address = [0; 16];
        address[..2].copy_from_slice(&AF_INET.to_ne_bytes());
        address[2..4].copy_from_slice(&port.to_be_bytes());
        address[4..8].copy_from_slice(&[127, 0, 0, 1]);
        Self::connect(AF_INET, &address, wait)
    }

    /// Connects to a socket in the file system or, if `path` begins with a NUL, in Linux's abstract namespace;
    /// `None` if nothing listens there.
    pub fn of_path(path: &[u8], wait: Wait) -> Option<Self> {
        // Offset of the path in `struct sockaddr_un`.
        const PATH: usize = 2;
        let mut address = [0; 110];
        address[..PATH].copy_from_slice(&AF_UNIX.to_ne_bytes());
        // The address is exactly as long as the path: in an abstract name, any NUL that followed would count.
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
        // SAFETY: takes numbers, and returns a descriptor that nothing else owns.
        let socket = unsafe {
            File::from_descriptor(syscall(SOCKET, [usize::from(family), kind, 0, 0, 0, 0]).ok()?)
        };
        if let Wait::Seconds(seconds) = wait {
            let limit = [seconds, 0];
            for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
                let limit = (limit.as_ptr() as usize, size_of_val(&limit));
                let args = [socket.descriptor(), SOL_SOCKET, option, limit.0, limit.1, 0];
                // SAFETY: only reads the struct timeval.
                unsafe { syscall(SETSOCKOPT, args) }.ok()?;
            }
        }
        let args = [
            socket.descriptor(),
            address.as_ptr() as usize,
            address.len(),
            0,
            0,
            0,
        ];
        // SAFETY: only reads the slice.
        match (unsafe { syscall(CONNECT, args) }, wait) {
            (Ok(_), _) => Some(Self(socket)),
            // The queue is full: a TCP connection completes later, a Unix socket's does not.
            (Err(Errno::EINPROGRESS | Errno::EAGAIN), Wait::Never) => Some(Self(socket)),
            (Err(_), _) => None,
        }
    }

    /// The process that listens at the other end and its user, for a Unix socket. Process 0 means one that is not
    /// visible from here.
    pub fn peer(&self) -> Option<(usize, usize)> {
        const SO_PEERCRED: usize = 17;
        // struct ucred: process, user, group.
        let mut peer = [0_u32; 3];
        let mut length = size_of_val(&peer) as u32;
        let room = (peer.as_mut_ptr() as usize, &raw mut length as usize);
        let args = [
            self.0.descriptor(),
            SOL_SOCKET,
            SO_PEERCRED,
            room.0,
            room.1,
            0,
        ];
        // SAFETY: the kernel writes at most the given length, and then the actual length.
        unsafe { syscall(GETSOCKOPT, args) }.ok()?;
        Some((peer[0] as usize, peer[1] as usize))
    }

    /// Whether the process at the other end of this Unix socket belongs to this user and shares this process's
    /// namespaces.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.peer()
            .is_some_and(|(process, user)| user == sys::user() && shares_namespaces(process))
    }

    /// Sends `bytes`, within the time that the socket may wait. Returns whether everything was sent.
    pub fn send(&self, mut bytes: &[u8]) -> bool {
        const MSG_NOSIGNAL: usize = 0x4000;
        while !bytes.is_empty() {
            let (start, len) = (bytes.as_ptr() as usize, bytes.len());
            let args = [self.0.descriptor(), start, len, MSG_NOSIGNAL, 0, 0];
            // SAFETY: only reads the slice.
            match unsafe { syscall(SENDTO, args) } {
                Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
                Err(Errno::EINTR) => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Appends received bytes to `buffer`, up to its capacity; 0 if the other end has hung up.
    ///
    /// # Errors
    /// The kernel's; [`EAGAIN`](Errno::EAGAIN) if nothing arrived in time.
    pub fn receive(&self, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
        self.0.read_more(buffer)
    }

    /// Whether there is an answer, which includes the other end hanging up.
    pub fn has_answer(&self) -> bool {
        let mut byte = 0_u8;
        let args = [self.0.descriptor(), &raw mut byte as usize, 1, 0, 0, 0];
        // SAFETY: the kernel writes at most one byte.
        let received = unsafe { syscall(RECVFROM, args) };
        received != Err(Errno::EAGAIN)
    }
}
