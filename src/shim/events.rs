//! The session's log of calls: one line for each, written by the shim, read by `rock-wrap run`.
//!
//! Owns: the variable that asks for it and the format. Without the variable nothing is opened.
//!
//! ```text
//! direct <TAB> reason    <TAB> -        <TAB> 0     <TAB> pid <TAB> nanoseconds
//! launch <TAB> launcher  <TAB> language <TAB> archs <TAB> pid <TAB> nanoseconds
//! ```
//!
//! `archs` is the number of offload architectures; the time is that of the decision, since 1970.

use alloc::vec::Vec;
use core::ffi::CStr;

use super::sys;
use crate::decide::{Decision, lookup};

/// Names the log: a file that exists and that the shim may append to.
pub const VARIABLE: &str = "ROCK_WRAP_EVENTS";

/// Appends `decision` to the log that the environment names, if it names one. With `O_APPEND` and
/// one write for each line, parallel calls lose none (the kernel holds the inode's lock over both).
pub fn record(env: &[&CStr], decision: &Decision<'_>) {
    let Some(path) = lookup(env, VARIABLE.as_bytes()) else {
        return;
    };
    // A log that has gone away is no reason to bother a compile.
    let Ok(log) = sys::File::append(path) else {
        return;
    };
    log.write(&line(decision, sys::getpid(), sys::now()));
}

fn line(decision: &Decision<'_>, pid: usize, now: u64) -> Vec<u8> {
    let (what, detail, language, archs): (&[u8], &[u8], &[u8], u32) = match decision {
        Decision::Direct(direct) => (b"direct", direct.reason.as_str().as_bytes(), b"-", 0),
        Decision::Launch(launch) => (
            b"launch",
            launch.launcher.kind.as_str().as_bytes(),
            launch.unit.language.as_str().as_bytes(),
            launch.unit.offload_archs,
        ),
        Decision::Forward(forward) => (
            b"launch",
            forward.launcher.kind.as_str().as_bytes(),
            b"-",
            0,
        ),
    };
    let mut line = Vec::with_capacity(96);
    for text in [what, detail, language] {
        line.extend_from_slice(text);
        line.push(b'\t');
    }
    for (number, end) in [(u64::from(archs), b'\t'), (pid as u64, b'\t'), (now, b'\n')] {
        push_decimal(&mut line, number);
        line.push(end);
    }
    line
}

/// Appends `number` in decimal digits.
pub(super) fn push_decimal(text: &mut Vec<u8>, number: u64) {
    if number >= 10 {
        push_decimal(text, number / 10);
    }
    text.push(b'0' + (number % 10) as u8);
}

/// What a session's log says of one call.
#[cfg(not(rock_wrap_shim))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whether a launcher was given the call.
    pub launched: bool,
    /// The reason where it was not, else the kind of launcher.
    pub detail: std::string::String,
    /// Whether HIP was compiled; known of launched calls only.
    pub hip: bool,
}

/// Reads a log. A line that is not ours is passed over.
#[cfg(not(rock_wrap_shim))]
#[must_use]
pub fn read(log: &str) -> Vec<Event> {
    log.lines()
        .filter_map(|line| {
            let [what, detail, language, _, _, _] =
                line.split('\t').collect::<Vec<_>>().try_into().ok()?;
            let launched = match what {
                "launch" => true,
                "direct" => false,
                _ => return None,
            };
            Some(Event {
                launched,
                detail: detail.to_owned(),
                hip: language == "hip",
            })
        })
        .collect()
}

#[cfg(all(test, not(rock_wrap_shim)))]
mod tests {
    use super::*;
    use crate::decide::Reason;

    #[test]
    fn a_direct_call_is_one_line_with_its_reason() {
        let line = line(
            &Decision::Direct(Reason::NoInput.into()),
            42,
            1_700_000_000_000_000_000,
        );
        let text = std::string::String::from_utf8(line).unwrap();
        assert_eq!(text, "direct\tno-input\t-\t0\t42\t1700000000000000000\n");
        let event = Event {
            launched: false,
            detail: "no-input".to_owned(),
            hip: false,
        };
        assert_eq!(read(&text), [event]);
    }

    #[test]
    fn lines_of_somebody_else_are_passed_over() {
        let log = "launch\tsccache\thip\t2\t1\t2\n\nnonsense\ndirect\tcut";
        let event = Event {
            launched: true,
            detail: "sccache".to_owned(),
            hip: true,
        };
        assert_eq!(read(log), [event]);
    }
}
