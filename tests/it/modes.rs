//! The files that a compile makes have the modes that clang would give them. New files follow the caller's umask,
//! whatever the umask of sccache's server is; files that existed before have the mode that clang leaves them with.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::launchers::{Asked, Cache, ccache, find, sccache};
use crate::support::rocm::{Rocm, as_nobody, sh};
use crate::support::tree::Layout;
use crate::support::{run, stderr};
use rustix::fs::{XattrFlags, setxattr};

const SOURCE: &str = r#"
#include "a.h"
#ifdef N
int n = N;
#endif
"#;

/// A unit whose host and device code need no HIP headers.
const DEVICE: &str = "__attribute__((device)) int d(int *p) { return *p + 1; }\n";

/// Options for a code object that lld writes.
const LINKED: [&str; 6] = [
    "-x",
    "hip",
    "--offload-arch=gfx942",
    "--offload-device-only",
    "--no-gpu-bundle-output",
    "-nogpulib",
];

struct Site {
    rocm: Rocm,
    cache: Cache,
}

impl Site {
    /// A tree wrapped with `launcher`, which is the sccache or ccache `program` itself or a script around it.
    fn new(launcher: &Path, program: &Path) -> Self {
        let rocm = Rocm::new(19, Layout::Symlink);
        rocm.wrap(launcher);
        fs::write(rocm.beside("a.c"), SOURCE).unwrap();
        fs::write(rocm.beside("a.h"), "int two;\n").unwrap();
        fs::write(rocm.beside("k.hip"), DEVICE).unwrap();
        fs::create_dir(rocm.beside("out")).unwrap();
        // sccache does not trust files that are newer than the compile.
        sh(
            "touch -d '1 minute ago' \"$1\"/a.* \"$1\"/k.hip",
            &[&rocm.beside(".")],
        );
        Self {
            rocm,
            cache: Cache::new(program),
        }
    }

    /// A site for every set-up that a user may have: sccache with its server asked directly, sccache by its client,
    /// ccache, and other releases of both.
    fn all() -> Vec<Self> {
        let script = |rocm: &Path| {
            let script = rocm.join("sccache");
            let body = format!("exec {} \"$@\"", sccache().display());
            crate::support::rocm::script(&script, &body);
            script
        };
        let mut sites = vec![
            Self::new(&sccache(), &sccache()),
            Self::new(&ccache(), &ccache()),
            Self::new(Path::new("/usr/bin/ccache"), Path::new("/usr/bin/ccache")),
        ];
        let newer = find("sccache 0.17.0", "sccache-0.17.0/sccache");
        sites.extend(newer.map(|newer| Self::new(&newer, &newer)));
        let by_client = Self::new(&sccache(), &sccache());
        by_client
            .rocm
            .wrap(&script(&by_client.rocm.beside("clients")));
        sites.push(by_client);
        sites
    }

    /// A call of `program`, which may be several words, under `umask`. The shim is disabled unless `through` is set.
    fn compile(&self, umask: &str, program: &[&OsStr], args: &[&str], through: bool) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", "umask \"$1\"; shift; exec \"$@\"", "sh", umask]);
        shell.args(program).args(args).env_clear();
        shell
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.rocm.beside("."))
            .envs(self.cache.env())
            .env("ROCK_WRAP_DISABLE", if through { "0" } else { "1" })
            .current_dir(self.rocm.beside("."));
        shell
    }

    fn shim(&self) -> PathBuf {
        self.rocm.bin().join("clang")
    }

    /// Prepares the directory `out`, compiles, and returns the status, the messages and the modes of all files in
    /// `out`.
    fn modes(&self, umask: &str, args: &[&str], prepare: &str, through: bool) -> String {
        let out = self.rocm.beside("out");
        sh(
            &format!("rm -rf \"$1\"/*; cd \"$1\"; umask 0; {prepare}"),
            &[&out],
        );
        let shim = self.shim();
        let output = run(&mut self.compile(umask, &[shim.as_os_str()], args, through));
        let listed = sh("cd \"$1\"; stat -c '%n %F %a' *", &[&out]);
        format!("{:?} {}{listed}", output.status.code(), stderr(&output))
    }

    /// Checks that a compile makes the same files as clang after `prepare`, both on a miss and on a hit.
    #[track_caller]
    fn as_bare(&self, umask: &str, args: &[&str], prepare: &str, launched: bool) {
        let bare = self.modes(umask, args, prepare, false);
        let before = self.cache.asked();
        for round in ["a miss", "a hit"] {
            let made = self.modes(umask, args, prepare, true);
            let launcher = self.cache.program.display();
            assert_eq!(
                made, bare,
                "{round}: {launcher}, umask {umask}, {prepare:?}"
            );
        }
        let after = self.cache.asked();
        let asked = (after.hits - before.hits, after.misses - before.misses);
        let expected = if launched { (1, 1) } else { (0, 0) };
        assert_eq!(
            asked,
            expected,
            "{} {args:?} {prepare:?}",
            self.cache.program.display()
        );
    }
}

const COMPILE: [&str; 6] = ["-c", "a.c", "-MD", "-MF", "out/a.d", "-oout/a.o"];

fn with<'a>(args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [args, more].concat()
}

#[test]
fn new_files_have_the_mode_that_the_umask_leaves() {
    for site in Site::all() {
        for (number, umask) in ["022", "077", "002", "027"].into_iter().enumerate() {
            let define = format!("-DN={number}");
            site.as_bare(umask, &with(&COMPILE, &[&define]), "", true);
        }
        // clang chooses the name of the dependency file.
        let args = ["-c", "a.c", "-MD", "-oout/a.o", "-DN=4"];
        site.as_bare("077", &args, "", true);
    }
}

#[test]
fn sccache_by_itself_gives_another_mode() {
    let site = Site::new(&sccache(), &sccache());
    let (client, real) = (sccache(), site.rocm.bin().join("clang.7625"));
    for umask in ["022", "077"] {
        let program = [client.as_os_str(), real.as_os_str()];
        let output = run(&mut site.compile(umask, &program, &COMPILE, true));
        assert!(output.status.success(), "{}", stderr(&output));
        let mode = fs::metadata(site.rocm.beside("out/a.o"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o640, "umask {umask}");
    }
}

#[test]
fn an_existing_object_is_replaced_and_an_existing_depfile_is_written_in_place() {
    const BEFORE: &str = "touch a.o a.d; chmod 606 a.o; chmod 646 a.d";
    for site in Site::all() {
        site.as_bare("022", &COMPILE, BEFORE, true);
        site.as_bare("077", &with(&COMPILE, &["-DN=1"]), "", true);
        // The umask of the hit differs from the one with which the object was stored.
        let bare = site.modes("002", &with(&COMPILE, &["-DN=1"]), BEFORE, false);
        let found = site.modes("002", &with(&COMPILE, &["-DN=1"]), BEFORE, true);
        assert_eq!(found, bare);
        assert_eq!((site.cache.asked().hits, site.cache.asked().misses), (3, 2));
    }
}

#[test]
fn a_linked_code_object_is_executable_and_an_object_is_not() {
    for site in Site::all() {
        let linked = with(&LINKED, &["-nogpuinc", "-c", "k.hip", "-o", "out/k.o"]);
        site.as_bare("027", &linked, "", true);
        assert!(
            site.modes("027", &linked, "", true)
                .contains("k.o regular file 750")
        );
        // Built again, over an existing file.
        site.as_bare(
            "022",
            &with(&linked, &["-DN=1"]),
            "touch k.o; chmod 755 k.o",
            true,
        );
        let bundled: Vec<_> = linked
            .into_iter()
            .filter(|word| !word.starts_with("--no"))
            .collect();
        site.as_bare("022", &bundled, "", true);
        site.as_bare(
            "022",
            &with(&bundled, &["-DN=1"]),
            "touch k.o; chmod 644 k.o",
            true,
        );
        // The bundler writes into an existing file.
        site.as_bare(
            "022",
            &with(&bundled, &["-DN=2"]),
            "touch k.o; chmod 606 k.o",
            false,
        );
    }
}

#[test]
fn an_output_that_is_a_link_is_left_to_clang() {
    for site in Site::all() {
        for prepare in [
            "ln -s elsewhere a.o",
            "touch elsewhere; chmod 600 elsewhere; ln -s elsewhere a.o",
            "ln -s elsewhere a.d",
            "touch elsewhere; chmod 600 elsewhere; ln -s elsewhere a.d",
        ] {
            site.as_bare("022", &COMPILE, prepare, false);
        }
        let output = with(&["-c", "a.c", "-o"], &["/dev/null"]);
        site.as_bare("022", &output, "touch none", false);
        assert_eq!(site.cache.asked(), Asked::default());
    }
    assert_eq!(
        fs::metadata("/dev/null").unwrap().permissions().mode() & 0o777,
        0o666
    );
}

#[test]
fn an_output_that_may_not_be_written_is_refused_as_by_clang() {
    let rocm = Rocm::for_everybody(19, Layout::Symlink);
    rocm.wrap(&ccache());
    let work = rocm.beside("work");
    sh(
        "mkdir \"$1\" && echo 'int one;' >\"$1\"/a.c && chmod -R a+rwX \"$1\" \"$(dirname \"$1\")\"",
        &[&work],
    );
    let launcher = rocm.beside("ccache-for-all");
    sh("install -m755 \"$1\" \"$2\"", &[&ccache(), &launcher]);
    rocm.wrap(&launcher);
    let compile = |program: &Path, first: Option<&Path>, off: &str| {
        let mut compile = Command::new(program);
        compile.args(first).args(["-c", "a.c", "-o", "a.o"]);
        let mut plain = as_nobody(&compile, program);
        plain
            .current_dir(&work)
            .env("CCACHE_DIR", work.join("cache"));
        let output = run(plain.env("HOME", &work).env("ROCK_WRAP_DISABLE", off));
        (output.status.code(), stderr(&output))
    };
    let shim = rocm.bin().join("clang");
    for mode in ["a+w", "a-w"] {
        let prepare = format!("cd \"$1\"; [ ! -e a.o ] || chmod {mode} a.o");
        sh(&prepare, &[&work]);
        let bare = compile(&shim, None, "1");
        assert_eq!(bare.0 == Some(0), mode == "a+w", "{bare:?}");
        for _ in 0..2 {
            sh(&prepare, &[&work]);
            assert_eq!(compile(&shim, None, "0"), bare);
        }
    }
    let real = rocm.bin().join("clang.7625");
    let alone = |prepare: &str| {
        sh(&format!("cd \"$1\"; {prepare}"), &[&work]);
        compile(&launcher, Some(&real), "0").0
    };
    assert_eq!(alone("rm -f a.o"), Some(0));
    assert_eq!(alone("chmod a-w a.o"), Some(0), "ccache replaces it");
}

#[test]
fn a_directorys_default_access_list_replaces_the_umask() {
    // Entries for the owner, a user, the group, the mask and others.
    let entry = |tag: u8, permissions: u8| [tag, 0, permissions, 0, 255, 255, 255, 255];
    let user = [2, 0, 6, 0, 1, 0, 0, 0];
    let entries = [
        entry(1, 7),
        user,
        entry(4, 5),
        entry(0x10, 6),
        entry(0x20, 4),
    ];
    let list = [&[2, 0, 0, 0][..], &entries.concat()].concat();
    for site in Site::all() {
        let out = site.rocm.beside("out");
        setxattr(&out, "system.posix_acl_default", &list, XattrFlags::empty()).unwrap();
        site.as_bare("077", &COMPILE, "", true);
        let made = site.modes("077", &COMPILE, "", true);
        assert!(made.contains("a.o regular file 664"), "{made}");
    }
}

#[test]
fn the_target_of_a_link_in_place_of_the_object_keeps_its_mode() {
    let site = Site::new(&ccache(), &ccache());
    let victim = site.rocm.beside("victim");
    fs::write(&victim, "").unwrap();
    fs::set_permissions(&victim, fs::Permissions::from_mode(0o600)).unwrap();
    // A launcher that leaves a link in place of the object.
    let evil = site.rocm.script(
        "evil/ccache",
        "echo ccache version 4.14.2; [ -z \"$VICTIM\" ] || ln -s \"$VICTIM\" out/a.o",
    );
    site.rocm.wrap(&evil);
    let shim = site.shim();
    let mut compile = site.compile("022", &[shim.as_os_str()], &COMPILE, true);
    let output = run(compile.env("VICTIM", &victim));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(site.rocm.beside("out/a.o").is_symlink());
    assert_eq!(
        fs::metadata(&victim).unwrap().permissions().mode() & 0o777,
        0o600
    );
}
