//! The compiler and its libraries.

use super::*;

#[test]
fn libraries_that_the_loader_would_take_instead_are_looked_at() {
    let env = ["LD_LIBRARY_PATH=/x:/lib", "LD_PRELOAD=/pre.so"];
    let of = |path, ino| {
        key_in(
            &Fake::in_dir("/w").with(path, file_state(ino)),
            "ccache",
            &env,
            HIP,
        )
    };
    for path in ["/lib/libLLVM.so.19.1", "/pre.so"] {
        assert_ne!(of(path, 20), of(path, 21), "{path}");
    }
    let other = "/lib/libother.so";
    assert_eq!(of(other, 20), of(other, 21), "no library of the compiler's");
}

#[test]
fn device_libraries_that_are_not_fingerprinted_are_looked_at() {
    let changed = FileState {
        mtime_nsec: 6,
        ..file_state(4)
    };
    let before = Fake::in_dir("/w");
    let after = before.clone().with("/other/ocml.bc", changed);
    let added = before.clone().with("/other/new.bc", file_state(9));
    let unrelated = before.clone().with("/other/README", file_state(9));
    for (env, line) in [
        (&["HIP_DEVICE_LIB_PATH=/other"][..], HIP.to_owned()),
        (&[], format!("{HIP} --hip-device-lib-path=/other")),
        (&[], format!("{HIP} --rocm-device-lib-path=/other")),
    ] {
        let of = |machine| key_in(machine, "sccache", env, &line);
        assert_ne!(of(&before), of(&after), "{line}");
        assert_ne!(of(&before), of(&added), "{line}");
        assert_eq!(of(&before), of(&unrelated), "{line}");
    }
}

#[test]
fn a_tree_named_by_hand_is_looked_at_where_clang_looks() {
    let before = Fake::in_dir("/w")
        .with("/tree/amdgcn/bitcode", file_state(20))
        .with("/tree/amdgcn/bitcode/ocml.bc", file_state(21));
    let after = before
        .clone()
        .with("/tree/amdgcn/bitcode/ocml.bc", file_state(22));
    for (env, line) in [
        (&["ROCM_PATH=/tree"][..], HIP.to_owned()),
        (&[], format!("{HIP} --rocm-path=/tree")),
    ] {
        let of = |machine| key_in(machine, "ccache", env, &line);
        assert_ne!(of(&before), of(&after), "{line}");
    }
}

#[test]
fn the_fingerprinted_libraries_are_the_same_wherever_the_tree_lies() {
    let here = Fake::in_dir("/w");
    let there = Fake::in_dir("/w")
        .with("/elsewhere/amdgcn/bitcode", file_state(1))
        .with("/elsewhere/amdgcn/bitcode/ocml.bc", file_state(77));
    let of = |machine, root: &str| key_in(machine, "sccache", &[&format!("ROCM_PATH={root}")], HIP);
    assert_eq!(of(&here, "/rocm"), of(&there, "/elsewhere"));
}

#[test]
fn without_a_fingerprint_nothing_is_cached() {
    let machine = Fake::in_dir("/w");
    assert_eq!(
        call(b"", "sccache", &[], PLAIN, &machine),
        Err("no-fingerprint")
    );
    assert!(call(b"", "distcc", &[], PLAIN, &machine).is_ok());
}

#[test]
fn a_compiler_that_changed_is_noticed_by_its_state() {
    let machine = Fake::in_dir("/w");
    let before = file_state(5);
    for changed in [
        FileState { ino: 6, ..before },
        FileState { size: 11, ..before },
        FileState {
            mtime: 1001,
            ..before
        },
        FileState {
            mtime_nsec: 6,
            ..before
        },
    ] {
        let machine = machine.clone().with("clang-19", changed);
        assert_eq!(
            call(b"clang", "ccache", &[], PLAIN, &machine),
            Err("compiler-changed")
        );
    }
    let mut gone = machine.clone();
    gone.stamps.remove("clang-19");
    let appeared = machine.clone().with("clang.cfg", file_state(9));
    let more = machine.clone().with(
        "../amdgcn/bitcode",
        FileState {
            mtime: 1,
            ..file_state(1)
        },
    );
    for machine in [gone, appeared, more] {
        assert_eq!(
            call(b"clang", "sccache", &[], PLAIN, &machine),
            Err("compiler-changed")
        );
    }
    let elsewhere = machine.with("clang-19", FileState { dev: 9, ..before });
    assert!(
        call(b"clang", "sccache", &[], PLAIN, &elsewhere).is_ok(),
        "another mount"
    );
}

#[test]
fn sccache_is_not_given_debug_information_of_a_directory_by_another_name() {
    let machine = Fake::in_dir("/real")
        .with("/link", file_state(30))
        .with(".", file_state(30));
    let of = |launcher, pwd, line| call(b"clang", launcher, &[pwd], line, &machine).map(|_| ());
    let debug = "-g -c a.cpp -o a.o";
    assert_eq!(of("sccache", "PWD=/link", debug), Err("logical-directory"));
    assert_eq!(of("sccache", "PWD=/real", debug), Ok(()));
    assert_eq!(
        of("sccache", "PWD=/nonsense", debug),
        Ok(()),
        "clang ignores it too"
    );
    assert_eq!(of("sccache", "PWD=/link", PLAIN), Ok(()));
    assert_eq!(of("ccache", "PWD=/link", debug), Ok(()), "it passes PWD on");
}
