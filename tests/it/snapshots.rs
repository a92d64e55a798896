//! What users read: every help text and every error message, held against files in `tests/snapshots/`.

use std::fmt::Write as _;
use std::io::{Error as IoError, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

use crate::support::golden::{assert_current, source};
use crate::support::rocm::{ran, rock_wrap};
use clap::{Command, CommandFactory};
use rock_wrap::attach::AttachError;
use rock_wrap::cli::{Cli, CliError, hints};
use rock_wrap::doctor::scratch::Trouble;
use rock_wrap::fingerprint::IdentityError;
use rock_wrap::install::shims::WrapError;
use rock_wrap::install::{After, Error as DivertError, Failure, Refusal};
use rock_wrap::launcher::LauncherError;
use rock_wrap::launcher::health::{HealthError, Said};
use rock_wrap::launcher::stats::StatsError;
use rock_wrap::operation::OperationError;
use rock_wrap::report::Unseen;
use rock_wrap::rocm::TreeError;
use rock_wrap::rocm::compiler::CompilerError;
use rock_wrap::rocm::{Name, ProgramError};
use rock_wrap::session::SessionError;
use rock_wrap::shared::launchers::kind::Version;
use rock_wrap::shim_image::TooLong;
use rock_wrap::support::error_chain::chain;

#[test]
fn help_reads_as_committed() {
    let mut cli = Cli::command().term_width(100);
    cli.build();
    let hold = |command: &Command| {
        let text = format!(
            "{}\n\n=== the short form, -h ===\n\n{}\n",
            trimmed(&command.clone().render_long_help().to_string()),
            trimmed(&command.clone().render_help().to_string())
        );
        assert_current(
            &format!("tests/snapshots/help/{}.txt", command.get_name()),
            &text,
        );
    };
    hold(&cli);
    cli.get_subcommands()
        .filter(|command| command.get_name() != "help")
        .for_each(hold);
}

fn trimmed(text: &str) -> String {
    text.lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn messages_about_a_wrong_command_line_read_as_committed() {
    let mut text = String::new();
    for words in [
        &["install", "--no-such-option"][..],
        &["no-such-command"],
        &["install", "extra"],
        &["install", "--rocm-path"],
        &["install", "--compiler", "g++"],
        &["status", "--color", "pink"],
        &["run"],
        &["run", "make"],
        &["run", "--attach", "magic", "--", "make"],
        &["explain", "--"],
    ] {
        let message = ran(&mut rock_wrap(words)).refused(2);
        writeln!(text, "$ rock-wrap {}\n{message}", words.join(" ")).unwrap();
    }
    assert_current("tests/snapshots/usage.txt", &text);
}

fn bin() -> PathBuf {
    "/opt/rocm/lib/llvm/bin".into()
}

fn path(name: &str) -> PathBuf {
    bin().join(name)
}

fn clang() -> PathBuf {
    path("clang++")
}

fn denied() -> IoError {
    ErrorKind::PermissionDenied.into()
}

fn name(name: &str) -> Name {
    name.parse().unwrap()
}

fn program() -> ProgramError {
    ProgramError::Start {
        path: clang(),
        source: denied(),
    }
}

fn hangs() -> ProgramError {
    ProgramError::Hangs {
        path: "/usr/bin/sccache".into(),
        limit: Duration::from_secs(15),
    }
}

fn said(text: &str) -> Said {
    Said(text.to_owned())
}

fn trees() -> Vec<CliError> {
    let root = || PathBuf::from("/opt/rocm");
    [
        TreeError::Missing {
            path: "/opt/rocm-9".into(),
            found_by: "--rocm-path",
        },
        TreeError::NoCompiler {
            path: "/srv".into(),
            found_by: "--rocm-path",
            names: "clang, clang++".to_owned(),
            hipcc: "; /srv/bin/hipcc calls /usr/bin/g++, which is not clang".to_owned(),
        },
        TreeError::NotInDirectory {
            dir: bin(),
            name: name("clang-21"),
            held: Vec::new(),
        },
        TreeError::NotInDirectory {
            dir: bin(),
            name: name("clang-21"),
            held: vec!["clang".to_owned(), "clang-22".to_owned()],
        },
        TreeError::TwoDirectories("/usr/lib/llvm-19/bin".into(), "/usr/lib/llvm-21/bin".into()),
        TreeError::NotOfTree {
            dir: "/usr/lib/llvm-21/bin".into(),
            root: root(),
        },
        TreeError::NotFound {
            answers: vec![
                "ROCM_PATH: not set".to_owned(),
                "hipcc: not on PATH".to_owned(),
                "/opt/rocm (from the default): no such directory".to_owned(),
            ],
        },
        TreeError::Look {
            path: root(),
            source: denied(),
        },
    ]
    .map(CliError::from)
    .into()
}

fn launchers() -> Vec<CliError> {
    let sccache = || PathBuf::from("/usr/bin/sccache");
    let address = || "127.0.0.1:4226".to_owned();
    let cache = || "redis, name: redis://cache.example:6379".to_owned();
    let mut errors: Vec<CliError> = [
        LauncherError::NotFound(sccache()),
        LauncherError::NotExecutable(sccache()),
        LauncherError::Shim(clang()),
        LauncherError::Run {
            path: sccache(),
            source: hangs(),
        },
        LauncherError::Broken {
            path: sccache(),
            status: "exit status: 127".to_owned(),
            output: ": libssl.so.3: cannot open shared object file".to_owned(),
        },
    ]
    .map(CliError::from)
    .into();
    errors.push(CliError::Operation(OperationError::NoLauncher));
    let health = [
        HealthError::Ask(sccache(), hangs()),
        HealthError::Settings(sccache(), said("invalid value for SCCACHE_DIRECT")),
        HealthError::Answer(sccache(), said("no statistics")),
        HealthError::Mute {
            address: address(),
            limit: Duration::from_secs(15),
        },
        HealthError::Foreign {
            address: address(),
            source: said("Unexpected server response!"),
        },
        HealthError::OtherVersion {
            address: address(),
            server: Version(0, 8, 2),
            client: Version(0, 16, 0),
        },
        HealthError::Start {
            cache: cache(),
            source: said("Timed out waiting for server startup"),
        },
        HealthError::Slow {
            cache: cache(),
            source: hangs(),
        },
        HealthError::Directory {
            dir: "/var/cache/sccache".into(),
            source: denied(),
        },
    ];
    errors.extend(health.map(CliError::from));
    errors
}

fn compilers() -> Vec<CliError> {
    let compilers = [
        CompilerError::Missing(clang()),
        CompilerError::NotAFile(clang()),
        CompilerError::Foreign {
            path: clang(),
            launcher: "sccache",
        },
        CompilerError::Script(clang()),
        CompilerError::Path {
            path: "/srv/a\nb/clang-19".into(),
            why: "its path has a line break",
        },
        CompilerError::Look {
            path: clang(),
            source: denied(),
        },
        CompilerError::Run {
            path: clang(),
            source: program(),
        },
        CompilerError::NotClang {
            path: clang(),
            status: "exit status: 1".to_owned(),
            output: ": usage: clang++".to_owned(),
        },
    ];
    let identities = || {
        [
            IdentityError::Find {
                path: clang(),
                source: ErrorKind::NotFound.into(),
            },
            IdentityError::NotAFile(clang()),
            IdentityError::Read {
                path: "/nonexistent/lld".into(),
                source: denied(),
            },
            IdentityError::Changes(path("../lib/libLLVM.so.22")),
            IdentityError::Ask {
                path: clang(),
                source: program(),
            },
        ]
    };
    let wraps = [
        WrapError::Unfinished(clang()),
        WrapError::EqualsSign("/srv/a=b/clang-19".into()),
        WrapError::CcacheName(path("ccache-clang")),
        WrapError::TwoCompilers(path("clang-19"), path("clang-22")),
        WrapError::Look {
            path: clang(),
            source: denied(),
        },
        WrapError::Image(
            name("clang++"),
            TooLong {
                need: 70_000,
                room: 65_536,
            },
        ),
    ];
    let mut errors: Vec<CliError> = Vec::new();
    errors.extend(compilers.map(|error| CliError::from(WrapError::from(error))));
    errors.extend(identities().map(CliError::from));
    errors.extend(identities().map(|error| CliError::from(WrapError::from(error))));
    errors.extend(wraps.map(CliError::from));
    errors
}

fn refusals() -> Vec<CliError> {
    let (name, at) = (|| "clang++".into(), || "clang++.7625".into());
    let refusals = [
        Refusal::BadName { name: "..".into() },
        Refusal::Twice { name: name() },
        Refusal::BadImage { name: name() },
        Refusal::Missing { name: name() },
        Refusal::MissingButKept { name: name() },
        Refusal::Odd { name: name() },
        Refusal::MoveOfLink { name: name() },
        Refusal::Foreign { path: at() },
        Refusal::Target {
            name: name(),
            target: "clang-22".into(),
        },
        Refusal::Lost { name: name() },
        Refusal::Sticky {
            name: name(),
            owner: 1000,
        },
    ];
    refusals
        .map(|refusal| {
            CliError::Operation(OperationError::Refused {
                dir: bin(),
                refusal,
            })
        })
        .into()
}

fn operations() -> Vec<DivertError> {
    vec![
        DivertError::Open {
            path: bin(),
            source: denied(),
        },
        DivertError::Lock {
            path: bin(),
            source: denied(),
        },
        DivertError::Locked {
            path: bin(),
            pid: Some(4711),
        },
        DivertError::Locked {
            path: bin(),
            pid: None,
        },
        DivertError::List {
            path: bin(),
            source: denied(),
        },
        DivertError::Inspect {
            path: clang(),
            source: denied(),
        },
        DivertError::Read {
            path: clang(),
            source: denied(),
        },
        DivertError::NotWritable {
            path: bin(),
            missing: "this user has no right to write and search the directory",
            source: denied(),
        },
        DivertError::TempName {
            path: clang(),
            source: denied(),
        },
        DivertError::Create {
            path: clang(),
            source: ErrorKind::StorageFull.into(),
        },
        DivertError::Sync {
            path: clang(),
            source: ErrorKind::StorageFull.into(),
        },
        DivertError::SyncDir {
            path: bin(),
            source: ErrorKind::StorageFull.into(),
        },
        DivertError::Symlink {
            path: clang(),
            source: denied(),
        },
        DivertError::Link {
            from: clang(),
            to: path("clang++.7625"),
            source: denied(),
        },
        DivertError::Keep {
            path: clang(),
            source: ErrorKind::Unsupported.into(),
        },
        DivertError::KeepNewer {
            path: clang(),
            source: ErrorKind::Unsupported.into(),
        },
        DivertError::Rename {
            from: clang(),
            to: path("clang++.7625"),
            source: denied(),
        },
        DivertError::Exchange {
            one: clang(),
            two: path("clang++.7625"),
            source: denied(),
        },
        DivertError::Remove {
            path: clang(),
            source: denied(),
        },
        DivertError::Changed { path: clang() },
        DivertError::Interrupted { signal: 15 },
        DivertError::NoWayBack {
            source: Refusal::Lost {
                name: "clang++".into(),
            },
        },
    ]
}

fn failures() -> Vec<CliError> {
    let mut errors: Vec<CliError> = operations().into_iter().map(CliError::from).collect();
    let cause = || DivertError::Rename {
        from: clang(),
        to: path("clang++.7625"),
        source: ErrorKind::StorageFull.into(),
    };
    let state = vec![
        "clang: the shim".to_owned(),
        "clang++: the original".to_owned(),
    ];
    let error = Box::new(DivertError::Remove {
        path: path("clang.7625"),
        source: denied(),
    });
    for after in [
        After::AsBefore,
        After::Restored,
        After::Unfinished { error, state },
    ] {
        let failure = Failure {
            cause: cause(),
            after,
        };
        errors.push(CliError::Operation(OperationError::Failed {
            what: "install",
            failure,
        }));
    }
    let cause = DivertError::NotWritable {
        path: bin(),
        missing: "this user has no right to write and search the directory",
        source: denied(),
    };
    let keep = DivertError::Keep {
        path: clang(),
        source: ErrorKind::Unsupported.into(),
    };
    let keep_newer = DivertError::KeepNewer {
        path: clang(),
        source: ErrorKind::Unsupported.into(),
    };
    for (what, cause) in [
        ("restore", cause),
        ("install", keep),
        ("install", keep_newer),
    ] {
        let failure = Failure {
            cause,
            after: After::AsBefore,
        };
        errors.push(CliError::Operation(OperationError::Failed {
            what,
            failure,
        }));
    }
    for what in ["install", "restore"] {
        let source = DivertError::Remove {
            path: path(".rockwrap-session"),
            source: denied(),
        };
        errors.push(CliError::Operation(OperationError::StillShared {
            what,
            source,
        }));
    }
    errors
}

fn sessions() -> Vec<CliError> {
    let cache = || PathBuf::from("/home/me/.cache/rock-wrap/shadow");
    vec![
        CliError::Operation(OperationError::OtherNames {
            dir: bin(),
            name: name("clang-22"),
        }),
        AttachError::NoPlace.into(),
        AttachError::Directory(cache(), denied()).into(),
        AttachError::List(cache(), denied()).into(),
        AttachError::Make(cache().join("clang"), denied()).into(),
        AttachError::Remove(cache().join("clang"), denied()).into(),
        CliError::Operation(OperationError::Guard(ErrorKind::OutOfMemory.into())),
        SessionError::NotFound("maek".into()).into(),
        SessionError::NotExecutable("./build.sh".into()).into(),
        SessionError::Start {
            path: "/usr/bin/make".into(),
            source: ErrorKind::OutOfMemory.into(),
        }
        .into(),
        SessionError::Wait {
            path: "/usr/bin/make".into(),
            source: nix::errno::Errno::ECHILD,
        }
        .into(),
        CliError::Operation(OperationError::Interrupted(15)),
        CliError::Signals(ErrorKind::Other.into()),
        CliError::Output {
            path: "report.json".into(),
            source: denied(),
        },
        CliError::NothingSaved,
        CliError::NothingSeen(Unseen {
            wrapped: "clang, clang++ in /opt/rocm/lib/llvm/bin".to_owned(),
            hipcc: "/usr/bin/hipcc calls /usr/lib/llvm-21/bin/clang++".to_owned(),
            remedy: Some(
                "to wrap the compiler that /usr/bin/hipcc calls, pass --compiler /usr/lib/llvm-21/bin/clang++"
                    .to_owned(),
            ),
        }),
        CliError::NothingSeen(Unseen {
            wrapped: "clang, clang++ in /opt/rocm/lib/llvm/bin".to_owned(),
            hipcc: "no hipcc is on PATH".to_owned(),
            remedy: None,
        }),
        CliError::UseUnknown,
        CliError::NoCompiler(clang()),
        CliError::Nul,
    ]
}

fn examinations() -> Vec<CliError> {
    let scratch = || PathBuf::from("/tmp/rock-wrap-doctor-a1b2c3/unit.hip");
    let troubles = [
        Trouble::Program(program()),
        Trouble::Stats(StatsError::Unknown("distcc".to_owned())),
        Trouble::Stats(StatsError::Ask(hangs())),
        Trouble::Stats(StatsError::Read(
            "expected value at line 1 column 1".to_owned(),
        )),
        Trouble::File {
            path: scratch(),
            source: ErrorKind::StorageFull.into(),
        },
    ];
    let mut errors = vec![CliError::Rewritten(vec![path("lld"), path("clang-22")])];
    errors.extend(troubles.map(CliError::Bench));
    errors
}

#[test]
fn errors_read_as_committed() {
    type Family = (&'static str, fn() -> Vec<CliError>);
    let families: [Family; 7] = [
        ("The tree", trees),
        ("The launcher", launchers),
        ("The compiler and its fingerprint", compilers),
        ("What the directory does not allow", refusals),
        ("Install and restore", failures),
        ("run and explain", sessions),
        ("doctor and status", examinations),
    ];
    let mut text = String::new();
    for (title, family) in families {
        writeln!(text, "=== {title} ===\n").unwrap();
        for error in family() {
            let status = match error.ends_by() {
                Some(signal) => format!("signal {signal}"),
                None => (error.exit() as u8).to_string(),
            };
            writeln!(text, "[{status}] error: {}", chain(&error)).unwrap();
            for hint in hints::of(&error) {
                writeln!(text, "    hint: {hint}").unwrap();
            }
            text.push('\n');
        }
    }
    assert_current("tests/snapshots/errors.txt", &text);
}

#[test]
fn the_errors_that_troubleshooting_quotes_are_the_programs() {
    let read = |path| std::fs::read_to_string(source(path)).unwrap();
    let errors = read("tests/snapshots/errors.txt");
    let document = read("docs/troubleshooting.md");
    let quoted = document
        .lines()
        .filter_map(|line| line.strip_prefix("rock-wrap: error: "));
    let mut seen = 0;
    for quote in quoted {
        seen += 1;
        let beginning = quote.split("...").next().unwrap();
        assert!(errors.contains(&format!("] error: {beginning}")), "{quote}");
    }
    assert!(seen > 0);
}
