//! Writes the report of `rock-wrap run` to the terminal and to files.
//!
//! Owns: the options, the files and the terminal. The content is in [`report`](crate::report).

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::Args;
use tempfile::NamedTempFile;

use super::progress::ProgressLine;
use super::{CliError, output};
use crate::launcher::stats::{Counts, Snapshot};
use crate::launcher::{Launcher, results};
use crate::report::history::{Build, History};
use crate::report::{
    CompilerParts, ObservedCall, Progress, Report, SessionFacts, SplitCounts, Tail, Unseen,
    Verdict, Watch, Watched, Weight, assign, by_records, github, page, since_boot, trace, wrap,
};
use crate::session::Ended;
use crate::shared::launchers::kind::LauncherKind;
use crate::support::memory::peak_memory;
use crate::support::paths;

/// 80 columns of a terminal, minus `rock-wrap: `.
const WIDTH: usize = 69;

/// What to say of a build.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Write a timeline of every compiler call to FILE, for ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write the report to FILE as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write the report to FILE as an HTML page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Exit with 3 if the build succeeds but found and stored nothing in the cache, or if no compiler
    /// call was seen
    #[arg(long)]
    require_cache: bool,
    /// Print warnings but no report
    #[arg(short, long)]
    quiet: bool,
}

impl ReportArgs {
    /// The result of a build that ran without a launcher.
    pub fn without_cache(&self) -> Result<(), CliError> {
        match self.require_cache {
            true => Err(CliError::NothingSaved),
            false => Ok(()),
        }
    }

    /// Opens the files before the build, which may run for hours. Their content stays until the
    /// build has ended.
    pub fn open(&self) -> Result<ReportOutputs<'_>, CliError> {
        let open = |path: &Option<PathBuf>| {
            let open = |path: &PathBuf| {
                let file = OpenOptions::new()
                    .create(true)
                    .truncate(false)
                    .write(true)
                    .open(path);
                file.map_err(|source| CliError::Output {
                    path: path.clone(),
                    source,
                })
            };
            path.as_ref().map(open).transpose()
        };
        Ok(ReportOutputs {
            args: self,
            trace: open(&self.trace)?,
            report: open(&self.report)?,
            html: open(&self.html)?,
        })
    }
}

/// Where the report goes.
pub struct ReportOutputs<'a> {
    args: &'a ReportArgs,
    trace: Option<File>,
    report: Option<File>,
    html: Option<File>,
}

/// A build that is about to start or is running.
pub struct Reporting<'a> {
    outputs: ReportOutputs<'a>,
    launcher: &'a Launcher,
    before: Result<Snapshot, String>,
    results: Option<Results>,
    watch: Option<Watch>,
    log: PathBuf,
    started: SystemTime,
    start: Duration,
    line: Option<ProgressLine>,
}

/// A build that has ended.
pub struct Built<'a> {
    outputs: ReportOutputs<'a>,
    launcher: &'a Launcher,
    before: Result<Snapshot, String>,
    calls: Vec<ObservedCall>,
    split: Option<SplitCounts>,
    started: SystemTime,
    start: Duration,
    elapsed: Duration,
}

impl<'a> ReportOutputs<'a> {
    /// Starts counting and watching. The shims append their calls to `log`, the session's log.
    pub fn begin(self, launcher: &'a Launcher, log: &Path) -> Reporting<'a> {
        let before = Snapshot::take(launcher).map_err(|error| output::chain(&error));
        self.begin_from(before, launcher, log)
    }

    /// Like [`begin`](Self::begin), for a launcher that does not work, so that nothing can be counted.
    pub fn begin_without(self, launcher: &'a Launcher, log: &Path, why: String) -> Reporting<'a> {
        self.begin_from(Err(why), launcher, log)
    }

    fn begin_from(
        self,
        before: Result<Snapshot, String>,
        launcher: &'a Launcher,
        log: &Path,
    ) -> Reporting<'a> {
        let results = Results::of(launcher);
        let start = since_boot();
        let progress = Arc::new(Progress::default());
        let line = match self.args.quiet {
            true => None,
            false => ProgressLine::show(&progress, start),
        };
        let progress = line.is_some().then_some(progress);
        let watch = Watch::start(log, progress).inspect_err(|error| {
            output::warning(format_args!(
                "how long calls take cannot be watched: {error}"
            ));
        });
        Reporting {
            outputs: self,
            launcher,
            before,
            results,
            watch: watch.ok(),
            log: log.to_owned(),
            started: SystemTime::now(),
            start,
            line,
        }
    }
}

impl<'a> Reporting<'a> {
    /// Makes the build's launcher report its results, if it can.
    pub fn prepare(&self, build: &mut Command) {
        if let Some(own) = self
            .results
            .as_ref()
            .and_then(|results| results.own.as_ref())
        {
            build.env(results::CCACHE_VARIABLE, own.path());
        }
    }

    /// Stops watching after the end of the build.
    pub fn built(self) -> Built<'a> {
        let elapsed = since_boot().saturating_sub(self.start);
        drop(self.line);
        let watched = self.watch.map(Watch::finish);
        let (mut calls, parts) = match watched {
            Some(Watched { calls, parts }) => (calls, parts),
            None => (
                ObservedCall::unwatched(&self.log),
                std::fs::read(&self.log).unwrap_or_default(),
            ),
        };
        let split = SplitCounts::read(&parts);
        if let Some(results) = &self.results {
            let results = results.read();
            let results = match &split {
                Some(split) => split.assign(&mut calls, results),
                None => results,
            };
            assign(&mut calls, &results);
        }
        Built {
            outputs: self.outputs,
            launcher: self.launcher,
            before: self.before,
            calls,
            split,
            started: self.started,
            start: self.start,
            elapsed,
        }
    }
}

impl Built<'_> {
    /// Writes the report.
    ///
    /// # Errors
    /// If `--require-cache` was given and the cache was not used. `unseen` is called if there were
    /// no calls.
    pub fn report(
        mut self,
        tree: &Path,
        compilers: Vec<CompilerParts>,
        attachment: &str,
        command: &[OsString],
        ended: Option<Ended>,
        unseen: impl FnOnce() -> Unseen,
    ) -> Result<(), CliError> {
        let unseen = self.calls.is_empty().then(unseen);
        let facts = SessionFacts {
            tree: tree.display().to_string(),
            attachment: attachment.to_owned(),
            launcher: self.launcher.into(),
            directory: std::env::current_dir()
                .unwrap_or_default()
                .display()
                .to_string(),
            command: command
                .iter()
                .map(|word| word.display().to_string())
                .collect(),
            started: self.started,
            start: self.start,
            elapsed: self.elapsed,
            ended,
            peak_memory: peak_memory(),
            unseen: unseen.clone(),
        };
        let counts = counts(self.launcher, self.before);
        let counts = counts.map(|counts| match &self.split {
            Some(split) => split.taken_out_of(counts),
            None => counts,
        });
        if let (LauncherKind::Sccache, Ok(counts)) = (self.launcher.kind, &counts) {
            by_records(&mut self.calls, counts);
        }
        let history = paths::cache_dir().map(|cache| History::within(&cache));
        let build = history
            .as_ref()
            .map(|history| history.build(&facts.directory, &facts.command));
        let mut report = Report::new(facts, &self.calls, counts).with_parts(self.split);
        let earlier = build.as_ref().and_then(Build::last);
        report.record(&self.calls, compilers, earlier.as_ref());
        let mut json = Vec::new();
        if let Err(error) = report.write_json(&mut json) {
            output::warning(format_args!("there is no report: {error}"));
        }
        let kept = build
            .filter(|_| report.is_worth_keeping())
            .map(|build| build.add(&json));
        if let Some(Err(error)) = kept {
            tracing::debug!(%error, "the report is not kept for `rock-wrap why`");
        }
        self.outputs.write(&report, &json, &self.calls, self.start);
        print(&report, self.outputs.args.quiet);
        match report.verdict() {
            Verdict::NothingSeen if self.outputs.args.require_cache => {
                Err(CliError::NothingSeen(unseen.unwrap_or_default()))
            }
            Verdict::NothingSaved if self.outputs.args.require_cache => Err(CliError::NothingSaved),
            Verdict::Unknown if self.outputs.args.require_cache => Err(CliError::UseUnknown),
            _ => Ok(()),
        }
    }
}

impl ReportOutputs<'_> {
    fn write(&mut self, report: &Report, json: &[u8], calls: &[ObservedCall], start: Duration) {
        let tell = |path: &Option<PathBuf>, result: std::io::Result<()>| {
            if let (Some(path), Err(error)) = (path, result) {
                output::warning(format_args!("cannot write {}: {error}", path.display()));
            }
        };
        if let Some(file) = self.trace.take() {
            tell(
                &self.args.trace,
                overwrite(file, |to| trace::write(to, calls, start)),
            );
        }
        if let Some(file) = self.report.take() {
            let json = |mut to: BufWriter<File>| {
                to.write_all(json)?;
                to.flush()
            };
            tell(&self.args.report, overwrite(file, json));
        }
        if let Some(file) = self.html.take() {
            let html = |to| page::write(to, serde_json::from_slice(json)?);
            tell(&self.args.html, overwrite(file, html));
        }
        let summary = std::env::var_os("GITHUB_STEP_SUMMARY").map(PathBuf::from);
        if let Some(path) = summary.filter(|_| in_github_actions()) {
            let file = OpenOptions::new().create(true).append(true).open(&path);
            let text = github::summary(report);
            let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
            tell(&Some(path), written);
        }
    }
}

/// Replaces the content of `file`, unless it is a pipe or a terminal.
fn overwrite(
    file: File,
    write: impl FnOnce(BufWriter<File>) -> std::io::Result<()>,
) -> std::io::Result<()> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    write(BufWriter::new(file))
}

fn print(report: &Report, quiet: bool) {
    if !quiet {
        report.lines(WIDTH).iter().for_each(output::note);
        for cause in report.main_causes() {
            let text = format!("{} missed: {}", cause.units.len(), cause.text);
            wrapped(&text, "note: ", |line| {
                output::note(format_args!("note: {line}"))
            });
            if let Some(remedy) = cause.remedy {
                wrapped(remedy, "hint: ", |line| output::hint(line));
            }
        }
    }
    for advice in report.advice() {
        match advice.weight {
            Weight::Warning if in_github_actions() => {
                output::command(github::annotation(advice));
                continue;
            }
            Weight::Warning => wrapped(&advice.text, "warning: ", |line| output::warning(line)),
            Weight::Note if quiet => continue,
            Weight::Note => wrapped(&advice.text, "note: ", |line| {
                output::note(format_args!("note: {line}"))
            }),
        }
        if let Some(remedy) = &advice.remedy {
            wrapped(remedy, "hint: ", |line| output::hint(line));
        }
    }
}

/// Prints `text` in several lines: the first with `first`, which adds `label`, the others indented to match.
fn wrapped(text: &str, label: &str, first: impl Fn(&str)) {
    for (index, line) in wrap(text, WIDTH - label.len()).iter().enumerate() {
        match index {
            0 => first(line),
            _ => output::note(format_args!("{:1$}{line}", "", label.len())),
        }
    }
}

fn in_github_actions() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// The launcher's counts since `before`, or why they are unknown.
fn counts(launcher: &Launcher, before: Result<Snapshot, String>) -> Result<Counts, String> {
    let before = before?;
    let now = Snapshot::take(launcher).map_err(|error| output::chain(&error))?;
    Ok(now.since(&before))
}

/// The file to which ccache writes the result of each call.
struct Results {
    path: PathBuf,
    /// The length of the content that was there before.
    offset: u64,
    /// Our own file if the user has not named one; removed when dropped.
    own: Option<NamedTempFile>,
}

impl Results {
    fn of(launcher: &Launcher) -> Option<Self> {
        if launcher.kind != LauncherKind::Ccache {
            return None;
        }
        if let Some(path) = results::users_log(launcher) {
            let offset = path.metadata().map_or(0, |metadata| metadata.len());
            return Some(Self {
                path,
                offset,
                own: None,
            });
        }
        let own = NamedTempFile::with_prefix("rock-wrap-results-").ok()?;
        Some(Self {
            path: own.path().to_owned(),
            offset: 0,
            own: Some(own),
        })
    }

    fn tail(&self) -> Option<Tail> {
        Tail::from(&self.path, self.offset).ok()
    }

    fn read(&self) -> Vec<(PathBuf, results::CacheOutcome)> {
        let log = self.tail().map(|mut tail| tail.lines());
        results::read(&log.unwrap_or_default())
    }
}
