//! sccache, its server and its storage.

use super::{NOWHERE, Site, free_port, sccaches};
use crate::support::rocm::sh;
use nix::sys::signal::{Signal, killpg};
use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;

/// A remote cache that is not there. Debian's build of 0.4 does not support remote caches.
const BAD_REMOTE: [(&str, &str); 5] = [
    ("SCCACHE_BUCKET", "bucket"),
    ("SCCACHE_REGION", "nowhere"),
    ("SCCACHE_ENDPOINT", NOWHERE),
    ("AWS_ACCESS_KEY_ID", "a"),
    ("AWS_SECRET_ACCESS_KEY", "b"),
];

#[test]
fn sccache_with_a_remote_cache_that_is_not_there() {
    for sccache in sccaches() {
        Site::new(&sccache).compiles_without_launcher(&BAD_REMOTE);
    }
}

#[test]
fn sccache_with_a_cache_directory_that_cannot_exist() {
    let [new, old] = sccaches();
    let env = [("SCCACHE_DIR", "/dev/null/cache")];
    Site::new(&new).compiles_without_launcher(&env);
    // 0.4 compiles anyway.
    Site::new(&old).as_bare("good.c", &env);
}

#[test]
fn sccache_without_a_directory_for_temporary_files() {
    for sccache in sccaches() {
        Site::new(&sccache).compiles_without_launcher(&[("TMPDIR", "/dev/null/tmp")]);
    }
}

#[test]
fn sccache_with_a_broken_configuration_file() {
    for sccache in sccaches() {
        let site = Site::new(&sccache);
        let file = site.rocm.beside("config");
        std::fs::write(&file, "][").unwrap();
        site.compiles_without_launcher(&[("SCCACHE_CONF", file.to_str().unwrap())]);
    }
}

#[test]
fn sccache_with_variables_that_make_it_refuse() {
    for sccache in sccaches() {
        for variable in [
            ("CARGO_INCREMENTAL", "1"),
            ("SCCACHE_BUCKET", ""),
            ("SCCACHE_REDIS", ""),
        ] {
            let mut site = Site::new(&sccache);
            site.serve(&sccache, &[]);
            let said = site.as_bare("good.c", &[variable]);
            assert!(!said.contains("rock-wrap:"), "{variable:?}: {said}");
            assert!(site.events().starts_with("launch"), "{variable:?}");
        }
    }
}

#[test]
fn sccache_whose_server_is_of_another_version() {
    let [new, old] = sccaches();
    for (client, server) in [(&new, &old), (&old, &new)] {
        let mut site = Site::new(client);
        site.serve(server, &[]);
        site.compiles_without_launcher(&[]);
    }
}

#[test]
fn sccache_whose_server_is_something_else() {
    for sccache in sccaches() {
        let site = Site::new(&sccache);
        let listener = TcpListener::bind(("127.0.0.1", site.port)).unwrap();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                drop(
                    connection
                        .unwrap()
                        .write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n"),
                );
            }
        });
        site.compiles_without_launcher(&[]);
    }
}

#[test]
fn sccache_whose_server_is_mute_is_waited_for_once() {
    for sccache in sccaches() {
        let site = Site::new(&sccache);
        // The kernel accepts connections, but nobody answers.
        let _mute = TcpListener::bind(("127.0.0.1", site.port)).unwrap();
        site.compiles_without_launcher(&[]);
        assert!(
            site.events().contains("launcher-failed"),
            "{}",
            site.events()
        );
        // A server at another port is asked.
        let mut site = site;
        site.port = free_port();
        site.serve(&sccache, &[]);
        assert!(!site.as_bare("good.c", &[]).contains("rock-wrap"));
        assert!(site.events().starts_with("launch"), "{}", site.events());
    }
}

#[test]
fn sccache_whose_server_is_killed_during_a_compile() {
    for sccache in sccaches() {
        let mut site = Site::new(&sccache);
        let server = site.serve(&sccache, &[]);
        let pipe = site.rocm.beside("pipe.h");
        sh("mkfifo \"$1\"", &[&pipe]);
        std::fs::write(site.rocm.beside("slow.c"), "#include \"pipe.h\"\n").unwrap();
        let compile = site.compile("slow.c", &[]);
        let made = std::thread::scope(|scope| {
            let compile = scope.spawn(|| site.made(compile));
            // The open waits until the compiler, in the server's process group, opens the pipe for reading.
            let opened = File::options().write(true).open(&pipe).unwrap();
            killpg(server, Signal::SIGKILL).unwrap();
            drop(opened);
            // Writes the header for every compiler that reads the pipe after that.
            while !compile.is_finished() {
                let mut writer = File::options();
                writer.write(true).custom_flags(nix::libc::O_NONBLOCK);
                if let Ok(mut pipe) = writer.open(&pipe) {
                    drop(pipe.write_all(b"extern int answer;\n"));
                }
                std::thread::yield_now();
            }
            compile.join().unwrap()
        });
        assert!(made.output.status.success(), "{}", made.err);
        assert!(made.object.is_some());
    }
}
