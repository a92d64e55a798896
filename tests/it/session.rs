//! Sessions that share a tree, one inside of another, one that is killed, and builds that change the tree themselves.

use crate::support::tree::Layout;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use crate::support::launchers::{Asked, Cache, ccache};
use crate::support::manifest::Manifest;
use crate::support::rocm::{Ran, Rocm, assert_has, ran, sh};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rock_wrap::shim_image;

const ATTACHMENTS: [&str; 3] = ["in-place", "shadow", "launcher"];

/// Defines `compile NAME`, which writes a source and compiles it as the attachment requires: through the variable
/// that names the shadow, by the compiler's own name, or with a launcher in front of it.
const COMPILE: &str = r#"
    compile() {
        printf 'int %s;\n' "$1" >"$1.cpp"
        ${CMAKE_HIP_COMPILER_LAUNCHER-} "${HIP_CLANG_PATH:-$BIN}/clang++" -c "$1.cpp" -o "$1.o"
    }
"#;

/// A tree, and a cache for all sessions.
struct Site {
    rocm: Rocm,
    cache: Cache,
}

impl Site {
    fn new(layout: Layout) -> Self {
        Self {
            rocm: Rocm::new(15, layout),
            cache: Cache::new(&ccache()),
        }
    }

    /// `rock-wrap run --attach ATTACH -- sh -c BUILD`, in which `compile NAME` compiles something.
    fn session(&self, attach: &str, build: &str) -> Command {
        let mut run = self.rocm.rock_wrap("run");
        run.args(["--attach", attach, "--launcher"])
            .arg(&self.cache.program)
            .args(["--", "sh", "-c"])
            .arg(format!("{COMPILE}{build}"))
            .env("BIN", self.rocm.bin())
            .env("ROCK_WRAP", env!("CARGO_BIN_EXE_rock-wrap"))
            .env("ROCM", &self.rocm.root)
            .envs(self.cache.env())
            .current_dir(self.rocm.beside(""));
        run
    }

    /// What the launcher was asked since the last call of this function.
    fn asked(&self) -> Asked {
        let asked = self.cache.asked();
        self.cache.zero();
        asked
    }

    fn is_wrapped(&self) -> bool {
        let shim = std::fs::read(self.rocm.bin().join("clang++"));
        shim.is_ok_and(|bytes| shim_image::is_shim(&bytes))
    }

    /// Lists the shadows and what belongs to them, below the user's cache directory.
    fn shadows(&self) -> String {
        let list = r#"find "$1/.cache/rock-wrap/shadow" -mindepth 1 2>/dev/null || :"#;
        sh(list, &[&self.rocm.beside("")])
    }
}

/// A session whose build has started and waits for its input to end.
struct Running {
    child: Child,
    told: ChildStdin,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts a session. Its build prints `ready`, reads a line, and then runs `rest`.
    fn start(site: &Site, attach: &str, rest: &str) -> Self {
        let mut command = site.session(attach, &format!("echo ready; read line; {rest}"));
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let told = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        if lines.next().is_none() {
            panic!("{attach}: {}", Self { child, told, lines }.finish().1);
        }
        Self { child, told, lines }
    }

    /// Lets the build finish. Returns the exit status, and what rock-wrap and the build printed on standard error.
    fn finish(mut self) -> (ExitStatus, String) {
        drop(self.told);
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap(), said)
    }

    /// Kills rock-wrap, and waits until the build and the guard have ended: their outputs are then closed. Returns
    /// what was printed on standard error.
    fn kill(mut self) -> String {
        kill(
            Pid::from_raw(self.child.id().cast_signed()),
            Signal::SIGKILL,
        )
        .unwrap();
        assert!(self.lines.next().is_none(), "the build went on");
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        self.child.wait().unwrap();
        said
    }
}

// --- several at once -----------------------------------------------------------------------------

#[test]
fn the_first_session_to_end_leaves_the_other_its_hits_and_the_last_one_cleans_up() {
    for attach in ATTACHMENTS {
        let site = Site::new(Layout::Symlink);
        let before = Manifest::of(&site.rocm.root);
        for first_out in ["the first", "the second"] {
            let again = format!("compile {}", if attach == "shadow" { "a" } else { "b" });
            let first = Running::start(&site, attach, &again);
            let second = Running::start(&site, attach, &again);
            let (early, late) = if first_out == "the first" {
                (first, second)
            } else {
                (second, first)
            };
            let (status, said) = early.finish();
            assert!(status.success(), "{said}");
            assert_eq!(site.is_wrapped(), attach == "in-place", "{first_out}");
            site.asked();
            let (status, said) = late.finish();
            assert!(status.success(), "{said}");
            assert_eq!(
                site.asked(),
                Asked::new(1, 0),
                "{attach}, {first_out} left: {said}"
            );
            before.assert_same(&Manifest::of(&site.rocm.root), "the tree");
            assert_eq!(site.shadows(), "", "{attach}");
        }
    }
}

#[test]
fn a_killed_session_takes_nothing_from_the_others() {
    for attach in ["in-place", "shadow"] {
        let site = Site::new(Layout::Symlink);
        let before = Manifest::of(&site.rocm.root);
        let killed = Running::start(&site, attach, "compile a");
        let other = Running::start(&site, attach, "compile a && compile a");
        assert_has(&killed.kill(), &["the session was killed"]);
        let (status, said) = other.finish();
        assert!(status.success(), "{said}");
        assert_eq!(site.asked(), Asked::new(1, 1), "{attach}: {said}");
        before.assert_same(&Manifest::of(&site.rocm.root), "the tree");
        assert_eq!(site.shadows(), "", "{attach}");
    }
}

#[test]
fn a_killed_session_without_others_leaves_the_tree_unchanged_and_no_build_running() {
    for layout in Layout::ALL {
        let site = Site::new(layout);
        let before = Manifest::of(&site.rocm.root);
        for attach in ATTACHMENTS {
            // The build has a child, which waits for input that never comes.
            let running = Running::start(&site, attach, "cat; exit 1");
            assert_eq!(site.is_wrapped(), attach == "in-place");
            assert_has(&running.kill(), &["the session was killed"]);
            before.assert_same(&Manifest::of(&site.rocm.root), "the tree");
            assert_eq!(site.shadows(), "", "{attach}");
        }
    }
}

// --- one inside of another -----------------------------------------------------------------------

#[test]
fn a_session_inside_of_another_joins_it() {
    for attach in ATTACHMENTS {
        let site = Site::new(Layout::Symlink);
        let before = Manifest::of(&site.rocm.root);
        let inner = r#"
            compile a
            export HIP_CLANG_PATH CMAKE_HIP_COMPILER_LAUNCHER
            "$ROCK_WRAP" run --rocm-path "$ROCM" --launcher /no/such/launcher -- sh -c '
                ${CMAKE_HIP_COMPILER_LAUNCHER-} "${HIP_CLANG_PATH:-$BIN}/clang++" -c a.cpp -o a.o; exit 7'
            [ $? = 7 ] && compile a
        "#;
        let ran = ran(&mut site.session(attach, inner)).ok();
        assert_has(&ran.err, &["joining that"]);
        assert_eq!(site.asked(), Asked::new(2, 1), "{attach}: {}", ran.err);
        before.assert_same(&Manifest::of(&site.rocm.root), "the tree");
    }
}

// --- installed before ----------------------------------------------------------------------------

#[test]
fn a_tree_with_installed_shims_leads_to_one_lookup_in_every_attachment_and_stays_wrapped() {
    for layout in [Layout::Symlink, Layout::Regular] {
        let site = Site::new(layout);
        site.rocm.wrap(&ccache());
        let before = Manifest::of(&site.rocm.root);
        for attach in ATTACHMENTS {
            let ran = ran(&mut site.session(attach, &format!("compile {layout}"))).ok();
            let asked = site.asked();
            assert_eq!(
                (asked.hits + asked.misses, asked.others),
                (1, 0),
                "{layout}, {attach}: {}",
                ran.err
            );
            before.assert_same(&Manifest::of(&site.rocm.root), "the tree");
            assert_eq!(site.shadows(), "");
        }
    }
}

// --- host compilers ------------------------------------------------------------------------------

#[test]
fn host_compilers_are_cached_unless_the_user_has_set_a_launcher() {
    let site = Site::new(Layout::Symlink);
    let build = r#"
        printf 'int host;\n' >host.cpp
        ${CMAKE_CXX_COMPILER_LAUNCHER-} g++ -c host.cpp -o host.o
    "#;
    let build = |change: &dyn Fn(&mut Command)| {
        let mut session = site.session("in-place", build);
        change(&mut session);
        ran(&mut session).ok();
        site.asked()
    };
    assert_eq!(build(&|_| {}), Asked::new(0, 1));
    assert_eq!(build(&|_| {}), Asked::new(1, 0));
    let users = |session: &mut Command| {
        session.env("CMAKE_CXX_COMPILER_LAUNCHER", "env");
    };
    assert_eq!(build(&users), Asked::new(0, 0));
}

// --- a build that changes the tree ---------------------------------------------------------------

/// Runs a build in which `replace` replaces files of the tree, as `pip install --force-reinstall` would.
fn reinstalling(site: &Site, replace: &str) -> Ran {
    let build = format!("compile a\n{replace}\n\"$BIN/clang++\" --version >/dev/null");
    ran(&mut site.session("in-place", &build)).ok()
}

/// Lists our files in the compilers' directory.
fn ours(dir: &Path) -> String {
    let list = r#"find "$1" -name '.rockwrap*' -o -name '*.7625' -o -name '*.9727'"#;
    sh(list, &[dir])
}

#[test]
fn compilers_that_the_build_reinstalled_are_kept_and_reported() {
    for layout in Layout::ALL {
        let site = Site::new(layout);
        // As a package manager does it: a new file, renamed over the name.
        let replace = r#"
            for name in clang clang++; do
                cp /usr/lib/llvm-15/bin/clang new && mv new "$BIN/$name" || exit
            done"#;
        let ran = reinstalling(&site, replace);
        assert!(!site.is_wrapped());
        assert_eq!(ours(&site.rocm.bin()), "", "{layout}: {}", ran.err);
        assert_eq!(ran.err.matches("not our shim any more").count(), 2);
        let version = crate::support::rocm::ran(site.rocm.compiler("clang++").arg("--version"));
        assert_has(&version.ok().out, &["clang version 15"]);
        // The next session accepts the new tree.
        ran_and_same(&site);
    }
}

#[test]
fn a_compilers_directory_that_the_build_replaced_is_kept() {
    let site = Site::new(Layout::Symlink);
    let replace = r#"
        cp -a "$BIN" new
        find new -name '.rockwrap*' -delete -o -name '*.7625' -delete -o -name '*.9727' -delete
        ln -sf clang-15 new/clang; ln -sf clang new/clang++
        rm -r "$BIN"; mv new "$BIN"
    "#;
    let ran = reinstalling(&site, replace);
    assert!(!site.is_wrapped(), "{}", ran.err);
    assert_eq!(ours(&site.rocm.bin()), "");
    ran_and_same(&site);
}

/// Runs another session, and checks that it leaves the tree as it was.
fn ran_and_same(site: &Site) {
    let before = Manifest::of(&site.rocm.root);
    ran(&mut site.session("in-place", "compile next")).ok();
    before.assert_same(&Manifest::of(&site.rocm.root), "the tree");
}
