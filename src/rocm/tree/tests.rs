use std::os::unix::fs::symlink;

use super::*;

/// A directory with these symbolic links; an entry with an empty target is a file.
fn dir(entries: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, target) in entries {
        match *target {
            "" => std::fs::write(dir.path().join(name), "").unwrap(),
            target => symlink(target, dir.path().join(name)).unwrap(),
        }
    }
    dir
}

fn wrapped(entries: &[(&str, &str)], called: Option<&str>) -> String {
    let dir = dir(entries);
    let called = called.map(|name| name.parse().unwrap());
    list(&names_for(dir.path(), called))
}

#[test]
fn the_name_that_hipcc_calls_is_wrapped_with_the_plain_names_of_the_same_compiler() {
    let rocm = [
        ("clang", "clang-22"),
        ("clang-22", ""),
        ("clang++", "clang"),
    ];
    assert_eq!(wrapped(&rocm, None), "clang, clang++");
    assert_eq!(wrapped(&rocm, Some("clang++")), "clang, clang++");
    // As in Debian's /usr/bin: hipcc calls one release, and the plain names lead to another.
    let llvm = [dir(&[("clang", "")]), dir(&[("clang", "")])];
    let [own, other] = llvm
        .each_ref()
        .map(|dir| dir.path().join("clang").to_str().unwrap().to_owned());
    let usr = |plain: &str| {
        let entries = [("clang++-17", &*own), ("clang", plain), ("clang++", plain)];
        wrapped(&entries, Some("clang++-17"))
    };
    assert_eq!(usr(&other), "clang++-17");
    assert_eq!(usr(&own), "clang++-17, clang, clang++");
    assert_eq!(
        wrapped(&[("clang++-17", &own)], Some("clang++-17")),
        "clang++-17"
    );
}

#[test]
fn a_name_that_is_a_link_to_a_wrapped_one_needs_no_shim_of_its_own() {
    let links = [
        ("clang", ""),
        ("clang++", "clang"),
        ("clang++-15", "c++"),
        ("c++", "clang++"),
    ];
    assert_eq!(wrapped(&links, Some("clang++-15")), "clang, clang++");
    let circle = [("clang++-15", "clang-15"), ("clang-15", "clang++-15")];
    assert_eq!(wrapped(&circle, Some("clang++-15")), "clang++-15");
}

#[test]
fn the_root_follows_from_the_directory_of_the_compilers() {
    for (bin, root) in [
        ("/opt/rocm/lib/llvm/bin", "/opt/rocm"),
        ("/opt/rocm/llvm/bin", "/opt/rocm"),
        ("/usr/lib/llvm-21/bin", "/usr/lib/llvm-21"),
        ("/usr/bin", "/usr"),
        ("/opt/compilers", "/opt/compilers"),
    ] {
        assert_eq!(root_of(Path::new(bin)), Path::new(root));
    }
}

#[test]
fn a_directory_is_no_compiler() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("clang")).unwrap();
    assert!(!holds_one_of(dir.path(), &CompilerName::defaults()));
    std::fs::write(dir.path().join("clang++.7625"), "").unwrap();
    assert!(
        holds_one_of(dir.path(), &CompilerName::defaults()),
        "an alias"
    );
}
