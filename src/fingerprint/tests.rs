use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;

use super::*;
use crate::fingerprint::identity::digest;
use crate::fingerprint::memo::LookupEnvironment;
use crate::fingerprint::testing::{Fixture, debians, flip};
use crate::shared::shim_config::Config;
use crate::shim_image as shim;

const ROLES: [Role; 7] = [
    Role::Compiler,
    Role::SharedObject,
    Role::Program,
    Role::Config,
    Role::Bitcode,
    Role::Header,
    Role::Resource,
];

fn take(compiler: &Path) -> Identity {
    Identity::take_in(compiler, None, &Memo::none(), &LookupEnvironment::none()).unwrap()
}

fn digest_of(members: &[Member]) -> Digest {
    digest(members, OffloadDriver::default())
}

fn names(identity: &Identity, role: Role) -> Vec<&str> {
    let members = identity.members.iter().filter(|member| member.role == role);
    members.map(|member| member.name.as_str()).collect()
}

#[test]
fn every_role_has_its_members() {
    let identity = take(&Fixture::tree().clang());
    for (role, expected) in [
        (Role::Compiler, &["compiler"][..]),
        (Role::SharedObject, &["libLLVM.so.1", "libtool.so"]),
        (
            Role::Program,
            &[
                "clang-linker-wrapper",
                "clang-offload-bundler",
                "lld",
                "llvm-objcopy",
            ],
        ),
        (Role::Config, &["clang.cfg", "rocm.cfg"]),
        (Role::Bitcode, &["hip.bc", "ocml.bc"]),
        (Role::Header, &["include/stddef.h", "include/sub/x.h"]),
        (
            Role::Resource,
            &["lib/linux/libclang_rt.a", "share/asan_ignorelist.txt"],
        ),
    ] {
        assert_eq!(names(&identity, role), expected, "{role:?}");
    }
    assert_eq!(identity.notes, Vec::<String>::new());
}

#[test]
fn a_copy_elsewhere_with_other_times_is_the_same() {
    let one = Fixture::tree();
    let two = Fixture::new();
    let status = Command::new("cp")
        .arg("-rL")
        .args([one.path().join("."), two.path().join("sub")])
        .status();
    assert!(status.unwrap().success());
    let (one, two) = (
        take(&one.clang()),
        take(&two.path().join("sub/bin/clang++")),
    );
    assert_ne!(one.members[0].stamp, two.members[0].stamp);
    assert_eq!(one.digest, two.digest);
}

#[test]
fn a_flipped_bit_in_any_member_is_another_compiler() {
    let dir = Fixture::tree();
    let mut seen = BTreeSet::new();
    let mut identity = take(&dir.clang());
    for member in identity.members.clone() {
        assert!(seen.insert(identity.digest), "{}", member.name);
        flip(&member.path);
        identity = take(&dir.clang());
    }
    assert!(seen.insert(identity.digest));
}

#[test]
fn a_member_that_comes_or_goes_is_another_compiler() {
    let dir = Fixture::tree();
    let one = take(&dir.clang()).digest;
    let two = {
        dir.write("bc/ockl.bc", b"");
        take(&dir.clang()).digest
    };
    let three = {
        std::fs::remove_file(dir.path().join("bin/clang.cfg")).unwrap();
        take(&dir.clang()).digest
    };
    assert_ne!(one, two);
    assert_ne!(two, three);
}

#[test]
fn a_link_among_the_bitcode_that_leads_elsewhere_is_another_compiler() {
    let dir = Fixture::tree();
    dir.write("bc/a_v1.bc", b"1");
    dir.write("bc/a_v2.bc", b"2");
    let link = dir.path().join("bc/z.bc");
    let [one, two] = ["a_v1.bc", "a_v2.bc"].map(|target| {
        let _ = std::fs::remove_file(&link);
        symlink(target, &link).unwrap();
        take(&dir.clang())
    });
    assert_ne!(one.digest, two.digest);
    let bin = dir.path().join("bin");
    let ino = |identity: &Identity| {
        let witness = identity.witness(&bin).into_iter();
        let mut found = witness.filter(|witness| witness.path.ends_with("z.bc"));
        found.next().unwrap().ino
    };
    assert_ne!(ino(&one), ino(&two));
}

#[test]
fn the_same_files_under_another_offload_driver_are_another_compiler() {
    let members = take(&Fixture::tree().clang()).members;
    let by_default = |new_by_default| OffloadDriver {
        new_by_default,
        new_uses_id: true,
    };
    let old = digest(&members, by_default(false));
    assert_eq!(old, digest_of(&members));
    assert_ne!(old, digest(&members, by_default(true)));
}

#[test]
fn the_order_of_members_does_not_matter() {
    let mut members = take(&Fixture::tree().clang()).members;
    let forward = digest_of(&members);
    members.reverse();
    assert_eq!(digest_of(&members), forward);
    members.extend(members.clone());
    assert_eq!(digest_of(&members), forward);
}

#[test]
fn names_and_contents_are_not_run_together() {
    let member = take(&Fixture::tree().clang()).members.remove(0);
    let named = |name: &str| {
        let name = name.to_owned();
        digest_of(&[Member {
            name,
            ..member.clone()
        }])
    };
    assert_ne!(named("a"), named("b"));
    let other = Member {
        role: Role::Program,
        ..member.clone()
    };
    assert_ne!(
        digest_of(std::slice::from_ref(&member)),
        digest_of(&[other])
    );
}

#[test]
fn behind_our_own_shim_is_the_same_compiler() {
    let dir = Fixture::tree();
    let before = take(&dir.clang());
    let bin = dir.path().join("bin");
    std::fs::rename(bin.join("clang"), bin.join("clang.7625")).unwrap();
    let config = Config {
        name: b"clang",
        ..Config::default()
    };
    dir.write("bin/clang", &shim::stamp(&config).unwrap());
    let after = take(&dir.clang());
    assert_eq!(after.digest, before.digest);
    assert_eq!(after.members[0].path, bin.join("clang.7625"));
    std::fs::remove_file(bin.join("clang.7625")).unwrap();
    let error = Identity::take(&dir.clang(), None, &Memo::none()).unwrap_err();
    assert!(error.to_string().contains("clang.7625"), "{error}");
}

#[test]
fn a_script_is_its_content() {
    let dir = Fixture::new();
    let script = dir.write("clang", b"#!/bin/sh\nexec touch asked\n");
    let one = take(&script);
    assert_eq!(one.members.len(), 1);
    assert_eq!(one.notes.len(), 1);
    flip(&script);
    assert_ne!(take(&script).digest, one.digest);
}

#[test]
fn what_is_not_a_file_is_an_error_with_its_path() {
    let dir = Fixture::new();
    for path in [dir.path().to_owned(), dir.path().join("gone")] {
        let error = Identity::take(&path, None, &Memo::none()).unwrap_err();
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }
}

#[test]
fn a_witness_is_relative_and_true() {
    let dir = Fixture::tree();
    let bin = dir.path().join("bin");
    let identity = take(&dir.clang());
    let witness = identity.witness(&bin);
    for entry in &witness {
        assert!(entry.path.is_relative(), "{entry:?}");
        let metadata = bin.join(&entry.path).metadata();
        assert_eq!(
            entry.ino,
            metadata.map_or(0, |metadata| metadata.ino()),
            "{entry:?}"
        );
    }
    let paths: BTreeSet<_> = witness.iter().map(|entry| entry.path.as_path()).collect();
    assert_eq!(paths.len(), witness.len());
    for path in [
        "clang",
        "../lib/libLLVM.so.1",
        "lld",
        "rocm.cfg",
        "../bc/ocml.bc",
        "../bc",
    ] {
        assert!(paths.contains(Path::new(path)), "{path} in {paths:?}");
    }
    // Paths that must not appear, and the directories of headers.
    for path in ["clang++.cfg", "fake-triple.cfg", "../res/include"] {
        assert!(paths.contains(Path::new(path)), "{path} in {paths:?}");
    }
    assert!(!paths.contains(Path::new("../res/include/stddef.h")));
    let other = identity.witness(Path::new("/elsewhere/bin"));
    assert!(other.iter().all(|entry| entry.path.is_absolute()));
}

#[test]
fn a_new_hard_link_leaves_the_digest_as_it_is() {
    let dir = Fixture::tree();
    let identity = take(&dir.clang());
    std::fs::hard_link(dir.clang(), dir.path().join("another")).unwrap();
    assert_eq!(take(&dir.clang()).digest, identity.digest);
}

/// Trees around Debian's clang: their members, that two copies are one compiler, and that a flipped
/// bit in a file of any role makes another.
#[test]
fn real_trees() {
    for (version, roles) in [("15", 6), ("19", 7)] {
        debians(&format!("/usr/lib/llvm-{version}/bin/clang"));
        let dir = Fixture::new();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/rocm-tree.sh");
        let [one, two] = ["one", "two"].map(|name| {
            let root = dir.path().join(name);
            let made = Command::new(&script)
                .args(["--copy-libs", "--no-check", "--cfg", "--clang", version])
                .arg(&root)
                .output()
                .unwrap();
            assert!(
                made.status.success(),
                "{}",
                String::from_utf8_lossy(&made.stderr)
            );
            root
        });
        let take = |root: &Path| {
            let clang = root.join("lib/llvm/bin/clang++");
            Identity::take(&clang, Some(root), &Memo::none()).unwrap()
        };
        let (first, second) = (take(&one), take(&two));
        assert_eq!(first.digest, second.digest);
        // Reached by lib/llvm/amdgcn and by the link amdgcn to it.
        let bitcode = names(&first, Role::Bitcode);
        let of_ocml = bitcode.iter().filter(|name| **name == "ocml.bc");
        assert_eq!(of_ocml.count(), 1);

        let mut by_role = BTreeMap::new();
        for member in &first.members {
            by_role.entry(member.role).or_insert(member);
        }
        // clang 15 reads no configuration file by default.
        assert_eq!(by_role.len(), roles, "{:?} of {ROLES:?}", by_role.keys());
        if version == "19" {
            let configs = names(&first, Role::Config);
            assert_eq!(configs, ["clang++.cfg", "clang.cfg", "rocm.cfg"]);
        }
        let programs = names(&first, Role::Program);
        for program in [
            "lld",
            "clang-offload-bundler",
            "clang-offload-packager",
            "clang-linker-wrapper",
        ] {
            assert!(programs.contains(&program), "{program} in {programs:?}");
        }
        let mut digests = BTreeSet::from([first.digest]);
        for member in by_role.values() {
            flip(&member.path);
            let flipped = take(&one).digest;
            assert!(digests.insert(flipped), "{}", member.path.display());
            // A configuration file with an error would hide the rest.
            flip(&member.path);
        }
        assert_eq!(take(&one).digest, first.digest);
    }
}
