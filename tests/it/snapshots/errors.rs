//! One error of every kind.

use super::*;

pub(super) fn bin() -> PathBuf {
    "/opt/rocm/lib/llvm/bin".into()
}

pub(super) fn path(name: &str) -> PathBuf {
    bin().join(name)
}

pub(super) fn clang() -> PathBuf {
    path("clang++")
}

pub(super) fn denied() -> IoError {
    ErrorKind::PermissionDenied.into()
}

pub(super) fn name(name: &str) -> CompilerName {
    name.parse().unwrap()
}

pub(super) fn program() -> ProgramError {
    ProgramError::Start {
        path: clang(),
        source: denied(),
    }
}

pub(super) fn hangs() -> ProgramError {
    ProgramError::Hangs {
        path: "/usr/bin/sccache".into(),
        limit: Duration::from_secs(15),
    }
}

pub(super) fn said(text: &str) -> LauncherMessage {
    LauncherMessage(text.to_owned())
}

pub(super) fn trees() -> Vec<CliError> {
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

pub(super) fn launchers() -> Vec<CliError> {
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

pub(super) fn compilers() -> Vec<CliError> {
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

pub(super) fn refusals() -> Vec<CliError> {
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

pub(super) fn operations() -> Vec<DivertError> {
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

pub(super) fn failures() -> Vec<CliError> {
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

pub(super) fn sessions() -> Vec<CliError> {
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
        CliError::Report {
            path: "trace.json".into(),
            source: StoredError::NoReport,
        },
        CliError::Report {
            path: "report.json".into(),
            source: StoredError::Newer(2),
        },
        CliError::NoBuild,
        CliError::NoEarlierBuild,
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

pub(super) fn examinations() -> Vec<CliError> {
    let scratch = || PathBuf::from("/tmp/rock-wrap-doctor-a1b2c3/unit.hip");
    let troubles = [
        DoctorError::Program(program()),
        DoctorError::Stats(StatsError::Unknown("distcc".to_owned())),
        DoctorError::Stats(StatsError::Ask(hangs())),
        DoctorError::Stats(StatsError::Read(
            "expected value at line 1 column 1".to_owned(),
        )),
        DoctorError::File {
            path: scratch(),
            source: ErrorKind::StorageFull.into(),
        },
    ];
    let mut errors = vec![CliError::Rewritten(vec![path("lld"), path("clang-22")])];
    errors.extend(troubles.map(CliError::Bench));
    errors
}

pub(super) fn ci() -> Vec<CliError> {
    [
        CiError::NotAnArch("942".to_owned()),
        CiError::NativeArch,
        CiError::Prefix("a,b".to_owned()),
        CiError::LongPrefix(200),
        CiError::Scheme("ftp".to_owned()),
        CiError::Remote {
            url: "redis://".to_owned(),
            why: "it names no host, bucket or container".to_owned(),
        },
        CiError::SecretInUrl("http://host/cache".to_owned()),
        CiError::Unusable {
            url: "s3://bucket".to_owned(),
            launcher: "ccache",
            remedy: "use sccache, or an http, webdav, redis or file URL",
        },
        CiError::Launcher("/usr/bin/distcc".into()),
        CiError::ReadSettings {
            path: "rock-wrap.toml".into(),
            source: denied(),
        },
        CiError::Settings {
            path: "rock-wrap.toml".into(),
            line: Some(4),
            why: "unknown field `remotee`".to_owned(),
        },
        CiError::Size("5 GB".to_owned()),
        CiError::RootName("a\nb".into()),
        CiError::Directory {
            path: "/cache/ci/ccache".into(),
            source: denied(),
        },
        CiError::SourceForm("pytorch".to_owned()),
        CiError::SourceTwice("pytorch".to_owned()),
        CiError::Pattern {
            pattern: "dist/[".to_owned(),
            why: "invalid range pattern".to_owned(),
        },
        CiError::NoArtifact("dist/*.whl".to_owned()),
        CiError::ReadArtifact {
            path: "dist/torch.whl".into(),
            source: denied(),
        },
        CiError::ReadReport {
            path: "report.json".into(),
            why: "expected value at line 1 column 1".to_owned(),
        },
        CiError::WriteManifest {
            path: "dist/manifest.json".into(),
            source: denied(),
        },
        CiError::ReadManifest {
            path: "dist/manifest.json".into(),
            why: "it has no schema_version".to_owned(),
        },
        CiError::Changed {
            path: "dist/torch.whl".into(),
            what: "it has 7 bytes, and had 8".to_owned(),
        },
        CiError::NoGithubEnv,
        CiError::GithubEnv {
            path: "/runner/env".into(),
            source: denied(),
        },
    ]
    .map(CliError::from)
    .into()
}
