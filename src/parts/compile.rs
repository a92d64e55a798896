//! What the stand-in does with a compile request while a compile is split.
//!
//! Owns: declining the whole compile, running a part's commands, and handing over the finished object. Only a whole
//! compile that is not to be split goes to the compiler. Any other request that fails is declined.

use std::ffi::{CString, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use super::arguments::refusal;
use super::children::end_with_parent;
use super::commands::{self, parse};
use super::directory::{Asked, CompileDir, path_of};
use super::layout::Source;
use crate::shared::parts::{ALWAYS, DECLINED, PART_OPTION, Parts, Phase};
use crate::shared::stand_in::{StandInPlan, VARIABLE};
use crate::support::memory::peak_memory;

/// Serves the launcher, whose arguments are `args`.
pub fn main(args: &[OsString]) -> ExitCode {
    let value = std::env::var_os(std::ffi::OsStr::from_bytes(VARIABLE)).unwrap_or_default();
    let Some(plan) = StandInPlan::parse(value.as_bytes()) else {
        return declined();
    };
    let Some(parts) = plan.parts else {
        return declined();
    };
    match parts.phase {
        Phase::Part => part(&parts, args).unwrap_or_else(|_| declined()),
        Phase::Ready => hand_over(&parts, &plan, args).unwrap_or_else(|_| declined()),
        Phase::Ask => ask(&parts, &plan, args),
    }
}

fn declined() -> ExitCode {
    ExitCode::from(u8::try_from(DECLINED).unwrap_or(1))
}

/// Records the compile and declines it, or becomes the compiler if the compile is not to be split.
fn ask(parts: &Parts<'_>, plan: &StandInPlan<'_>, args: &[OsString]) -> ExitCode {
    let owned: Vec<CString> = super::c_strings(args.iter().map(|arg| arg.as_bytes()));
    let borrowed: Vec<_> = owned.iter().map(CString::as_c_str).collect();
    if refusal(&borrowed).is_none()
        && let Ok(dir) = CompileDir::make(path_of(parts.dir).as_os_str())
    {
        if dir.write_asked(&asked(plan, args)).is_ok() {
            return declined();
        }
        dir.remove();
    }
    let mut command = Command::new(path_of(plan.real));
    let error = command
        .arg0(OsString::from_vec(plan.name.to_vec()))
        .args(args)
        .exec();
    eprintln!(
        "rock-wrap: cannot execute {}: {error}",
        command.get_program().display()
    );
    ExitCode::from(127)
}

fn asked(plan: &StandInPlan<'_>, args: &[OsString]) -> Asked {
    Asked {
        real: plan.real.to_vec(),
        name: plan.name.to_vec(),
        words: args.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
        always: plan
            .parts
            .is_some_and(|parts| parts.record.first() == Some(&ALWAYS)),
    }
}

/// Runs the commands of the part that `args` name. The last command writes the launcher's output file.
fn part(parts: &Parts<'_>, args: &[OsString]) -> io::Result<ExitCode> {
    let dir = CompileDir::open(path_of(parts.dir).as_os_str())?;
    let digest = args
        .iter()
        .find_map(|arg| arg.as_bytes().strip_prefix(PART_OPTION));
    let digest = digest.and_then(|digest| str::from_utf8(digest).ok());
    let digest = digest.ok_or(io::ErrorKind::InvalidInput)?;
    let part = dir.part(digest)?;
    dir.note_compiled(digest)?;
    let output = args.iter().skip_while(|arg| *arg != "-o").nth(1);
    let output = output.ok_or(io::ErrorKind::InvalidInput)?;
    let source = Source::read(&dir, &part.arch)?;
    io::stderr().write_all(&source.line(&dir)?)?;
    for command in &part.commands {
        let mut command = command.clone();
        command.replace(&part.output, output.as_bytes());
        if command.by_driver {
            let Some(own) = started_by(&command)? else {
                return Ok(declined());
            };
            command = own;
        }
        let mut process = command.to_process();
        process.stdin(Stdio::null());
        end_with_parent(&mut process);
        let succeeded = if command.quiet {
            let said = process.output()?;
            said.status.success() && said.stdout.is_empty() && said.stderr.is_empty()
        } else {
            process.status()?.success()
        };
        if !succeeded {
            return Ok(declined());
        }
    }
    // The text in the launcher's key may be older than what the commands have read: decline if a file changed after the
    // compile was requested. For a file that changed shortly before the request, the launcher was told that the content
    // is unknown, and stores nothing.
    if source.has_changed(parts.started()) {
        return Ok(declined());
    }
    if let Some(size) = peak_memory() {
        dir.note_memory(digest, size);
    }
    Ok(ExitCode::SUCCESS)
}

/// The one command that a driver's call would start. A program that the driver started would not end with this process.
/// `None` if the driver prints anything else with `-###`.
fn started_by(call: &commands::Command) -> io::Result<Option<commands::Command>> {
    let mut process = call.to_process();
    process.arg("-###").stdin(Stdio::null());
    end_with_parent(&mut process);
    let printed = process.output()?;
    let Some((messages, mut commands)) = parse(&printed.stderr) else {
        return Ok(None);
    };
    let only = commands
        .pop()
        .filter(|_| commands.is_empty() && messages.is_empty());
    Ok(only.map(|command| commands::Command {
        quiet: call.quiet,
        ..command
    }))
}

/// Gives the launcher the finished files, if it asks for exactly the compile they were made for.
fn hand_over(parts: &Parts<'_>, plan: &StandInPlan<'_>, args: &[OsString]) -> io::Result<ExitCode> {
    let dir = CompileDir::open(path_of(parts.dir).as_os_str())?;
    let made = dir.made()?;
    if made.asked != asked(plan, args) {
        return Ok(declined());
    }
    // Like clang, replace the object, but write into an existing dependency file.
    let (object, path) = (path_of(&made.object), path_of(&made.object_path));
    let _ = fs::remove_file(&path);
    fs::copy(object, path)?;
    if let Some((from, to)) = &made.depfile {
        File::create(path_of(to))?.write_all(&fs::read(path_of(from))?)?;
    }
    io::stderr().write_all(&made.messages)?;
    Ok(ExitCode::SUCCESS)
}
