//! The checkout's directory in a launcher's stored results: removed where the compiler writes it, and restored
//! after the launcher has answered.
//!
//! Owns: the files and pipes involved. [`sharing`] decides which calls share and how a path is rewritten.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use crate::outputs::Outputs;
use crate::process::Child;
use crate::shared::decision::sharing::{self, Shared};
use crate::shared::launchers::failure::End;
use crate::shared::launchers::kind::LauncherKind;
use crate::shared::machine::Machine;
use crate::shared::parts::{HOST, Parts};
use crate::shared::stand_in::known;
use crate::shared::stand_in::markers::name_below;
use crate::shared::stand_in::{self, StandInPlan};
use crate::shared::sys::{self, Errno, File};
use crate::shared::this_machine::ThisMachine;

/// The files that a launcher has to produce.
pub struct ExpectedFiles<'a> {
    /// The object and the dependency file.
    pub outputs: &'a Outputs<'a>,
    /// What to restore in the dependency file and in messages, if anything.
    pub restored: Option<&'a Restored<'a>>,
    /// If the stand-in may decline the compile: where it keeps texts until then, and the architectures.
    pub texts: Option<(Parts<'a>, &'a [CString])>,
}

impl ExpectedFiles<'_> {
    /// Gives the outputs of a compile their modes, and removes the kept texts if the launcher had the compile after
    /// all.
    pub fn finish(&self, failed: bool) {
        self.outputs.mend(failed);
        let Some((parts, archs)) = &self.texts else {
            return;
        };
        let dir = CString::new(parts.dir).unwrap_or_default();
        // Usually there is no directory: a hit in the launcher's direct mode needs no text.
        if sys::remove_dir(&dir) == Err(Errno::ENOTEMPTY) {
            let sides = archs.iter().map(|arch| arch.to_bytes());
            for side in sides.chain([HOST]) {
                sys::remove_file(&parts.text(side));
            }
            sys::remove_file(&parts.file(known::FILE));
            let _ = sys::remove_dir(&dir);
        }
    }
}

/// What to restore after a launcher has answered.
pub struct Restored<'a> {
    /// The checkout.
    pub shared: &'a Shared,
    /// The dependency file that the call writes.
    pub depfile: Option<&'a CStr>,
}

impl Restored<'_> {
    /// Restores the directory in the dependency file.
    pub fn depfile(&self) {
        let Some(path) = self.depfile else { return };
        rewrite(
            path,
            &sharing::placeholder(&self.shared.up),
            &self.shared.root,
        );
    }

    /// Restores the directory in a message.
    pub fn message(&self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        sharing::respell(
            text,
            &sharing::placeholder(&self.shared.up),
            &self.shared.root,
            &mut out,
        );
        out
    }
}

/// Appends the complete lines of `text` to `out`, replacing the checkout's directory in line markers by the
/// relative path to it. Returns the rest.
pub fn markers<'t>(mut text: &'t [u8], plan: &StandInPlan<'_>, out: &mut Vec<u8>) -> &'t [u8] {
    while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
        let (line, behind) = text.split_at(end);
        match name_below(line, plan.root) {
            Some(at) => {
                let (before, named) = line.split_at(at);
                out.extend_from_slice(before);
                out.extend_from_slice(plan.up);
                out.extend_from_slice(named.get(plan.root.len()..).unwrap_or_default());
            }
            None => out.extend_from_slice(line),
        }
        out.push(b'\n');
        text = &behind[1..];
    }
    text
}

/// Removes the directory from the dependency file that `args` name.
pub fn depfile(plan: &StandInPlan<'_>, args: &[&CStr]) {
    if plan.root.is_empty() {
        return;
    }
    if let Some(path) = stand_in::depfile(args) {
        rewrite(path, plan.root, &sharing::placeholder(plan.up));
    }
}

/// Runs the compiler, and removes the directory from its messages and from the dependency file. Returns how it ended;
/// `None` if it cannot be run this way.
pub fn compile(
    plan: &StandInPlan<'_>,
    args: &[&CStr],
    execute: &mut dyn FnMut() -> Errno,
) -> Option<End> {
    let (read, write) = File::pipe().ok()?;
    let mut failed = false;
    let child = Child::start(&mut || {
        sys::duplicate(write.descriptor(), 2);
        execute();
        failed = true;
    });
    drop(write);
    let child = child.ok()?;
    if failed {
        child.kill();
        return None;
    }
    // The shim cannot restore the directory in ccache's messages.
    let to = match plan.kind {
        LauncherKind::Sccache => sharing::placeholder(plan.up),
        _ => plan.up.to_vec(),
    };
    pass_on(&read, plan.root, &to);
    let end = child.ended();
    if end == End::Exited(0) {
        depfile(plan, args);
    }
    Some(end)
}

/// Copies the pipe's content to standard error line by line, replacing `from` by `to`.
fn pass_on(read: &File, from: &[u8], to: &[u8]) {
    const ROOM: usize = 16 * 1024;
    let (mut lines, mut out) = (Vec::with_capacity(ROOM), Vec::with_capacity(2 * ROOM));
    loop {
        lines.reserve(ROOM);
        let ended = match read.read_more(&mut lines) {
            Ok(0) => true,
            Ok(_) => false,
            Err(Errno::EINTR) => continue,
            Err(_) => true,
        };
        let whole = match lines.iter().rposition(|byte| *byte == b'\n') {
            _ if ended => lines.len(),
            Some(end) => end + 1,
            None => 0,
        };
        out.clear();
        sharing::respell(lines.get(..whole).unwrap_or_default(), from, to, &mut out);
        lines.drain(..whole);
        sys::write_all(2, &out);
        if ended {
            return;
        }
    }
}

/// Replaces `from` by `to` in a file, if it occurs there.
fn rewrite(path: &CStr, from: &[u8], to: &[u8]) {
    if !sys::is_regular(path) {
        return;
    }
    let Some(text) = ThisMachine::new(&|| b"").read(path) else {
        return;
    };
    let mut out = Vec::with_capacity(2 * text.len());
    sharing::respell(&text, from, to, &mut out);
    if out != text
        && let Ok(file) = File::replace(path)
    {
        sys::write_all(file.descriptor(), &out);
    }
}
