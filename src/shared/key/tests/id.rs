//! The compilation unit id.

use super::*;

#[test]
fn a_hip_compile_gets_an_id_unless_it_has_one() {
    let id = cuid("/w", &[], HIP).unwrap();
    assert_eq!(id.len(), "-cuid=".len() + 16, "{id}");
    assert_eq!(cuid("/w", &[], &format!("{HIP} -cuid=1")), None);
    assert_eq!(cuid("/w", &[], &format!("{HIP} -fuse-cuid=none")), None);
    assert_eq!(cuid("/w", &[], PLAIN), None, "never on a host compile");
}

#[test]
fn a_call_that_asks_for_a_hash_gets_the_id_in_its_place() {
    // Checks the arguments that the compiler is given, which launchers rewrite; -cuid= comes before that.
    for line in [
        "-fuse-cuid=hash",
        "-cuid=",
        "-fuse-cuid=none -fuse-cuid=hash",
    ] {
        assert!(
            cuid("/w", &[], &format!("{HIP} {line}")).is_some(),
            "{line}"
        );
    }
    for line in ["-fuse-cuid=hash -cuid=1", "-fuse-cuid=hash -fuse-cuid=none"] {
        assert_eq!(cuid("/w", &[], &format!("{HIP} {line}")), None, "{line}");
    }
}

#[test]
fn what_chooses_architectures_or_jobs_is_not_in_the_id() {
    let id = |line: &str| cuid("/w", &[], line);
    for option in [
        "--offload-arch=gfx900,gfx906",
        "--no-offload-arch=gfx900",
        "--cuda-gpu-arch=gfx900",
        "--no-cuda-gpu-arch=all",
        "--offload-targets=amdgcn-amd-amdhsa",
        "--offload-jobs=4",
        "--offload-jobs=jobserver",
        "-parallel-jobs=4",
    ] {
        assert_eq!(id(&format!("{HIP} {option}")), id(HIP), "{option}");
        let mut machine = Fake::in_dir("/w");
        let of = |machine: &Fake| call(b"clang", "sccache", &[], &format!("{HIP} @r"), machine);
        machine.responses.insert("r", "-DX @s");
        machine.responses.insert("s", "-DY");
        let without = of(&machine).unwrap().1;
        let text: &'static str = format!("-DY {option}").leak();
        machine.responses.insert("s", text);
        assert_eq!(
            of(&machine).unwrap().1,
            without,
            "{option} in a response file"
        );
    }
    assert_ne!(id(&format!("{HIP} -DX")), id(HIP), "the control");
}

#[test]
fn the_id_tells_outputs_directories_and_arguments_apart() {
    let id = |dir, line: &str| cuid(dir, &[], line);
    assert_eq!(id("/w", HIP), id("/w", HIP));
    assert_ne!(id("/w", HIP), id("/w", "-x hip -c a.cpp -o b.o"));
    assert_ne!(id("/w", HIP), id("/v", HIP));
    assert_ne!(id("/w", HIP), id("/w", &format!("{HIP} -DX")));
}

#[test]
fn the_id_knows_what_a_response_file_says() {
    let of = |content| {
        let mut machine = Fake::in_dir("/w");
        machine.responses.insert("r", content);
        call(b"clang", "sccache", &[], &format!("{HIP} @r"), &machine)
            .unwrap()
            .1
    };
    assert_ne!(of("-DX=1"), of("-DX=2"));
    assert_eq!(
        of("-DX=1"),
        of("  '-DX=1'\n"),
        "how it is written makes no difference"
    );
    let nested = |content| {
        let mut machine = Fake::in_dir("/w");
        machine.responses.insert("r", "@s");
        machine.responses.insert("s", content);
        call(b"clang", "sccache", &[], &format!("{HIP} @r"), &machine)
            .unwrap()
            .1
    };
    assert_ne!(nested("-DX=1"), nested("-DX=2"));
}
