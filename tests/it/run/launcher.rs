//! Which launcher the build gets.

use super::{comes_back, run, run_words};
use crate::support::launchers::{Cache, ccache, sccache};
use crate::support::rocm::{Rocm, assert_has, ran, script};
use crate::support::tree::Layout;
use std::path::Path;
use std::process::Command;

/// Makes a launcher that prints its name for each compile, and fails if it is asked anything else.
fn fake_launcher(at: &Path, name: &str) {
    telling_launcher(at, name, Path::new("false"));
}

/// Like [`fake_launcher`], but `real` answers calls whose first argument is an option.
fn telling_launcher(at: &Path, name: &str, real: &Path) {
    let body = format!(
        "case $1 in -*) exec '{}' \"$@\";; *) echo through {name} >&2; exec \"$@\";; esac",
        real.display()
    );
    script(&at.join(name), &body);
}

const COMPILE: &str = r#"printf 'int a;\n' >a.c; "$BIN/clang" -c a.c -o a.o"#;

#[test]
fn without_a_named_launcher_sccache_comes_before_ccache() {
    let rocm = Rocm::new(19, Layout::Symlink);
    let path = rocm.beside("programs");
    std::fs::create_dir(&path).unwrap();
    let with = |name: &str, real: &Path| {
        telling_launcher(&path, name, real);
        let cache = Cache::new(real);
        let mut build = run_unnamed(&rocm, &["/bin/sh", "-c", COMPILE]);
        build.envs(cache.env());
        build.env("PATH", format!("{}:{}", path.display(), bare_path(&rocm)));
        let ran = comes_back(&rocm, || ran(&mut build).ok());
        assert_has(&ran.err, &[&format!("through {name}\n")]);
    };
    with("ccache", &ccache());
    with("sccache", &sccache());
}

/// Like [`run_words`], with no launcher named.
fn run_unnamed(rocm: &Rocm, command: &[&str]) -> Command {
    let mut run = run_words(rocm, command);
    run.env_remove("HIP_CLANG_LAUNCHER");
    run
}

/// A `PATH` with the programs that the scripts need, and no launcher.
fn bare_path(rocm: &Rocm) -> String {
    let dir = rocm.beside("bare");
    std::fs::create_dir_all(&dir).unwrap();
    for program in ["sh", "touch"] {
        let _ = std::os::unix::fs::symlink(Path::new("/bin").join(program), dir.join(program));
    }
    dir.display().to_string()
}

#[test]
fn without_any_launcher_the_build_is_not_run() {
    let rocm = Rocm::small();
    let mut build = run_unnamed(&rocm, &["sh", "-c", "touch built"]);
    build.env("PATH", bare_path(&rocm));
    let message = rocm.untouched(|_| ran(&mut build).refused(4));
    assert_has(
        &message,
        &["sccache", "ccache", "PATH", "hint: ", "--launcher"],
    );
    assert!(!rocm.beside("built").exists());
}

#[test]
fn the_option_comes_before_the_variable_and_the_variable_before_path() {
    let rocm = Rocm::new(19, Layout::Symlink);
    let path = rocm.beside("programs");
    let cache = Cache::new(&sccache());
    telling_launcher(&path, "sccache", &sccache());
    for name in ["by-variable", "by-option"] {
        fake_launcher(&path, name);
    }
    let through = |build: &mut Command, name: &str| {
        build.envs(cache.env());
        build.env("PATH", format!("{}:{}", path.display(), bare_path(&rocm)));
        let ran = comes_back(&rocm, || ran(build).ok());
        assert_has(&ran.err, &[&format!("through {name}\n")]);
        assert_eq!(ran.err.matches("through ").count(), 1, "{}", ran.err);
    };
    let words = ["/bin/sh", "-c", COMPILE];
    let mut build = run_words(&rocm, &words);
    through(
        build.env("HIP_CLANG_LAUNCHER", path.join("by-variable")),
        "by-variable",
    );
    let mut build = run_words(&rocm, &words);
    through(build.env("HIP_CLANG_LAUNCHER", ""), "sccache");

    let mut build = rocm.rock_wrap("run");
    build
        .args(["--launcher", "by-option", "--"])
        .args(words)
        .env("HIP_CLANG_LAUNCHER", path.join("by-variable"))
        .env("BIN", rocm.bin())
        .current_dir(rocm.beside(""));
    through(&mut build, "by-option");
}

#[test]
fn a_tree_that_is_already_wrapped_stays_wrapped_with_its_own_launcher() {
    for layout in [Layout::Symlink, Layout::Regular] {
        let rocm = Rocm::new(19, layout);
        let path = rocm.beside("programs");
        fake_launcher(&path, "installed");
        fake_launcher(&path, "chosen");
        rocm.wrap(&path.join("installed"));
        for end in ["", "; exit 3", "; kill -9 $$"] {
            let build = format!("{COMPILE}{end}");
            let mut build = run(&rocm, &build);
            build.env("HIP_CLANG_LAUNCHER", path.join("chosen"));
            let ran = comes_back(&rocm, || ran(&mut build));
            assert_has(
                &ran.err,
                &["wrapped already and stays so", "through chosen\n"],
            );
        }
        std::fs::write(rocm.beside("b.c"), "int b;\n").unwrap();
        let after = ran(rocm.compiler("clang").args(["-c", "b.c"])).ok();
        assert_eq!(after.err, "through installed\n");
        rocm.restore().ok();
    }
}

#[test]
fn an_installation_of_other_names_is_used_unchanged_or_refused() {
    let rocm = Rocm::new(15, Layout::Symlink);
    let names = ["--compiler", "clang++-15"].map(std::ffi::OsString::from);
    rocm.install(names).ok();
    comes_back(&rocm, || {
        let ran = ran(&mut run(&rocm, "exit 0")).ok();
        assert_has(&ran.err, &["wrapped already and stays so"]);
    });
    comes_back(&rocm, || {
        let mut other = rocm.rock_wrap("run");
        other.env("HIP_CLANG_LAUNCHER", ccache());
        other.args(["--compiler", "clang", "--", "false"]);
        assert_has(
            &ran(&mut other).refused(4),
            &["is already wrapped, but clang in it is not", "hint: "],
        );
    });
}
