//! State that one call of a build leaves for the others, as files in the user's cache directory whose modification
//! time records when it was left.
//!
//! Owns: telling the user that the compiler has changed, once per build rather than once per call (not in a
//! session, where `rock-wrap run` reports the reason with its count); marking a launcher that failed, see
//! [`failure`]; and storing what the tree's tools report about the machine.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::ptr;

use crate::message::say;
use crate::process::{Child, SavedSignals, WakeUp};
use crate::shared::call::{lookup, user_cache_of};
use crate::shared::launchers::failure::End;
use crate::shared::sys::StringList;
use crate::shared::{call_log, sys, this_machine};

/// The pause between two compiles, in seconds, that marks the start of a new build.
const PAUSE: u64 = 600;

/// Reports that the file `changed` differs from its state at install.
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

/// Whether a call of this build has already reported it. False if that cannot be determined.
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
    // Updates the time, whether it is reported now or was before.
    file.write(b"\n");
    told
}

/// Makes later calls avoid a launcher, by the modification time of the file `mark`.
#[cold]
pub fn launcher_failed(mark: &CStr) {
    if let Some(file) = sys::File::create_with_directories(mark) {
        file.write(b"\n");
    }
}

/// Runs the tree's tools, and stores their output.
pub struct ShimHands {
    /// The environment for the tools.
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
            // As clang does.
            sys::duplicate(nothing.descriptor(), 0);
            sys::duplicate(said.descriptor(), 1);
            sys::duplicate(nothing.descriptor(), 2);
            signals.release();
            // SAFETY: both lists end with a null pointer, and their strings with a NUL.
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
