//! What `native` means.

use super::*;

const NATIVE: &str = "-x hip --offload-arch=native -c a.cpp -o a.o";

/// A machine with a GPU, queried the way an older clang does.
fn with_gpu(architecture: &'static str) -> Fake {
    let mut machine = Fake::in_dir("/w").with("amdgpu-arch", file_state(40));
    machine.tools.insert("amdgpu-arch", architecture);
    let boot = "/proc/sys/kernel/random/boot_id";
    machine.responses.insert(boot, "1b30");
    machine
}

#[test]
fn what_native_stands_for_is_in_the_key() {
    let of = |machine: &Fake, line: &str| call(b"clang", "sccache", &[], line, machine);
    let key = |architecture| of(&with_gpu(architecture), NATIVE).unwrap().0;
    assert_eq!(
        key("gfx942
"),
        key("gfx942
")
    );
    assert_ne!(
        key("gfx942
"),
        key("gfx1100
")
    );
    assert_ne!(
        key("gfx942
"),
        key("gfx942
gfx1100
")
    );
    let named = NATIVE.replace("native", "gfx900,native");
    assert!(
        of(
            &with_gpu(
                "gfx942
"
            ),
            &named
        )
        .is_ok()
    );
    // The way clang 22 and later query it.
    let mut newer = with_gpu(
        "gfx942
",
    )
    .with("offload-arch", file_state(41));
    newer.tools = [(
        "offload-arch --only=amdgpu",
        "gfx942
",
    )]
    .into();
    let one = of(&newer, NATIVE).unwrap().0;
    newer.tools = [(
        "offload-arch --only=amdgpu",
        "gfx90a
",
    )]
    .into();
    assert_ne!(of(&newer, NATIVE).unwrap().0, one);
}

#[test]
fn without_an_answer_native_is_not_cached() {
    for said in [
        "",
        "
",
        "error
",
        "gfx942",
        "gfx942
error: no
",
    ] {
        let machine = with_gpu(said);
        let outcome = call(b"clang", "ccache", &["HOME=/home/me"], NATIVE, &machine);
        assert_eq!(outcome, Err("native-target"), "{said:?}");
        assert!(machine.kept.borrow().is_empty(), "{said:?}");
    }
    let nothing = Fake::in_dir("/w");
    let outcome = call(b"clang", "ccache", &[], NATIVE, &nothing);
    assert_eq!(outcome, Err("native-target"));
}

#[test]
fn the_machine_is_asked_what_native_is_once_as_long_as_it_stays_the_same() {
    let of = |machine: &Fake, env: &[&str]| {
        let before = machine.asked.get();
        call(b"clang", "sccache", env, NATIVE, machine).unwrap();
        machine.asked.get() > before
    };
    let home = "HOME=/home/me";
    let machine = with_gpu(
        "gfx942
",
    );
    assert!(of(&machine, &[home]));
    assert!(
        !of(&machine, &[home, "OTHER=1"]),
        "the answer is remembered"
    );
    for variable in [
        "ROCR_VISIBLE_DEVICES=0",
        "HIP_VISIBLE_DEVICES=0",
        "GPU_DEVICE_ORDINAL=0",
        "CUDA_VISIBLE_DEVICES=0",
        "HSA_OVERRIDE_GFX_VERSION=11.0.0",
    ] {
        assert!(of(&machine, &[home, variable]), "{variable}");
    }
    let changed = |machine: Fake| of(&machine, &[home]);
    let another_boot = |mut machine: Fake| {
        let boot = "/proc/sys/kernel/random/boot_id";
        machine.responses.insert(boot, "1b31");
        machine
    };
    assert!(changed(another_boot(machine.clone())));
    for (path, ino) in [
        ("amdgpu-arch", 50),
        ("/proc/self/ns/mnt", 51),
        ("/dev/kfd", 52),
        ("/dev/dri/renderD129", 53),
        ("/sys/class/kfd/kfd/topology/nodes/2", 54),
    ] {
        assert!(
            changed(machine.clone().with(path, file_state(ino))),
            "{path}"
        );
    }
    assert!(!changed(machine.clone()), "the control");
    let cut = machine.clone();
    let shorten = |kept: &mut Vec<u8>| kept.truncate(kept.len() - 1);
    cut.kept.borrow_mut().values_mut().for_each(shorten);
    assert!(changed(cut), "half of an answer is none");
    assert!(
        of(&machine, &[]) && of(&machine, &[]),
        "nowhere to remember it"
    );
}
