//! Which servers are asked, and what happens after a failure or an invalid answer.

use super::{Site, said};
use crate::support::launchers::sccache;
use crate::support::run;
use nix::unistd::geteuid;
use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::thread;

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
    // First sccache's own message, then rock-wrap's.
    assert!(stderr.contains("sccache: error"), "{stderr}");
    assert!(stderr.contains("compiling without it"), "{stderr}");
}

/// Compiles with a server that sends these answers to one request and hangs up. Returns the status, the standard output
/// and the standard error.
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

/// The compiler was killed by signal 11 and printed a message.
const KILLED: &[u8] = b"\x05\0\0\0\0\x01\x0b\0\0\0\0\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0odd\x02\0\0\0";

/// The compile failed with sccache's own status, -2, and a message.
const FAILED: &[u8] =
    b"\x05\0\0\0\x01\xfe\xff\xff\xff\0\0\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0odd\x02\0\0\0";

#[test]
fn a_compile_that_the_server_does_not_complete_is_made_without_it() {
    let site = Site::new();
    for (answers, shows_why) in [
        (&[NOT_CACHED][..], false),
        (&[STARTED], false),
        (&[STARTED, KILLED], false),
        (&[STARTED, FAILED], true),
        // This answer is the last, because the failure is remembered.
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

/// If sccache compiles on another machine, there is no shim beside the stand-in, which exits with 127.
#[test]
fn a_stand_in_without_a_shim_is_the_launchers_failure() {
    const MISSING: &[u8] = b"\x05\0\0\0\x01\x7f\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0";
    let site = Site::new();
    let (status, _, stderr) = answered(&site, &[STARTED, MISSING]);
    assert_eq!(status, Some(0), "{stderr}");
    assert!(!site.object().is_empty());
    assert!(stderr.contains("compiling without it"), "{stderr}");
    // The failure is remembered.
    let path = site.rocm.beside("short-socket");
    let mut compile = site.compile("int one;\n", true);
    let output = run(compile.env("SCCACHE_SERVER_UDS", &path));
    assert_eq!(said(&output), (Some(0), String::new(), String::new()));
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

/// The command and arguments in front of a server's program.
type Starter = &'static [&'static str];

#[test]
fn only_a_server_of_this_user_that_sees_the_same_files_is_asked() {
    const OURS: Starter = &["env"];
    const NOBODYS: Starter = &["setpriv", "--reuid=65534", "--clear-groups"];
    const ELSEWHERE: Starter = &["unshare", "--mount"];
    const AMONG_OTHERS: Starter = &["unshare", "--pid", "--fork", "--kill-child"];
    assert!(
        geteuid().is_root(),
        "only root can start another user's server"
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
        (ELSEWHERE, false, false),
        (AMONG_OTHERS, true, false),
        (AMONG_OTHERS, false, false),
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
        // If both addresses were set, the path would be used.
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
            // Permissions must not be the reason why a server is not asked.
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
        // The message is printed once for a build.
        assert_eq!(compile(), (Some(0), String::new(), String::new()), "{case}");
        let mut ask = Command::new(sccache());
        ask.args(["--show-stats", "--stats-format", "json"])
            .env_clear();
        let answer = run(ask.env(address.0, &address.1));
        let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
        let requests = if asked { 2 } else { 0 };
        assert_eq!(answer["stats"]["compile_requests"], requests, "{case}");
        // A session's check rejects the same servers.
        let mut session = site.rock_wrap_run();
        session.env_remove("SCCACHE_SERVER_UDS");
        let (_, _, stderr) = said(&run(session.env(address.0, &address.1)));
        let told = stderr.contains("belongs to another user or runs in another container");
        assert_eq!(told, !asked, "{case}: {stderr}");
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
fn an_answer_that_claims_to_be_endless_is_not_waited_for() {
    let site = Site::new();
    let path = site.rocm.beside("endless-socket");
    let listener = UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        drop(listener);
        let mut length = [0; 4];
        connection.read_exact(&mut length).unwrap();
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        connection.read_exact(&mut request).unwrap();
        connection.write_all(&[0, 0, 0, 8]).unwrap();
        connection.write_all(STARTED).unwrap();
        connection.write_all(&[0xff; 64]).unwrap();
        // Waits until the other end hangs up.
        drop(connection.read(&mut [0]));
    });
    let mut compile = site.compile("int one;\n", true);
    let (status, _, stderr) = said(&run(compile.env("SCCACHE_SERVER_UDS", &path)));
    server.join().unwrap();
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stderr.contains("went away"), "{stderr}");
}
