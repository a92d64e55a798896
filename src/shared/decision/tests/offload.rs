//! Which of clang's two offload drivers compiles a call, and what a launcher may get as a result.

use super::super::*;
use super::{CCACHE, Fake, OTHER, SCCACHE, decided, word};
use crate::shared::shim_config::Config;
use crate::shared::stand_in;

/// The outcome of `clang++ ARGS` for a compiler with this default, and whether an id is added.
fn outcome(new_driver: bool, launcher: &str, args: &str) -> (&'static str, bool) {
    let config = Config {
        new_driver,
        ..Config::default()
    };
    let mut machine = Fake::new();
    machine.file("new.rsp", "--offload-new-driver");
    machine.file("old.rsp", "--no-offload-new-driver");
    let words: Vec<&str> = "clang++"
        .split(' ')
        .chain(args.split_whitespace())
        .collect();
    decided(&config, launcher, &words, &machine, |decision| {
        let id = match decision {
            Decision::Launch(launch) => launch.key.as_ref().is_some_and(|key| key.cuid.is_some()),
            _ => false,
        };
        (word(decision), id)
    })
}

#[test]
fn device_code_that_a_launcher_would_not_see_goes_direct() {
    const DIRECT: &str = "new-offload-driver";
    let two = "--offload-arch=gfx906 --offload-arch=gfx942";
    for (new_by_default, args, expected) in [
        (false, "-c a.hip", "launch"),
        (true, "-c a.hip", DIRECT),
        (true, "-c a.cpp", "launch"),
        (false, "--offload-new-driver -c a.hip", DIRECT),
        (true, "--no-offload-new-driver -c a.hip", "launch"),
        // The last of these options wins, also across response files.
        (
            false,
            "--offload-new-driver -c a.hip --no-offload-new-driver",
            "launch",
        ),
        (
            true,
            "--no-offload-new-driver -c a.hip --offload-new-driver",
            DIRECT,
        ),
        (false, "@new.rsp -c a.hip", DIRECT),
        (true, "-c a.hip @old.rsp", "launch"),
        (false, "@new.rsp -c a.hip @old.rsp", "launch"),
        // If only one side is compiled, -E prints that side.
        (true, "--offload-host-only -c a.hip", "launch"),
        (true, "--cuda-host-only -c a.hip", "launch"),
        (
            true,
            "--offload-device-only --offload-arch=gfx942 -c a.hip -o a.o",
            "launch",
        ),
        (
            true,
            &format!("--offload-device-only {two} -c a.hip -o a.o"),
            DIRECT,
        ),
        (
            true,
            "--offload-device-only --offload-host-device -c a.hip",
            DIRECT,
        ),
        (true, "-fgpu-rdc -c a.hip", DIRECT),
        (false, "-fopenmp-new-driver -c a.hip", "unusual-spelling"),
    ] {
        let seen = outcome(new_by_default, OTHER, args).0;
        assert_eq!(seen, expected, "{new_by_default} {args}");
    }
}

#[test]
fn with_a_stand_in_every_side_is_told_under_the_new_driver() {
    use stand_in::TextSide::{self, Device, Host, Whole};
    let two = "--offload-arch=gfx942,gfx1100";
    for (new_by_default, args, expected) in [
        (false, "-c a.hip", &[Whole][..]),
        (true, "-c a.cpp", &[Whole]),
        (true, "-c a.hip", &[Device(b""), Host]),
        (
            true,
            &format!("{two} -c a.hip"),
            &[Device(b"gfx942"), Device(b"gfx1100"), Host],
        ),
        (
            true,
            &format!("{two} --offload-host-only -c a.hip"),
            &[Whole],
        ),
        (
            true,
            &format!("{two} --offload-device-only -c a.hip -o a.o"),
            &[Device(b"gfx942"), Device(b"gfx1100")],
        ),
        (
            true,
            "--offload-arch=gfx942 --offload-device-only -c a.hip -o a.o",
            &[Whole],
        ),
        (
            true,
            &format!("{two} --no-offload-new-driver -c a.hip"),
            &[Whole],
        ),
    ] {
        let config = Config {
            new_driver: new_by_default,
            ..Config::default()
        };
        let words: Vec<&str> = "clang++"
            .split(' ')
            .chain(args.split_whitespace())
            .collect();
        for launcher in [SCCACHE, CCACHE] {
            let texts = decided(&config, launcher, &words, &Fake::new(), |decision| {
                let Decision::Launch(launch) = decision else {
                    panic!("{args}: {decision:?}");
                };
                let own = |side: TextSide<'_>| format!("{side:?}");
                stand_in::texts(&launch.unit, false)
                    .into_iter()
                    .map(own)
                    .collect::<Vec<_>>()
            });
            let expected: Vec<_> = expected.iter().map(|side| format!("{side:?}")).collect();
            assert_eq!(texts, expected, "{new_by_default} {args}");
        }
    }
    let taken_away = "--offload-arch=gfx942 --no-offload-arch=all -c a.hip";
    assert_eq!(outcome(true, SCCACHE, taken_away).0, "new-offload-driver");
    assert_eq!(outcome(false, SCCACHE, taken_away).0, "launch");
}

#[test]
fn no_id_is_added_that_the_compiler_would_ignore() {
    for (new_driver_uses_id, new_driver, expected) in [
        (false, false, true),
        (false, true, false),
        (true, true, true),
    ] {
        let config = Config {
            new_driver,
            new_driver_uses_id,
            ..Config::default()
        };
        let words = ["clang++", "--offload-host-only", "-c", "a.hip"];
        decided(&config, SCCACHE, &words, &Fake::new(), |decision| {
            let Decision::Launch(launch) = decision else {
                panic!("{decision:?}");
            };
            let id = launch.key.as_ref().unwrap().cuid.is_some();
            assert_eq!(id, expected, "{config:?}");
        });
    }
}

#[test]
fn without_its_stand_in_a_call_goes_direct() {
    let mut machine = Fake::new();
    let outcome = |machine: &Fake| {
        let words = ["clang++", "-c", "a.cpp"];
        [SCCACHE, CCACHE, OTHER]
            .map(|launcher| decided(&Config::default(), launcher, &words, machine, word))
    };
    assert_eq!(outcome(&machine), ["launch"; 3]);
    machine.stamps.clear();
    assert_eq!(outcome(&machine), ["no-stand-in", "no-stand-in", "launch"]);
}
