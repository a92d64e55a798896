//! What one call of a build has to tell the others, by files in the user's cache directory whose
//! time of change says when it was told.
//!
//! Owns: telling a person that the compiler has changed, once for a build and not for every call of
//! it (a session is not told at all: `rock-wrap run` reports the reason with its count); and marking
//! a launcher that failed, see [`failure`]; and what the tree's tools say of the machine.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::ptr;

use crate::message::say;
use crate::process::{Child, SavedSignals, WakeUp};
use crate::shared::call::lookup;
use crate::shared::call::user_cache_of;
use crate::shared::launchers::failure::End;
use crate::shared::sys;
use crate::shared::sys::StringList;
use crate::shared::{call_log, this_machine};

/// A build makes no pause of this many seconds between two compiles.
const PAUSE: u64 = 600;

/// Says that what `changed` names is not what it was at install.
#[cold]
pub fn compiler_changed(env: &[&CStr], changed: &[u8]) {
    if lookup(env, call_log::VARIABLE.as_bytes()).is_some() || told_lately(env) {
        return;
    }
    say(&[
        changed,
        b" has changed since `rock-wrap install`; compiling without a cache until that is run again",
    ]);
}

/// Whether a call of this build has told it already. Where that cannot be known, it has not.
fn told_lately(env: &[&CStr]) -> bool {
    let Some(mut path) = user_cache_of(env) else {
        return false;
    };
    path.extend_from_slice(b"/told");
    let Some(file) = CString::new(path)
        .ok()
        .and_then(|path| sys::File::create_with_directories(&path))
    else {
        return false;
    };
    let told = file.own_stat().is_ok_and(|stat| {
        let now = sys::now() / 1_000_000_000;
        stat.file_state.size > 0 && now.wrapping_sub(stat.file_state.mtime) < PAUSE
    });
    // Sets the time, whether it is told now or was.
    file.write(b"\n");
    told
}

/// Has the calls that follow keep away from a launcher, by the time of the file `mark`.
#[cold]
pub fn launcher_failed(mark: &CStr) {
    if let Some(file) = sys::File::create_with_directories(mark) {
        file.write(b"\n");
    }
}

/// Runs the tree's tools, and keeps what they said.
pub struct ShimHands {
    /// The environment that they are given.
    pub envp: StringList,
}

impl this_machine::Hands for ShimHands {
    fn run(&self, program: &CStr, argument: Option<&CStr>) -> Option<Vec<u8>> {
        const LONGEST: usize = 4096;
        let said = sys::File::anonymous()?;
        let nothing = sys::File::open(c"/dev/null").ok()?;
        let argument = argument.map_or(ptr::null(), |argument| argument.as_ptr().cast());
        let argv = [program.as_ptr().cast(), argument, ptr::null()];
        let signals = SavedSignals::hold();
        let child = Child::start(&mut || {
            // As clang does it.
            sys::duplicate(nothing.descriptor(), 0);
            sys::duplicate(said.descriptor(), 1);
            sys::duplicate(nothing.descriptor(), 2);
            signals.release();
            // SAFETY: both lists end with null, and their strings with NUL.
            let _ = unsafe { sys::execve(program, argv.as_ptr(), self.envp) };
        });
        let end = child.map(|child| child.wait(None));
        signals.release();
        let Ok(WakeUp::Ended(End::Exited(0))) = end else {
            return None;
        };
        let mut text = alloc::vec![0; LONGEST];
        let length = said.read_from_start(&mut text).ok()?;
        text.truncate(length);
        (length < LONGEST).then_some(text)
    }

    fn write(&self, path: &CStr, content: &[u8]) {
        if let Some(file) = sys::File::create_with_directories(path) {
            file.write(content);
        }
    }
}
