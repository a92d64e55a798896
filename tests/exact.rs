//! What launchers do not notice in their direct mode, with and without `--exact`; and data that a
//! source includes.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::launchers::{Asked, Cache, ccache, sccache};
use support::rocm::Rocm;
use support::{run, stderr};

fn old_ccache() -> PathBuf {
    "/usr/bin/ccache".into()
}

struct Site {
    rocm: Rocm,
    cache: Cache,
}

impl Site {
    fn new(launcher: &Path, options: &[&str]) -> Self {
        let rocm = Rocm::new(19, "symlink");
        let named = ["--launcher", launcher.to_str().unwrap()];
        rocm.install(named.iter().chain(options)).ok();
        let cache = Cache::new(launcher);
        Self { rocm, cache }
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
            // Else ccache uses no direct mode for files that are as young as these.
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

    /// Whether the launcher's answer is right after `change`, with all in its cache before it.
    fn is_right_after(&self, source: &str, change: impl FnOnce()) -> bool {
        let before = self.bare(source);
        self.made(self.compile(source));
        self.made(self.compile(source));
        change();
        let now = self.bare(source);
        assert!(now != before, "the control: the true objects differ");
        self.made(self.compile(source)).0 == now
    }

    /// What becomes of a call: `launch`, or the reason why it is not launched.
    fn decision(&self, source: &str) -> String {
        let mut explain = support::rocm::rock_wrap(["explain", "--json", "--"]);
        explain
            .arg(self.rocm.bin().join("clang"))
            .args(["-c", source, "-o", "made.o"])
            .current_dir(self.rocm.beside("."));
        let answer = support::rocm::ran(&mut explain).json();
        let reason = answer["reason"].as_str();
        reason
            .unwrap_or_else(|| answer["decision"].as_str().unwrap())
            .to_owned()
    }
}

#[test]
fn a_header_that_appears_in_front_of_another_is_noticed_with_exact() {
    for launcher in [sccache(), ccache(), old_ccache()] {
        for exact in [false, true] {
            let options: &[&str] = if exact { &["--exact"] } else { &[] };
            let site = Site::new(&launcher, options);
            site.write("first/other.h", "");
            site.write("second/value.h", "int value = 1;\n");
            site.write("a.c", "#include \"value.h\"\n");
            let right = site.is_right_after("a.c", || {
                site.write("first/value.h", "int value = 2;\n");
            });
            // Should a launcher learn to see it, the documentation has to be told.
            assert_eq!(right, exact, "{launcher:?}");
        }
    }
}

#[test]
fn an_exact_installation_still_hits_and_says_that_it_is_exact() {
    for launcher in [sccache(), ccache()] {
        let site = Site::new(&launcher, &["--exact"]);
        site.write("a.c", "int value = 1;\n");
        assert_eq!(site.made(site.compile("a.c")).1, Asked::new(0, 1));
        assert_eq!(site.made(site.compile("a.c")).1, Asked::new(1, 0));
        // A second install that says nothing of it keeps it.
        site.rocm.install::<&str>([]).ok();
        let status = support::rocm::ran(site.rocm.rock_wrap("status").arg("--json")).json();
        assert_eq!(status["compilers"][0]["shim"]["exact"], true, "{status}");
    }
}

#[test]
fn data_that_a_source_includes_is_noticed_when_it_changes() {
    const INCBIN: &str = "__asm__(\".section .rodata\\n.incbin \\\"data\\\"\\n\");\n";
    const EMBED: &str = "const unsigned char data[] = {\n#  embed \"data\"\n};\n";
    for launcher in [sccache(), "/usr/bin/sccache".into(), ccache(), old_ccache()] {
        for options in [&[][..], &["--exact"]] {
            let site = Site::new(&launcher, options);
            for (source, content) in [("incbin.c", INCBIN), ("embed.c", EMBED)] {
                site.write(source, content);
                site.write("data", "old");
                let right = site.is_right_after(source, || site.write("data", "new"));
                assert!(right, "{launcher:?} {options:?} {source}");
            }
        }
    }
}

#[test]
fn only_the_launcher_that_is_blind_to_included_data_is_passed_by() {
    const SOURCES: [(&str, &str); 3] = [
        ("incbin.c", "__asm__(\".incbin \\\"data\\\"\");\n"),
        ("embed.c", "int a[] = {\n# embed <data>\n};\n"),
        (
            "words.c",
            "// incbin, embedding # of embeddings .inc\nint a;\n",
        ),
    ];
    let (launch, direct) = ("launch", "included-data");
    for (launcher, exact, expected) in [
        (sccache(), false, [direct, launch, launch]),
        (sccache(), true, [direct, launch, launch]),
        (ccache(), false, [launch; 3]),
        (old_ccache(), false, [launch, direct, launch]),
        (old_ccache(), true, [launch; 3]),
    ] {
        let options: &[&str] = if exact { &["--exact"] } else { &[] };
        let site = Site::new(&launcher, options);
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
