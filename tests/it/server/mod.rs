//! With sccache, the shim asks the server itself. The caller sees the compiler's output, whether the result comes from
//! the cache or not. The client is run only if no server answers.

mod answers;
mod messages;

use crate::support::launchers::{Asked, Cache, sccache};
use crate::support::rocm::{Rocm, assert_has, ran, rock_wrap};
use crate::support::run;
use crate::support::tree::Layout;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// A wrapped tree whose launcher is a copy of sccache that tests can remove, and sccache's server.
struct Site {
    rocm: Rocm,
    cache: Cache,
    client: PathBuf,
}

impl Site {
    fn new() -> Self {
        let rocm = Rocm::new(19, Layout::Symlink);
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

    /// Writes `source`. Returns a call of `clang` that compiles it, through the shim or with the shim disabled.
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

/// Source with `count` warnings. Each shows a line that has a tab and a non-ASCII character.
fn warnings(count: usize) -> String {
    let warning = |number| format!("int f{number}(void)\t{{ /* \u{e4} */ }}\n");
    (0..count).map(warning).collect()
}

/// Runs `program` in a shell that keeps a copy of the pipe on its standard output at descriptor 6, as a configure
/// script does. Returns whether a process still holds the pipe after the shell has ended.
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
    // A child of another test holds the pipe too, between fork and exec. A server holds it for much longer.
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let patience = deadline.saturating_duration_since(Instant::now());
        // The end of another test's child sends a signal to this process.
        match poll(&mut end, Some(&patience.try_into().unwrap())) {
            Err(Errno::INTR) => {}
            polled => {
                polled.unwrap();
                break;
            }
        }
    }
    !end[0].revents().contains(PollFlags::HUP)
}

/// The status, the standard output and the standard error of a command.
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
    // The client on its own leaves the pipe held by its server.
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
fn the_compiler_inherits_all_descriptors_when_the_client_cannot_be_run() {
    let site = Site::new();
    fs::remove_file(&site.client).unwrap();
    let mut compile = site.compile("int one;\n", true);
    compile.env("SCCACHE_SERVER_UDS", site.rocm.beside("nowhere"));
    // The header can only be found through the descriptor.
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
        // sccache does not trust files that are newer than the compile.
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
fn an_environment_larger_than_a_socket_holds_is_sent_to_the_server() {
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
    // Without a client only the shim can ask the server.
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

/// A program that runs the command in its other arguments, with its first argument, `NAME=VALUE`, in front of the
/// environment.
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
    // Returns the object, and how many calls have reached sccache so far.
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
    assert!(
        alone != bare,
        "the control: sccache alone uses the other value"
    );
    assert_eq!(made(shim.as_os_str(), "one", true), (bare, before));
    // If the two values are equal, the call is launched.
    assert_eq!(made(shim.as_os_str(), "two", true), (alone, before + 1));
}

#[test]
fn in_a_removed_directory_the_shim_compiles_as_clang_does() {
    let site = Site::new();
    let [source, object] = ["a.c", "a.o"].map(|name| site.rocm.beside(name));
    let compile = |program: &[&OsStr], off: &str| {
        let mut shell = Command::new("sh");
        let script = r#"mkdir gone && cd gone && rmdir ../gone && exec "$@""#;
        shell.args(["-c", script, "sh"]).args(program);
        shell
            .arg("-c")
            .arg(&source)
            .arg("-o")
            .arg(&object)
            .env_clear();
        shell.env("PATH", "/usr/bin:/bin").envs(site.cache.env());
        shell
            .env("ROCK_WRAP_DISABLE", off)
            .current_dir(site.rocm.beside("."));
        drop(fs::remove_file(&object));
        let output = run(&mut shell);
        (said(&output), fs::read(&object).ok())
    };
    fs::write(&source, "int one;\n").unwrap();
    let (shim, real) = (
        site.rocm.bin().join("clang"),
        site.rocm.bin().join("clang.7625"),
    );
    let bare = compile(&[shim.as_os_str()], "1");
    assert_eq!(bare.0, (Some(0), String::new(), String::new()));
    assert_eq!(compile(&[shim.as_os_str()], "0"), bare);
    let alone = compile(&[site.client.as_os_str(), real.as_os_str()], "1");
    assert_eq!(alone.0.0, Some(1), "the control: {}", alone.0.2);
}
