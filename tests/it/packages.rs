//! The metadata and the scripts of packages. `scripts/test-packages.sh` builds, installs and uses packages, in minutes.

use std::path::Path;
use std::process::Command;

use crate::support::golden::source;
use crate::support::rocm::{Ran, assert_has, ran, scratch, sh};

fn read(path: &str) -> String {
    std::fs::read_to_string(source(path)).unwrap()
}

/// Runs the script for the removal of the package, with `root` as the root directory.
fn removal(action: &str, root: &Path) -> Ran {
    let mut prerm = Command::new("sh");
    prerm.arg(source("packaging/deb/prerm")).arg(action);
    ran(prerm.env("DPKG_ROOT", root)).ok()
}

/// Makes a compilers' directory below `root`, marked as `rock-wrap install` marks one.
fn wrapped(root: &Path, bin: &str) {
    let bin = root.join(bin);
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::write(bin.join(rock_wrap::rocm::names::JOURNAL), "").unwrap();
}

#[test]
fn removal_of_the_package_names_each_wrapped_directory_once() {
    let dir = scratch();
    let root = dir.path().canonicalize().unwrap();
    for bin in ["opt/rocm-7/lib/llvm/bin", "usr/lib/llvm-19/bin"] {
        wrapped(&root, bin);
    }
    sh(
        r#"ln -s rocm-7 "$1/opt/rocm" && ln -s lib/llvm "$1/opt/rocm-7/llvm" && mkdir -p "$1/usr/lib/llvm-15/bin""#,
        &[&root],
    );
    for action in ["remove", "0"] {
        let said = removal(action, &root);
        assert_eq!(said.out, "");
        let named = said.err.lines().filter_map(|line| line.strip_prefix("  "));
        let expected = ["opt/rocm-7/lib/llvm/bin", "usr/lib/llvm-19/bin"];
        let expected = expected.map(|bin| root.join(bin).display().to_string());
        assert_eq!(named.collect::<Vec<_>>(), expected);
        assert_has(&said.err, &["`rock-wrap restore --rocm-path DIR`"]);
    }
}

#[test]
fn an_upgrade_of_the_package_and_a_removal_without_wrapped_trees_say_nothing() {
    let dir = scratch();
    assert_eq!(removal("remove", dir.path()).err, "");
    wrapped(dir.path(), "opt/rocm/lib/llvm/bin");
    for action in ["upgrade", "1", "deconfigure", "failed-upgrade"] {
        assert_eq!(removal(action, dir.path()).err, "", "{action}");
    }
}

#[test]
fn the_version_is_in_cargos_manifest_alone() {
    let version = env!("CARGO_PKG_VERSION");
    let python = read("pyproject.toml");
    let dynamic = python.lines().find(|line| line.starts_with("dynamic"));
    assert_has(dynamic.unwrap(), &["\"version\""]);
    let manifest = read("Cargo.toml");
    assert_eq!(manifest.matches(version).count(), 1, "{version}");
    for file in [
        "pyproject.toml",
        "scripts/package.sh",
        "packaging/deb/prerm",
        ".github/workflows/release.yml",
    ] {
        assert!(!read(file).contains(version), "{file} names {version}");
    }
}

#[test]
fn what_binstall_fetches_is_what_package_sh_makes() {
    let manifest = read("Cargo.toml");
    let value = |key: &str| {
        let line = manifest.lines().find(|line| line.starts_with(key));
        line.unwrap().split('"').nth(1).unwrap().to_owned()
    };
    let name = "rock-wrap-{ version }-x86_64-linux";
    assert!(value("pkg-url").ends_with(&format!("/v{{ version }}/{name}.tar.gz")));
    assert_eq!(value("bin-dir"), format!("{name}/bin/{{ bin }}"));
    let script = read("scripts/package.sh");
    assert_has(
        &script,
        &[&format!(
            "name={}\n",
            name.replace("{ version }", "$version")
        )],
    );
    assert_has(
        &script,
        &["$name.tar.gz", "package-files/{bin,man,completions}"],
    );
}

#[test]
fn every_package_has_the_program_its_manual_pages_and_its_completions() {
    let manifest = read("Cargo.toml");
    let package = |header: &str| {
        let (_, rest) = manifest
            .split_once(&format!("[package.metadata.{header}]\n"))
            .unwrap();
        rest.split("\n]\n").next().unwrap().to_owned()
    };
    for (format, zsh) in [
        ("deb", "vendor-completions"),
        ("generate-rpm", "site-functions"),
    ] {
        let assets = package(format);
        for asset in [
            "target/package-files/bin/rock-wrap",
            "target/package-files/man/*.1",
            "usr/share/man/man1/",
            "usr/share/bash-completion/completions/",
            zsh,
            "usr/share/fish/vendor_completions.d/",
            "target/package-files/doc/recovery.md",
        ] {
            assert!(assets.contains(asset), "{format}: {asset}");
        }
    }
}
