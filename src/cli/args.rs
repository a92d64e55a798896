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
    /// The ROCm tree, or the directory of its compilers [default: the first that has a compiler of
    /// ROCM_PATH, ROCM_HOME, `rocm-sdk path --root`, hipcc's compiler, `hipconfig --rocmpath` and
    /// /opt/rocm]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) rocm_path: Option<PathBuf>,
}

/// What to install.
#[derive(Debug, Args)]
pub(super) struct WrapArgs {
    /// The launcher: a path, or a name to look up on PATH; see below for the default
    #[arg(long, value_name = "NAME|PATH", value_hint = ValueHint::CommandName)]
    pub(super) launcher: Option<OsString>,
    /// Let a compile fail if its launcher fails, instead of compiling without the launcher
    #[arg(long)]
    pub(super) strict: bool,
    /// Turn off the launcher's direct mode, which does not notice a new header that hides one it
    /// knows; every hit then runs the preprocessor
    #[arg(long)]
    pub(super) exact: bool,
    /// Whether a HIP compile for several architectures is also cached by architecture, so that adding
    /// an architecture, or editing code that one of them sees, compiles that one
    #[arg(long, value_name = "WHEN", default_value_t = PerArch::default(), value_enum)]
    pub(super) per_arch: PerArch,
    /// A compiler to wrap: clang, clang++, or one with a version such as clang-19. A name is looked
    /// up in the tree; a path such as /usr/lib/llvm-21/bin/clang++ selects that directory instead.
    /// Can be repeated [default: the compiler that hipcc calls, and clang and clang++]
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
    /// The launcher: a path, or a name to look up on PATH [default: the first that there is of
    /// HIP_CLANG_LAUNCHER, the installed launcher, sccache and ccache]
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
    /// Print what the cache entry depends on; runs the preprocessor
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
    /// What to do if the launcher does not work when the build is about to start
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
    /// The directory under which all caches lie; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub(super) cache_root: PathBuf,
    /// The launcher: a path, or a name to look up on PATH [default: the first that there is of
    /// HIP_CLANG_LAUNCHER, sccache and ccache]
    #[arg(long, value_name = "NAME|PATH")]
    pub(super) launcher: Option<OsString>,
    /// How the variables are printed
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub(super) format: EnvFormat,
    /// A file with remote caches and what policies do differently (TOML, usually rock-wrap.toml)
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The remote cache, instead of the one in --config: redis://host, s3://bucket/prefix, ...
    #[arg(long, value_name = "URL")]
    pub(super) remote: Option<String>,
    /// The offload architectures of the build, separated by commas [default: PYTORCH_ROCM_ARCH];
    /// the local cache may grow with their number
    #[arg(long, value_name = "LIST")]
    pub(super) arch: Option<String>,
    /// The limit of the local cache, such as 20G [default: 5G, and 1G for each further architecture]
    #[arg(long, value_name = "SIZE")]
    pub(super) max_size: Option<String>,
    /// Let a release use a local cache
    #[arg(long)]
    pub(super) allow_local: bool,
}

/// How `env` prints variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum EnvFormat {
    /// Commands for `eval` in a shell
    #[default]
    Sh,
    /// Nothing; they are appended to the file that GITHUB_ENV names
    Github,
    /// JSON
    Json,
    /// NAME=VALUE lines without quotes, for containers and GitLab
    Dotenv,
}

#[derive(Debug, Args)]
pub(super) struct ManifestArgs {
    #[command(subcommand)]
    pub(super) command: Option<ManifestCommand>,
    #[command(flatten)]
    pub(super) tree: TreeArgs,
    /// The file to write, or the directory for it [with --therock: default: standard output]
    #[arg(long, value_name = "FILE", required_unless_present = "therock")]
    pub(super) output: Option<PathBuf>,
    /// A checkout that was built, and its name. Can be repeated
    #[arg(long = "source", value_name = "NAME=DIR")]
    pub(super) sources: Vec<String>,
    /// A file that the build made, or a pattern for such files. Can be repeated
    #[arg(long = "artifact", value_name = "PATH|PATTERN")]
    pub(super) artifacts: Vec<String>,
    /// Let a pattern match nothing
    #[arg(long)]
    pub(super) allow_empty: bool,
    /// The report that `rock-wrap run --report` wrote
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// The launcher: a path, or a name to look up on PATH [default: the first that there is of
    /// HIP_CLANG_LAUNCHER, sccache and ccache]
    #[arg(long, value_name = "NAME|PATH")]
    pub(super) launcher: Option<OsString>,
    /// Write only the sources, in the form of TheRock's source manifest
    #[arg(long, conflicts_with_all = ["artifacts", "report", "launcher"])]
    pub(super) therock: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum ManifestCommand {
    /// Compare the artifacts of a record with their digests
    Verify {
        /// The record
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct CacheKeyArgs {
    #[command(flatten)]
    pub(super) tree: TreeArgs,
    /// What tells this cache from others of the same repository; the key begins with it
    #[arg(long, value_name = "PREFIX", default_value = "rock-wrap")]
    pub(super) prefix: String,
    /// Print the keys whose caches may be restored in place of this one, the most specific first
    #[arg(long)]
    pub(super) restore_keys: bool,
    /// The offload architectures of the build, separated by commas [default: PYTORCH_ROCM_ARCH]
    #[arg(long, value_name = "LIST")]
    pub(super) arch: Option<String>,
    /// With caching by architecture: a list that another job builds for, whose cache may be restored
    /// if it contains --arch. Can be repeated
    #[arg(long, value_name = "LIST", requires = "restore_keys")]
    pub(super) wider_arch: Vec<String>,
    /// Which caches the job may use
    #[arg(long, value_enum, value_name = "POLICY", default_value_t)]
    pub(super) policy: Policy,
    /// The launcher: a path, or a name to look up on PATH [default: the first that there is of
    /// HIP_CLANG_LAUNCHER, sccache and ccache]
    #[arg(long, value_name = "NAME|PATH")]
    pub(super) launcher: Option<OsString>,
}

/// What `run` does if the launcher does not work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum OnLauncherFailure {
    /// Say why and do not build
    #[default]
    Fail,
    /// Say why and build without a cache
    Direct,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write a page for rock-wrap and one for each of its commands to DIR, which is created
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
