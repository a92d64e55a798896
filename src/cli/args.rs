//! The options and arguments of the commands.
//!
//! Owns: their names and their help. The meaning belongs to the commands.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::report;
use crate::attach::Attach;
use crate::ci::Policy;
use crate::install::per_arch::PerArch;
use crate::rocm::NamedCompiler;

/// Which tree.
#[derive(Debug, Args)]
pub(super) struct TreeArgs {
    /// The ROCm tree, or the directory of its compilers [default: ROCM_PATH, ROCM_HOME,
    /// `rocm-sdk path --root`, the tree of hipcc's compiler, `hipconfig --rocmpath` or /opt/rocm,
    /// whichever is the first with a compiler]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) rocm_path: Option<PathBuf>,
}

/// What to install.
#[derive(Debug, Args)]
pub(super) struct WrapArgs {
    /// The launcher: a path, or a name to look up on PATH; for the default see below
    #[arg(long, value_name = "NAME|PATH", value_hint = ValueHint::CommandName)]
    pub(super) launcher: Option<OsString>,
    /// If the launcher fails, let the compile fail instead of repeating it without the launcher
    #[arg(long)]
    pub(super) strict: bool,
    /// Turn off the launcher's direct mode, which misses a new header that hides one on record; every
    /// hit then runs the preprocessor
    #[arg(long)]
    pub(super) exact: bool,
    /// When to cache each architecture of a HIP compile by itself too, so that adding an architecture,
    /// or editing code that only one of them sees, compiles only that one
    #[arg(long, value_name = "WHEN", default_value_t = PerArch::default(), value_enum)]
    pub(super) per_arch: PerArch,
    /// A compiler to wrap: clang, clang++, or one with a version such as clang-19. A name is looked
    /// up in the tree; a path such as /usr/lib/llvm-21/bin/clang++ selects that directory instead.
    /// May be repeated [default: clang, clang++ and the compiler that hipcc calls]
    #[arg(long = "compiler", value_name = "NAME|PATH")]
    pub(super) compilers: Vec<NamedCompiler>,
}

/// How to act and to answer.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Show what would be done without doing it
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print the answer as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct InstallArgs {
    #[command(flatten)]
    pub(super) tree: TreeArgs,
    #[command(flatten)]
    pub(super) wrap: WrapArgs,
    #[command(flatten)]
    pub(super) plan: PlanArgs,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    #[command(flatten)]
    pub(super) tree: TreeArgs,
    #[command(flatten)]
    pub(super) plan: PlanArgs,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    pub(super) tree: TreeArgs,
    /// Print the answer as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    pub(super) tree: TreeArgs,
    /// The launcher: a path, or a name to look up on PATH [default: HIP_CLANG_LAUNCHER, the
    /// installed launcher, sccache or ccache, whichever is found first]
    #[arg(long, value_name = "NAME|PATH", value_hint = ValueHint::CommandName)]
    pub(super) launcher: Option<OsString>,
    /// Print the answer as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// Print the answer as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Also print what the cache entry depends on; runs the preprocessor
    #[arg(long)]
    pub(super) key: bool,
    /// The compiler call: the compiler and its arguments
    #[arg(last = true, required = true, value_name = "CALL")]
    pub(super) call: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(super) struct FingerprintArgs {
    #[command(flatten)]
    pub(super) tree: TreeArgs,
    /// The compiler: a path, or a name to look up on PATH [default: the tree's]
    #[arg(value_name = "COMPILER")]
    pub(super) compiler: Option<OsString>,
    /// Reuse the recorded digest of a file if its size, times and inode have not changed
    #[arg(long)]
    pub(super) quick: bool,
    /// Print every file and its digest as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) tree: TreeArgs,
    #[command(flatten)]
    pub(super) wrap: WrapArgs,
    /// How the build's compiler calls reach rock-wrap
    #[arg(long, value_enum, value_name = "WAY", default_value_t)]
    pub(super) attach: Attach,
    /// Leave host compilers alone: do not set CMAKE_C_COMPILER_LAUNCHER and
    /// CMAKE_CXX_COMPILER_LAUNCHER
    #[arg(long)]
    pub(super) no_host: bool,
    /// What to do if the launcher does not work before the build starts
    #[arg(long, value_enum, value_name = "WHAT", default_value_t)]
    pub(super) on_launcher_failure: OnLauncherFailure,
    #[command(flatten)]
    pub(super) report: report::ReportArgs,
    /// The build command
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(super) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(super) struct EnvArgs {
    /// Which caches the job may use
    #[arg(long, value_enum, value_name = "POLICY", default_value_t)]
    pub(super) policy: Policy,
    /// The directory for all caches; created if missing
    #[arg(long, value_name = "DIR")]
    pub(super) cache_root: PathBuf,
    /// The launcher: a path, or a name to look up on PATH [default: HIP_CLANG_LAUNCHER,
    /// sccache or ccache, whichever is found first]
    #[arg(long, value_name = "NAME|PATH")]
    pub(super) launcher: Option<OsString>,
    /// How the variables are printed
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub(super) format: EnvFormat,
    /// A TOML file with remote caches and settings for each policy, usually rock-wrap.toml
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The remote cache, overriding --config: redis://host, s3://bucket/prefix, ...
    #[arg(long, value_name = "URL")]
    pub(super) remote: Option<String>,
    /// The offload architectures of the build, separated by commas; they determine the default of
    /// --max-size [default: PYTORCH_ROCM_ARCH]
    #[arg(long, value_name = "LIST")]
    pub(super) arch: Option<String>,
    /// The size limit of the local cache, such as 20G [default: 5G, plus 1G for each architecture after
    /// the first]
    #[arg(long, value_name = "SIZE")]
    pub(super) max_size: Option<String>,
    /// Let --policy release use a local cache
    #[arg(long)]
    pub(super) allow_local: bool,
}

/// How `env` prints variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum EnvFormat {
    /// Shell commands for `eval`
    #[default]
    Sh,
    /// Print nothing; append to the file that GITHUB_ENV names
    Github,
    /// A JSON object
    Json,
    /// Unquoted NAME=VALUE lines, for containers and GitLab
    Dotenv,
}

#[derive(Debug, Args)]
pub(super) struct ManifestArgs {
    #[command(subcommand)]
    pub(super) command: Option<ManifestCommand>,
    #[command(flatten)]
    pub(super) tree: TreeArgs,
    /// The file to write, or a directory to write it to [default with --therock: standard output]
    #[arg(long, value_name = "FILE", required_unless_present = "therock")]
    pub(super) output: Option<PathBuf>,
    /// A source checkout of the build and a name for it. May be repeated
    #[arg(long = "source", value_name = "NAME=DIR")]
    pub(super) sources: Vec<String>,
    /// A file that the build produced, or a pattern for such files. May be repeated
    #[arg(long = "artifact", value_name = "PATH|PATTERN")]
    pub(super) artifacts: Vec<String>,
    /// Accept a pattern that matches no file
    #[arg(long)]
    pub(super) allow_empty: bool,
    /// The build's report, written by `rock-wrap run --report`
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// The launcher: a path, or a name to look up on PATH [default: HIP_CLANG_LAUNCHER,
    /// sccache or ccache, whichever is found first]
    #[arg(long, value_name = "NAME|PATH")]
    pub(super) launcher: Option<OsString>,
    /// Write only the sources, in the format of TheRock's source manifest
    #[arg(long, conflicts_with_all = ["artifacts", "report", "launcher"])]
    pub(super) therock: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum ManifestCommand {
    /// Check the artifacts against the digests in a manifest
    Verify {
        /// The manifest
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct CacheKeyArgs {
    #[command(flatten)]
    pub(super) tree: TreeArgs,
    /// The start of the key, which distinguishes this cache from others of the same repository
    #[arg(long, value_name = "PREFIX", default_value = "rock-wrap")]
    pub(super) prefix: String,
    /// Print the keys of caches that may be restored instead, most specific first
    #[arg(long)]
    pub(super) restore_keys: bool,
    /// The offload architectures of the build, separated by commas [default: PYTORCH_ROCM_ARCH]
    #[arg(long, value_name = "LIST")]
    pub(super) arch: Option<String>,
    /// With caching by architecture: the architectures of another job, whose cache may be restored if
    /// they include all of --arch. May be repeated
    #[arg(long, value_name = "LIST", requires = "restore_keys")]
    pub(super) wider_arch: Vec<String>,
    /// Which caches the job may use
    #[arg(long, value_enum, value_name = "POLICY", default_value_t)]
    pub(super) policy: Policy,
    /// The launcher: a path, or a name to look up on PATH [default: HIP_CLANG_LAUNCHER,
    /// sccache or ccache, whichever is found first]
    #[arg(long, value_name = "NAME|PATH")]
    pub(super) launcher: Option<OsString>,
}

/// What `run` does if the launcher does not work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum OnLauncherFailure {
    /// Print the reason and do not build
    #[default]
    Fail,
    /// Print the reason and build without a cache
    Direct,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write a page for rock-wrap and for each command to DIR, which is created if missing
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct GuardArgs {
    /// The tree to restore
    #[arg(long, value_name = "DIR")]
    pub(super) tree: Option<PathBuf>,
    /// The shadow to remove
    #[arg(long, value_name = "DIR", conflicts_with = "tree")]
    pub(super) shadow: Option<PathBuf>,
}
