//! Which of the driver's commands make a part, and which put the parts together.
//!
//! Owns: the rule. A part is the compile of one architecture and every later command that reads only what the part
//! wrote. The other commands need several parts and run afterwards, in the driver's order. Pure.
//!
//! ```text
//! old driver         cc1, lld | cc1, lld | bundler, cc1 (host)
//! new driver         cc1, link | cc1, link | bundler, cc1 (host)      after `wrapper`
//! old, -fgpu-rdc     cc1 | cc1 | cc1 (host), bundler
//! new, -fgpu-rdc     cc1 | cc1 | packager, cc1 (host)
//! ```

use serde::{Deserialize, Serialize};

use super::commands::{Command, replaced};

/// The commands of a compile for several architectures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// One part for each architecture, in the driver's order.
    pub parts: Vec<Part>,
    /// The commands that run afterwards. The last one writes the object.
    pub rest: Vec<Command>,
}

/// The commands for one architecture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The architecture with its features, as the driver spells it.
    pub arch: Vec<u8>,
    /// The commands.
    pub commands: Vec<Command>,
    /// The file that the last command writes.
    pub output: Vec<u8>,
}

/// Programs whose commands are understood. Others, such as a system's assembler, may write files that their commands do
/// not name.
const PROGRAMS: [&[u8]; 6] = [
    b"clang",
    b"lld",
    b"ld.lld",
    b"clang-offload-bundler",
    b"llvm-offload-binary",
    b"clang-offload-packager",
];

impl Pipeline {
    /// Sorts the commands into parts and the rest. `None` if they are not a compile for several architectures, or if
    /// the parts cannot be told apart.
    #[must_use]
    pub fn of(commands: Vec<Command>) -> Option<Self> {
        let known = |command: &Command| {
            let program = command.program();
            let is_clang = program.strip_prefix(b"clang-").is_some_and(is_number);
            (is_clang || PROGRAMS.contains(&program))
                && !command.has(b"-cc1as")
                && !command.words.iter().any(|word| word.starts_with(b"@"))
        };
        if !commands.iter().all(known) {
            return None;
        }
        let outputs: Vec<Vec<u8>> = commands
            .iter()
            .map(|command| command.output().map(<[u8]>::to_vec))
            .collect::<Option<_>>()?;
        let reads = |reader: usize, writer: usize| {
            reader > writer && mentions(&commands[reader], &outputs[writer])
        };
        let count = commands.len();
        let readers = |writer: usize| {
            (0..count)
                .filter(move |reader| reads(*reader, writer))
                .collect::<Vec<_>>()
        };
        let sources = |reader: usize| {
            (0..count)
                .filter(move |writer| reads(reader, *writer))
                .collect::<Vec<_>>()
        };
        // Every command but the last must write a file that exactly one later command reads.
        let last = count.checked_sub(1)?;
        if !(0..last).all(|writer| readers(writer).len() == 1) {
            return None;
        }
        let mut chains = Vec::new();
        for first in (0..count).filter(|at| commands[*at].has(b"-fcuda-is-device")) {
            let mut chain = vec![first];
            while let [next] = readers(chain[chain.len() - 1])[..]
                && sources(next).len() == 1
                && next != last
                && !commands[next].has(b"-cc1")
            {
                chain.push(next);
            }
            chains.push(chain);
        }
        let archs = archs(&commands, &outputs)?;
        let parts = chains.iter().map(|chain| {
            let end = *chain.last()?;
            let (arch, _) = archs
                .iter()
                .find(|(_, file)| chain.iter().any(|at| outputs[*at] == *file))?;
            Some(Part {
                arch: arch.clone(),
                commands: chain.iter().map(|at| commands[*at].clone()).collect(),
                output: outputs[end].clone(),
            })
        });
        let parts: Vec<Part> = parts.collect::<Option<_>>()?;
        let alike = |part: &Part| parts.iter().filter(|other| other.arch == part.arch).count() > 1;
        if parts.len() < 2 || parts.iter().any(alike) {
            return None;
        }
        let rest = (0..count).filter(|at| !chains.iter().any(|chain| chain.contains(at)));
        let rest = rest.map(|at| commands[at].clone()).collect();
        Some(Self { parts, rest })
    }

    /// Moves every intermediate file to a distinct name in `dir`. Returns the object's name.
    pub fn move_to(&mut self, dir: &[u8]) -> Vec<u8> {
        let all = self
            .parts
            .iter()
            .flat_map(|part| &part.commands)
            .chain(&self.rest);
        let mut files: Vec<_> = all
            .filter_map(Command::output)
            .map(<[u8]>::to_vec)
            .collect();
        let object = files.pop().unwrap_or_default();
        for (number, from) in files.iter().enumerate() {
            let to = [dir, b"/", number.to_string().as_bytes(), extension(from)].concat();
            let all = self.parts.iter_mut().flat_map(|part| &mut part.commands);
            all.chain(&mut self.rest)
                .for_each(|command| command.replace(from, &to));
            for part in self.parts.iter_mut().filter(|part| part.output == *from) {
                part.output.clone_from(&to);
            }
        }
        object
    }
}

impl Part {
    /// A digest of the commands. It does not depend on where the compiler and the source are, nor on the names of
    /// intermediate files. The launcher's key covers what a path means for the result: it contains the call's own
    /// arguments and the text.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let outputs: Vec<_> = self.commands.iter().filter_map(Command::output).collect();
        for command in &self.commands {
            for word in &command.words {
                let mut word = word.clone();
                for output in &outputs {
                    word = replaced(&word, output, b"");
                }
                let end = word
                    .iter()
                    .position(|byte| *byte == b'/')
                    .unwrap_or(word.len());
                hasher.update(&(end as u64).to_le_bytes());
                hasher.update(&word[..end]);
            }
            hasher.update(b"\n");
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }
}

/// The architecture and the name of each file that the bundler or the packager puts together.
fn archs(commands: &[Command], outputs: &[Vec<u8>]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let of_part = |file: &[u8]| outputs.iter().any(|output| output == file);
    let mut found = Vec::new();
    for command in commands {
        match command.program() {
            b"clang-offload-bundler" => {
                let joined = |name: &[u8]| {
                    let words = command.words.iter();
                    words
                        .filter_map(|word| word.strip_prefix(name))
                        .collect::<Vec<_>>()
                };
                let targets = joined(b"-targets=");
                let targets = targets.first()?.split(|byte| *byte == b',');
                for (target, file) in targets.zip(joined(b"-input=")) {
                    if !target.starts_with(b"host-") && of_part(file) {
                        found.push((arch_of(target)?, file.to_vec()));
                    }
                }
            }
            b"llvm-offload-binary" | b"clang-offload-packager" => {
                let images = command
                    .words
                    .iter()
                    .filter_map(|word| word.strip_prefix(b"--image="));
                for image in images {
                    found.push((field(image, b"arch=")?, field(image, b"file=")?));
                }
            }
            _ => {}
        }
    }
    Some(found)
}

/// The architecture in a bundler's target such as `hipv4-amdgcn-amd-amdhsa--gfx942:xnack-`.
fn arch_of(target: &[u8]) -> Option<Vec<u8>> {
    let at = memchr::memmem::find(target, b"-gfx")?;
    Some(target[at + 1..].to_vec())
}

/// A field of the packager's `--image=file=...,triple=...,arch=...`.
pub fn field(image: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let fields = image.split(|byte| *byte == b',');
    { fields }
        .find_map(|field| field.strip_prefix(name))
        .map(<[u8]>::to_vec)
}

/// Whether a word of `command` is `file`, or names it after `=` or in a list. A longer name does not count.
fn mentions(command: &Command, file: &[u8]) -> bool {
    command.words.iter().any(|word| {
        memchr::memmem::find_iter(word, file).any(|at| {
            let before = at.checked_sub(1).map(|before| word[before]);
            let after = word.get(at + file.len());
            matches!(before, None | Some(b'=' | b',')) && matches!(after, None | Some(b','))
        })
    })
}

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// The extension of a path's last component, with its dot.
fn extension(path: &[u8]) -> &[u8] {
    let name = crate::shared::paths::base_name(path);
    name.iter()
        .rposition(|byte| *byte == b'.')
        .map_or(b"", |dot| &name[dot..])
}
