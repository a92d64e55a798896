//! Which tree an install finds, and which of its compilers it wraps.

use super::{CXX, baked, is_shim, launcher_of, text};
use crate::support::launchers::{ccache, sccache};
use crate::support::manifest::Manifest;
use crate::support::rocm::{Rocm, assert_has, ran, rock_wrap, scratch, script, sh};
use crate::support::tree::Layout;
use rock_wrap::shared::shim_config::Config;
use rock_wrap::shim_image;
use std::os::unix::fs::symlink;
use std::path::Path;

#[test]
fn another_compiler_name_is_wrapped_alone_or_with_the_others() {
    for (clang, layout) in [
        (15, Layout::Symlink),
        (19, Layout::Regular),
        (15, Layout::HardLink),
        (19, Layout::Stub),
    ] {
        let rocm = Rocm::new(clang, layout);
        rocm.install(["--compiler", "clang++-15", "--launcher", text(&ccache())])
            .ok();
        let shims = |rocm: &Rocm| {
            let names = ["clang", "clang++", "clang++-15"];
            names.map(|name| {
                let path = rocm.bin().join(name);
                !path.is_symlink() && is_shim(&path)
            })
        };
        assert_eq!(shims(&rocm), [false, false, true], "{layout}");
        std::fs::write(rocm.beside("a.cpp"), CXX).unwrap();
        let mut link = rocm.compiler("clang++-15");
        ran(link.args(["a.cpp", "-o", "a"])).ok();

        // The usual names are wrapped too, and all names get the same launcher.
        rocm.wrap(&sccache());
        assert_eq!(shims(&rocm), [true; 3], "{layout}");
        assert_eq!(launcher_of(&rocm, "clang++-15"), sccache());
        ran(rocm.compiler("clang++-15").args(["a.cpp", "-o", "b"])).ok();
    }
}

#[test]
fn a_tree_without_clang_itself_is_wrapped_by_the_names_it_has() {
    // /usr is such a tree with Debian's hipcc.
    let dir = scratch();
    let root = dir.path().join("usr");
    std::fs::create_dir_all(root.join("bin")).unwrap();
    symlink("/usr/lib/llvm-15/bin/clang++", root.join("bin/clang++-15")).unwrap();
    let before = Manifest::of(&root);
    let call = |what: &str, more: &[&str]| {
        let mut command = rock_wrap([what, "--rocm-path"]);
        ran(command.arg(&root).args(more))
    };
    call(
        "install",
        &["--compiler", "clang++-15", "--launcher", "ccache"],
    )
    .ok();
    assert!(is_shim(&root.join("bin/clang++-15")));
    let status = call("status", &["--json"]).json();
    assert_eq!(status["state"], "wrapped", "{status}");
    call("restore", &[]).ok();
    before.assert_same(&Manifest::of(&root), "the tree");
}

#[test]
fn the_tree_is_found_by_variable_program_or_default_in_this_order() {
    let by = |name: &str| (Rocm::small(), name.to_owned());
    let trees = [
        by("--rocm-path"),
        by("ROCM_PATH"),
        by("ROCM_HOME"),
        by("rocm-sdk path --root"),
        by("hipcc"),
        by("hipconfig --rocmpath"),
    ];
    let programs = scratch();
    let path = programs.path();
    let says = |name: &str, args: &str, rocm: &Rocm| {
        let body = format!("[ \"$*\" = '{args}' ] && echo '{}'", text(&rocm.root));
        script(&path.join(name), &body);
    };
    // In reverse: each tree that is added takes precedence over those before it.
    let mut install = rock_wrap(["install", "--dry-run"]);
    // Without /bin, where another hipcc may be installed.
    install.env("PATH", path);
    for (rocm, name) in trees.iter().rev() {
        match name.as_str() {
            "hipconfig --rocmpath" => says("hipconfig", "--rocmpath", rocm),
            "hipcc" => {
                let body = format!("echo 'hipcc-cmd: {}/clang++'", text(&rocm.bin()));
                script(&path.join("hipcc"), &body);
            }
            "rocm-sdk path --root" => says("rocm-sdk", "path --root", rocm),
            "--rocm-path" => drop(install.arg("--rocm-path").arg(&rocm.root)),
            variable => drop(install.env(variable, &rocm.root)),
        }
        let out = ran(&mut install).ok().out;
        assert_has(&out, &[&format!("at {} (from {name})", text(&rocm.root))]);
    }
}

#[test]
fn an_empty_variable_and_a_program_that_fails_are_passed_over() {
    let rocm = Rocm::small();
    let programs = scratch();
    script(&programs.path().join("rocm-sdk"), "echo broken; exit 1");
    let body = format!("echo '{}'", text(&rocm.root));
    script(&programs.path().join("hipconfig"), &body);
    let mut install = rock_wrap(["install", "--dry-run"]);
    install
        .env("PATH", programs.path())
        .env("ROCM_PATH", "")
        .env("ROCM_HOME", "");
    assert_has(
        &ran(&mut install).ok().out,
        &["(from hipconfig --rocmpath)"],
    );
}

#[test]
fn a_variable_that_names_no_tree_is_passed_over_with_a_warning() {
    let rocm = Rocm::small();
    let empty = scratch();
    for named in [empty.path().to_owned(), empty.path().join("gone")] {
        let mut install = rock_wrap(["install", "--dry-run"]);
        install
            .env("ROCM_PATH", &named)
            .env("ROCM_HOME", &rocm.root);
        let ran = ran(&mut install).ok();
        assert_has(&ran.out, &["(from ROCM_HOME)"]);
        assert_has(
            &ran.err,
            &[
                "warning: ",
                text(&named),
                "(from ROCM_PATH)",
                text(&rocm.root),
            ],
        );
    }
}

#[test]
fn a_directory_with_two_paths_is_wrapped_once() {
    // The link as in ROCm, and the reverse. Both trees are also reached through a link to the whole tree.
    for (real, link, target) in [
        ("lib/llvm", "llvm", "lib/llvm"),
        ("llvm", "lib/llvm", "../llvm"),
    ] {
        let dir = scratch();
        let root = dir.path().join("rocm-7.0.0");
        std::fs::create_dir_all(root.join(real).join("bin")).unwrap();
        std::fs::create_dir_all(root.join("lib")).unwrap();
        let bin = root.join(real).join("bin");
        symlink("/usr/lib/llvm-19/bin/clang", bin.join("clang")).unwrap();
        symlink("clang", bin.join("clang++")).unwrap();
        symlink(target, root.join(link)).unwrap();
        let other = dir.path().join("rocm");
        symlink("rocm-7.0.0", &other).unwrap();
        let before = Manifest::of(&root);

        let at = |what: &str, root: &Path| ran(rock_wrap([what, "--rocm-path"]).arg(root)).ok();
        let first = at("install", &root);
        assert_has(&first.out, &[&format!("compilers in {}:", text(&bin))]);
        let wrapped = Manifest::with_changes(&root);
        let second = at("install", &other);
        assert_eq!(second.out.matches(": already wrapped").count(), 2);
        wrapped.assert_same(&Manifest::with_changes(&root), "the tree");
        at("restore", &other);
        before.assert_same(&Manifest::of(&root), "the tree");
    }
}

#[test]
fn with_one_bad_compiler_none_is_wrapped() {
    for bad in ["clang", "clang++"] {
        for layout in [Layout::Symlink, Layout::Regular] {
            let rocm = Rocm::new(19, layout);
            if bad == "clang" && layout == Layout::Regular {
                continue; // clang++ is a link to it.
            }
            std::fs::remove_file(rocm.bin().join(bad)).unwrap();
            script(&rocm.bin().join(bad), "exit 1");
            let message = rocm.untouched(|rocm| rocm.install([""; 0]).refused(4));
            assert_has(&message, &[text(&rocm.bin().join(bad))]);
        }
    }
    // A name that does not exist.
    let rocm = Rocm::small();
    std::fs::remove_file(rocm.bin().join("clang++")).unwrap();
    let message = rocm.untouched(|rocm| rocm.install([""; 0]).refused(4));
    assert_has(
        &message,
        &[text(&rocm.bin().join("clang++")), "does not exist"],
    );
}

#[test]
fn a_shim_of_another_version_is_upgraded() {
    for writer in ["0.0.1", "99.0.0"] {
        let rocm = Rocm::new(15, Layout::Symlink);
        let before = Manifest::of(&rocm.bin());
        rocm.wrap(&ccache());
        for name in ["clang", "clang++"] {
            let image = shim_image::stamp(&Config {
                name: name.as_bytes(),
                launcher: b"/gone/sccache",
                writer: writer.as_bytes(),
                ..Config::default()
            });
            let other = rocm.beside("other");
            std::fs::write(&other, image.unwrap()).unwrap();
            let at = rocm.bin().join(name);
            sh(r#"install -m755 "$1" "$2""#, &[&other, &at]);
        }
        let status = ran(rocm.rock_wrap("status").arg("--json")).json();
        assert_eq!(status["compilers"][0]["shim"]["outdated"], true, "{status}");
        let upgraded = rocm.wrap(&ccache());
        assert_eq!(upgraded.out.matches(": wrapped anew").count(), 2);
        let own = env!("CARGO_PKG_VERSION").as_bytes();
        assert!(baked(&rocm.bin().join("clang"), |config| config.writer == own));
        rocm.restore().ok();
        before.assert_same(&Manifest::of(&rocm.bin()), "the tree");
    }
}

#[test]
fn a_shim_whose_configuration_a_newer_version_wrote_is_replaced() {
    let rocm = Rocm::small();
    let before = Manifest::of(&rocm.bin());
    rocm.wrap(&ccache());
    let shim = rocm.bin().join("clang++");
    let mut image = std::fs::read(&shim).unwrap();
    let mark = rock_wrap::shared::shim_config::MAGIC;
    let at = image.windows(16).position(|bytes| bytes == mark).unwrap();
    image[at + 16] = 200;
    std::fs::write(rocm.beside("newer"), image).unwrap();
    sh(
        r#"install -m755 "$1" "$2""#,
        &[&rocm.beside("newer"), &shim],
    );
    ran(rocm.compiler("clang++").arg("--version")).ok();
    rocm.wrap(&ccache());
    assert_eq!(launcher_of(&rocm, "clang++"), ccache());
    rocm.restore().ok();
    before.assert_same(&Manifest::of(&rocm.bin()), "the tree");
}
