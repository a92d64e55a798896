//! If the launcher fails and not the compiler, a build ends as it would with the bare compiler. Each failure is tested
//! with every launcher that can have it, and with the older release in Debian.

mod sccache;
mod watched;

use crate::support::launchers::tool;
use crate::support::rocm::{Rocm, sh};
use crate::support::tree::Layout;
use crate::support::{FakeTree, run};
use nix::unistd::Pid;
use rock_wrap::shared::shim_config::Config;
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A source for which the compiler prints a message.
const SOURCE: &str = "#warning said once\nint answer = 42;\n";

const BROKEN: &str = "int answer\n";

/// An address at which nothing listens and nothing can.
const NOWHERE: &str = "127.0.0.1:1";

fn sccaches() -> [PathBuf; 2] {
    [tool("sccache-0.16.0/sccache"), "/usr/bin/sccache".into()]
}

fn ccaches() -> [PathBuf; 2] {
    [tool("ccache-4.14.2/ccache"), "/usr/bin/ccache".into()]
}

/// A wrapped tree, and a place for a cache.
struct Site {
    rocm: Rocm,
    launcher: PathBuf,
    port: u16,
    servers: Vec<Child>,
}

impl Site {
    fn new(launcher: &Path) -> Self {
        Self::with(launcher, &[])
    }

    fn with(launcher: &Path, options: &[&str]) -> Self {
        let rocm = Rocm::new(19, Layout::Symlink);
        let launcher_option = ["--launcher", launcher.to_str().unwrap()];
        rocm.install(launcher_option.iter().chain(options)).ok();
        std::fs::write(rocm.beside("good.c"), SOURCE).unwrap();
        std::fs::write(rocm.beside("bad.c"), BROKEN).unwrap();
        Self {
            rocm,
            launcher: launcher.to_owned(),
            port: free_port(),
            servers: Vec::new(),
        }
    }

    /// Starts a server of this sccache and waits until it listens. Returns its process id, which is also that of its
    /// process group.
    fn serve(&mut self, sccache: &Path, env: &[(&str, &str)]) -> Pid {
        let mut server = Command::new(sccache);
        server
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.rocm.beside("."))
            .env("SCCACHE_START_SERVER", "1")
            .env("SCCACHE_NO_DAEMON", "1")
            .env("SCCACHE_DIR", self.rocm.beside("served"))
            .env("SCCACHE_SERVER_PORT", self.port.to_string())
            .envs(env.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        let mut server = server.spawn().unwrap();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(server.try_wait().unwrap().is_none(), "no server");
            std::thread::yield_now();
        }
        let pid = Pid::from_raw(server.id().try_into().unwrap());
        self.servers.push(server);
        pid
    }

    fn compile(&self, source: &str, env: &[(&str, &str)]) -> Command {
        let mut compile = self.rocm.compiler("clang");
        compile
            .args(["-c", source, "-o", "made.o"])
            .env("SCCACHE_DIR", self.rocm.beside("sccache"))
            .env("SCCACHE_SERVER_PORT", self.port.to_string())
            // For a server that a client starts.
            .env("SCCACHE_IDLE_TIMEOUT", "5")
            .env("ROCK_WRAP_EVENTS", self.rocm.beside("events"))
            .envs(env.iter().copied())
            .stdin(Stdio::null());
        File::create(self.rocm.beside("events")).unwrap();
        compile
    }

    /// Runs a compile. Its standard error goes to a file, because a server that it starts may keep a pipe open.
    fn made(&self, mut compile: Command) -> Made {
        let object = self.rocm.beside("made.o");
        drop(std::fs::remove_file(&object));
        let err = self.rocm.beside("stderr");
        let output = run(compile.stderr(File::create(&err).unwrap()));
        Made {
            output,
            err: std::fs::read_to_string(err).unwrap(),
            object: std::fs::read(object).ok(),
        }
    }

    /// Checks that a compile under `env` does what the bare compiler does. Returns its standard error.
    #[track_caller]
    fn as_bare(&self, source: &str, env: &[(&str, &str)]) -> String {
        let mut bare = self.compile(source, env);
        bare.env("ROCK_WRAP_DISABLE", "1");
        let bare = self.made(bare);
        let made = self.made(self.compile(source, env));
        let launcher = self.launcher.display();
        assert_eq!(
            made.output.status, bare.output.status,
            "{launcher}: {}",
            made.err
        );
        assert!(
            made.output.stdout == bare.output.stdout,
            "{launcher}: {:?}",
            made.output
        );
        assert!(made.object == bare.object, "{launcher}: the object differs");
        let times = made.err.matches(&bare.err).count();
        assert!(
            bare.err.is_empty() || times == 1,
            "{launcher}: {}",
            made.err
        );
        made.err
    }

    /// Checks that compiles under `env` do what the bare compiler does, and that the shim reports once that the
    /// launcher failed.
    #[track_caller]
    fn compiles_without_launcher(&self, env: &[(&str, &str)]) {
        let said = self.as_bare("good.c", env);
        let ours = said.lines().filter(|line| line.starts_with("rock-wrap:"));
        let ours: Vec<&str> = ours.collect();
        assert_eq!(ours.len(), 1, "{said}");
        assert!(ours[0].ends_with("; compiling without it"), "{said}");
        self.as_bare("bad.c", env);
    }

    /// The events of the last compile: that it was launched, or the reason why not.
    fn events(&self) -> String {
        std::fs::read_to_string(self.rocm.beside("events")).unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let umount = "! mountpoint -q \"$1\" || umount -l \"$1\"";
        sh(umount, &[&self.rocm.beside("disk")]);
        for server in &mut self.servers {
            drop(server.kill());
            drop(server.wait());
        }
    }
}

struct Made {
    output: Output,
    err: String,
    object: Option<Vec<u8>>,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_launcher_whose_disk_is_full() {
    for launcher in sccaches().into_iter().chain(ccaches()) {
        let site = Site::new(&launcher);
        let disk = site.rocm.beside("disk");
        std::fs::create_dir(&disk).unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=64k", "none"])
            .arg(&disk);
        assert!(
            mount.status().unwrap().success(),
            "this test mounts a file system, as root"
        );
        let fill = "head -c 64k /dev/zero >\"$1\"/full 2>/dev/null || :";
        sh(fill, &[&disk]);
        let disk = disk.to_str().unwrap();
        site.as_bare("good.c", &[("SCCACHE_DIR", disk), ("CCACHE_DIR", disk)]);
    }
}

#[test]
fn ccache_with_a_cache_directory_that_cannot_exist() {
    for ccache in ccaches() {
        Site::new(&ccache).compiles_without_launcher(&[("CCACHE_DIR", "/dev/null/cache")]);
    }
}

#[test]
fn ccache_with_a_setting_that_it_refuses() {
    for ccache in ccaches() {
        for setting in [
            ("CCACHE_MAXSIZE", "much"),
            ("CCACHE_MAXSIZE", ""),
            ("CCACHE_DISABLE", "0"),
        ] {
            Site::new(&ccache).compiles_without_launcher(&[setting]);
        }
    }
}

#[test]
fn ccache_with_a_broken_configuration_file() {
    for ccache in ccaches() {
        let site = Site::new(&ccache);
        let file = site.rocm.beside("ccache.conf");
        std::fs::write(&file, "max_size = much\n").unwrap();
        site.compiles_without_launcher(&[("CCACHE_CONFIGPATH", file.to_str().unwrap())]);
    }
}

#[test]
fn ccache_with_a_remote_cache_that_is_not_there() {
    let remote = format!("http://{NOWHERE}");
    for ccache in ccaches() {
        let said = Site::new(&ccache).as_bare(
            "good.c",
            &[
                ("CCACHE_REMOTE_STORAGE", &remote),
                ("CCACHE_SECONDARY_STORAGE", &remote),
            ],
        );
        assert!(
            !said.contains("rock-wrap:"),
            "ccache goes on without the remote cache: {said}"
        );
    }
}

#[test]
fn an_error_in_the_source_is_no_failure_of_the_launcher() {
    for launcher in sccaches().into_iter().chain(ccaches()) {
        let mut site = Site::new(&launcher);
        if launcher.ends_with("sccache") {
            site.serve(&launcher, &[]);
        }
        let said = site.as_bare("bad.c", &[]);
        assert!(!said.contains("rock-wrap:"), "{said}");
        assert!(said.contains("error:"), "{said}");
    }
}

/// clang exits with 1 if one of its subprocesses crashes. Only a fake compiler is itself killed by a signal.
#[test]
fn a_compiler_that_dies_by_a_signal_does_so_under_a_launcher_too() {
    const DIES: &str = "#!/bin/sh
case \" $* \" in
    *' -E '* | *' -o '*.i' '*) ;;
    *' -c '*) kill -SEGV $$ ;;
esac
exec /usr/lib/llvm-19/bin/clang++ \"$@\"
";
    for launcher in sccaches().into_iter().chain(ccaches()) {
        let site = Site::new(&launcher);
        let fake = FakeTree::new(&Config {
            fingerprint: b"a compiler",
            launcher: launcher.as_os_str().as_encoded_bytes(),
            ..Config::default()
        });
        fake.program("bin/clang++.7625", DIES.as_bytes());
        std::fs::write(fake.path("a.cpp"), SOURCE).unwrap();
        let mut compile = fake.call(["-c", "a.cpp", "-o", "a.o"]);
        compile.envs([
            ("SCCACHE_SERVER_PORT", site.port.to_string()),
            ("SCCACHE_IDLE_TIMEOUT", "5".to_owned()),
        ]);
        for name in ["SCCACHE_DIR", "CCACHE_DIR"] {
            compile.env(name, fake.path("cache"));
        }
        let made = site.made(compile);
        assert_eq!(
            made.output.status.signal(),
            Some(11),
            "{launcher:?} {}",
            made.err
        );
        assert!(made.output.stdout.is_empty(), "{launcher:?}");
    }
}

#[test]
fn a_compile_of_a_strict_installation_ends_with_the_launchers_status() {
    let [sccache, _] = sccaches();
    let [ccache, _] = ccaches();
    for (launcher, env, status) in [
        (&sccache, ("SCCACHE_DIR", "/dev/null/cache"), 254),
        (&sccache, ("TMPDIR", "/dev/null/tmp"), 2),
        (&ccache, ("CCACHE_DIR", "/dev/null/cache"), 1),
    ] {
        let site = Site::with(launcher, &["--strict"]);
        for _ in 0..2 {
            let made = site.made(site.compile("good.c", &[env]));
            assert_eq!(made.output.status.code(), Some(status), "{}", made.err);
            assert!(made.object.is_none());
            assert!(made.output.stdout.is_empty());
        }
    }
}
