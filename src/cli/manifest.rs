//! Implements `rock-wrap manifest`: writes the record of a build, and verifies one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::Value;
use tempfile::NamedTempFile;

use super::{CliError, Exit, ManifestArgs, ManifestCommand, job, output};
use crate::ci::manifest::artifact::Content;
use crate::ci::manifest::{
    Artifact, CompilerRecord, Known, Manifest, MemberRecord, ProgramRecord, RocmRecord,
    SCHEMA_VERSION, Source, file_name, therock,
};
use crate::ci::plan::POLICY;
use crate::ci::{CiError, Policy};
use crate::fingerprint::{Identity, Memo};
use crate::launcher::{Launcher, health};
use crate::rocm::{Program, Tree};
use crate::support::paths::relative;

/// Writes or verifies a record.
pub fn main(args: &ManifestArgs) -> Result<Exit, CliError> {
    if let Some(ManifestCommand::Verify { file }) = &args.command {
        return verify(file);
    }
    let sources = sources(&args.sources)?;
    if args.therock {
        let left_out = sources
            .iter()
            .filter(|(_, source)| source.commit.value().is_none());
        for (name, source) in left_out {
            if let Known::Not { reason, .. } = &source.commit {
                output::warning(format_args!("source {name} is left out: {reason}"));
            }
        }
        let manifest = therock(&sources);
        match &args.output {
            Some(path) => write(path, &manifest)?,
            None => output::json(&manifest),
        }
        return Ok(Exit::Success);
    }
    let named = args
        .output
        .as_deref()
        .expect("clap requires it without --therock");
    let files = artifacts(&args.artifacts, args.allow_empty)?;
    let report = report(args.report.as_deref())?;
    let tree = Tree::find(args.tree.rocm_path.as_deref(), &[])?;
    let dir = if named.is_dir() { named } else { parent(named) };
    let mut manifest = Manifest {
        schema_version: SCHEMA_VERSION,
        created: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        rock_wrap: env!("CARGO_PKG_VERSION").to_owned(),
        rocm: RocmRecord {
            root: tree.root.display().to_string(),
            version: tree
                .version()
                .ok_or("the tree states no release".to_owned())
                .into(),
        },
        hipcc: hipcc(&tree).into(),
        clang: compiler(&tree)?,
        launcher: Known::not("no launcher was found"),
        policy: policy().into(),
        cache_mode: Known::not("no launcher was found"),
        report,
        ci: job::context(),
        python: python().into(),
        therock: therock(&sources),
        sources,
        artifacts: Vec::new(),
    };
    if let Ok(launcher) = job::find_launcher(args.launcher.as_deref()) {
        manifest.cache_mode = cache_mode(&launcher).into();
        manifest.launcher = Known::Is(ProgramRecord {
            path: launcher.path.display().to_string(),
            version: launcher
                .version
                .map_or(String::new(), |version| version.to_string()),
        });
    }
    for file in files {
        let failed = |source| CiError::ReadArtifact {
            path: file.clone(),
            source,
        };
        manifest
            .artifacts
            .push(Artifact::of(&file, seen_from(dir, &file)).map_err(failed)?);
    }
    let path = match named.is_dir() {
        true => named.join(name(&manifest)),
        false => named.to_owned(),
    };
    write(&path, &manifest)?;
    output::note(format_args!(
        "{} records {} sources and {} artifacts",
        path.display(),
        manifest.sources.len(),
        manifest.artifacts.len()
    ));
    Ok(Exit::Success)
}

/// The checkouts that `--source` names.
fn sources(named: &[String]) -> Result<BTreeMap<String, Source>, CliError> {
    let mut sources = BTreeMap::new();
    for word in named {
        let wrong = || CiError::SourceForm(word.clone());
        let (name, dir) = word.split_once('=').ok_or_else(wrong)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || dir.is_empty() || !name.chars().all(plain) {
            return Err(wrong().into());
        }
        if sources
            .insert(name.to_owned(), Source::of(Path::new(dir)))
            .is_some()
        {
            return Err(CiError::SourceTwice(name.to_owned()).into());
        }
    }
    Ok(sources)
}

/// The files that `--artifact` names, each once.
fn artifacts(patterns: &[String], allow_empty: bool) -> Result<BTreeSet<PathBuf>, CliError> {
    let mut files = BTreeSet::new();
    for pattern in patterns {
        // A file of exactly this name counts, whatever it would match as a pattern.
        if Path::new(pattern).is_file() {
            files.insert(PathBuf::from(pattern));
            continue;
        }
        let paths = glob::glob(pattern).map_err(|error| CiError::Pattern {
            pattern: pattern.clone(),
            why: error.msg.to_owned(),
        })?;
        let mut found = paths
            .filter_map(Result::ok)
            .filter(|path| path.is_file())
            .peekable();
        if found.peek().is_none() && !allow_empty {
            return Err(CiError::NoArtifact(pattern.clone()).into());
        }
        files.extend(found);
    }
    Ok(files)
}

fn report(path: Option<&Path>) -> Result<Known<Value>, CliError> {
    let Some(path) = path else {
        return Ok(Known::not("--report was not given"));
    };
    let wrong = |why: String| CiError::ReadReport {
        path: path.to_owned(),
        why,
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let report = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    Ok(Known::Is(report))
}

fn hipcc(tree: &Tree) -> Result<ProgramRecord, String> {
    let hipcc = tree.hipcc.as_ref().ok_or("the tree has no hipcc")?;
    ask(&hipcc.path, &["--version"])
}

fn python() -> Result<ProgramRecord, String> {
    let found = ["python3", "python"]
        .iter()
        .find_map(|name| which::which(name).ok());
    let path = found.ok_or("no Python is on PATH")?;
    ask(
        &path,
        &["-c", "import platform; print(platform.python_version())"],
    )
}

/// The first line that a program prints.
fn ask(path: &Path, args: &[&str]) -> Result<ProgramRecord, String> {
    let answer = Program::at(path).args(args).ask();
    let answer = answer.map_err(|error| output::chain(&error))?;
    let text = String::from_utf8_lossy(&answer.stdout);
    let line = text.lines().next().filter(|_| answer.status.success());
    let version = line.ok_or_else(|| format!("{} does not say its version", path.display()))?;
    Ok(ProgramRecord {
        path: path.display().to_string(),
        version: version.trim().to_owned(),
    })
}

fn compiler(tree: &Tree) -> Result<CompilerRecord, CliError> {
    let path = super::fingerprint::first_of(tree);
    let identity = Identity::take(&path, Some(&tree.root), &Memo::of_user())?;
    let members = identity.members.iter().map(|member| MemberRecord {
        role: member.role.as_str(),
        name: member.name.clone(),
        digest: member.digest.to_string(),
    });
    Ok(CompilerRecord {
        path: path.display().to_string(),
        version: identity.version.clone(),
        fingerprint: identity.digest.to_string(),
        members: members.collect(),
    })
}

/// The policy that `rock-wrap env` set the job up with.
fn policy() -> Result<Policy, String> {
    let name = std::env::var(POLICY).unwrap_or_default();
    let policy = Policy::ALL
        .into_iter()
        .find(|policy| policy.as_str() == name);
    policy.ok_or_else(|| format!("{POLICY} is not set: `rock-wrap env` was not used"))
}

fn cache_mode(launcher: &Launcher) -> Result<Value, String> {
    let health = health::check(launcher, health::LIMIT).map_err(|error| output::chain(&error))?;
    let health = health.ok_or("the launcher does not say")?;
    serde_json::to_value(health).map_err(|error| error.to_string())
}

/// The name of the record's file in a directory.
fn name(manifest: &Manifest) -> String {
    let wheels = || {
        manifest
            .artifacts
            .iter()
            .filter_map(|artifact| artifact.wheel.as_ref())
    };
    // Prefer a wheel with compiled code to those that came with it.
    let wheel = wheels()
        .find(|wheel| wheel.python().is_some())
        .or_else(|| wheels().next());
    let source = manifest.sources.iter().next();
    let what = wheel.map(|wheel| wheel.distribution.clone());
    let what = what.or_else(|| source.map(|(name, _)| name.clone()));
    let of_path = manifest.python.value().and_then(|python| {
        let mut parts = python.version.split('.');
        Some(format!("{}.{}", parts.next()?, parts.next()?))
    });
    let python = wheel.and_then(|wheel| wheel.python()).or(of_path);
    let branch = source.and_then(|(_, source)| source.branch.value().cloned());
    let reference = branch.or_else(|| manifest.ci.reference.clone());
    let reference = reference
        .as_deref()
        .map(|name| name.trim_start_matches("refs/heads/"));
    let what = what.as_deref().unwrap_or("build");
    file_name(what, python.as_deref(), reference)
}

/// The directory of `path`.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if dir.as_os_str().is_empty() => Path::new("."),
        Some(dir) => dir,
        None => path,
    }
}

/// The path of `file` relative to `dir`.
fn seen_from(dir: &Path, file: &Path) -> String {
    let path = match (dir.canonicalize(), file.canonicalize()) {
        (Ok(dir), Ok(file)) => relative(&dir, &file),
        _ => file.to_owned(),
    };
    path.display().to_string()
}

/// Writes the whole file or nothing.
fn write(path: &Path, content: &impl Serialize) -> Result<(), CliError> {
    let failed = |source| CiError::WriteManifest {
        path: path.to_owned(),
        source,
    };
    let mut file = NamedTempFile::new_in(parent(path)).map_err(failed)?;
    serde_json::to_writer_pretty(&mut file, content).map_err(|error| failed(error.into()))?;
    file.write_all(b"\n").map_err(failed)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Compares every artifact with what the record says.
fn verify(file: &Path) -> Result<Exit, CliError> {
    let wrong = |why: &str| CiError::ReadManifest {
        path: file.to_owned(),
        why: why.to_owned(),
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error.to_string()))?;
    let manifest: Value = serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
    match manifest["schema_version"].as_u64() {
        Some(version) if version == u64::from(SCHEMA_VERSION) => {}
        Some(version) => return Err(wrong(&format!("its schema_version is {version}")).into()),
        None => return Err(wrong("it has no schema_version").into()),
    }
    let artifacts = manifest["artifacts"]
        .as_array()
        .ok_or_else(|| wrong("it has no artifacts"))?;
    for artifact in artifacts {
        let named = artifact["path"]
            .as_str()
            .ok_or_else(|| wrong("an artifact has no path"))?;
        let recorded: Content = serde_json::from_value(artifact.clone())
            .map_err(|error| wrong(&format!("{named}: {error}")))?;
        let path = parent(file).join(named);
        let changed = |what: String| CiError::Changed {
            path: path.clone(),
            what,
        };
        let found = Content::of(&path).map_err(|error| changed(error.to_string()))?;
        if found.size != recorded.size {
            let (now, then) = (found.size, recorded.size);
            return Err(changed(format!("it has {now} bytes, and had {then}")).into());
        }
        if found != recorded {
            let (now, then) = (found.sha256, recorded.sha256);
            return Err(changed(format!("its SHA-256 is {now}, and was {then}")).into());
        }
    }
    output::answer(format_args!(
        "{} artifacts are as recorded",
        artifacts.len()
    ));
    Ok(Exit::Success)
}
