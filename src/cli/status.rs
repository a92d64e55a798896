//! Implements `rock-wrap status`: shows the state of a tree.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::{CliError, Exit, StatusArgs, output};
use crate::fingerprint::IdentityError;
use crate::install::freshness::Standing;
use crate::install::{Bin, Entry, Keeper, ObservedName as Known, Phase, Record, freshness};
use crate::rocm::Tree;
use crate::rocm::compiler::wrapper;
use crate::rocm::names;
use crate::shim_image;

/// The output.
#[derive(Serialize)]
struct StatusAnswer<'a> {
    #[serde(serialize_with = "output::path")]
    rocm_path: &'a Path,
    found_by: &'a str,
    rocm_version: Option<String>,
    #[serde(serialize_with = "output::path")]
    bin: &'a Path,
    state: TreeState,
    /// The state of the build sessions for which the tree is wrapped. Absent if it is wrapped
    /// permanently or not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<SharingSessions>,
    compilers: Vec<CompilerStatus>,
    /// Why the record of the installation is ignored, if it is.
    record_ignored: Option<&'a str>,
    hipcc_knows_launcher: Option<bool>,
}

/// The state of the tree as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum TreeState {
    /// The tree has none of our files.
    Original,
    /// Every name in the record is wrapped.
    Wrapped,
    /// An operation was interrupted, or another program changed files; `rock-wrap restore` repairs
    /// it.
    Unfinished,
}

/// Build sessions that share a wrapped tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum SharingSessions {
    /// At least one is running; the last one will restore.
    Running,
    /// All of them and their guards were killed.
    Gone,
}

/// One compiler name.
#[derive(Serialize)]
struct CompilerStatus {
    name: String,
    stands: Stands,
    /// Whether an original is kept. It may be older than what stands at the name now.
    kept: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    shim: Option<Shim>,
}

/// The kind of file at the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Stands {
    Missing,
    Original,
    Shim,
    NoFile,
}

/// The configuration of a shim.
#[derive(Serialize)]
struct Shim {
    writer: String,
    launcher: Option<String>,
    launcher_version: Option<String>,
    strict: bool,
    exact: bool,
    /// Whether another version of rock-wrap wrote it.
    outdated: bool,
    /// The file at the stand-in's name, which launchers get as their compiler.
    stand_in: StandIn,
    /// Whether the compiler is still the one that the shim was made for; absent for a shim without
    /// a fingerprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    compiler: Option<Standing>,
}

/// The file at a stand-in's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum StandIn {
    /// The stand-in of this version of rock-wrap.
    Right,
    /// No file, as beside the shim of an older rock-wrap.
    Missing,
    /// Another file, or one that cannot be executed.
    Other,
}

/// Shows the state of the tree.
pub fn main(args: &StatusArgs) -> Result<Exit, CliError> {
    let tree = Tree::find_installed(args.tree.rocm_path.as_deref())?;
    let bin = Bin::open(&tree.bin)?;
    let observed = bin.observe()?;
    let known = observed.names.iter();
    let mut compilers = known
        .map(|known| compiler(&tree, known))
        .collect::<Result<Vec<_>, _>>()?;
    let unknown = tree
        .names
        .iter()
        .filter(|name| observed.name(name.as_os_str()).is_none());
    compilers.extend(unknown.map(|name| {
        let exists = tree.bin.join(name.as_os_str()).symlink_metadata().is_ok();
        let stands = if exists {
            Stands::Original
        } else {
            Stands::Missing
        };
        CompilerStatus {
            name: name.to_string(),
            stands,
            kept: false,
            shim: None,
        }
    }));
    let answer = StatusAnswer {
        rocm_path: &tree.root,
        found_by: tree.found_by,
        rocm_version: tree.version(),
        bin: &tree.bin,
        state: state(&observed.names, &observed.record, observed.temps.is_empty()),
        session: session(&bin),
        compilers,
        record_ignored: match &observed.record {
            Record::Ignored { reason, .. } => Some(reason),
            Record::None | Record::Trusted(_) => None,
        },
        hipcc_knows_launcher: tree.hipcc.as_ref().map(|hipcc| hipcc.knows_launcher),
    };
    if args.json {
        output::json(&answer);
    } else {
        show(&answer);
    }
    match answer.compilers.iter().find_map(CompilerStatus::rewritten) {
        Some(files) => Err(CliError::Rewritten(files.to_owned())),
        None => Ok(Exit::Success),
    }
}

fn session(bin: &Bin) -> Option<SharingSessions> {
    // If another process is changing the tree right now, do not wait for it.
    let locked = bin.lock(Duration::ZERO, &mut |_| {}).ok()?;
    match locked.keeper().ok()? {
        Keeper::Nobody => None,
        Keeper::Sessions => Some(SharingSessions::Running),
        Keeper::Abandoned => Some(SharingSessions::Gone),
    }
}

impl CompilerStatus {
    fn standing(&self) -> Option<&Standing> {
        self.shim.as_ref()?.compiler.as_ref()
    }

    fn rewritten(&self) -> Option<&[PathBuf]> {
        match self.standing()? {
            Standing::Rewritten(files) => Some(files),
            _ => None,
        }
    }
}

fn state(names: &[Known], record: &Record, tidy: bool) -> TreeState {
    let phase = record.trusted().map(|journal| journal.phase);
    if names.is_empty() && tidy && *record == Record::None {
        return TreeState::Original;
    }
    let complete = |known: &Known| known.at.is_shim() && known.original().is_some();
    if tidy && phase == Some(Phase::Installed) && names.iter().all(complete) {
        TreeState::Wrapped
    } else {
        TreeState::Unfinished
    }
}

fn compiler(tree: &Tree, known: &Known) -> Result<CompilerStatus, IdentityError> {
    let (stands, shim) = match &known.at {
        Entry::Missing => (Stands::Missing, None),
        Entry::Link { .. } | Entry::File(_) => (Stands::Original, None),
        Entry::Odd(_) => (Stands::NoFile, None),
        Entry::Shim { image, .. } => (Stands::Shim, shim(tree, known, image)?),
    };
    let name = known.name.display().to_string();
    Ok(CompilerStatus {
        name,
        stands,
        kept: known.original().is_some(),
        shim,
    })
}

fn shim(tree: &Tree, known: &Known, image: &[u8]) -> Result<Option<Shim>, IdentityError> {
    let Some(config) = shim_image::read(image).and_then(Result::ok) else {
        return Ok(None);
    };
    let whole = !config.fingerprint.is_empty() && known.original().is_some();
    let compiler = whole.then(|| freshness::standing(tree, &known.name, &config));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let writer = text(config.writer);
    Ok(Some(Shim {
        compiler: compiler.transpose()?,
        outdated: writer != env!("CARGO_PKG_VERSION"),
        writer,
        launcher: (!config.launcher.is_empty()).then(|| text(config.launcher)),
        launcher_version: config.launcher_version.map(|version| version.to_string()),
        strict: config.strict,
        exact: config.exact,
        stand_in: if known.has_stand_in() {
            StandIn::Right
        } else if known.stand_in.is_missing() {
            StandIn::Missing
        } else {
            StandIn::Other
        },
    }))
}

fn show(answer: &StatusAnswer<'_>) {
    let version = answer
        .rocm_version
        .as_deref()
        .unwrap_or("of unknown version");
    let root = answer.rocm_path.display();
    output::answer(format_args!(
        "ROCm {version} at {root} (from {})",
        answer.found_by
    ));
    output::answer(format_args!("compilers in {}:", answer.bin.display()));
    for compiler in &answer.compilers {
        let stands = match (compiler.stands, compiler.kept) {
            (Stands::Missing, true) => "missing, its original is kept",
            (Stands::Missing, false) => "missing",
            (Stands::Original, true) => {
                "a compiler that is not our shim, an older original is kept"
            }
            (Stands::Original, false) => "not wrapped",
            (Stands::Shim, true) => "wrapped",
            (Stands::Shim, false) => "wrapped, and its original is gone",
            (Stands::NoFile, _) => "neither a file nor a link",
        };
        output::answer(format_args!(
            "  {}: {stands}{}",
            compiler.name,
            made(compiler.shim.as_ref())
        ));
    }
    for compiler in &answer.compilers {
        if let (Stands::Original, false) = (compiler.stands, compiler.kept)
            && let Some(wrapper) = wrapper(&answer.bin.join(&compiler.name))
        {
            output::warning(format_args!(
                "{wrapper}; `rock-wrap install` and `run` need the original compiler back in its place"
            ));
        }
    }
    match answer.session {
        Some(SharingSessions::Running) => output::answer(
            "wrapped for a build session that runs; the last one out brings the originals back",
        ),
        Some(SharingSessions::Gone) => output::answer(
            "wrapped for a build session that is gone; `rock-wrap restore` brings the originals back",
        ),
        None => {}
    }
    let replaced = answer.compilers.iter().find_map(|it| match it.standing()? {
        Standing::Replaced(files) => files.first(),
        _ => None,
    });
    if let Some(file) = replaced {
        output::warning(format_args!(
            "{} changed since the install: nothing is cached until `rock-wrap install`",
            file.display()
        ));
    }
    for compiler in &answer.compilers {
        let state = match compiler.shim.as_ref().map(|shim| shim.stand_in) {
            Some(StandIn::Missing) => "is missing",
            Some(StandIn::Other) => "is damaged, or another version's",
            Some(StandIn::Right) | None => continue,
        };
        let file = names::stand_in(OsStr::new(&compiler.name));
        output::warning(format_args!(
            "{}, which a launcher is given as the compiler, {state}; run `rock-wrap install` again",
            answer.bin.join(file).display()
        ));
    }
    if let Some(reason) = answer.record_ignored {
        output::warning(format_args!(
            "the record of the installation is not believed: {reason}"
        ));
    }
    if answer.state == TreeState::Unfinished {
        output::warning("this is not a complete installation; `rock-wrap restore` puts it right");
    }
}

fn made(shim: Option<&Shim>) -> String {
    let Some(shim) = shim else {
        return String::new();
    };
    let launcher = match (&shim.launcher, &shim.launcher_version) {
        (Some(path), Some(version)) => format!("launcher {path} {version}"),
        (Some(path), None) => format!("launcher {path}"),
        (None, _) => "no launcher of its own".to_owned(),
    };
    let strict = if shim.strict { ", strict" } else { "" };
    let exact = if shim.exact { ", exact" } else { "" };
    let by = if shim.outdated {
        format!(", by rock-wrap {}", shim.writer)
    } else {
        String::new()
    };
    format!(", {launcher}{strict}{exact}{by}")
}
