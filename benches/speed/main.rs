//! Measures the speed of rock-wrap against its peers and its bars. `scripts/bench.sh` builds what this needs and runs
//! it; `docs/performance.md` has the results.

mod builds;
mod caches;
mod calls;
mod commands;
mod contest;
mod hits;
mod host;
mod perarch;
mod report;
mod trace;
#[path = "../../tests/it/support/witnessed.rs"]
mod witnessed;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use report::Report;

/// A group of measurements.
type Group = fn(&Setup, &mut Report);

/// What `scripts/bench.sh` has prepared.
#[derive(Parser)]
pub struct Setup {
    /// The release build
    #[arg(long)]
    rock_wrap: PathBuf,
    /// The source tree
    #[arg(long)]
    source: PathBuf,
    /// A directory of our own with ROCm-like trees in it: bare, sccache and ccache; the latter two
    /// are going to be wrapped
    #[arg(long)]
    work: PathBuf,
    #[arg(long)]
    sccache: PathBuf,
    #[arg(long)]
    ccache: PathBuf,
    /// Fewer rounds
    #[arg(long)]
    quick: bool,
    /// Whole builds instead of single calls
    #[arg(long)]
    builds: bool,
    /// Only groups whose name contains this; for builds, a part of a name such as "heavy, -j2, ccache"
    #[arg(long, default_value = "")]
    only: String,
    /// Where to write the numbers
    #[arg(long)]
    json: Option<PathBuf>,
    /// Given by cargo
    #[arg(long)]
    bench: bool,
}

impl Setup {
    /// The number of rounds: `full`, or a tenth of it in the quick form.
    fn rounds(&self, full: usize) -> usize {
        if self.quick { full.div_ceil(10) } else { full }
    }

    fn tree(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }

    fn peer(&self, name: &str) -> PathBuf {
        self.source.join("benches/speed/peers").join(name)
    }
}

/// Writes an executable file.
fn executable(path: &Path, content: &[u8]) -> PathBuf {
    std::fs::write(path, content).expect("a directory of our own");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, mode).expect("a file of our own");
    path.to_owned()
}

fn main() -> ExitCode {
    let setup = Setup::parse();
    let mut report = Report::default();
    Report::head();
    if setup.builds {
        builds::all(&setup, &mut report);
    } else {
        let groups: [(&str, Group); 8] = [
            ("hit", hits::all),
            ("parallel", calls::parallel),
            ("direct", calls::direct),
            ("launched", calls::launched),
            ("growth", calls::growth),
            ("memory", calls::memory),
            ("commands", commands::all),
            ("per-arch", perarch::all),
        ];
        for (name, group) in groups {
            if name.contains(&setup.only) {
                group(&setup, &mut report);
            }
        }
    }
    if let Some(path) = &setup.json {
        let text = serde_json::to_string_pretty(&report.json(&machine())).expect("plain data");
        std::fs::write(path, text + "\n")
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let missed = report.missed();
    for what in &missed {
        println!("missed by more than the noise: {what}");
    }
    if missed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Describes the machine of the measurement, without its name.
fn machine() -> serde_json::Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let of_cpu = |key: &str| {
        let info = read("/proc/cpuinfo");
        let line = info.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split(": ").nth(1))
            .unwrap_or_default()
            .to_owned()
    };
    serde_json::json!({
        "cpu": of_cpu("model name"),
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "virtual": of_cpu("flags").split(' ').any(|flag| flag == "hypervisor"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load": read("/proc/loadavg").split(' ').next(),
    })
}
