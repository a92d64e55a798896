//! Who owns the listener at a port of the loopback interface, and whether it sees the same files.
//!
//! Owns: distinguishing the user's own server from another one. The kernel reports the user of a socket, but its
//! process can only be found through `/proc`, by looking at every descriptor. The result is therefore cached in the
//! user's cache directory, valid as long as the same socket listens in the same boot.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use crate::shared::bytes::{decimal, push_decimal};
use crate::shared::call::user_cache_of;
use crate::shared::key::hash::{Hasher, LEN};
use crate::shared::namespaces::shares_namespaces;
use crate::shared::socket::{self, Listener};
use crate::shared::sys::{self, EntryNames, File};

/// Whether the server at `port` belongs to this user and shares this process's mount and PID namespaces. `env`
/// locates the user's cache directory.
#[must_use]
pub fn is_ours(port: u16, env: &[&CStr]) -> bool {
    let listener = match socket::listener(port) {
        Ok(listener) => listener,
        Err(_) => listed(port),
    };
    listener.is_some_and(|listener| {
        listener.user == sys::user() && sees_our_files(port, listener.inode, env)
    })
}

fn sees_our_files(port: u16, inode: u64, env: &[&CStr]) -> bool {
    let state = state(inode);
    let memory = user_cache_of(env).and_then(|mut path| {
        path.extend_from_slice(b"/server-");
        push_decimal(&mut path, u64::from(port));
        CString::new(path).ok()
    });
    let mut kept = [0; LEN];
    let file = memory
        .as_deref()
        .and_then(|path| File::open_itself(path).ok());
    if file.is_some_and(|file| file.read(&mut kept) == Ok(LEN) && kept == state) {
        return true;
    }
    match holder(inode) {
        Holder::Process(process) => {
            let ours = shares_namespaces(process);
            let memory = memory.filter(|_| ours);
            if let Some(file) = memory.and_then(|path| File::create_with_directories(&path)) {
                file.write(&state);
            }
            ours
        }
        Holder::Nobody => false,
        Holder::Untold => true,
    }
}

/// A digest of what a cached result depends on: this socket, this boot and these namespaces.
fn state(inode: u64) -> [u8; LEN] {
    let mut hasher = Hasher::new();
    let mut boot = [0; 64];
    let read = File::open(c"/proc/sys/kernel/random/boot_id").and_then(|file| file.read(&mut boot));
    hasher.text(boot.get(..read.unwrap_or(0)).unwrap_or_default());
    hasher.number(inode);
    for namespace in [c"/proc/self/ns/mnt", c"/proc/self/ns/pid"] {
        hasher.number(sys::stat(namespace).map_or(0, |stat| stat.file_state.ino));
    }
    hasher.finish()
}

/// The process that has a socket open.
#[derive(Debug, PartialEq, Eq)]
enum Holder {
    /// The process with this ID.
    Process(usize),
    /// No process visible from here: the holder is in another PID namespace.
    Nobody,
    /// Unknown: one of this user's processes does not show its descriptors, or there is no `/proc`.
    Untold,
}

#[cold]
fn holder(inode: u64) -> Holder {
    let Ok(processes) = File::open(c"/proc") else {
        return Holder::Untold;
    };
    let mut target = Vec::from(b"socket:[");
    push_decimal(&mut target, inode);
    target.push(b']');
    let mut untold = false;
    // One buffer for all directories, because the shim never frees memory.
    let (mut entries, mut room) = (Vec::new(), Vec::new());
    while processes.more_entries(&mut entries) {
        for process in EntryNames(&entries) {
            if decimal(process.to_bytes()).is_none() {
                continue;
            }
            match has_open(process, &target, &mut room) {
                Some(true) => {
                    let number = decimal(process.to_bytes()).unwrap_or(0);
                    return Holder::Process(number as usize);
                }
                Some(false) => {}
                None => untold = true,
            }
        }
    }
    if untold {
        Holder::Untold
    } else {
        Holder::Nobody
    }
}

/// Whether a process has a descriptor that leads to `target`; `None` if one of this user's processes does not show
/// its descriptors.
fn has_open(process: &CStr, target: &[u8], entries: &mut Vec<u8>) -> Option<bool> {
    let mut path = [0; 40];
    let parts = [b"/proc/", process.to_bytes(), b"/fd"].concat();
    path.get_mut(..parts.len())?.copy_from_slice(&parts);
    let path = CStr::from_bytes_until_nul(&path).ok()?;
    let descriptors = match File::open(path) {
        Ok(descriptors) => descriptors,
        Err(errno) if errno.means_missing() => return Some(false),
        // Another user's process, or one that has ended meanwhile.
        Err(_) => {
            let owner = sys::stat(path).map(|stat| stat.user as usize);
            return (owner != Ok(sys::user())).then_some(false);
        }
    };
    let mut link = [0; 64];
    while descriptors.more_entries(entries) {
        for name in EntryNames(entries) {
            if descriptors
                .link_target(name, &mut link)
                .is_ok_and(|length| link.get(..length) == Some(target))
            {
                return Some(true);
            }
        }
    }
    Some(false)
}

/// Finds the listener at a port of the loopback interface in the kernel's table; `None` if there is none, or only
/// one on all interfaces. For kernels that do not support [`listener`](socket::listener).
///
/// Reads a row at a time, because listening sockets come first: to find the next connection, the kernel walks its
/// whole table, which takes 0.7 ms on a small machine.
#[cold]
fn listed(port: u16) -> Option<Listener> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    const ROW: usize = 150;
    let digit = |at: usize| DIGITS[usize::from(port >> (12 - 4 * at) & 15)];
    // Both endpoints and the state; 127.0.0.1 is one number in native byte order.
    let mut wanted = *b" 0100007F:#### 00000000:0000 0A ";
    (0..4).for_each(|at| wanted[10 + at] = digit(at));
    let table = File::open(c"/proc/self/net/tcp").ok()?;
    let mut row = [0; ROW];
    loop {
        let length = table.read(&mut row).ok()?;
        if length == 0 {
            return None;
        }
        let row = row.get(..length)?;
        if let Some(at) = row.windows(wanted.len()).position(|part| part == wanted) {
            // Queues, timer, retransmits, user, timeout, inode.
            let rest = row[at + wanted.len()..].split(|byte| *byte == b' ');
            let mut rest = rest.filter(|field| !field.is_empty()).skip(3);
            let user = decimal(rest.next()?)? as usize;
            return Some(Listener {
                user,
                inode: decimal(rest.nth(1)?)?,
            });
        }
    }
}
