use super::*;

/// The facts of one job. Each test varies them.
#[derive(Clone, Copy)]
struct Job {
    prefix: &'static str,
    system: &'static str,
    machine: &'static str,
    policy: &'static str,
    launcher: &'static str,
    rocm: Option<&'static str>,
    compiler: &'static str,
    archs: &'static str,
}

const JOB: Job = Job {
    prefix: "torch",
    system: "linux.ubuntu24.04",
    machine: "x86_64",
    policy: "ci",
    launcher: "ccache4",
    rocm: Some("7.2.0"),
    compiler: "0123456789abcdef0123456789abcdef",
    archs: "gfx90a,gfx942",
};

/// [`JOB`], changed.
fn of(change: impl Fn(&mut Job)) -> Job {
    let mut job = JOB;
    change(&mut job);
    job
}

fn archs(archs: &'static str) -> Job {
    Job { archs, ..JOB }
}

impl Job {
    fn with<T>(self, use_facts: impl FnOnce(&KeyFacts<'_>) -> T) -> T {
        let archs = ArchSet::parse(self.archs).unwrap();
        use_facts(&KeyFacts {
            prefix: self.prefix,
            system: self.system,
            machine: self.machine,
            policy: self.policy,
            launcher: self.launcher,
            rocm: self.rocm,
            compiler: self.compiler,
            archs: &archs,
        })
    }

    fn key(self) -> String {
        self.with(|facts| facts.key().unwrap())
    }

    /// Whether this job, if it names these wider lists, restores what `other` saved with `-1` after its key.
    fn restores(self, other: Self, lists: &[&str]) -> bool {
        let wider: Vec<_> = lists
            .iter()
            .map(|list| ArchSet::parse(list).unwrap())
            .collect();
        let keys = self.with(|facts| facts.restore_keys(&wider).unwrap());
        let saved = format!("{}-1", other.key());
        keys.iter().any(|key| saved.starts_with(key))
    }
}

#[test]
fn a_key_reads_as_what_it_stands_for() {
    assert_eq!(
        JOB.key(),
        "torch-v1-linux.ubuntu24.04-x86_64-ci-ccache4-gfx90a_gfx942-rocm7.2.0-0123456789abcdef"
    );
}

#[test]
fn pairs_that_must_be_equal() {
    for (one, other) in [
        (JOB, JOB),
        (JOB, archs("gfx942,gfx90a")),
        (JOB, archs("gfx942;gfx90a;gfx942")),
        (JOB, archs(" gfx90a gfx942 ")),
        (
            JOB,
            archs("--offload-arch=gfx90a,amdgcn-amd-amdhsa--gfx942"),
        ),
        (archs("fiji"), archs("gfx803")),
        (archs("polaris11,tonga"), archs("gfx802,gfx803")),
        (
            archs("gfx90a:xnack+:sramecc-"),
            archs("gfx90a:sramecc-:xnack+"),
        ),
        // Only the first digits of the fingerprint are in the key.
        (JOB, of(|job| job.compiler = "0123456789abcdef")),
    ] {
        assert_eq!(one.key(), other.key());
        assert!(one.restores(other, &[]));
    }
}

#[test]
fn pairs_that_must_differ() {
    // The last column: whether the cache of one may be restored for the other.
    for (one, other, restorable) in [
        (JOB, of(|job| job.prefix = "vllm"), false),
        (JOB, of(|job| job.prefix = "torch-vision"), false),
        (JOB, of(|job| job.system = "linux.ubuntu22.04"), false),
        (JOB, of(|job| job.system = "linux.ubuntu24.041"), false),
        (JOB, of(|job| job.machine = "aarch64"), false),
        (JOB, of(|job| job.policy = "local"), false),
        (JOB, of(|job| job.policy = "ci2"), false),
        (JOB, of(|job| job.policy = "fork"), false),
        (
            of(|job| job.policy = "release"),
            of(|job| job.policy = "prerelease"),
            false,
        ),
        (JOB, of(|job| job.launcher = "sccache0"), false),
        (JOB, of(|job| job.launcher = "ccache5"), false),
        (JOB, archs("gfx942"), false),
        (archs("gfx942"), JOB, false),
        (archs("gfx90a"), JOB, false),
        (JOB, archs("gfx90a,gfx942,gfx950"), false),
        (JOB, archs("gfx90a,gfx942:xnack-"), false),
        (archs("gfx90a:xnack+"), archs("gfx90a:xnack-"), false),
        (archs("gfx90a"), archs("gfx90a:xnack-"), false),
        (archs("gfx11-generic"), archs("gfx11"), false),
        (archs("gfx11"), archs("gfx11-generic"), false),
        (JOB, archs(""), false),
        (archs(""), JOB, false),
        // Restorable: the results of host compilers and pip's downloads are the same, and some objects may be.
        (JOB, of(|job| job.rocm = Some("7.1.1")), true),
        (JOB, of(|job| job.rocm = Some("7.2.01")), true),
        (JOB, of(|job| job.rocm = None), true),
        (JOB, of(|job| job.compiler = "fedcba9876543210"), true),
    ] {
        assert_ne!(one.key(), other.key());
        let keys = (one.key(), other.key());
        assert_eq!(one.restores(other, &[]), restorable, "{keys:?}");
    }
}

#[test]
fn by_architecture_a_contained_list_may_restore_the_one_that_contains_it() {
    let lists = ["gfx942,gfx90a", "gfx942,gfx950,gfx90a", "gfx1100"];
    for (one, other, restorable) in [
        ("gfx942", "gfx90a,gfx942", true),
        ("gfx942", "gfx90a,gfx942,gfx950", true),
        ("gfx90a,gfx942", "gfx90a,gfx942,gfx950", true),
        ("gfx942", "gfx1100", false),
        ("gfx90a,gfx942", "gfx942", false),
        ("gfx90a,gfx942,gfx950", "gfx90a,gfx942", false),
        ("gfx1101", "gfx1100", false),
        ("", "gfx90a,gfx942", false),
    ] {
        let found = archs(one).restores(archs(other), &lists);
        assert_eq!(found, restorable, "{one} {other}");
    }
    let other_machine = Job {
        machine: "aarch64",
        ..archs("gfx90a,gfx942")
    };
    assert!(!archs("gfx942").restores(other_machine, &lists));
}

#[test]
fn restore_keys_go_from_the_most_to_the_least_specific() {
    let wider = ["gfx90a,gfx942,gfx950,gfx1100", "gfx90a,gfx942,gfx950"];
    let wider = wider.map(|list| ArchSet::parse(list).unwrap());
    let keys = JOB.with(|facts| facts.restore_keys(&wider).unwrap());
    let base = "torch-v1-linux.ubuntu24.04-x86_64-ci-ccache4-";
    let expected = [
        "gfx90a_gfx942-rocm7.2.0-0123456789abcdef",
        "gfx90a_gfx942_gfx950-rocm7.2.0-0123456789abcdef",
        "gfx1100_gfx90a_gfx942_gfx950-rocm7.2.0-0123456789abcdef",
        "gfx90a_gfx942-rocm7.2.0-",
        "gfx90a_gfx942_gfx950-rocm7.2.0-",
        "gfx1100_gfx90a_gfx942_gfx950-rocm7.2.0-",
        "gfx90a_gfx942-",
        "gfx90a_gfx942_gfx950-",
        "gfx1100_gfx90a_gfx942_gfx950-",
    ];
    assert_eq!(keys, expected.map(|rest| format!("{base}{rest}")));
}

#[test]
fn the_longest_key_fits() {
    let long: &'static str = "x".repeat(400).leak();
    let archs: Vec<_> = (0..60)
        .map(|n| format!("gfx{n}a:sramecc+:xnack-"))
        .collect();
    let job = Job {
        prefix: &long[..MAX_PREFIX],
        system: long,
        machine: long,
        policy: "pull-request",
        launcher: long,
        rocm: Some(long),
        compiler: long,
        archs: archs.join(",").leak(),
    };
    assert!(job.key().len() <= MAX_KEY, "{}", job.key().len());
    // Values that are too long are cut but stay distinct.
    let other = Job {
        rocm: Some("y".repeat(400).leak()),
        ..job
    };
    assert_ne!(job.key(), other.key());
    let fewer = Job {
        archs: archs[1..].join(",").leak(),
        ..job
    };
    assert_ne!(job.key(), fewer.key());
}

#[test]
fn a_prefix_that_no_key_can_have_is_refused() {
    for prefix in ["", "a,b", "a b", "a\nb", "ä"] {
        let error = Job { prefix, ..JOB }.with(|facts| facts.key().unwrap_err());
        assert!(matches!(error, CiError::Prefix(_)), "{prefix}");
    }
    let prefix = "x".repeat(MAX_PREFIX + 1).leak();
    let error = Job { prefix, ..JOB }.with(|facts| facts.key().unwrap_err());
    assert!(matches!(error, CiError::LongPrefix(129)));
}

#[test]
fn the_system_is_named_with_its_release() {
    for (text, expected) in [
        ("ID=debian\nVERSION_ID=\"12\"\n", "linux.debian12"),
        (
            "NAME=\"A\"\nVERSION_ID='8.10'\nID=\"almalinux\"\n",
            "linux.almalinux8.10",
        ),
        ("ID=arch\n", "linux.arch"),
        ("", "linux"),
    ] {
        assert_eq!(system("linux", text), expected);
    }
}
