//! `rock-wrap explain --key`: what the cache entry of a call depends on, with short digests, so that two calls
//! can be compared line by line.
//!
//! The first two lists come from the functions that make the key and the id. The others show what the launcher itself
//! adds: the arguments, and the texts with which the stand-in answers.

use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Serialize;

use crate::cli::output;
use crate::fingerprint::{Identity, Memo};
use crate::shared::call::Call;
use crate::shared::decision::{self, Launch, options};
use crate::shared::key::hash::{Hasher, push_hex};
use crate::shared::key::ingredients::Ingredients;
use crate::shared::machine::{FileState, Machine};
use crate::shared::stand_in::markers::path_of;
use crate::shared::stand_in::text::Scanner;
use crate::shared::stand_in::{Question, StandInPlan, TextSide};

/// The answer.
#[derive(Serialize)]
pub struct Shown {
    /// What rock-wrap's part of the key consists of.
    key: Vec<Ingredient>,
    /// What the compilation unit id consists of, if the compile gets one.
    id: Option<Vec<Ingredient>>,
    /// The compiler's files, if they still have the fingerprint that is in the key.
    members: Option<Vec<Ingredient>>,
    /// The arguments that the launcher is given, grouped by subject.
    arguments: Vec<Ingredient>,
    /// What the stand-in answers: the text of each side of the compile.
    texts: Vec<Ingredient>,
    /// The files that the texts name.
    files: Vec<Ingredient>,
    /// Whether the texts may make the compiler read a file that they do not name. Then nothing is found in the cache.
    reads_unnamed_files: bool,
}

/// One thing on which the cache entry depends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ingredient {
    name: String,
    /// The first 16 digits of a digest; `None` if there is nothing, or if it cannot be read.
    digest: Option<String>,
    /// What was hashed, as far as it is text.
    values: Vec<String>,
}

/// Determines what the cache entry of `launch` depends on. Runs the compiler's preprocessor for the texts.
pub fn of<M: Machine + ?Sized>(
    call: &Call<'_>,
    launch: &Launch<'_>,
    plan: &StandInPlan<'_>,
    machine: &M,
) -> Option<Shown> {
    let inputs = decision::ingredients(call, launch, machine)?;
    let mut key = Collector::default();
    inputs.give(&mut key, machine);
    let id = inputs.takes_id().then(|| {
        let mut id = Collector::default();
        inputs.give_for_id(&mut id, machine);
        id.finish()
    });
    let added = launch.key.iter().flat_map(|key| key.words());
    let mut words = launch.unit.arguments(call.argv);
    words.extend(added);
    let mut scanner = Scanner::default();
    let texts = texts(plan, &words, launch.unit.writes_depfile, &mut scanner);
    let untold = scanner.is_untold() || texts.iter().any(|text| text.digest.is_none());
    Some(Shown {
        key: key.finish(),
        id,
        members: members(
            Path::new(OsStr::from_bytes(plan.real)),
            call.config.fingerprint,
        ),
        arguments: arguments(&words),
        texts,
        files: scanner.names().map(file).collect(),
        reads_unnamed_files: untold,
    })
}

/// Prints the answer for people.
pub fn show(shown: &Shown) {
    let list = |title: &str, ingredients: &[Ingredient]| {
        let there: Vec<_> = ingredients
            .iter()
            .filter(|one| one.digest.is_some())
            .collect();
        if there.is_empty() {
            return;
        }
        output::answer(format_args!("{title}:"));
        for one in there {
            let digest = one.digest.as_deref().unwrap_or_default();
            let values = one.values.join(" ");
            output::answer(
                format_args!("  {digest}  {} {values}", one.name)
                    .to_string()
                    .trim_end(),
            );
        }
    };
    list("key", &shown.key);
    list("id", shown.id.as_deref().unwrap_or_default());
    list(
        "compiler",
        &by_role(shown.members.as_deref().unwrap_or_default()),
    );
    list("arguments", &shown.arguments);
    list("texts", &shown.texts);
    list("files", &shown.files);
    if shown.reads_unnamed_files {
        output::answer(
            "not found in the cache: the compiler may read a file that the texts do not name",
        );
    }
}

/// Collects ingredients separately, by name.
#[derive(Default)]
struct Collector(Vec<(Ingredient, Hasher)>);

impl Collector {
    fn add(&mut self, value: String, feed: impl FnOnce(&mut Hasher)) {
        if let Some((ingredient, hasher)) = self.0.last_mut() {
            feed(hasher);
            ingredient.values.push(value);
        }
    }

    fn finish(self) -> Vec<Ingredient> {
        let ended = self.0.into_iter().map(|(mut ingredient, hasher)| {
            let given = ingredient.values.iter().any(|value| !value.is_empty());
            ingredient.digest = given.then(|| short(&hasher.finish()));
            ingredient.values.retain(|value| !value.is_empty());
            ingredient
        });
        ended.collect()
    }
}

impl Ingredients for Collector {
    fn name(&mut self, name: &'static str) {
        let ingredient = Ingredient {
            name: name.to_owned(),
            ..Ingredient::default()
        };
        self.0.push((ingredient, Hasher::new()));
    }

    fn text(&mut self, text: &[u8]) {
        self.add(readable(text), |hasher| hasher.text(text));
    }

    fn number(&mut self, number: u64) {
        self.add(number.to_string(), |hasher| hasher.number(number));
    }

    fn file_state(&mut self, state: &FileState) {
        let FileState {
            ino,
            size,
            mtime,
            mtime_nsec,
            ..
        } = state;
        let text = format!("(inode {ino}, {size} bytes, changed {mtime}.{mtime_nsec:09})");
        self.add(text, |hasher| hasher.file_state(state));
    }
}

/// A text of one line as it is; for anything else, its length and digest.
fn readable(text: &[u8]) -> String {
    const LONGEST: usize = 4096;
    match std::str::from_utf8(text) {
        // In the part of a path that checkouts share, a NUL stands for their directory.
        Ok(text)
            if text.len() <= LONGEST && !text.contains(|c: char| c.is_control() && c != '\0') =>
        {
            text.replace('\0', "$ROCK_WRAP_BASE_DIR")
        }
        _ => {
            let mut hasher = Hasher::new();
            hasher.bytes(text);
            format!("({} bytes, {})", text.len(), short(&hasher.finish()))
        }
    }
}

/// The first 16 hexadecimal digits.
fn short(digest: &[u8]) -> String {
    let mut digits = Vec::new();
    push_hex(&mut digits, &digest[..8]);
    String::from_utf8_lossy(&digits).into_owned()
}

/// The files of the compiler at `real`, if they still have this fingerprint.
fn members(real: &Path, fingerprint: &[u8]) -> Option<Vec<Ingredient>> {
    let memo = Memo::of_user();
    // It is not recorded for which tree the fingerprint was taken: try the directories some levels above the compiler.
    let roots = [None]
        .into_iter()
        .chain(real.ancestors().skip(2).take(4).map(Some));
    let identities = roots.filter_map(|root| Identity::take(real, root, &memo).ok());
    let identity = { identities }.find(|identity| identity.digest.0 == fingerprint)?;
    let members = identity.members.iter().map(|member| Ingredient {
        name: member.role.as_str().to_owned(),
        digest: Some(short(&member.digest.0)),
        values: vec![member.name.clone()],
    });
    Some(members.collect())
}

/// One line for all files with the same role, with their number.
fn by_role(members: &[Ingredient]) -> Vec<Ingredient> {
    let mut roles = BTreeMap::<&str, (usize, Hasher)>::new();
    for member in members {
        let (count, hasher) = roles
            .entry(&member.name)
            .or_insert_with(|| (0, Hasher::new()));
        *count += 1;
        let texts = member.values.iter().chain(&member.digest);
        texts.for_each(|text| hasher.text(text.as_bytes()));
    }
    let lines = roles.into_iter().map(|(role, (count, hasher))| Ingredient {
        name: role.to_owned(),
        digest: Some(short(&hasher.finish())),
        values: vec![format!("({count} files)")],
    });
    lines.collect()
}

/// The subjects of arguments, by how the arguments start; the first match counts.
const GROUPS: [(&str, &[&str]); 9] = [
    (
        "architectures",
        &[
            "--offload-",
            "--no-offload-",
            "--cuda-",
            "--no-cuda-",
            "-mcpu",
            "-march",
            "-mtune",
        ],
    ),
    ("macros", &["-D", "-U", "-Wp,"]),
    (
        "headers",
        &[
            "-I",
            "-i",
            "-nostdinc",
            "-nogpuinc",
            "--sysroot",
            "-F",
            "--include",
            "-stdlib",
        ],
    ),
    (
        "paths",
        &[
            "--rocm-",
            "--hip-",
            "-resource-dir",
            "--gcc-",
            "-B",
            "-L",
            "-nogpulib",
        ],
    ),
    ("language", &["-std", "-x", "-ansi", "-target", "--target"]),
    ("dependencies", &["-M"]),
    ("warnings", &["-W", "-w", "-pedantic", "-R"]),
    (
        "code",
        &["-O", "-f", "-m", "-g", "-Xclang", "-Xarch_", "-Xoffload"],
    ),
    ("id", &["-cuid"]),
];

/// The arguments by subject, in their original order within each.
fn arguments(words: &[&CStr]) -> Vec<Ingredient> {
    let mut groups = GROUPS.map(|(name, _)| (name, Vec::new())).to_vec();
    groups.push(("others", Vec::new()));
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        let bytes = word.to_bytes();
        let fits = |start: &&str| bytes.starts_with(start.as_bytes());
        let id = GROUPS.iter().rposition(|(name, _)| *name == "id");
        let group = match bytes.starts_with(b"-cuid") || bytes.starts_with(b"-fuse-cuid") {
            true => id,
            false => GROUPS
                .iter()
                .position(|(_, starts)| starts.iter().any(fits)),
        };
        let (_, list) = &mut groups[group.unwrap_or(GROUPS.len())];
        let values = options::find(bytes).map_or(0, |found| found.values);
        list.push(word);
        list.extend(words.by_ref().take(values));
    }
    let shown = groups.into_iter().map(|(name, words)| {
        let mut group = Collector::default();
        group.name(name);
        words.iter().for_each(|word| group.text(word.to_bytes()));
        group.finish().remove(0)
    });
    shown.collect()
}

/// The texts of the call with the launcher's arguments `words`, as the stand-in would produce them.
fn texts(
    plan: &StandInPlan<'_>,
    words: &[&CStr],
    writes_depfile: bool,
    scanner: &mut Scanner,
) -> Vec<Ingredient> {
    let mut asked = vec![c"-E"];
    asked.extend(words);
    if writes_depfile {
        // The dependency file of the last compile stays as it is.
        asked.extend([c"-MF", c"/dev/null"]);
    }
    let question = plan.question(&asked);
    let text = |side: &TextSide<'_>| {
        let text = question
            .as_ref()
            .and_then(|question| text(*side, plan, question));
        if let Some(text) = &text {
            scanner.feed(text);
            scanner.end_text();
        }
        let digest = text.as_ref().map(|text| {
            let mut hasher = Hasher::new();
            hasher.bytes(text);
            short(&hasher.finish())
        });
        let name = match side {
            TextSide::Whole => "whole".to_owned(),
            TextSide::Host => "host".to_owned(),
            TextSide::Device(arch) => String::from_utf8_lossy(arch).into_owned(),
        };
        let size = text.map(|text| format!("({} bytes)", text.len()));
        Ingredient {
            name,
            digest,
            values: size.into_iter().collect(),
        }
    };
    plan.texts.iter().map(text).collect()
}

fn text(side: TextSide<'_>, plan: &StandInPlan<'_>, question: &Question<'_>) -> Option<Vec<u8>> {
    let os = |bytes| OsStr::from_bytes(bytes);
    let more = Question::for_side(side);
    let words = question
        .words
        .iter()
        .copied()
        .chain(more.iter().map(AsRef::as_ref));
    let mut compiler = Command::new(os(plan.real));
    compiler
        .arg0(os(plan.name))
        .args(words.map(|word: &CStr| os(word.to_bytes())));
    compiler.stdin(Stdio::null()).stderr(Stdio::null());
    let output = compiler.output().ok()?;
    output.status.success().then_some(output.stdout)
}

/// A file, by the name that a text gives it.
fn file(name: &[u8]) -> Ingredient {
    let path = path_of(name).unwrap_or_default();
    let content = std::fs::read(OsStr::from_bytes(&path)).ok();
    let digest = content.map(|content| {
        let mut hasher = Hasher::new();
        hasher.bytes(&content);
        short(&hasher.finish())
    });
    Ingredient {
        name: readable(&path),
        digest,
        values: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_grouped_with_their_values_and_in_their_order() {
        let words = [
            c"-DA=1",
            c"-O2",
            c"-I",
            c"-DB",
            c"-DC",
            c"-Wall",
            c"-cuid=7",
            c"-c",
            c"a.hip",
            c"--offload-arch=gfx942",
        ];
        let groups = arguments(&words);
        let values = |name: &str| {
            let group = groups.iter().find(|group| group.name == name).unwrap();
            assert_eq!(group.digest.is_none(), group.values.is_empty());
            group.values.join(" ")
        };
        assert_eq!(values("macros"), "-DA=1 -DC");
        assert_eq!(values("headers"), "-I -DB");
        assert_eq!(values("code"), "-O2");
        assert_eq!(values("id"), "-cuid=7");
        assert_eq!(values("architectures"), "--offload-arch=gfx942");
        assert_eq!(values("others"), "-c a.hip");
        assert_eq!(values("language"), "");
        let all: usize = groups.iter().map(|group| group.values.len()).sum();
        assert_eq!(all, words.len(), "each is in one group");
    }

    #[test]
    fn what_is_no_line_of_text_shows_as_its_digest() {
        assert_eq!(readable(b"-DX=1"), "-DX=1");
        assert_eq!(readable(b"-I\0/inc"), "-I$ROCK_WRAP_BASE_DIR/inc");
        assert!(readable(b"\xff").starts_with("(1 bytes, "));
        assert_ne!(readable(b"a\nb"), readable(b"a\nc"));
    }
}
