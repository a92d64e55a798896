//! The command line: what can be asked for, and how the answer looks.
//!
//! Owns: option parsing, output, exit codes. What the commands do is in the modules that they
//! call; an error is printed here and nowhere else.

mod attach;
mod doctor;
mod error;
mod exit;
mod explain;
mod fingerprint;
mod guard;
mod install;
mod output;
mod report;
mod restore;
mod run;
mod status;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, ColorChoice, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

pub use error::CliError;
pub use exit::Exit;

use crate::attach::Attach;
use crate::rocm::Asked;
use crate::support::signals::die_by;

/// Puts a compiler cache in front of ROCm's clang, where CMake's launchers never reach.
///
/// hipcc and others call ROCm's clang by absolute path. `rock-wrap install` stands in for it and
/// forwards compiles through sccache, ccache or another launcher where that is safe and useful;
/// every other call goes straight to the real compiler.
#[derive(Debug, Parser)]
#[command(name = "rock-wrap", version, max_term_width = 100, after_long_help = exit::HELP)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub struct Cli {
    /// Say more on standard error (twice: everything); RUST_LOG is obeyed too
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// When to use colours; NO_COLOR is obeyed too
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Stand in for the tree's clang and clang++
    #[command(after_help = "\
Examples:
  rock-wrap install --rocm-path /opt/rocm --launcher sccache
  rock-wrap install                       # a pass-through until HIP_CLANG_LAUNCHER is set
  rock-wrap install --launcher ccache     # for the compiler that hipcc calls, wherever it lies
  rock-wrap install --compiler /usr/lib/llvm-21/bin/clang++ --launcher ccache
  rock-wrap install --dry-run

Installing again changes what differs and nothing else, so this is also how to switch the
launcher or to upgrade the shims. Without --launcher the installed one is kept.")]
    Install(InstallArgs),
    /// Bring the original compilers back
    #[command(after_help = "\
Examples:
  rock-wrap restore --rocm-path /opt/rocm
  rock-wrap restore --dry-run

Also finishes whatever an interrupted install or restore left. A compiler that a package manager
has put in our place meanwhile is kept.")]
    Restore(RestoreArgs),
    /// Show what is installed in the tree
    #[command(after_help = "\
Examples:
  rock-wrap status --rocm-path /opt/rocm
  rock-wrap status --json")]
    Status(StatusArgs),
    /// Find out by compiling whether caching is safe and works
    #[command(after_help = "\
Examples:
  rock-wrap doctor --rocm-path /opt/rocm --launcher sccache
  rock-wrap doctor --json | jq '.findings[] | select(.severity != \"ok\")'

It compiles a few lines of HIP, in a cache of its own and then in yours, and holds what comes out
against the bare compiler. The tree is not changed, wrapped or not, and no server is stopped. Ends
with 0 where caching is safe and works, warnings or not, and with 1 where it is not.")]
    Doctor(DoctorArgs),
    /// Show what would run for a compiler call, and why
    #[command(after_help = "\
Examples:
  rock-wrap explain -- /opt/rocm/lib/llvm/bin/clang++ -x hip --offload-arch=gfx942 -c k.cpp -o k.o
  rock-wrap explain --json -- clang++ --version")]
    Explain(ExplainArgs),
    /// Print a digest of all that decides what a compiler produces
    #[command(after_help = "\
Examples:
  rock-wrap fingerprint --rocm-path /opt/rocm
  rock-wrap fingerprint --json /opt/rocm/lib/llvm/bin/clang++
  export CCACHE_COMPILERCHECK='rock-wrap fingerprint --quick %compiler%'   # for ccache anywhere

The digest holds no path and no time: the same compiler has the same one on every machine. It
covers the executable, its shared objects, the programs it runs, its configuration files, device
bitcode, headers and run-time libraries.")]
    Fingerprint(FingerprintArgs),
    /// Do everything around one build: attach, run it, detach, and say what the launcher did
    #[command(after_help = "\
Examples:
  rock-wrap run -- python setup.py bdist_wheel
  rock-wrap run --rocm-path /opt/rocm --launcher ccache -- make -j8
  rock-wrap run --compiler /usr/lib/llvm-21/bin/clang++ -- make   # another one than hipcc calls
  rock-wrap run --attach shadow -- pip wheel .        # writes nothing to the tree

Without --launcher it uses HIP_CLANG_LAUNCHER, then sccache, then ccache. A tree that is wrapped
already is used as it is, and left so. Should rock-wrap be killed, the build is ended and the tree
put back all the same.")]
    Run(RunArgs),
    /// Wait beside `run`, and detach should it be killed
    #[command(hide = true)]
    Guard(GuardArgs),
}

/// Which tree.
#[derive(Debug, Args)]
struct TreeArgs {
    /// The ROCm tree, or the directory of its compilers [default: ROCM_PATH, ROCM_HOME, `rocm-sdk path
    /// --root`, what hipcc calls, `hipconfig --rocmpath`, /opt/rocm: the first that holds one]
    #[arg(long, value_name = "DIR")]
    rocm_path: Option<PathBuf>,
}

/// What to install.
#[derive(Debug, Args)]
struct WrapArgs {
    /// The launcher: a name to look up on PATH, or a path [default for install: none, a
    /// pass-through]
    #[arg(long, value_name = "NAME|PATH")]
    launcher: Option<OsString>,
    /// Fail a compile whose launcher cannot be run or fails, instead of compiling without it
    #[arg(long)]
    strict: bool,
    /// Turn the launcher's direct mode off, which does not notice a new header that is found before
    /// the one it knows; each hit then costs a preprocessing
    #[arg(long)]
    exact: bool,
    /// The compiler to stand in for, clang or clang++ or one with a version: a name in the tree, or a
    /// path such as /usr/lib/llvm-21/bin/clang++, whose directory is then the one of the tree's
    /// compilers; may be given more than once [default: what hipcc calls, and clang and clang++]
    #[arg(long = "compiler", value_name = "NAME|PATH")]
    compilers: Vec<Asked>,
}

/// How to act and to answer.
#[derive(Debug, Args)]
struct PlanArgs {
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct InstallArgs {
    #[command(flatten)]
    tree: TreeArgs,
    #[command(flatten)]
    wrap: WrapArgs,
    #[command(flatten)]
    plan: PlanArgs,
}

#[derive(Debug, Args)]
struct RestoreArgs {
    #[command(flatten)]
    tree: TreeArgs,
    #[command(flatten)]
    plan: PlanArgs,
}

#[derive(Debug, Args)]
struct StatusArgs {
    #[command(flatten)]
    tree: TreeArgs,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct DoctorArgs {
    #[command(flatten)]
    tree: TreeArgs,
    /// The launcher: a name to look up on PATH, or a path [default: HIP_CLANG_LAUNCHER, the
    /// installed one, sccache, ccache: the first that there is]
    #[arg(long, value_name = "NAME|PATH")]
    launcher: Option<OsString>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ExplainArgs {
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    /// The compiler call, beginning with the compiler
    #[arg(last = true, required = true, value_name = "CALL")]
    call: Vec<OsString>,
}

#[derive(Debug, Args)]
struct FingerprintArgs {
    #[command(flatten)]
    tree: TreeArgs,
    /// The compiler: a name to look up on PATH, or a path [default: the tree's]
    #[arg(value_name = "COMPILER")]
    compiler: Option<OsString>,
    /// Do not read a file again whose size, times and inode are as they were
    #[arg(long)]
    quick: bool,
    /// Show every file and its digest, in JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    tree: TreeArgs,
    #[command(flatten)]
    wrap: WrapArgs,
    /// How the build's compiler calls come to rock-wrap
    #[arg(long, value_enum, value_name = "WAY", default_value_t)]
    attach: Attach,
    /// Leave host compilers alone: set neither CMAKE_C_COMPILER_LAUNCHER nor
    /// CMAKE_CXX_COMPILER_LAUNCHER
    #[arg(long)]
    no_host: bool,
    /// What to do if the launcher does not work
    #[arg(long, value_enum, value_name = "WHAT", default_value_t)]
    on_launcher_failure: OnLauncherFailure,
    #[command(flatten)]
    report: report::ReportArgs,
    /// The build
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// What `run` does if the launcher does not work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum OnLauncherFailure {
    /// Say why, and do not build
    #[default]
    Fail,
    /// Say why, and build without a cache
    Direct,
}

#[derive(Debug, Args)]
struct GuardArgs {
    /// The tree to be restored
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// The shadow to be removed
    #[arg(long, value_name = "DIR", conflicts_with = "tree")]
    shadow: Option<PathBuf>,
}

/// Does what the command line asks for.
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

/// Prints what is wrong with the command line; or the help or the version, which come this way too
/// and go to standard output.
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
        // Decides about colours as for everything else that we print there.
        .with_writer(|| anstream::AutoStream::auto(std::io::stderr()))
        .with_ansi(true)
        // To complain that standard error cannot be written to would end in a panic.
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
