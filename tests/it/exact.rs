//! Changes that launchers do not notice in their direct mode, with and without `--exact`; and changes of data that a
//! source includes.

use crate::support::tree::Layout;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::compilers::{clangs, full};
use crate::support::launchers::{Asked, Cache, ccache, find, sccache};
use crate::support::rocm::Rocm;
use crate::support::{run, stderr};

/// Debian 12's ccache, in the full form only.
fn old_ccache() -> Option<PathBuf> {
    full()
        .then(|| find("ccache 4.7.5", "/usr/bin/ccache"))
        .flatten()
}

/// Debian 12's sccache, in the full form only.
fn old_sccache() -> Option<PathBuf> {
    full()
        .then(|| find("sccache 0.4.0-pre.6", "/usr/bin/sccache"))
        .flatten()
}

/// Every pair of one of these launchers and a compiler of this run.
fn each(launchers: impl IntoIterator<Item = PathBuf>) -> Vec<(PathBuf, u32)> {
    let clangs = clangs(&[19]);
    let each = |launcher: PathBuf| clangs.iter().map(move |clang| (launcher.clone(), *clang));
    launchers.into_iter().flat_map(each).collect()
}

struct Site {
    rocm: Rocm,
    cache: Cache,
}

impl Site {
    fn new(launcher: &Path, clang: u32, options: &[&str]) -> Self {
        let rocm = Rocm::new(clang, Layout::Symlink);
        let named = ["--launcher", launcher.to_str().unwrap()];
        rocm.install(named.iter().chain(options)).ok();
        let cache = Cache::new(launcher);
        Self { rocm, cache }
    }

    /// The object that sccache makes without rock-wrap.
    fn alone(&self, source: &str) -> Vec<u8> {
        let mut compile = Command::new(&self.cache.program);
        compile
            .arg(self.rocm.bin().join("clang.7625"))
            .args(["-c", source, "-o", "made.o"])
            .current_dir(self.rocm.beside("."))
            .envs(self.cache.env());
        self.made(compile).0
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.rocm.beside(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn compile(&self, source: &str) -> Command {
        let mut compile = self.rocm.compiler("clang");
        compile
            .args(["-Ifirst", "-Isecond", "-c", source, "-o", "made.o"])
            .envs(self.cache.env())
            // Without this, ccache does not use direct mode for files as new as these.
            .env("CCACHE_SLOPPINESS", "include_file_mtime,include_file_ctime");
        compile
    }

    /// The object that a compile makes, and what the launcher was asked.
    fn made(&self, mut compile: Command) -> (Vec<u8>, Asked) {
        self.cache.zero();
        let output = run(&mut compile);
        assert!(output.status.success(), "{}", stderr(&output));
        let object = std::fs::read(self.rocm.beside("made.o")).unwrap();
        (object, self.cache.asked())
    }

    fn bare(&self, source: &str) -> Vec<u8> {
        let mut compile = self.compile(source);
        compile.env("ROCK_WRAP_DISABLE", "1");
        self.made(compile).0
    }

    /// Whether the launcher's answer is right after `change`, if the cache was filled before it.
    fn is_right_after(&self, source: &str, change: impl FnOnce()) -> bool {
        let before = self.bare(source);
        self.made(self.compile(source));
        self.made(self.compile(source));
        change();
        let now = self.bare(source);
        assert!(now != before, "the control: the true objects differ");
        self.made(self.compile(source)).0 == now
    }

    /// The decision about a call: `launch`, or the reason why it is not launched.
    fn decision(&self, source: &str) -> String {
        let mut explain = crate::support::rocm::rock_wrap(["explain", "--json", "--"]);
        explain
            .arg(self.rocm.bin().join("clang"))
            .args(["-c", source, "-o", "made.o"])
            .current_dir(self.rocm.beside("."));
        let answer = crate::support::rocm::ran(&mut explain).json();
        let reason = answer["reason"].as_str();
        reason
            .unwrap_or_else(|| answer["decision"].as_str().unwrap())
            .to_owned()
    }
}

#[test]
fn a_header_that_appears_in_front_of_another_is_noticed_with_exact() {
    let launchers = [sccache(), ccache()].into_iter().chain(old_ccache());
    for (launcher, clang) in each(launchers) {
        for exact in [false, true] {
            let options: &[&str] = if exact { &["--exact"] } else { &[] };
            let site = Site::new(&launcher, clang, options);
            site.write("first/other.h", "");
            site.write("second/value.h", "int value = 1;\n");
            site.write("a.c", "#include \"value.h\"\n");
            let right = site.is_right_after("a.c", || {
                site.write("first/value.h", "int value = 2;\n");
            });
            // If a launcher learns to notice this, the documentation has to be changed.
            assert_eq!(right, exact, "{launcher:?}, clang {clang}");
        }
    }
}

#[test]
fn a_change_that_sccache_is_configured_to_overlook_is_noticed() {
    for setting in ["ignore_time_macros", "file_stat_matches"] {
        for clang in clangs(&[19]) {
            let mut site = Site::new(&sccache(), clang, &[]);
            site.cache = Cache::configured(&sccache(), &format!("{setting} = true"));
            // The names are absolute: otherwise clang does not name the headers in a way that sccache can follow.
            let (source, header) = (site.rocm.beside("a.c"), site.rocm.beside("b.h"));
            site.write(
                "a.c",
                "#include \"a.h\"\n#include \"b.h\"\nint value = A + B;\n",
            );
            site.write("a.h", "#define A 1\n");
            site.write("target.h", "#define B 1\n");
            std::os::unix::fs::symlink("target.h", header).unwrap();
            let source = source.to_str().unwrap();
            let stale = site.alone(source);
            assert_eq!(site.alone(source), stale);
            let right = site.is_right_after(source, || site.write("target.h", "#define B 2\n"));
            assert!(right, "{setting}, clang {clang}");
            assert_eq!(
                site.alone(source),
                stale,
                "the control: sccache overlooks it"
            );
        }
    }
}

#[test]
fn an_exact_installation_still_hits_and_says_that_it_is_exact() {
    for (launcher, clang) in each([sccache(), ccache()]) {
        let site = Site::new(&launcher, clang, &["--exact"]);
        site.write("a.c", "int value = 1;\n");
        assert_eq!(site.made(site.compile("a.c")).1, Asked::new(0, 1));
        assert_eq!(site.made(site.compile("a.c")).1, Asked::new(1, 0));
        // A second install without the option keeps the setting.
        site.rocm.install::<&str>([]).ok();
        let status = crate::support::rocm::ran(site.rocm.rock_wrap("status").arg("--json")).json();
        assert_eq!(status["compilers"][0]["shim"]["exact"], true, "{status}");
    }
}

#[test]
fn data_that_a_source_includes_is_noticed_when_it_changes() {
    const INCBIN: &str = "__asm__(\".section .rodata\\n.incbin \\\"data\\\"\\n\");\n";
    const EMBED: &str = "const unsigned char data[] = {\n#  embed \"data\"\n};\n";
    let launchers = [sccache(), ccache()].into_iter();
    for (launcher, clang) in each(launchers.chain(old_sccache()).chain(old_ccache())) {
        for options in [&[][..], &["--exact"]] {
            let site = Site::new(&launcher, clang, options);
            for (source, content) in [("incbin.c", INCBIN), ("embed.c", EMBED)] {
                site.write(source, content);
                site.write("data", "old");
                let right = site.is_right_after(source, || site.write("data", "new"));
                assert!(right, "{launcher:?}, clang {clang}: {options:?} {source}");
            }
        }
    }
}

#[test]
fn only_a_launcher_that_does_not_see_included_data_is_bypassed() {
    const SOURCES: [(&str, &str); 3] = [
        ("incbin.c", "__asm__(\".incbin \\\"data\\\"\");\n"),
        ("embed.c", "int a[] = {\n# embed <data>\n};\n"),
        (
            "words.c",
            "// incbin, embedding # of embeddings .inc\nint a;\n",
        ),
    ];
    let (launch, direct) = ("launch", "included-data");
    let of_old_ccache = old_ccache().into_iter().flat_map(|launcher| {
        [
            (launcher.clone(), false, [launch, direct, launch]),
            (launcher, true, [launch; 3]),
        ]
    });
    let of_the_others = [
        (sccache(), false, [direct, launch, launch]),
        (sccache(), true, [direct, launch, launch]),
        (ccache(), false, [launch; 3]),
    ];
    // The source alone decides this, so one compiler is enough.
    for (launcher, exact, expected) in of_the_others.into_iter().chain(of_old_ccache) {
        let options: &[&str] = if exact { &["--exact"] } else { &[] };
        let site = Site::new(&launcher, 19, options);
        for ((source, content), expected) in SOURCES.into_iter().zip(expected) {
            site.write(source, content);
            assert_eq!(
                site.decision(source),
                expected,
                "{launcher:?} {exact} {source}"
            );
        }
    }
}
