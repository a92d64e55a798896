//! A shim with sccache asks the server itself: what a caller sees is the compiler's, whether the result
//! comes from the cache or not, and the client is run only where no server answers.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::support::launchers::{Asked, Cache, sccache};
use crate::support::rocm::{Rocm, assert_has, ran, rock_wrap};
use crate::support::run;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::pty::openpty;
use nix::unistd::geteuid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A wrapped tree whose launcher is a copy of sccache that can be taken away, and sccache's server.
struct Site {
    rocm: Rocm,
    cache: Cache,
    client: PathBuf,
}

impl Site {
    fn new() -> Self {
        let rocm = Rocm::new(19, "symlink");
        let client = rocm.beside("sccache");
        fs::copy(sccache(), &client).unwrap();
        rocm.install(["--launcher", client.to_str().unwrap()].iter())
            .ok();
        Self {
            rocm,
            cache: Cache::new(&sccache()),
            client,
        }
    }

    /// `source` with the compiler's name `clang`, through the shim or around it.
    fn compile(&self, source: &str, through: bool) -> Command {
        fs::write(self.rocm.beside("a.c"), source).unwrap();
        let mut compile = self.rocm.compiler("clang");
        compile
            .args(["-c", "a.c", "-o", "a.o"])
            .envs(self.cache.env())
            .env("TERM", "xterm")
            .env("ROCK_WRAP_DISABLE", if through { "0" } else { "1" })
            .stdin(Stdio::null());
        compile
    }

    /// A session around a command that compiles nothing.
    fn rock_wrap_run(&self) -> Command {
        let mut session = self.rocm.rock_wrap("run");
        session
            .arg("--launcher")
            .arg(&self.client)
            .args(["--", "true"]);
        session
            .envs(self.cache.env())
            .current_dir(self.rocm.beside("."));
        session
    }

    fn object(&self) -> Vec<u8> {
        fs::read(self.rocm.beside("a.o")).unwrap()
    }
}

/// So many warnings, of which each shows a line with a tab and one that is no ASCII.
fn warnings(count: usize) -> String {
    let warning = |number| format!("int f{number}(void)\t{{ /* \u{e4} */ }}\n");
    (0..count).map(warning).collect()
}

/// Runs `program` in a shell that keeps a copy of the pipe on its standard output at descriptor 6, as a
/// configure script does. Whether somebody still holds the pipe when all of that has ended.
fn leaves_pipe_held(program: &Command) -> bool {
    let (reader, writer) = io::pipe().unwrap();
    let mut shell = Command::new("sh");
    let script = r#"exec 6>&1 >/dev/null 2>&1; "$@""#;
    shell.args(["-c", script, "sh"]).arg(program.get_program());
    shell.args(program.get_args()).env_clear();
    let set = program
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    shell.envs(set);
    if let Some(dir) = program.get_current_dir() {
        shell.current_dir(dir);
    }
    assert!(
        shell
            .stdin(Stdio::null())
            .stdout(writer)
            .status()
            .unwrap()
            .success()
    );
    drop(shell);
    let mut end = [PollFd::new(&reader, PollFlags::IN)];
    // A child of another test has it too, between its fork and its exec. A server has it for much longer.
    let patience = Timespec {
        tv_sec: 5,
        tv_nsec: 0,
    };
    poll(&mut end, Some(&patience)).unwrap();
    !end[0].revents().contains(PollFlags::HUP)
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    (output.status.code(), stdout, stderr)
}

#[test]
fn a_compile_needs_the_server_and_not_the_client() {
    let site = Site::new();
    fs::remove_file(&site.client).unwrap();
    for expected in [Asked::new(0, 1), Asked::new(1, 1)] {
        let output = run(&mut site.compile("int one;\n", true));
        assert_eq!(said(&output), (Some(0), String::new(), String::new()));
        assert_eq!(site.cache.asked(), expected);
    }
    let made = site.object();
    run(&mut site.compile("int one;\n", false));
    assert!(made == site.object(), "the object differs");
}

#[test]
fn explain_tells_that_the_server_is_asked() {
    let site = Site::new();
    let compile = site.compile("int one;\n", true);
    let explain = |options: &[&str]| {
        let mut explain = rock_wrap(["explain"]);
        explain.args(options).arg("--").arg(compile.get_program());
        explain
            .args(compile.get_args())
            .current_dir(site.rocm.beside("."));
        ran(&mut explain)
    };
    assert_has(&explain(&[]).ok().out, &["asks: its server for this"]);
    assert_eq!(explain(&["--json"]).json()["asks_server"], true);
}

#[test]
fn without_a_server_the_client_starts_one() {
    let site = Site::new();
    let socket = site.rocm.beside("other-socket");
    let mut compile = site.compile("int one;\n", true);
    compile
        .env("SCCACHE_SERVER_UDS", &socket)
        .env("SCCACHE_IDLE_TIMEOUT", "5")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    assert!(!socket.exists());
    assert!(compile.status().unwrap().success());
    assert!(socket.exists(), "a server listens");
    assert_eq!(site.cache.asked(), Asked::default());
}

#[test]
fn a_build_in_a_pipe_ends_though_it_has_started_the_server() {
    let site = Site::new();
    let socket = site.rocm.beside("other-socket");
    let settings = [
        ("SCCACHE_SERVER_UDS", socket.to_str().unwrap()),
        ("SCCACHE_IDLE_TIMEOUT", "20"),
    ];
    let stop = || {
        let mut stop = Command::new(&site.client);
        run(stop
            .arg("--stop-server")
            .envs(site.cache.env())
            .envs(settings));
        drop(fs::remove_file(&socket));
    };
    let mut compile = site.compile("int one;\n", true);
    compile.envs(settings);
    let mut run = site.rock_wrap_run();
    run.envs(settings);
    for program in [compile, run] {
        let name = program.get_program().to_owned();
        assert!(!leaves_pipe_held(&program), "{name:?}");
        assert!(
            UnixStream::connect(&socket).is_ok(),
            "{name:?}: a server listens"
        );
        stop();
    }
    // By itself the client would have it held.
    let mut client = Command::new(&site.client);
    client
        .arg(site.rocm.bin().join("clang.7625"))
        .args(["-c", "a.c", "-o", "a.o"]);
    client
        .env("PATH", "/usr/bin:/bin")
        .envs(site.cache.env())
        .envs(settings);
    client.current_dir(site.rocm.beside("."));
    assert!(leaves_pipe_held(&client), "the control");
    stop();
}

#[test]
fn what_the_compiler_inherits_is_all_there_when_the_client_cannot_be_run() {
    let site = Site::new();
    fs::remove_file(&site.client).unwrap();
    let mut compile = site.compile("int one;\n", true);
    compile.env("SCCACHE_SERVER_UDS", site.rocm.beside("nowhere"));
    // The header is found by way of the descriptor alone.
    let script = format!(
        "exec 6<{:?}; \"$@\" -I/proc/self/fd/6",
        site.rocm.beside("headers")
    );
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &script, "sh"])
        .arg(compile.get_program())
        .args(compile.get_args());
    let set = compile
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    shell
        .env_clear()
        .envs(set)
        .current_dir(site.rocm.beside("."));
    fs::create_dir(site.rocm.beside("headers")).unwrap();
    fs::write(site.rocm.beside("headers/only-there.h"), "int two;\n").unwrap();
    fs::write(site.rocm.beside("a.c"), "#include <only-there.h>\n").unwrap();
    let output = run(shell.stdin(Stdio::null()));
    assert_eq!(output.status.code(), Some(0), "{:?}", said(&output));
}

#[test]
fn a_hit_runs_no_compiler_where_clang_chooses_the_dependency_files_name() {
    let site = Site::new();
    let header = site.rocm.beside("a.h");
    let compile = |through: bool| {
        let mut compile = site.compile("#include \"a.h\"\n", through);
        // What is newer than the compile is not trusted.
        let then = SystemTime::now() - Duration::from_secs(60);
        for file in [&header, &site.rocm.beside("a.c")] {
            File::options()
                .write(true)
                .open(file)
                .unwrap()
                .set_modified(then)
                .unwrap();
        }
        for made in ["a.o", "a.d"] {
            drop(fs::remove_file(site.rocm.beside(made)));
        }
        let output = run(compile.arg("-MD"));
        assert_eq!(said(&output), (Some(0), String::new(), String::new()));
        ["a.o", "a.d"].map(|made| fs::read(site.rocm.beside(made)).unwrap())
    };
    let edit = |text: &str| fs::write(&header, text).unwrap();
    edit("int one;\n");
    let bare = compile(false);
    assert!(compile(true) == bare, "a miss");
    let real = site.rocm.bin().join("clang-19");
    let runs = |yes: bool| {
        let mode = if yes { 0o755 } else { 0o644 };
        fs::set_permissions(&real, Permissions::from_mode(mode)).unwrap();
    };
    runs(false);
    assert!(compile(true) == bare, "a hit");
    assert_eq!(site.cache.asked(), Asked::new(1, 1));
    runs(true);
    edit("int another;\n");
    let edited = compile(false);
    assert!(edited[0] != bare[0]);
    assert!(compile(true) == edited, "after an edit");
    assert_eq!(site.cache.asked(), Asked::new(1, 2));
}

#[test]
fn a_server_that_hangs_up_is_left_to_the_client() {
    let site = Site::new();
    let path = site.rocm.beside("rude-socket");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || listener.incoming().for_each(drop));
    let mut compile = site.compile("int one;\n", true);
    let output = run(compile.env("SCCACHE_SERVER_UDS", &path));
    let (status, _, stderr) = said(&output);
    assert_eq!(status, Some(0), "{stderr}");
    // sccache's own words, and then ours.
    assert!(stderr.contains("sccache: error"), "{stderr}");
    assert!(stderr.contains("compiling without it"), "{stderr}");
}

/// A compile at a server that answers so, once, and hangs up. With the launcher as strict as it can be.
fn answered(site: &Site, answers: &[&[u8]]) -> (Option<i32>, String, String) {
    let path = site.rocm.beside("short-socket");
    drop(fs::remove_file(&path));
    let listener = UnixListener::bind(&path).unwrap();
    let answers = answers.iter().flat_map(|answer| {
        let length = u32::try_from(answer.len()).unwrap().to_be_bytes();
        [&length[..], answer].concat()
    });
    let answers: Vec<u8> = answers.collect();
    let server = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut length = [0; 4];
        connection.read_exact(&mut length).unwrap();
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        connection.read_exact(&mut request).unwrap();
        connection.write_all(&answers).unwrap();
    });
    drop(fs::remove_file(site.rocm.beside("a.o")));
    let mut compile = site.compile("int one;\n", true);
    let output = run(compile.env("SCCACHE_SERVER_UDS", &path));
    server.join().unwrap();
    said(&output)
}

const STARTED: &[u8] = &[0; 8];
const NOT_CACHED: &[u8] = &[0, 0, 0, 0, 1, 0, 0, 0];
const UNKNOWN: &[u8] = b"\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0odd";
/// By signal 11, with a message.
const KILLED: &[u8] = b"\x05\0\0\0\0\x01\x0b\0\0\0\0\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0odd\x02\0\0\0";
/// With sccache's own status.
const FAILED: &[u8] =
    b"\x05\0\0\0\x01\xfe\xff\xff\xff\0\0\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0odd\x02\0\0\0";

#[test]
fn what_a_server_does_not_do_is_compiled() {
    let site = Site::new();
    for (answers, shows_why) in [
        (&[NOT_CACHED][..], false),
        (&[STARTED], false),
        (&[STARTED, KILLED], false),
        (&[STARTED, FAILED], true),
        // Remembered, so that it is the last.
        (&[UNKNOWN], true),
    ] {
        let (status, stdout, stderr) = answered(&site, answers);
        assert_eq!((status, &*stdout), (Some(0), ""), "{stderr}");
        assert!(!site.object().is_empty());
        assert_eq!(stderr.contains("odd"), shows_why, "{stderr}");
        let told = stderr.matches("compiling without it").count();
        assert_eq!(told, usize::from(answers != [NOT_CACHED]), "{stderr}");
    }
}

#[test]
fn a_server_that_says_it_is_done_and_has_made_nothing_is_not_believed() {
    const DONE: &[u8] = b"\x05\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0";
    let site = Site::new();
    let (status, _, stderr) = answered(&site, &[STARTED, DONE]);
    assert_eq!(status, Some(0), "{stderr}");
    assert!(!site.object().is_empty());
    assert!(stderr.contains("without an output; compiling"), "{stderr}");
}

/// How a server is started: in front of its program.
type Starter = &'static [&'static str];

#[test]
fn only_a_server_of_this_user_that_sees_the_same_files_is_asked() {
    const OURS: Starter = &["env"];
    const NOBODYS: Starter = &["setpriv", "--reuid=65534", "--clear-groups"];
    const ELSEWHERE: Starter = &["unshare", "--mount"];
    assert!(
        geteuid().is_root(),
        "another user's server takes root to start"
    );
    let site = Site::new();
    let place = site.rocm.beside("shared");
    fs::create_dir(&place).unwrap();
    fs::set_permissions(&place, Permissions::from_mode(0o777)).unwrap();
    let bare = {
        run(&mut site.compile("int one;\n", false));
        site.object()
    };
    for (number, (starter, by_path, asked)) in [
        (OURS, true, true),
        (OURS, false, true),
        (NOBODYS, true, false),
        (NOBODYS, false, false),
        (ELSEWHERE, true, false),
    ]
    .into_iter()
    .enumerate()
    {
        let case = format!("{starter:?}, by path: {by_path}");
        let at = |name: &str| {
            place
                .join(format!("{name}{number}"))
                .to_str()
                .unwrap()
                .to_owned()
        };
        let address = match by_path {
            true => ("SCCACHE_SERVER_UDS", at("socket")),
            false => {
                let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
                let port = listener.local_addr().unwrap().port();
                ("SCCACHE_SERVER_PORT", port.to_string())
            }
        };
        // Of two addresses the path would count.
        let compile = || {
            let mut compile = site.compile("int one;\n", true);
            compile
                .env_remove("SCCACHE_SERVER_UDS")
                .env(address.0, &address.1);
            drop(fs::remove_file(site.rocm.beside("a.o")));
            said(&run(&mut compile))
        };
        let mut server = Command::new(starter[0]);
        server.args(&starter[1..]).arg(sccache()).env_clear();
        server
            .env("PATH", "/usr/bin:/bin")
            .env("SCCACHE_START_SERVER", "1");
        server
            .env("SCCACHE_NO_DAEMON", "1")
            .env("SCCACHE_DIR", at("cache"));
        server
            .env(address.0, &address.1)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut server = server.spawn().unwrap();
        let listens = || match by_path {
            true => UnixStream::connect(&address.1).is_ok(),
            false => TcpStream::connect(("127.0.0.1", address.1.parse().unwrap())).is_ok(),
        };
        while !listens() {
            assert!(server.try_wait().unwrap().is_none(), "{case}: no server");
            thread::yield_now();
        }
        if by_path {
            // So that rights are not what keeps anybody away.
            fs::set_permissions(&address.1, Permissions::from_mode(0o777)).unwrap();
        }
        let first = compile();
        assert!(site.object() == bare, "{case}");
        let told = first
            .2
            .matches("another user's or in another container")
            .count();
        assert_eq!(
            (first.0, told),
            (Some(0), usize::from(!asked)),
            "{case}: {}",
            first.2
        );
        // Once for a build.
        assert_eq!(compile(), (Some(0), String::new(), String::new()), "{case}");
        let mut ask = Command::new(sccache());
        ask.args(["--show-stats", "--stats-format", "json"])
            .env_clear();
        let answer = run(ask.env(address.0, &address.1));
        let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
        let requests = if asked { 2 } else { 0 };
        assert_eq!(answer["stats"]["compile_requests"], requests, "{case}");
        server.kill().unwrap();
        server.wait().unwrap();
    }
}

#[test]
fn a_strict_installation_fails_with_sccache_and_not_with_a_server_that_goes_away() {
    let site = Site::new();
    let launcher = ["--launcher", site.client.to_str().unwrap(), "--strict"];
    site.rocm.install(launcher.iter()).ok();
    assert_eq!(answered(&site, &[NOT_CACHED]).0, Some(0));
    assert_eq!(answered(&site, &[STARTED]).0, Some(0));
    let (status, _, stderr) = answered(&site, &[STARTED, FAILED]);
    assert_eq!(status, Some(254));
    assert!(stderr.contains("odd"), "{stderr}");
    assert_eq!(answered(&site, &[UNKNOWN]).0, Some(2));
}

#[test]
fn messages_and_status_are_the_compilers() {
    let site = Site::new();
    fs::remove_file(&site.client).unwrap();
    // More than any pipe or socket holds at once, and a source that has an error.
    for source in [warnings(1), warnings(2000), "int one\n".to_owned()] {
        let bare = said(&run(&mut site.compile(&source, false)));
        assert!(!bare.2.is_empty());
        for _ in 0..2 {
            let through = said(&run(&mut site.compile(&source, true)));
            assert!(through == bare, "{} bytes of source", source.len());
        }
    }
    assert_eq!(site.cache.asked().hits, 2);
}

/// What is shown on a terminal, of which the other end is read to its end.
fn shown(mut compile: Command) -> Vec<u8> {
    let terminal = openpty(None, None).unwrap();
    // A server that another test starts meanwhile must not keep it open.
    for end in [&terminal.master, &terminal.slave] {
        fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
    }
    compile
        .stdout(Stdio::null())
        .stderr(terminal.slave)
        .status()
        .unwrap();
    // The slave was the command's, which is gone: the master ends with an error.
    drop(compile);
    end(terminal.master)
}

fn end(master: OwnedFd) -> Vec<u8> {
    let mut text = Vec::new();
    let _ = File::from(master).read_to_end(&mut text);
    text
}

#[test]
fn on_a_terminal_messages_are_those_of_the_client() {
    let site = Site::new();
    for (options, term) in [
        (&[][..], "xterm"),
        (&["-fcolor-diagnostics"], "xterm"),
        (&["-fcolor-diagnostics"], "dumb"),
        (&["-fno-color-diagnostics"], "xterm"),
    ] {
        let mut through = site.compile(&warnings(2), true);
        through.args(options).env("TERM", term);
        let shim = through.get_program().to_owned();
        let mut client = Command::new(&site.client);
        client
            .arg(shim.into_string().unwrap() + ".7625")
            .args(through.get_args())
            .envs(site.cache.env())
            .env("TERM", term)
            .current_dir(site.rocm.beside("."));
        let by_client = shown(client);
        assert!(!by_client.is_empty());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(
            text(&shown(through)),
            text(&by_client),
            "{options:?} {term}"
        );
    }
}

#[test]
fn an_environment_larger_than_a_socket_holds_is_no_matter() {
    let site = Site::new();
    fs::remove_file(&site.client).unwrap();
    let mut compile = site.compile("int one;\n", true);
    for number in 0..20 {
        compile.env(format!("LARGE_{number}"), "x".repeat(60_000));
    }
    let output = run(&mut compile);
    assert_eq!(said(&output), (Some(0), String::new(), String::new()));
    assert_eq!(site.cache.asked(), Asked::new(0, 1));
}

#[test]
fn a_server_at_an_abstract_socket_is_asked_like_any_other() {
    let site = Site::new();
    let name = format!(r"\x00rock-wrap-test-{}", std::process::id());
    let server = |request: &str| {
        let mut client = Command::new(sccache());
        client.arg(request).envs(site.cache.env());
        let client = client.env("SCCACHE_SERVER_UDS", &name);
        assert!(client.stdout(Stdio::null()).status().unwrap().success());
    };
    server("--start-server");
    // With nobody else to do it.
    fs::remove_file(&site.client).unwrap();
    let output = run(site
        .compile("int one;\n", true)
        .env("SCCACHE_SERVER_UDS", &name));
    server("--stop-server");
    assert_eq!(said(&output), (Some(0), String::new(), String::new()));
    assert_eq!(
        site.cache.asked(),
        Asked::default(),
        "another server was asked"
    );
}

/// Runs what follows with its first argument, `NAME=VALUE`, in front of its environment.
const TWICE: &str = r#"
#include <unistd.h>
extern char **environ;
int main(int count, char **args) {
    char *env[1000] = {args[1]};
    for (int i = 0; environ[i] && i < 998; ++i) env[i + 1] = environ[i];
    execve(args[2], args + 2, env);
    return 127;
}
"#;

#[test]
fn a_variable_with_two_values_means_what_it_means_to_the_compiler() {
    let site = Site::new();
    let [twice, source] = ["twice", "twice.c"].map(|name| site.rocm.beside(name));
    fs::write(&source, TWICE).unwrap();
    let mut cc = Command::new("cc");
    assert!(
        cc.arg(&source)
            .arg("-o")
            .arg(&twice)
            .status()
            .unwrap()
            .success()
    );
    for (dir, value) in [("one", 1), ("two", 2)] {
        let dir = site.rocm.beside(dir);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("v.h"), format!("#define V {value}\n")).unwrap();
    }
    let set = |dir: &str| format!("C_INCLUDE_PATH={}", site.rocm.beside(dir).display());
    // The object, and how many calls have reached sccache by then.
    let made = |program: &std::ffi::OsStr, first: &str, through: bool| {
        let call = site.compile("#include <v.h>\nint v = V;\n", through);
        let mut compile = Command::new(&twice);
        compile.arg(set(first)).arg(program);
        if program != call.get_program() {
            compile.arg(site.rocm.bin().join("clang.7625"));
        }
        compile
            .args(call.get_args())
            .current_dir(site.rocm.beside("."));
        compile.env_clear().envs(
            call.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        compile.env("C_INCLUDE_PATH", site.rocm.beside("two"));
        assert_eq!(
            said(&run(&mut compile)),
            (Some(0), String::new(), String::new())
        );
        let asked = site.cache.asked();
        (site.object(), asked.hits + asked.misses)
    };
    let shim = site.rocm.bin().join("clang");
    let (bare, _) = made(shim.as_os_str(), "one", false);
    let (alone, before) = made(site.client.as_os_str(), "one", true);
    assert!(alone != bare, "sccache by itself takes the other value");
    assert_eq!(made(shim.as_os_str(), "one", true), (bare, before));
    // The same value twice is one value.
    assert_eq!(made(shim.as_os_str(), "two", true), (alone, before + 1));
}
