//! Trees that an older rock-wrap wrapped, used by this one. The full form builds older versions from the repository's
//! history. The quick form only changes the version in the shims; `survive` upgrades such shims too.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::compilers::full;
use crate::support::launchers::ccache;
use crate::support::manifest::Manifest;
use crate::support::rocm::{Rocm, assert_has, ran, sh};
use crate::support::skips::skip;
use crate::support::tree::Layout;
use crate::support::write_program;
use rock_wrap::shared::shim_config::Config;
use rock_wrap::shim_image;

/// Commits whose installations differ from each other and from today's, oldest first, with the difference.
const OLDER: [(&str, &str); 3] = [
    (
        "15f6380",
        "a shim that names each witness by its path, no stand-in",
    ),
    ("9f85efb", "witnesses by directory, no stand-in"),
    ("39d811f", "a stand-in; an original may be a copy"),
];

/// The executable of rock-wrap at `commit`. It is built once, which takes two minutes. `None` without a history.
fn older(commit: &str) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = source.join("target/older").join(commit);
    let program = dir.join("rock-wrap.built");
    if program.exists() {
        return Some(program);
    }
    let mut known = Command::new("git");
    known.current_dir(source).args(["cat-file", "-e", commit]);
    if !known.output().is_ok_and(|output| output.status.success()) {
        skip("older versions", "the repository's history is not here");
        return None;
    }
    let script = r#"
        set -e
        # -m: files get the current time, since cargo would not rebuild from files older than its last build.
        mkdir -p "$1" && git archive "${1##*/}" | tar -xm -C "$1"
        cd "$1" && cargo build --quiet --locked --target-dir ../build
        cp ../build/debug/rock-wrap "$2.new" && mv "$2.new" "$2"
    "#;
    let mut build = Command::new("sh");
    build.current_dir(source).args(["-c", script, "sh"]);
    ran(build.arg(&dir).arg(&program)).ok();
    Some(program)
}

/// A tree that `older` has wrapped, and its manifest from before.
fn wrapped_by(older: &Path, layout: Layout) -> (Rocm, Manifest) {
    let rocm = Rocm::new(19, layout);
    let before = Manifest::of(&rocm.bin());
    let mut install = Command::new(older);
    install.args(["install", "--rocm-path"]).arg(&rocm.root);
    install.arg("--launcher").arg(ccache());
    install.env_clear().env("PATH", "/usr/bin:/bin");
    ran(install.env("HOME", rocm.beside(""))).ok();
    (rocm, before)
}

/// Compiles with the wrapped compiler, and returns the number of all hits that ccache has counted so far.
fn compile(rocm: &Rocm) -> u64 {
    let source = rocm.beside("a.cpp");
    std::fs::write(&source, "int answer() { return 42; }\n").unwrap();
    ran(rocm.compiler("clang++").args(["-c", "a.cpp", "-o", "a.o"])).ok();
    let mut stats = Command::new(ccache());
    stats
        .arg("--print-stats")
        .env("CCACHE_DIR", rocm.beside("ccache"));
    let stats = ran(&mut stats).ok().out;
    let hits = stats
        .lines()
        .filter_map(|line| line.split_once("_cache_hit\t"));
    hits.map(|(_, count)| count.parse::<u64>().unwrap()).sum()
}

fn status(rocm: &Rocm) -> serde_json::Value {
    ran(rocm.rock_wrap("status").arg("--json")).json()
}

/// Makes the shims name 0.0.1 as their version.
fn age(rocm: &Rocm) {
    for name in ["clang", "clang++"] {
        let path = rocm.bin().join(name);
        let shim = std::fs::read(&path).unwrap();
        let config = shim_image::read(&shim).unwrap().unwrap();
        let older = shim_image::stamp(&Config {
            writer: b"0.0.1",
            ..config
        });
        let new = rocm.beside("older");
        write_program(&new, &older.unwrap());
        std::fs::rename(&new, &path).unwrap();
    }
}

#[test]
fn a_run_on_a_tree_that_an_older_version_wrapped_tells_how_to_upgrade_it() {
    let rocm = Rocm::small();
    rocm.wrap(&ccache());
    let said = || {
        let mut run = rocm.rock_wrap("run");
        run.args(["--launcher".as_ref(), ccache().as_os_str()]);
        ran(run.args(["--", "true"])).ok().err
    };
    assert!(!said().contains("warning"), "{}", said());
    age(&rocm);
    let warning = "the shims there were installed by rock-wrap 0.0.1; run `rock-wrap install`";
    assert_has(&said(), &["warning:", warning]);
    let text = ran(&mut rocm.rock_wrap("status")).ok().out;
    assert_has(&text, &["by rock-wrap 0.0.1"]);

    rocm.wrap(&ccache());
    assert!(!said().contains("warning"), "{}", said());
    std::fs::remove_file(rocm.bin().join("clang++.9727")).unwrap();
    assert_has(
        &said(),
        &["installed by an older rock-wrap; run `rock-wrap install`"],
    );
}

/// Calls `then` with trees of every layout that each older version has wrapped, and checks that the trees are then as
/// they were before. Full form only.
fn with_older(then: impl Fn(&str, &Rocm)) {
    if !full() {
        return;
    }
    for (commit, _) in OLDER {
        let Some(older) = older(commit) else { return };
        for layout in Layout::ALL {
            let (rocm, before) = wrapped_by(&older, layout);
            then(commit, &rocm);
            before.assert_same(&Manifest::of(&rocm.bin()), format!("{commit}, {layout}"));
        }
    }
}

#[test]
fn a_tree_wrapped_by_an_older_version_is_recognized_upgraded_and_restored() {
    with_older(|commit, rocm| {
        assert_eq!(status(rocm)["state"], "wrapped", "{commit}");
        compile(rocm);

        // `run` works with the tree as it is.
        let mut run = rocm.rock_wrap("run");
        let compiler = rocm.bin().join("clang++");
        run.args(["--launcher".as_ref(), ccache().as_os_str(), "--".as_ref()]);
        run.arg(compiler).args(["-c", "a.cpp", "-o", "b.o"]);
        let run = run
            .current_dir(rocm.beside(""))
            .env("CCACHE_DIR", rocm.beside("ccache"));
        let stands_in = commit == "39d811f";
        let said = ran(run).ok().err;
        assert_eq!(
            said.contains("run `rock-wrap install` to upgrade"),
            !stands_in,
            "{said}"
        );

        rocm.wrap(&ccache());
        let upgraded = status(rocm);
        for compiler in upgraded["compilers"].as_array().unwrap() {
            assert_eq!(compiler["shim"]["stand_in"], "right", "{commit}");
            assert_eq!(compiler["shim"]["compiler"]["is"], "same", "{commit}");
        }
        let hits = compile(rocm);
        assert_eq!(
            compile(rocm),
            hits + 1,
            "{commit}: cached after the upgrade"
        );
        rocm.restore().ok();
    });
}

#[test]
fn a_tree_wrapped_by_an_older_version_is_restored_without_an_upgrade() {
    with_older(|_, rocm| {
        let restored = rocm.restore().ok();
        assert_has(&restored.out, &["clang++: restored"]);
        sh(
            r#"! ls -a "$1" | grep -E 'rockwrap|[.](7625|9727)$'"#,
            &[&rocm.bin()],
        );
    });
}
