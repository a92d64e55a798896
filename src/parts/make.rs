//! Makes a compile that the launcher does not have, one architecture at a time.
//!
//! Owns: the order of the work and how it ends. Whatever happened, except a signal, the whole call is made once more,
//! and this process ends as that call did.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Output, Stdio};

use super::arguments::PartCall;
use super::children::{Children, code};
use super::commands::{self, parse};
use super::directory::{Asked, CompileDir, Made, path_of};
use super::layout::{self, Source};
use super::permits::{Permit, Permits};
use super::pipeline::{Part, Pipeline};
use super::wrapper;
use crate::shared::call_log::{self, LoggedPart};
use crate::shared::decision::reasons::Reason;
use crate::shared::decision::response;
use crate::shared::parts::{DECLINED, HOST, Phase, VARIABLE, WHOLE};
use crate::shared::sys::since_boot;
use crate::shared::this_machine::ThisMachine;
use crate::support::memory::peak_memory;
use crate::support::signals::die_by;

/// Why a compile is made whole after all.
#[derive(Debug, thiserror::Error)]
enum Whole {
    /// A file could not be read or written, or a program could not be run.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The driver printed something that is not understood.
    #[error("the driver's commands are not understood")]
    Commands,
    /// A command failed, or its messages would come out in another order.
    #[error("a part failed")]
    Failed,
    /// Two parts would have to run one after the other.
    #[error("the machine is busy")]
    Busy,
    /// The launcher would not look a part up, or would not store it.
    #[error("the launcher is told to compile again, or not to store")]
    InVain,
    /// A response file cannot be read.
    #[error("a response file cannot be read")]
    ResponseFile,
    /// A signal arrived.
    #[error("signal {0}")]
    Signal(i32),
}

impl From<Reason> for Whole {
    fn from(_: Reason) -> Self {
        Self::ResponseFile
    }
}

/// The call that is split.
struct Maker {
    /// The shim's path.
    shim: OsString,
    /// `argv[0]` for the shim.
    name: OsString,
    /// The shim's arguments.
    args: Vec<OsString>,
    children: Children,
    /// What the log says of the parts and of the host's compile.
    found: Vec<LoggedPart>,
}

/// A part that has been started.
struct Running {
    digest: String,
    start: u64,
    end: u64,
    /// Whether the launcher must compile the part without looking it up.
    again: bool,
    /// Given back when the part has ended.
    permit: Option<Permit>,
    /// Whether the stand-in declined the part, which the launcher counts as a failed compile.
    declined: bool,
    messages: Option<Vec<u8>>,
}

impl Running {
    /// Records the end of the part's call.
    fn note_end(&mut self, said: &Output) {
        self.end = since_boot();
        self.permit = None;
        self.declined = said.status.code() == Some(DECLINED);
        if said.status.success() {
            self.messages = Some(layout::split(&said.stderr).1.to_vec());
        }
    }

    /// The part's record for the log; `None` if nothing is known.
    fn logged(&self, dir: &CompileDir, part: &Part) -> Option<LoggedPart> {
        let outcome = match (&self.messages, self.declined) {
            (Some(_), _) if self.again => "again",
            (Some(_), _) if dir.was_compiled(&self.digest) => "miss",
            (Some(_), _) => "hit",
            (None, true) => "failed",
            (None, false) => return None,
        };
        Some(LoggedPart {
            name: part.arch.clone(),
            outcome,
            start: self.start,
            end: self.end,
            memory: dir.memory(&self.digest),
        })
    }
}

/// Runs the parts program. `args` are the directory, the shim's path, and the shim's arguments from `argv[0]` on.
pub fn main(args: Vec<OsString>) -> ExitCode {
    let mut args = args.into_iter();
    let (Some(dir), Some(shim), Some(name)) = (args.next(), args.next(), args.next()) else {
        eprintln!("rock-wrap: this program name is for the shim's own use");
        return ExitCode::FAILURE;
    };
    let mut maker = match Children::new() {
        Ok(children) => Maker {
            shim,
            name,
            args: args.collect(),
            children,
            found: Vec::new(),
        },
        Err(error) => {
            eprintln!("rock-wrap: cannot watch for signals: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = maker.run(&dir);
    if let Some(signal) = maker.children.signal() {
        die_by(signal);
    }
    match ended {
        Ok(status) => ExitCode::from(u8::try_from(code(status)).unwrap_or(1)),
        Err(error) => {
            eprintln!(
                "rock-wrap: cannot execute {}: {error}",
                maker.shim.display()
            );
            ExitCode::from(127)
        }
    }
}

impl Maker {
    /// Makes the parts and then the whole call.
    fn run(&mut self, dir: &OsStr) -> io::Result<ExitStatus> {
        let Ok(dir) = CompileDir::open(dir) else {
            return self.whole(WHOLE);
        };
        dir.sweep_neighbours();
        let held = dir.hold();
        let split = held.map_err(Whole::from).and_then(|held| {
            self.split(&dir)?;
            Ok(held)
        });
        call_log::record_parts(&self.found);
        let ready = match &split {
            Ok(_held) => Some(self.whole(&value(Phase::Ready, dir.path()))),
            Err(_) => None,
        };
        // Removed before a compile of the whole, which may need the disk space.
        dir.remove();
        match (ready, split) {
            (Some(Ok(status)), _) if status.code() != Some(DECLINED) => Ok(status),
            (Some(Err(error)), _) => Err(error),
            (None, Err(Whole::Signal(_))) => Ok(ExitStatus::default()),
            _ => self.whole(WHOLE),
        }
    }

    /// Makes the whole call, with this process's own input and output.
    fn whole(&mut self, value: &[u8]) -> io::Result<ExitStatus> {
        let mut command = self.call(value);
        command.args(&self.args);
        self.children.status(command)
    }

    /// A call of the shim, still without arguments. `value` tells the shim what the call is for.
    fn call(&self, value: &[u8]) -> Command {
        let mut command = Command::new(&self.shim);
        command.arg0(&self.name);
        command.env(OsStr::from_bytes(VARIABLE), OsStr::from_bytes(value));
        command
    }

    /// Makes the object of the whole call in `dir`, from parts.
    fn split(&mut self, dir: &CompileDir) -> Result<(), Whole> {
        if is_in_vain() {
            return Err(Whole::InVain);
        }
        let asked = dir.asked()?;
        let printed = self.children.output(driver(&asked))?;
        if !printed.status.success() || !printed.stdout.is_empty() {
            return Err(Whole::Commands);
        }
        let (mut messages, commands) = parse(&printed.stderr).ok_or(Whole::Commands)?;
        let commands = wrapper::expand(commands, dir.path())?.ok_or(Whole::Commands)?;
        let mut pipeline = Pipeline::of(commands).ok_or(Whole::Commands)?;
        let object_path = pipeline.move_to(dir.path().as_os_str().as_bytes());
        let object = dir.file("object.o").into_os_string();
        let object = object.as_bytes();
        let last = pipeline.rest.last_mut().ok_or(Whole::Commands)?;
        write_to(last, &object_path, object);
        let mut depfile = None;
        for command in pipeline
            .parts
            .iter_mut()
            .flat_map(|part| &mut part.commands)
        {
            name_depfile(command, &dir.file("part.d"));
        }
        for command in &mut pipeline.rest {
            let path = dir.file("object.d");
            if let Some(named) = name_depfile(command, &path) {
                depfile = Some((path.into_os_string().as_bytes().to_vec(), named));
            }
        }
        messages.extend(self.parts(dir, &asked, &pipeline.parts)?);
        let (start, memory_before) = (since_boot(), peak_memory());
        for command in &pipeline.rest {
            let said = self.children.output(command.to_process())?;
            self.check_signal()?;
            if !said.status.success() || !said.stdout.is_empty() {
                return Err(Whole::Failed);
            }
            messages.extend(said.stderr);
        }
        self.found.push(LoggedPart {
            name: HOST.to_vec(),
            outcome: "host",
            start,
            end: since_boot(),
            // A launcher without a server may have compiled the parts below this process. If one of them needed more
            // memory than the host's compile, the kernel does not report the latter.
            memory: peak_memory().filter(|size| Some(*size) > memory_before),
        });
        dir.write_made(&Made {
            asked,
            object: object.to_vec(),
            object_path,
            depfile,
            messages,
        })?;
        Ok(())
    }

    /// Asks the launcher for every part, several at once. Returns the messages in the driver's order.
    fn parts(&mut self, dir: &CompileDir, asked: &Asked, parts: &[Part]) -> Result<Vec<u8>, Whole> {
        let mut running = Vec::new();
        let done = self.ask(dir, asked, parts, &mut running);
        // All calls must end first: otherwise the end of one would be taken for the end of the next command.
        while self.children.count() > 0 {
            if let Some((number, Ok(said))) = self.children.next() {
                running[number].note_end(&said);
            }
        }
        self.found = parts
            .iter()
            .zip(&running)
            .filter_map(|(part, running)| running.logged(dir, part))
            .collect();
        self.check_signal()?;
        done?;
        Ok(running
            .into_iter()
            .filter_map(|part| part.messages)
            .flatten()
            .collect())
    }

    /// Asks the launcher for all parts and waits until all are there. Returns as soon as one fails; others may then
    /// still run.
    fn ask(
        &mut self,
        dir: &CompileDir,
        asked: &Asked,
        parts: &[Part],
        running: &mut Vec<Running>,
    ) -> Result<(), Whole> {
        let args = self.expanded()?;
        let args: Vec<&CStr> = args.iter().map(CString::as_c_str).collect();
        let permits = Permits::of(&args);
        if !asked.always && !pays(parts.len(), &permits) {
            return Err(Whole::Busy);
        }
        let cuid = asked.words.iter().find(|word| word.starts_with(b"-cuid="));
        let cuid = cuid.map(Vec::as_slice);
        while running.len() < parts.len() || running.iter().any(|part| part.messages.is_none()) {
            while running.len() < parts.len() {
                let permit = match self.children.count() {
                    0 => permits.first(),
                    count => match permits.another(count) {
                        Some(permit) => Some(permit),
                        None => break,
                    },
                };
                let number = running.len();
                let part = &parts[number];
                let digest = part.digest();
                dir.write_part(&digest, part)?;
                let call = self.part_call(dir, part, &digest, cuid, &args);
                self.children.start(number, call)?;
                running.push(Running {
                    digest,
                    start: since_boot(),
                    end: 0,
                    again: false,
                    permit,
                    declined: false,
                    messages: None,
                });
            }
            if let Some((number, said)) = self.children.next() {
                let said = said?;
                let (part, running) = (&parts[number], &mut running[number]);
                if !said.status.success() || !said.stdout.is_empty() {
                    running.note_end(&said);
                    return Err(Whole::Failed);
                }
                if !running.again && self.is_stale(dir, part, &running.digest, &said.stderr)? {
                    running.again = true;
                    let mut call = self.part_call(dir, part, &running.digest, cuid, &args);
                    call.envs(RECACHE.map(|name| (name, "1")));
                    self.children.start(number, call)?;
                    continue;
                }
                running.note_end(&said);
            }
            self.check_signal()?;
        }
        Ok(())
    }

    /// The shim's call for a part.
    fn part_call(
        &self,
        dir: &CompileDir,
        part: &Part,
        digest: &str,
        cuid: Option<&[u8]>,
        args: &[&CStr],
    ) -> Command {
        let call = PartCall {
            arch: &part.arch,
            digest,
            output: &part.output,
            cuid,
            coloured: part
                .commands
                .iter()
                .any(|command| command.has(b"-fcolor-diagnostics")),
        };
        let mut command = self.call(&value(Phase::Part, dir.path()));
        command.args(
            call.arguments(args)
                .iter()
                .map(|arg| OsStr::from_bytes(arg)),
        );
        command
    }

    /// Whether a part that the launcher found by its text may differ from what the compiler would make now.
    fn is_stale(
        &mut self,
        dir: &CompileDir,
        part: &Part,
        digest: &str,
        said: &[u8],
    ) -> Result<bool, Whole> {
        if dir.was_compiled(digest) {
            return Ok(false);
        }
        let source = Source::read(dir, &part.arch)?;
        let (files, messages) = layout::split(said);
        if files == source.line(dir)? {
            return Ok(false);
        }
        let stale = layout::matters(part, messages, &source.text)
            || match layout::preprocessor(part) {
                None => true,
                Some(command) => {
                    let warned = command.to_process().stdin(Stdio::null()).output()?;
                    !warned.status.success() || !warned.stderr.is_empty()
                }
            };
        Ok(stale)
    }

    /// The shim's arguments, with response files expanded.
    fn expanded(&self) -> Result<Vec<CString>, Whole> {
        let mut out = Vec::new();
        let machine = ThisMachine::new(&|| b"");
        for arg in super::c_strings(self.args.iter().map(|arg| arg.as_bytes())) {
            match arg.to_bytes_with_nul() {
                [b'@', name @ ..] if name.len() > 1 => {
                    let name = CStr::from_bytes_until_nul(name).unwrap_or_default();
                    response::expand(&machine, name, &mut |arg| {
                        out.push(arg.to_owned());
                        Ok::<(), Whole>(())
                    })?;
                }
                _ => out.push(arg),
            }
        }
        Ok(out)
    }

    fn check_signal(&self) -> Result<(), Whole> {
        self.children
            .signal()
            .map_or(Ok(()), |signal| Err(Whole::Signal(signal)))
    }
}

/// The variables that make a launcher compile again and store the result.
const RECACHE: [&str; 2] = ["SCCACHE_RECACHE", "CCACHE_RECACHE"];

/// Whether the launcher is told not to look up or not to store, which makes the look-up of a part pointless. Launchers
/// set some of these variables for the compiler themselves, so the caller's environment is what counts.
fn is_in_vain() -> bool {
    const VARIABLES: [&str; 5] = [
        "SCCACHE_RECACHE",
        "CCACHE_RECACHE",
        "CCACHE_READONLY",
        "CCACHE_READONLY_DIRECT",
        "CCACHE_DISABLE",
    ];
    VARIABLES
        .iter()
        .any(|name| std::env::var_os(name).is_some())
}

/// Whether splitting a compile into `parts` parts pays off (`--per-arch=auto`). The look-up of each part costs 0.2 s.
/// With two architectures that is a tenth to a quarter of the compile, and only running both at once makes up for it.
/// With three or more, the next build that needs one more architecture saves more than that.
fn pays(parts: usize, permits: &Permits) -> bool {
    parts > 2 || permits.another(1).is_some()
}

/// The value of [`VARIABLE`] for a call.
fn value(phase: Phase, dir: &Path) -> Vec<u8> {
    [&[phase.letter()], dir.as_os_str().as_bytes()].concat()
}

/// The call of the driver that prints its commands.
fn driver(asked: &Asked) -> Command {
    let mut command = Command::new(path_of(&asked.real));
    command.arg0(OsStr::from_bytes(&asked.name)).arg("-###");
    command.args(asked.words.iter().map(|word| OsStr::from_bytes(word)));
    command
}

/// Makes a command write to `to` instead of `from`. Other words that equal `from` stay: the dependency file names the
/// object.
fn write_to(command: &mut commands::Command, from: &[u8], to: &[u8]) {
    let words = &mut command.words;
    for at in 0..words.len() {
        let is_value = at
            .checked_sub(1)
            .is_some_and(|before| words[before] == b"-o");
        if is_value && words[at] == from {
            words[at] = to.to_vec();
        } else if words[at].strip_prefix(b"-output=") == Some(from) {
            words[at] = [b"-output=", to].concat();
        }
    }
}

/// Makes a command write its dependency file to `path`. Returns the previous path, if it writes one.
fn name_depfile(command: &mut commands::Command, path: &Path) -> Option<Vec<u8>> {
    let at = command
        .words
        .iter()
        .position(|word| word == b"-dependency-file")?;
    let named = command.words.get_mut(at + 1)?;
    Some(std::mem::replace(
        named,
        path.as_os_str().as_bytes().to_vec(),
    ))
}
