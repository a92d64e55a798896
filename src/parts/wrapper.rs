//! The commands that `clang-linker-wrapper` runs.
//!
//! Owns: replacing the packager and the wrapper, which link all architectures in one command under the new offload
//! driver, with the commands that the wrapper would run: one link for each architecture, and the bundler. The wrapper
//! itself prints them with `--dry-run`; its input is a package with an empty file for each architecture.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::Stdio;

use std::os::unix::ffi::OsStrExt;

use super::commands::Command;
use super::pipeline::field;

const WRAPPER: &[u8] = b"clang-linker-wrapper";

/// Replaces the wrapper's command, if there is one. `None` if the commands that the wrapper prints are not understood.
///
/// # Errors
/// If a file in `dir` cannot be written, or a program cannot be run.
pub fn expand(mut commands: Vec<Command>, dir: &Path) -> io::Result<Option<Vec<Command>>> {
    let Some(at) = commands
        .iter()
        .position(|command| command.program() == WRAPPER)
    else {
        return Ok(Some(commands));
    };
    let Some(packed) = at.checked_sub(1) else {
        return Ok(None);
    };
    let (package, wrapper) = (commands[packed].clone(), commands[at].clone());
    let Some(printed) = ask(&package, &wrapper, dir)? else {
        return Ok(None);
    };
    let Some(linked) = commands_of(&printed, &package, &wrapper) else {
        return Ok(None);
    };
    commands.splice(packed..=at, linked);
    Ok(Some(commands))
}

/// Runs the wrapper with `--dry-run` and returns what it prints.
fn ask(package: &Command, wrapper: &Command, dir: &Path) -> io::Result<Option<Vec<u8>>> {
    let nothing = dir.join("nothing.o");
    File::create(&nothing)?;
    let mut package_now = package.clone();
    for image in images(package) {
        let Some(file) = field(image, b"file=") else {
            return Ok(None);
        };
        package_now.replace(&file, nothing.as_os_str().as_bytes());
    }
    let mut wrapper_now = wrapper.clone();
    let (Some(packed), Some(bundle)) = (package.output(), wrapper.output()) else {
        return Ok(None);
    };
    let package_file = dir.join("nothing.out");
    package_now.replace(packed, package_file.as_os_str().as_bytes());
    wrapper_now.replace(packed, package_file.as_os_str().as_bytes());
    wrapper_now.replace(bundle, dir.join("nothing.hipfb").as_os_str().as_bytes());
    // Parallel jobs would mix up the commands that they print.
    wrapper_now
        .words
        .retain(|word| !word.starts_with(b"--wrapper-jobs="));
    // The printed words are not quoted, so a word with a blank would look like two.
    let has_blank = |word: &Vec<u8>| word.iter().any(u8::is_ascii_whitespace);
    if wrapper_now.words.iter().any(has_blank) {
        return Ok(None);
    }
    wrapper_now.words.push(b"--dry-run".to_vec());
    for command in [&package_now, &wrapper_now] {
        let output = command.to_process().stdin(Stdio::null()).output()?;
        if !output.status.success() {
            return Ok(None);
        }
        if command == &wrapper_now {
            return Ok(Some([output.stdout, output.stderr].concat()));
        }
    }
    Ok(None)
}

/// Parses the wrapper's commands. Makes the links read what the compiler wrote, and the bundler write what the host's
/// compile reads.
fn commands_of(printed: &[u8], package: &Command, wrapper: &Command) -> Option<Vec<Command>> {
    let mut commands = Vec::new();
    for line in printed
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        // Only the program's path is quoted.
        let line = line.strip_prefix(b" \"")?;
        let end = line.iter().position(|byte| *byte == b'"')?;
        let rest = line[end + 1..].split(|byte| *byte == b' ');
        let rest = rest.filter(|word| !word.is_empty()).map(<[u8]>::to_vec);
        commands.push(Command {
            words: [line[..end].to_vec()].into_iter().chain(rest).collect(),
            quiet: true,
            by_driver: false,
        });
    }
    let (bundler, links) = commands.split_last_mut()?;
    if bundler.program() != b"clang-offload-bundler" || links.len() != images(package).count() {
        return None;
    }
    let bundle = bundler.output()?.to_vec();
    bundler.replace(&bundle, wrapper.output()?);
    for link in links {
        let arch = link
            .words
            .iter()
            .find_map(|word| word.strip_prefix(b"-mcpu="))?
            .to_vec();
        let image = images(package).find(|image| field(image, b"arch=").as_ref() == Some(&arch))?;
        let input = input(link)?;
        link.replace(&input, &field(image, b"file=")?);
        link.by_driver = true;
    }
    Some(commands)
}

fn images(package: &Command) -> impl Iterator<Item = &[u8]> {
    package
        .words
        .iter()
        .filter_map(|word| word.strip_prefix(b"--image="))
}

/// The input of a link; `None` unless there is exactly one.
fn input(link: &Command) -> Option<Vec<u8>> {
    let mut inputs = Vec::new();
    let mut words = link.words.iter().skip(1);
    while let Some(word) = words.next() {
        match word.as_slice() {
            b"-o" | b"-dumpdir" | b"-Xlinker" | b"-mllvm" | b"-Xclang" => {
                words.next();
            }
            [b'-', ..] => {}
            file => inputs.push(file.to_vec()),
        }
    }
    match inputs.as_mut_slice() {
        [input] => Some(core::mem::take(input)),
        _ => None,
    }
}
