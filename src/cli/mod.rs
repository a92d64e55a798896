//! Implements the command line: its options and its output.
//!
//! Owns: option parsing, output, exit codes. The work of each command is in the modules that it
//! calls. Errors are printed only here.

mod args;
mod cache_key;
mod completions;
mod doctor;
mod env;
mod error;
pub mod exit;
mod explain;
mod fingerprint;
mod guard;
pub mod hints;
mod install;
mod job;
mod man;
mod manifest;
mod output;
mod progress;
mod report;
mod reports;
mod restore;
mod run;
mod status;
pub mod variables;

use clap::error::ErrorKind;
use clap::{ArgAction, ColorChoice, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use args::{
    CacheKeyArgs, CompletionsArgs, DoctorArgs, EnvArgs, EnvFormat, ExplainArgs, FingerprintArgs,
    GuardArgs, InstallArgs, ManArgs, ManifestArgs, ManifestCommand, OnLauncherFailure, RestoreArgs,
    RunArgs, StatusArgs, WrapArgs,
};
pub use error::CliError;
pub use exit::Exit;

use crate::support::signals::die_by;

/// Puts a compiler cache in front of AMD ROCm's clang.
///
/// hipcc and other tools call ROCm's clang by absolute path, so CMake's compiler launchers never see
/// those calls. rock-wrap replaces clang and clang++ with a small program, the shim. It sends a compile
/// through sccache, ccache or another launcher if the result is certain to be the same, and every
/// other call straight to the real compiler.
#[derive(Debug, Parser)]
#[command(name = "rock-wrap", version, max_term_width = 100)]
#[command(after_help = FIRST_STEPS, after_long_help = more_help())]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub struct Cli {
    /// Log to standard error; -vv logs everything
    #[arg(short, long, action = ArgAction::Count)]
    // Behind the options of the command.
    #[arg(global = true, display_order = 100)]
    verbose: u8,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    #[arg(global = true, display_order = 101)]
    color: ColorChoice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Replace the tree's clang and clang++ with the shim
    #[command(after_help = "\
Examples:
  rock-wrap install --rocm-path /opt/rocm --launcher sccache
  rock-wrap install                       # no launcher until HIP_CLANG_LAUNCHER is set
  rock-wrap install --launcher ccache     # finds the tree by itself
  rock-wrap install --compiler /usr/lib/llvm-21/bin/clang++ --launcher ccache
  rock-wrap install --dry-run

Run install again to switch the launcher, to upgrade the shims, or after the compiler has changed;
only what differs is written. Without --launcher, the launcher stays as it was. If none was set, the
shims pass every call straight to the compiler until HIP_CLANG_LAUNCHER is set.")]
    Install(InstallArgs),
    /// Put the original compilers back
    #[command(after_help = "\
Examples:
  rock-wrap restore --rocm-path /opt/rocm
  rock-wrap restore --dry-run

Restore also cleans up after an interrupted install or restore. If a package manager has replaced a
shim with a new compiler, that compiler stays.")]
    Restore(RestoreArgs),
    /// Run a build with a compiler cache in front of ROCm's clang
    #[command(after_help = "\
Examples:
  rock-wrap run -- python setup.py bdist_wheel
  rock-wrap run --rocm-path /opt/rocm --launcher ccache -- make -j8
  rock-wrap run --compiler /usr/lib/llvm-21/bin/clang++ -- make   # not the one that hipcc calls
  rock-wrap run --attach shadow -- pip wheel .        # does not write to the tree

Without --launcher, the launcher is HIP_CLANG_LAUNCHER, sccache or ccache, whichever is found first.
When the build ends, the tree is restored to what it was; a tree that was wrapped before stays
wrapped. If rock-wrap is killed, a guard process ends the build and restores the tree.")]
    Run(RunArgs),
    /// Show what is installed in a tree
    #[command(after_help = "\
Examples:
  rock-wrap status --rocm-path /opt/rocm
  rock-wrap status --json")]
    Status(StatusArgs),
    /// Check that caching works and is safe, by compiling
    #[command(after_help = "\
Examples:
  rock-wrap doctor --rocm-path /opt/rocm --launcher sccache
  rock-wrap doctor --json | jq '.findings[] | select(.severity != \"ok\")'

Doctor compiles a few lines of HIP, first with a cache of its own and then with yours, and compares
the objects with those of the bare compiler. It changes nothing in the tree, which may be wrapped or
not, and does not stop your sccache server. It exits with 0 if caching works and is safe, even with
warnings, and with 1 if not.")]
    Doctor(DoctorArgs),
    /// Show what the shim would do with a compiler call, and why
    #[command(after_help = "\
Examples:
  rock-wrap explain -- /opt/rocm/lib/llvm/bin/clang++ -x hip --offload-arch=gfx942 -c k.cpp -o k.o
  rock-wrap explain --json -- clang++ --version")]
    Explain(ExplainArgs),
    /// Explain why compiles missed that an earlier run of the build had cached
    #[command(after_help = "\
Examples:
  rock-wrap why                     # the last two builds in this directory
  rock-wrap why gemm_kernels.hip    # one unit, with everything that differs
  rock-wrap why --report today.json --against yesterday.json --json

`run` keeps the reports of the last two builds with the same command in the same directory, below
the user's cache directory.")]
    Why(reports::WhyArgs),
    /// Turn the report of a build into a page, or show what changed between two builds
    #[command(after_help = "\
Examples:
  rock-wrap run --report build.json -- make -j8
  rock-wrap report build.json --html build.html
  rock-wrap report diff yesterday.json today.json
  rock-wrap report diff yesterday.json today.json --html changed.html

The page is a single file that loads nothing else, so it can be kept as a CI artifact.")]
    Report(reports::ReportsArgs),
    /// Print the environment variables that put all caches of a job under one directory
    #[command(after_help = "\
Examples:
  settings=$(rock-wrap env --policy ci --cache-root ~/.cache/ci) && eval \"$settings\"
  rock-wrap env --policy pull-request --cache-root .cache --remote redis://host --format github
  rock-wrap env --policy prerelease --cache-root /cache --format dotenv > build.env
  rock-wrap env --policy nightly --cache-root /cache --config rock-wrap.toml --format json

The directories are created and checked. A job that builds a fork's code, or that lacks credentials,
gets a local cache and at most reads the remote one. Standard error says what was withheld and why,
and has one line `cache mode:` with what the launcher itself reports. Passwords are neither printed
nor written to a file: set them in the environment of every step.")]
    Env(EnvArgs),
    /// Print the key under which a CI system should keep the job's cache
    #[command(after_help = "\
Examples:
  rock-wrap cache-key --prefix torch --policy ci --arch gfx942,gfx90a
  rock-wrap cache-key --prefix torch --policy ci --arch gfx942,gfx90a --restore-keys
  rock-wrap cache-key --arch gfx942 --wider-arch gfx942,gfx950 --restore-keys

The key consists of the operating system, the machine type, the policy, the launcher's major version,
the architectures, the ROCm release and the compiler's fingerprint, and has at most 512 bytes. It is
the same wherever these are the same. Jobs that build a fork's code have separate keys.")]
    CacheKey(CacheKeyArgs),
    /// Record what went into a build and what came out, or verify such a record
    #[command(
        args_conflicts_with_subcommands = true,
        subcommand_negates_reqs = true,
        after_help = "\
Examples:
  rock-wrap manifest --output dist/ --source pytorch=. --artifact 'dist/*.whl' --report report.json
  rock-wrap manifest verify dist/rock-wrap-manifest_torch_py3.12_release-2.9.json
  rock-wrap manifest --therock --source pytorch=/src/pytorch --source triton=/src/triton

The manifest is JSON. It names rock-wrap, ROCm, hipcc, the compiler with its fingerprint, the launcher
and its cache, the CI job, and the sources and artifacts with their digests, and contains the build's
report. If --output is a directory, the file is named after the wheel, Python's version and the
branch. `verify` exits with 1 at the first artifact that differs."
    )]
    Manifest(ManifestArgs),
    /// Print a digest of everything that determines a compiler's output
    #[command(after_help = "\
Examples:
  rock-wrap fingerprint --rocm-path /opt/rocm
  rock-wrap fingerprint --json /opt/rocm/lib/llvm/bin/clang++
  export CCACHE_COMPILERCHECK='rock-wrap fingerprint --quick %compiler%'   # for any ccache

The digest depends on no path and no time, so the same compiler has the same digest on every machine.
It covers the executable, its shared libraries, the programs it runs, its configuration files,
device bitcode, headers and run-time libraries.")]
    Fingerprint(FingerprintArgs),
    /// Print a shell's completion script for rock-wrap
    #[command(after_help = "\
Examples:
  eval \"$(rock-wrap completions bash)\"       # in ~/.bashrc
  rock-wrap completions zsh >~/.zfunc/_rock-wrap
  rock-wrap completions fish >~/.config/fish/completions/rock-wrap.fish")]
    Completions(CompletionsArgs),
    /// Print the manual page, or write all pages to a directory
    #[command(after_help = "\
Examples:
  rock-wrap man | man -l -
  rock-wrap man --output ~/.local/share/man/man1")]
    Man(ManArgs),
    /// Restore what a killed `run` has changed
    #[command(hide = true)]
    Guard(GuardArgs),
}

/// The text after the options in `-h`, which is also shown if there is no command.
const FIRST_STEPS: &str = "\
First steps:
  rock-wrap doctor               # does it work here? changes nothing
  rock-wrap run -- make -j8      # a build, and what the cache saved";

/// The text after the options in `--help`.
fn more_help() -> String {
    format!("{FIRST_STEPS}\n\n{}\n{}", variables::help(), exit::help())
}

/// Runs the command that the command line asks for.
#[must_use]
pub fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return answer_usage(&error),
    };
    output::set_color(cli.color);
    trace(cli.verbose);
    let result = match cli.command {
        Command::Install(args) => install::main(&args),
        Command::Restore(args) => restore::main(&args),
        Command::Status(args) => status::main(&args),
        Command::Doctor(args) => doctor::main(&args),
        Command::Explain(args) => explain::main(&args),
        Command::Fingerprint(args) => fingerprint::main(&args),
        Command::Run(args) => run::main(&args),
        Command::Completions(args) => Ok(completions::main(&args)),
        Command::Man(args) => man::main(&args),
        Command::Env(args) => env::main(&args),
        Command::Manifest(args) => manifest::main(&args),
        Command::CacheKey(args) => cache_key::main(&args),
        Command::Report(args) => reports::main(&args),
        Command::Why(args) => reports::why(&args),
        Command::Guard(args) => guard::main(&args),
    };
    result.unwrap_or_else(|error| {
        output::error(&error);
        match error.ends_by() {
            Some(signal) => die_by(signal),
            None => error.exit(),
        }
    })
}

/// Prints an error in the command line; or the help or version, which clap also reports as errors
/// but which go to standard output.
fn answer_usage(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        let _ = error.print();
        return Exit::Success;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
    } else {
        output::usage_error(error);
    }
    Exit::Usage
}

fn trace(verbose: u8) {
    let level = match verbose {
        0 => "off",
        1 => "rock_wrap=debug",
        _ => "trace",
    };
    let filter = match verbose {
        0 => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level)),
        _ => EnvFilter::new(level),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Decides about colours as for all other output to standard error.
        .with_writer(|| anstream::AutoStream::auto(std::io::stderr()))
        .with_ansi(true)
        // A message that standard error cannot be written to would end in a panic.
        .log_internal_errors(false)
        .with_target(false)
        .without_time()
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        let shown = |command: &&clap::Command| !command.is_hide_set();
        for command in Cli::command().get_subcommands().filter(shown) {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(help.contains("Examples:"), "{}", command.get_name());
        }
    }

    #[test]
    fn an_empty_command_after_the_dashes_is_wrong_usage() {
        for line in [["rock-wrap", "run", "--"], ["rock-wrap", "explain", "--"]] {
            assert!(Cli::try_parse_from(line).is_err());
        }
    }
}
