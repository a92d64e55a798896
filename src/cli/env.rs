//! Implements `rock-wrap env`: prints the environment that puts all caches of a job under one directory, with the
//! access that its policy allows.
//!
//! Standard output contains only the answer, so that a shell can evaluate it. Access that the job lost, and why, goes
//! to standard error.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use super::{CliError, EnvArgs, EnvFormat, Exit, job, output};
use crate::ci::plan::{Plan, PlanRequest};
use crate::ci::policy::Access;
use crate::ci::{ArchSet, CiError, Settings, format};
use crate::launcher::health::{self, Health};
use crate::launcher::{ChangedEnvironment, Launcher};
use crate::shared::launchers::kind::LauncherKind;

/// The answer in JSON.
#[derive(Serialize)]
struct EnvAnswer<'a> {
    policy: &'a str,
    /// The policy, or `fork`: the directory below the cache root.
    label: &'a str,
    local: Access,
    remote: Option<RemoteAnswer>,
    set: BTreeMap<&'a str, &'a str>,
    unset: &'a [&'static str],
    directories: Vec<String>,
    notes: &'a [String],
    mode: &'a str,
}

#[derive(Serialize)]
struct RemoteAnswer {
    url: String,
    access: Access,
}

/// Prints the environment.
pub fn main(args: &EnvArgs) -> Result<Exit, CliError> {
    let root = root(&args.cache_root)?;
    let settings = settings(args)?;
    let archs = job::archs(args.arch.as_deref())?;
    let launcher = job::find_launcher(args.launcher.as_deref())?;
    if launcher.kind == LauncherKind::Other {
        return Err(CiError::Launcher(launcher.path).into());
    }
    let github_env = match args.format {
        EnvFormat::Github => Some(github_env()?),
        _ => None,
    };
    let mut facts = settings.of(args.policy);
    if let Some(remote) = &args.remote {
        facts.remote = Some(remote.clone());
    }
    facts.max_size = args.max_size.clone().or(facts.max_size);
    if let Some(size) = &facts.max_size {
        check_size(size)?;
    }
    let trust = job::context().trust;
    let base = std::env::var_os("ROCK_WRAP_BASE_DIR").map(PathBuf::from);
    let base = base.or_else(|| std::env::current_dir().ok());
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let mut request = PlanRequest {
        policy: args.policy,
        facts: &facts,
        allow_local: args.allow_local,
        trust: &trust,
        launcher: launcher.kind,
        version: launcher.version,
        archs: archs.len(),
        root: &root,
        base: base.as_deref(),
        is_set: &is_set,
        without_remote: false,
    };
    let mut plan = Plan::new(&request)?;
    make(&plan)?;
    let (mode, server_note) = match ask(&plan, &launcher) {
        Err(error) if plan.remote.is_some() => {
            // The job continues without the remote cache.
            let why = output::chain(&error);
            request.without_remote = true;
            let with_remote = std::mem::replace(&mut plan, Plan::new(&request)?);
            plan.notes = with_remote.notes;
            plan.notes
                .push(format!("the remote cache is not used: {why}"));
            make(&plan)?;
            ask(&plan, &launcher)?
        }
        asked => asked?,
    };
    plan.notes.extend(server_note);
    plan.notes.extend(room(&plan, &root, &archs));
    plan.notes.extend(would_be_committed(&root));

    match args.format {
        EnvFormat::Sh => output::answer(format::sh(&plan).trim_end()),
        EnvFormat::Dotenv => output::answer(format::lines(&plan).trim_end()),
        EnvFormat::Github => {
            let path = github_env.unwrap_or_default();
            let file = OpenOptions::new().create(true).append(true).open(&path);
            let written = file.and_then(|mut file| file.write_all(format::lines(&plan).as_bytes()));
            written.map_err(|source| CiError::GithubEnv { path, source })?;
        }
        EnvFormat::Json => output::json(&answer(args, &plan, &mode)),
    }
    plan.notes.iter().for_each(output::warning);
    output::command(format_args!("cache mode: {mode}"));
    Ok(Exit::Success)
}

fn answer<'a>(args: &EnvArgs, plan: &'a Plan, mode: &'a str) -> EnvAnswer<'a> {
    let set = plan.set.iter();
    EnvAnswer {
        policy: args.policy.as_str(),
        label: plan.label,
        local: plan.local,
        remote: plan.remote.as_ref().map(|(remote, access)| RemoteAnswer {
            url: remote.to_string(),
            access: *access,
        }),
        set: set
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect(),
        unset: &plan.unset,
        directories: plan
            .directories
            .iter()
            .map(|dir| dir.display().to_string())
            .collect(),
        notes: &plan.notes,
        mode,
    }
}

/// The cache root as an absolute path.
fn root(named: &Path) -> Result<PathBuf, CliError> {
    let source = |source| CiError::Directory {
        path: named.to_owned(),
        source,
    };
    let root = std::path::absolute(named).map_err(source)?;
    // Neither GitHub's variable file nor a container's can contain a line break.
    match root.as_os_str().as_bytes().contains(&b'\n') {
        true => Err(CiError::RootName(root).into()),
        false => Ok(root),
    }
}

fn settings(args: &EnvArgs) -> Result<Settings, CliError> {
    let Some(path) = &args.config else {
        return Ok(Settings::default());
    };
    let text = std::fs::read_to_string(path).map_err(|source| CiError::ReadSettings {
        path: path.clone(),
        source,
    })?;
    Ok(Settings::parse(path, &text)?)
}

fn github_env() -> Result<PathBuf, CliError> {
    let path = std::env::var_os("GITHUB_ENV").filter(|path| !path.is_empty());
    Ok(path.map(PathBuf::from).ok_or(CiError::NoGithubEnv)?)
}

/// Checks that both launchers read `size` as the same number of bytes, and returns that number.
fn check_size(size: &str) -> Result<u64, CliError> {
    let wrong = || CiError::Size(size.to_owned());
    let number = size.strip_suffix(['K', 'M', 'G', 'T']).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = match size.as_bytes().last() {
        Some(b'K') => 10,
        Some(b'M') => 20,
        Some(b'G') => 30,
        _ => 40,
    };
    Ok(number
        .checked_shl(unit)
        .filter(|bytes| bytes >> unit == number)
        .ok_or_else(wrong)?)
}

/// Creates the directories and files of `plan`.
fn make(plan: &Plan) -> Result<(), CliError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| CiError::Directory { path, source }
    };
    for dir in &plan.directories {
        std::fs::create_dir_all(dir).map_err(failed(dir))?;
        health::try_to_write(dir).map_err(failed(dir))?;
    }
    for (path, text) in &plan.files {
        std::fs::write(path, text).map_err(failed(path))?;
    }
    Ok(())
}

/// What the launcher says about its cache in the environment of `plan`. Adds a note if a server that ran before decided
/// it.
fn ask(plan: &Plan, launcher: &Launcher) -> Result<(String, Option<String>), CliError> {
    if plan.is_off() {
        return Ok(("none".to_owned(), None));
    }
    let mut environment = ChangedEnvironment::default();
    for name in &plan.unset {
        environment = environment.with(name, "");
    }
    for (name, value) in &plan.set {
        environment = environment.with(name, value);
    }
    let health = health::check_in(&environment, launcher, health::LIMIT)?;
    let Some(health) = health else {
        return Err(CiError::Launcher(launcher.path.clone()).into());
    };
    let has_own_server = !plan
        .set
        .iter()
        .any(|(name, _)| name == "SCCACHE_SERVER_UDS");
    let running = health
        .server
        .as_ref()
        .filter(|server| has_own_server && !server.started);
    let note = running.map(|server| {
        format!(
            "sccache's server at {} ran before, and keeps the cache and the access that it was started \
             with; stop it with `sccache --stop-server` if that was for another policy",
            server.address
        )
    });
    Ok((describe(plan, launcher, &health), note))
}

/// The launcher's answer in one line.
fn describe(plan: &Plan, launcher: &Launcher, health: &Health) -> String {
    let stores = if health.mode.stores() {
        "read-write"
    } else {
        "read-only"
    };
    let (is_local, is_remote) = match launcher.kind {
        LauncherKind::Ccache => (health.storage.starts_with("disk"), health.storage != "disk"),
        _ => (health.dir.is_some(), health.storage != "disk"),
    };
    let mut text = launcher.kind.as_str().to_owned();
    if let Some(version) = launcher.version {
        let _ = write!(text, " {version}");
    }
    if is_local {
        let _ = write!(text, ", local {stores}");
    }
    if is_remote {
        let only_read = match launcher.kind {
            LauncherKind::Ccache => health.location.contains("|read-only"),
            // The server does not report this; it was started with the plan's access.
            _ => !matches!(plan.remote, Some((_, Access::ReadWrite))),
        };
        let access = if only_read { "read-only" } else { stores };
        let _ = write!(text, ", remote {access}");
    }
    if let Some(max) = health.max.filter(|_| is_local) {
        let _ = write!(text, ", at most {:.1} GiB", max as f64 / f64::from(1 << 30));
    }
    let _ = write!(text, ": {}", health.location);
    text
}

/// A note if the disk is too small for the cache, or the cache's limit too small for the build.
fn room(plan: &Plan, root: &Path, archs: &ArchSet) -> Option<String> {
    if plan.local == Access::None {
        return None;
    }
    let fits = crate::ci::plan::fitting_size(archs.len()) << 30;
    for name in ["CCACHE_MAXSIZE", "SCCACHE_CACHE_SIZE"] {
        let set = plan.set.iter().any(|(set, _)| set == name);
        let value = std::env::var(name).ok().filter(|_| !set);
        if let Some(value) = value
            && check_size(value.trim_end_matches("iB").trim_end_matches('B'))
                .is_ok_and(|size| size < fits)
        {
            return Some(format!(
                "{name}={value} is little for {} architectures: a build that does not fit into its cache hits \
                 little of it",
                archs.len().max(1)
            ));
        }
    }
    let disk = rustix::fs::statvfs(root).ok()?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    (free < fits).then(|| {
        format!(
            "{} has {:.1} GiB left, and the cache may grow to {} GiB; set a smaller limit with --max-size",
            root.display(),
            free as f64 / f64::from(1 << 30),
            fits >> 30
        )
    })
}

/// A note if git would commit the cache root.
fn would_be_committed(root: &Path) -> Option<String> {
    let top = root.ancestors().find(|dir| dir.join(".git").exists())?;
    let mut git = Command::new("git");
    git.arg("-C")
        .arg(top)
        .args(["check-ignore", "--quiet"])
        .arg(root);
    let status = git.stderr(std::process::Stdio::null()).status().ok()?;
    // 0: ignored; 128: git cannot tell.
    (status.code() == Some(1)).then(|| {
        format!(
            "{} is in the work tree {}, and git does not ignore it; add it to .gitignore",
            root.display(),
            top.display()
        )
    })
}
