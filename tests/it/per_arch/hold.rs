//! Stops parts at a known point: each part runs the tree's linker last, and the linker waits until it is released.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::site::{Project, Site};
use crate::hazards::site::Call;
use crate::support::rocm::script;

/// A directory with the FIFOs at which linkers wait, and with a log of the linkers that ran.
pub struct Hold {
    dir: PathBuf,
    ready: BufReader<File>,
}

/// Replaces the linker of the site's tree by one that waits if its call has a [`Hold`].
pub fn with_waiting_linker(site: &Site) {
    let bin = site.base.tree.bin();
    std::fs::rename(bin.join("lld"), bin.join("lld.real")).unwrap();
    // A short write to a pipe or to the end of a file is atomic.
    let body = r#"case $0 in *ld.lld) set -- -flavor gnu "$@" ;; esac
real=${0%/*}/lld.real
if [ -n "$HOLD" ]; then
    echo "+" >>"$HOLD/running"
    echo "$$" >"$HOLD/ready"
    read -r _ <"$HOLD/go"
    "$real" "$@"
    status=$?
    echo "-" >>"$HOLD/running"
    exit $status
fi
exec "$real" "$@""#;
    script(&bin.join("lld"), body);
    site.install();
}

impl Hold {
    /// Makes the directory in the project.
    pub fn new(p: &Project<'_>) -> Self {
        let dir = p.path("hold");
        std::fs::create_dir(&dir).unwrap();
        for name in ["ready", "go"] {
            let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
            nix::unistd::mkfifo(&dir.join(name), mode).unwrap();
        }
        Self {
            ready: BufReader::new(both_ends(&dir.join("ready"))),
            dir,
        }
    }

    /// The call, with parts that wait here.
    pub fn call(&self, call: &Call) -> Call {
        call.clone().env("HOLD", self.dir.to_str().unwrap())
    }

    /// The path of one of its files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Waits until one more part waits. Returns the process id of its linker.
    pub fn wait(&mut self) -> i32 {
        let mut line = String::new();
        self.ready.read_line(&mut line).unwrap();
        line.trim().parse().unwrap()
    }

    /// Releases all parts, also those that come later while the returned file is open.
    pub fn go(&self) -> File {
        let go = both_ends(&self.dir.join("go"));
        std::io::Write::write_all(&mut &go, &[b'\n'; 1000]).unwrap();
        go
    }

    /// The largest number of parts that ran at once.
    pub fn most(&self) -> usize {
        let mut running = 0_usize;
        let mut most = 0;
        for line in std::fs::read_to_string(self.dir.join("running"))
            .unwrap()
            .lines()
        {
            running = if line == "+" {
                running + 1
            } else {
                running - 1
            };
            most = most.max(running);
        }
        most
    }
}

/// Opens both ends of a FIFO, so that no other open of it waits and no reader sees its end.
pub fn both_ends(path: &Path) -> File {
    File::options().read(true).write(true).open(path).unwrap()
}

/// A job server: a FIFO with tokens.
pub struct JobServer {
    fifo: PathBuf,
    tokens: File,
    number: usize,
}

impl JobServer {
    /// Makes a job server with this many tokens, besides the one job for which a client needs no token.
    pub fn new(p: &Project<'_>, number: usize) -> Self {
        let fifo = p.path("tokens");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        let tokens = both_ends(&fifo);
        std::io::Write::write_all(&mut &tokens, &vec![b'+'; number]).unwrap();
        Self {
            fifo,
            tokens,
            number,
        }
    }

    /// The call with the job server in its environment, as make would start it.
    pub fn call(&self, call: &Call) -> Call {
        let jobs = self.number + 1;
        let flags = format!(" -j{jobs} --jobserver-auth=fifo:{}", self.fifo.display());
        call.clone().env("MAKEFLAGS", flags)
    }

    /// How many tokens have not been given back.
    pub fn lost(&self) -> usize {
        let there = rustix::io::ioctl_fionread(&self.tokens).unwrap();
        self.number - usize::try_from(there).unwrap()
    }
}
