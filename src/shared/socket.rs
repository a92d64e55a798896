//! A connection to a server on this machine that may be mute: nothing in here waits for longer than it
//! is told to. Layouts as in [`sys`](crate::shared::sys).

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

/// For how long a call on a connection waits for the other end.
#[derive(Clone, Copy)]
pub enum Wait {
    /// Not at all.
    Never,
    /// So many seconds.
    Seconds(u64),
}

/// A socket that takes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its user.
    pub user: usize,
    /// Its number, of which the kernel gives no other socket the same for a long time.
    pub inode: u64,
}

/// The socket that a connection to a port of the loopback interface would reach, by the kernel's
/// own look-up; `None` where there is none. Takes 5 us.
///
/// # Errors
/// Where the kernel does not tell (sock_diag(7)).
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
    // SAFETY: takes numbers, and gives a descriptor that is nobody else's.
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
    // SAFETY: reads the array only.
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
        let args = [
            socket.descriptor(),
            address.as_ptr() as usize,
            address.len(),
            0,
            0,
            0,
        ];
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
        let args = [
            self.0.descriptor(),
            SOL_SOCKET,
            SO_PEERCRED,
            room.0,
            room.1,
            0,
        ];
        // SAFETY: the kernel writes at most the length given, and then that.
        unsafe { syscall(GETSOCKOPT, args) }.ok()?;
        Some((peer[0] as usize, peer[1] as usize))
    }

    /// Whether who listens at the other end, which is in the file system, is of this user and in this process's
    /// namespaces.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.peer()
            .is_some_and(|(process, user)| user == sys::user() && shares_namespaces(process))
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
