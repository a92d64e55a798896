//! Shows the state of a running build, in the last line of the terminal.
//!
//! Only if nothing else writes there: rock-wrap does not stand between a build and its output, so it cannot remove the
//! line before the build prints. So there is no line if the build's output or errors go to a terminal. The line is for
//! builds whose output goes to a file: `rock-wrap run -- make >log 2>&1`.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::termios::{LocalFlags, tcgetattr};

use crate::report::Progress;

/// How often the line is written.
const PERIOD: Duration = Duration::from_millis(500);

/// A line that is updated until this is dropped.
pub struct ProgressLine {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ProgressLine {
    /// Starts, if there is a terminal that nothing else writes to.
    pub fn show(progress: &Arc<Progress>, start: Duration) -> Option<Self> {
        let mut terminal = free_terminal()?;
        let progress = Arc::clone(progress);
        let (end, ended) = channel();
        let work = move || {
            while ended.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                let columns = rustix::termios::tcgetwinsize(&terminal).map(|size| size.ws_col);
                // A terminal may not know its size.
                let width = columns.ok().filter(|columns| *columns > 0).unwrap_or(80);
                // Text in the last column would begin a new line.
                let line = progress.line(start, usize::from(width) - 1);
                let _ = write!(terminal, "\r\x1b[K{line}");
            }
            let _ = write!(terminal, "\r\x1b[K");
        };
        let thread = thread::Builder::new().name("progress".to_owned());
        Some(Self {
            end: Some(end),
            thread: Some(thread.spawn(work).ok()?),
        })
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The terminal, if neither standard output nor standard error is one.
fn free_terminal() -> Option<File> {
    if std::io::stdout().is_terminal() || std::io::stderr().is_terminal() {
        return None;
    }
    let terminal = File::options().write(true).open("/dev/tty").ok()?;
    // The build gets the foreground, and the terminal may be set to stop processes that write from the background.
    let settings = tcgetattr(&terminal).ok()?;
    (!settings.local_flags.contains(LocalFlags::TOSTOP)).then_some(terminal)
}
