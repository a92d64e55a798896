//! Documents the environment variables that rock-wrap reads or sets, for `rock-wrap --help` and the
//! reference.
//!
//! Owns: their description for users. A variable's name and effect belong to the code that reads
//! it.

use std::fmt::Write as _;

use crate::report::wrap;

/// A variable (or several of one kind, `CC_PRINT_*`) and its description.
pub type Variable = (&'static str, &'static str);

/// A group of variables.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// What the variables have in common.
    pub title: &'static str,
    /// The variables.
    pub variables: &'static [Variable],
}

/// The variables that configure rock-wrap; `rock-wrap --help` shows them.
pub const SETTINGS: Group = Group {
    title: "Settings",
    variables: &[
        (
            "HIP_CLANG_LAUNCHER",
            "the launcher: a path, or a name to look up on PATH; overrides the installed launcher, \
             and hipcc 7.13 and later read it too",
        ),
        (
            "ROCK_WRAP_DISABLE",
            "if set to anything but 0, every call goes straight to the real compiler",
        ),
        (
            "ROCK_WRAP_BASE_DIR",
            "paths below this directory count as relative to it, so that checkouts share cached \
             objects; `run` sets it to its working directory unless it is set",
        ),
        (
            "ROCM_PATH, ROCM_HOME",
            "where to look for the tree if --rocm-path is not given",
        ),
        (
            "XDG_CACHE_HOME, HOME",
            "rock-wrap's own files are in $XDG_CACHE_HOME/rock-wrap, or else in \
             $HOME/.cache/rock-wrap; relative paths are ignored",
        ),
        (
            "TMPDIR",
            "where `run` puts its call log, `doctor` its test compiles, and a compile by architecture its \
             files",
        ),
        (
            "RUST_LOG",
            "what to log to standard error if -v is not given, such as `rock_wrap=debug`",
        ),
        (
            "NO_COLOR, CLICOLOR_FORCE",
            "turn colours off or on if --color is not given",
        ),
    ],
};

/// The variables that are not settings of rock-wrap's own.
pub const OTHERS: &[Group] = &[
    Group {
        title: "Launcher settings that change what rock-wrap does",
        variables: &[
            (
                "SCCACHE_SERVER_PORT, SCCACHE_SERVER_UDS",
                "where the shim, `run` and `doctor` look for sccache's server",
            ),
            (
                "SCCACHE_CLIENT_SIDE",
                "with sccache 0.17 and later, the shim starts sccache's client for every compile \
                 instead of talking to the server itself",
            ),
            (
                "SCCACHE_C_CUSTOM_CACHE_BUSTER",
                "set for each launched call; a value that you set is hashed into it",
            ),
            (
                "CCACHE_COMPILERCHECK",
                "set for each launched call; a value that you set is hashed into it",
            ),
            (
                "CCACHE_COMPILER, CCACHE_NODEPEND, CCACHE_CPP2, CCACHE_BASEDIR, CCACHE_HASHDIR, \
                 CCACHE_IGNOREHEADERS, CCACHE_IGNOREOPTIONS",
                "set for each call launched through ccache, whatever ccache.conf says",
            ),
            (
                "CCACHE_SLOPPINESS",
                "set for each call launched through ccache; of your values, and of those in \
                 ccache.conf, only `include_file_ctime` and `include_file_mtime` are kept",
            ),
            (
                "SCCACHE_CONF",
                "if this file turns on `ignore_time_macros` or `file_stat_matches`, calls are \
                 launched without sccache's direct mode",
            ),
            (
                "SCCACHE_BASEDIRS",
                "read by sccache's server only: the checkouts that share results although they \
                 use absolute names",
            ),
            (
                "OBJCPLUS_INCLUDE_PATH",
                "set for each launched call if `ROCK_WRAP_BASE_DIR` is set, to keep directories \
                 apart in the launcher's direct mode",
            ),
            (
                "CCACHE_STATSLOG",
                "`run` sets it to a temporary file to learn the result of each call; if you set \
                 it, your file is read instead",
            ),
        ],
    },
    Group {
        title: "Variables that affect whether a call is launched",
        variables: &[
            (
                "CCC_OVERRIDE_OPTIONS",
                "the call is direct (`override-options`)",
            ),
            ("COMPILER_PATH", "the call is direct (`external-tools`)"),
            ("CC_PRINT_*, CC_LOG_*", "the call is direct (`driver-log`)"),
            (
                "SOURCE_DATE_EPOCH",
                "under sccache the call is direct (`source-date-epoch`)",
            ),
            (
                "LD_PRELOAD",
                "under sccache the call is direct (`ld-preload`); under ccache it is in the key",
            ),
            (
                "PWD",
                "under sccache, a call with -g is direct if PWD is not the physical working \
                 directory (`logical-directory`)",
            ),
        ],
    },
    Group {
        title: "Variables that are part of a launched call's key",
        variables: &[(
            "HIP_DEVICE_LIB_PATH, ROCM_PATH, HIP_PATH, LD_LIBRARY_PATH, CLANG_NO_DEFAULT_CONFIG",
            "they change which files or options the compiler uses; the files that they lead to \
             are in the key too",
        )],
    },
    Group {
        title: "What `run` sets for the build",
        variables: &[
            (
                "HIP_CLANG_LAUNCHER, CMAKE_HIP_COMPILER_LAUNCHER",
                "the shim, with `--attach launcher`",
            ),
            (
                "HIP_CLANG_PATH, PATH, CC, CXX, HIPCXX",
                "with `--attach shadow`: the shadow directory, and the compilers in it in place of \
                 the tree's",
            ),
            (
                "CMAKE_C_COMPILER_LAUNCHER, CMAKE_CXX_COMPILER_LAUNCHER",
                "the shim, unless they are set or --no-host is given",
            ),
        ],
    },
    Group {
        title: "GitHub Actions",
        variables: &[
            (
                "GITHUB_ACTIONS",
                "if `true`, `run` prints its warnings as annotations",
            ),
            (
                "GITHUB_STEP_SUMMARY",
                "the file to which `run` then appends its report",
            ),
            (
                "GITHUB_ENV",
                "the file to which `env --format github` appends",
            ),
        ],
    },
    Group {
        title: "CI: whose code a job builds, and what else is recorded of it",
        variables: &[
            (
                "GITHUB_EVENT_NAME, GITHUB_EVENT_PATH, GITHUB_REPOSITORY, GITHUB_REF, GITHUB_SHA, \
                 GITHUB_RUN_ID, GITHUB_RUN_ATTEMPT, GITHUB_JOB, GITHUB_SERVER_URL",
                "read by `env`, `cache-key` and `manifest` if GITHUB_ACTIONS is `true`",
            ),
            (
                "GITLAB_CI, CI_PIPELINE_SOURCE, CI_MERGE_REQUEST_IID, CI_MERGE_REQUEST_PROJECT_PATH, \
                 CI_MERGE_REQUEST_SOURCE_PROJECT_PATH, CI_EXTERNAL_PULL_REQUEST_SOURCE_REPOSITORY, \
                 CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY, CI_PROJECT_PATH, CI_COMMIT_REF_NAME, \
                 CI_COMMIT_SHA, CI_PIPELINE_ID, CI_JOB_NAME, CI_JOB_URL",
                "the same in GitLab's jobs",
            ),
            (
                "JENKINS_URL, CHANGE_ID, CHANGE_FORK, GIT_URL, GIT_BRANCH, GIT_COMMIT, BRANCH_NAME, \
                 BUILD_NUMBER, BUILD_URL, JOB_NAME",
                "the same in Jenkins' jobs",
            ),
            (
                "PYTORCH_ROCM_ARCH",
                "the architectures, if `env` and `cache-key` are given no --arch",
            ),
            (
                "CCACHE_REMOTE_USER, CCACHE_REMOTE_PASSWORD, CCACHE_REMOTE_TOKEN",
                "the credentials with which ccache uses a remote cache that `env` has set up; each step \
                 of the job needs them",
            ),
            (
                "ROCK_WRAP_POLICY",
                "the policy that `env` has set the job up with; recorded by `manifest`",
            ),
        ],
    },
    Group {
        title: "Internal",
        variables: &[
            (
                "ROCK_WRAP_EVENTS",
                "the file to which shims append a line for each call; `run` and `doctor` set it",
            ),
            (
                "ROCK_WRAP_SESSION",
                "the compilers' directory of the current session; `run` sets it, so that a nested \
                 `run` joins the session",
            ),
            (
                "ROCK_WRAP_GUARD",
                "set for each launched call; a shim that sees it does not launch again",
            ),
            (
                "ROCK_WRAP_STAND_IN",
                "what the stand-in must know of a launched call",
            ),
            (
                "ROCK_WRAP_PARTS",
                "the calls that a compile made by architecture consists of",
            ),
        ],
    },
];

/// The "Environment variables" section of `rock-wrap --help`.
#[must_use]
pub fn help() -> String {
    const WIDTH: usize = 72;
    let mut help = "Environment variables:\n".to_owned();
    for (names, meaning) in SETTINGS.variables {
        let mut names = (*names).to_owned();
        for line in wrap(meaning, WIDTH) {
            let _ = writeln!(help, "  {names:<24} {line}");
            names.clear();
        }
    }
    help
}
