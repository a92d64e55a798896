//! Telling a person that the compiler has changed: once for a build, not for every call of it.
//!
//! Owns: a file in the user's cache directory whose time of change says when it was last told. A
//! session is not told at all: `rock-wrap run` reports the reason with its count.

use alloc::ffi::CString;
use core::ffi::CStr;

use crate::decide::lookup;
use crate::message::say;
use crate::{events, sys};

/// A build makes no pause of this many seconds between two compiles.
const PAUSE: u64 = 600;

/// Says that what `changed` names is not what it was at install.
pub fn compiler_changed(env: &[&CStr], changed: &CStr) {
    if lookup(env, events::VARIABLE.as_bytes()).is_some() || told_lately(env) {
        return;
    }
    say(&[
        changed.to_bytes(),
        b" has changed since `rock-wrap install`; compiling without a cache until that is run again",
    ]);
}

/// Whether a call of this build has told it already. Where that cannot be known, it has not.
fn told_lately(env: &[&CStr]) -> bool {
    let value = |name: &[u8]| lookup(env, name).map(CStr::to_bytes).filter(|dir| !dir.is_empty());
    let (parent, rest): (_, &[u8]) = match (value(b"XDG_CACHE_HOME"), value(b"HOME")) {
        (Some(cache), _) => (cache, b"/rock-wrap"),
        (None, Some(home)) => (home, b"/.cache/rock-wrap"),
        (None, None) => return false,
    };
    let mut path = [parent, rest].concat();
    let Ok(dir) = CString::new(path.clone()) else { return false };
    sys::make_dir(&dir);
    path.extend_from_slice(b"/told");
    let Ok(path) = CString::new(path) else { return false };
    let Ok(file) = sys::File::create(&path) else { return false };
    let told = file.own_stat().is_ok_and(|stat| {
        let now = sys::now() / 1_000_000_000;
        stat.stamp.size > 0 && now.wrapping_sub(stat.stamp.mtime) < PAUSE
    });
    // Sets the time, whether it is told now or was.
    file.write(b"\n");
    told
}
