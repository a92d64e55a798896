use super::*;
use crate::ci::Settings;

const NEW: Version = Version(0, 19, 0);
const NEW_CCACHE: Version = Version(4, 14, 2);
const REMOTE: &str = "redis://me@host:6379";

/// A request. Each test varies it.
struct Asked {
    policy: Policy,
    settings: String,
    allow_local: bool,
    trust: Trust,
    launcher: LauncherKind,
    version: Version,
    archs: usize,
    variables: Vec<&'static str>,
    without_remote: bool,
}

fn asked(policy: Policy) -> Asked {
    Asked {
        policy,
        settings: format!("remote = '{REMOTE}'"),
        allow_local: false,
        trust: Trust::Trusted,
        launcher: LauncherKind::Sccache,
        version: NEW,
        archs: 1,
        variables: vec!["SCCACHE_REDIS_PASSWORD", "CCACHE_REMOTE_PASSWORD"],
        without_remote: false,
    }
}

impl Asked {
    fn with(self, launcher: LauncherKind, version: Version) -> Self {
        Self {
            launcher,
            version,
            ..self
        }
    }

    fn of_a_fork(self) -> Self {
        let trust = Trust::Untrusted("the code comes from the fork me/torch".to_owned());
        Self { trust, ..self }
    }

    fn allowing_local(self) -> Self {
        Self {
            allow_local: true,
            ..self
        }
    }

    /// The request with these variables set, and no others.
    fn where_set(self, variables: &[&'static str]) -> Self {
        let variables = variables.to_vec();
        Self { variables, ..self }
    }

    fn told(self, settings: &str) -> Self {
        let settings = settings.to_owned();
        Self { settings, ..self }
    }

    fn plan(&self) -> Plan {
        self.try_plan().unwrap()
    }

    fn try_plan(&self) -> Result<Plan, CiError> {
        let settings = Settings::parse(Path::new("rock-wrap.toml"), &self.settings).unwrap();
        Plan::new(&PlanRequest {
            policy: self.policy,
            facts: &settings.of(self.policy),
            allow_local: self.allow_local,
            trust: &self.trust,
            launcher: self.launcher,
            version: Some(self.version),
            archs: self.archs,
            root: Path::new("/cache"),
            base: Some(Path::new("/checkout")),
            is_set: &|name| self.variables.contains(&name),
            without_remote: self.without_remote,
        })
    }
}

fn access(plan: &Plan) -> (Access, Access) {
    let remote = plan.remote.as_ref().map(|(_, access)| *access);
    (remote.unwrap_or(Access::None), plan.local)
}

fn value<'a>(plan: &'a Plan, name: &str) -> Option<&'a str> {
    let mut set = plan.set.iter();
    set.find(|(set, _)| set == name)
        .map(|(_, value)| value.as_str())
}

fn conf(plan: &Plan) -> &str {
    let mut files = plan.files.iter();
    &files
        .find(|(path, _)| path.ends_with("ccache.conf"))
        .unwrap()
        .1
}

#[test]
fn each_policy_has_the_access_that_the_table_gives_it() {
    use Access::{None, Read, ReadWrite};
    for (launcher, version) in [
        (LauncherKind::Sccache, NEW),
        (LauncherKind::Ccache, NEW_CCACHE),
    ] {
        for (policy, expected) in [
            (Policy::Dev, (ReadWrite, ReadWrite)),
            (Policy::Ci, (ReadWrite, ReadWrite)),
            (Policy::PullRequest, (Read, ReadWrite)),
            (Policy::Nightly, (ReadWrite, ReadWrite)),
            (Policy::Prerelease, (None, ReadWrite)),
            (Policy::Release, (None, None)),
            (Policy::Local, (None, ReadWrite)),
        ] {
            let plan = asked(policy).with(launcher, version).plan();
            assert_eq!(access(&plan), expected, "{policy} {launcher:?}");
            assert_eq!(plan.label, policy.as_str());
            assert!(plan.notes.is_empty(), "{:?}", plan.notes);
            let under = |path: &PathBuf| path.starts_with(format!("/cache/{policy}"));
            assert!(plan.directories.iter().all(under), "{:?}", plan.directories);
        }
    }
}

#[test]
fn a_release_caches_locally_only_if_that_is_allowed() {
    let plan = asked(Policy::Release).plan();
    assert!(plan.is_off());
    assert_eq!(value(&plan, "ROCK_WRAP_DISABLE"), Some("1"));
    assert_eq!(value(&plan, "SCCACHE_NO_CACHE"), Some("1"));
    assert_eq!(value(&plan, "PIP_NO_CACHE_DIR"), Some("1"));
    assert!(plan.directories.is_empty());
    let allowed = asked(Policy::Release).allowing_local().plan();
    assert_eq!(access(&allowed), (Access::None, Access::ReadWrite));
    // It changes nothing for other policies.
    let other = asked(Policy::Ci).allowing_local().plan();
    assert_eq!(other, asked(Policy::Ci).plan());
}

#[test]
fn a_fork_reads_at_most_and_has_a_directory_of_its_own() {
    for policy in Policy::ALL {
        let plan = asked(policy).of_a_fork().plan();
        let (remote, local) = access(&plan);
        assert!(remote <= Access::Read, "{policy}");
        assert_eq!(local, policy.rules().local, "{policy}");
        assert_eq!(plan.label, FORK);
        let theirs = |path: &PathBuf| path.starts_with("/cache/fork");
        assert!(plan.directories.iter().all(theirs));
        if policy.rules().remote != Access::None {
            assert!(plan.notes[0].contains("me/torch"), "{:?}", plan.notes);
        }
    }
}

#[test]
fn without_credentials_there_is_the_local_cache_and_one_that_anybody_may_read() {
    let closed = format!("remote = '{REMOTE}'");
    let both = format!("{closed}\nread-remote = 'webdav://open'");
    let open = "remote = 'redis://open'".to_owned();
    let (trusted, fork) = (false, true);
    let password = &["SCCACHE_REDIS_PASSWORD"][..];
    let read = |url| (Access::Read, url);
    for (is_fork, settings, variables, expected, note) in [
        (
            trusted,
            &closed,
            &[][..],
            (Access::None, ""),
            "PASSWORD not set",
        ),
        (fork, &closed, &[], (Access::None, ""), "me/torch"),
        (
            trusted,
            &both,
            &[],
            read("webdav://open"),
            "PASSWORD not set",
        ),
        (fork, &both, password, read("webdav://open"), "me/torch"),
        (fork, &open, &[], read("redis://open"), "me/torch"),
    ] {
        let asked = asked(Policy::Ci).told(settings).where_set(variables);
        let plan = match is_fork {
            true => asked.of_a_fork().plan(),
            false => asked.plan(),
        };
        assert_eq!(plan.local, Access::ReadWrite);
        let remote = plan.remote.as_ref();
        let shown = remote.map_or((Access::None, String::new()), |(remote, access)| {
            (*access, remote.to_string())
        });
        assert_eq!((shown.0, shown.1.as_str()), expected);
        assert!(
            plan.notes.iter().any(|found| found.contains(note)),
            "{:?}",
            plan.notes
        );
    }
}

#[test]
fn what_a_version_cannot_do_safely_is_not_done() {
    use Access::{None, Read, ReadWrite};
    use LauncherKind::{Ccache, Sccache};
    use Policy::{Ci, PullRequest};
    let old = |minor| Version(0, minor, 0);
    for (launcher, version, policy, expected) in [
        // sccache cannot be kept from writing before 0.16, and has no read-only cache beside a local one before 0.18.
        (Sccache, old(18), PullRequest, (Read, ReadWrite)),
        (Sccache, old(17), PullRequest, (Read, None)),
        (Sccache, old(16), PullRequest, (Read, None)),
        (Sccache, old(15), PullRequest, (None, ReadWrite)),
        (Sccache, old(15), Ci, (ReadWrite, ReadWrite)),
        (Sccache, old(14), Ci, (ReadWrite, None)),
        (Sccache, old(4), Ci, (None, ReadWrite)),
        (Ccache, Version(4, 7, 5), PullRequest, (Read, ReadWrite)),
        (Ccache, Version(4, 6, 0), Ci, (None, ReadWrite)),
    ] {
        let plan = asked(policy).with(launcher, version).plan();
        assert_eq!(access(&plan), expected, "{launcher:?} {version} {policy}");
        assert_eq!(
            plan.notes.is_empty(),
            expected == policy_access(policy),
            "{:?}",
            plan.notes
        );
        let chain = value(&plan, "SCCACHE_MULTILEVEL_CHAIN").is_some();
        assert_eq!(
            chain,
            launcher == Sccache && expected.0 != None && expected.1 != None
        );
    }
}

fn policy_access(policy: Policy) -> (Access, Access) {
    (policy.rules().remote, policy.rules().local)
}

#[test]
fn read_only_is_told_in_the_launchers_own_words() {
    let plan = asked(Policy::PullRequest).plan();
    assert_eq!(value(&plan, "SCCACHE_REDIS_RW_MODE"), Some("READ_ONLY"));
    assert_eq!(
        value(&plan, "SCCACHE_REDIS_KEY_PREFIX"),
        Some("rock-wrap-v1")
    );
    let plan = asked(Policy::Ci).plan();
    assert_eq!(value(&plan, "SCCACHE_REDIS_RW_MODE"), Some("READ_WRITE"));
    let ccache = |policy| asked(policy).with(LauncherKind::Ccache, NEW_CCACHE).plan();
    let own = "remote_storage = redis://me:${CCACHE_REMOTE_PASSWORD}@host:6379";
    assert!(conf(&ccache(Policy::PullRequest)).contains(&format!("{own}|read-only\n")));
    assert!(conf(&ccache(Policy::Ci)).contains(&format!("{own}\n")));
    assert!(!conf(&ccache(Policy::Prerelease)).contains("remote_storage"));
}

#[test]
fn a_nightly_build_has_a_namespace_of_its_own_and_a_pull_request_reads_cis() {
    let namespace = |policy| {
        let plan = asked(policy).plan();
        value(&plan, "SCCACHE_REDIS_KEY_PREFIX").unwrap().to_owned()
    };
    assert_eq!(namespace(Policy::Ci), namespace(Policy::PullRequest));
    assert_ne!(namespace(Policy::Ci), namespace(Policy::Nightly));
    let fork = asked(Policy::PullRequest).of_a_fork().plan();
    assert_eq!(
        value(&fork, "SCCACHE_REDIS_KEY_PREFIX"),
        Some("rock-wrap-v1")
    );
}

#[test]
fn variables_that_lead_elsewhere_are_unset() {
    let left = [
        "SCCACHE_BUCKET",
        "SCCACHE_REDIS_ENDPOINT",
        "ROCK_WRAP_DISABLE",
        "PATH",
    ];
    let plan = asked(Policy::Prerelease).where_set(&left).plan();
    assert_eq!(
        plan.unset,
        [
            "SCCACHE_BUCKET",
            "SCCACHE_REDIS_ENDPOINT",
            "ROCK_WRAP_DISABLE"
        ]
    );
    let left = ["CCACHE_REMOTE_STORAGE", "CCACHE_DIR", "CCACHE_DISABLE"];
    let ccache = asked(Policy::Local).with(LauncherKind::Ccache, NEW_CCACHE);
    let plan = ccache.where_set(&left).plan();
    assert_eq!(plan.unset, ["CCACHE_DISABLE", "CCACHE_REMOTE_STORAGE"]);
}

#[test]
fn the_limit_grows_with_the_architectures_unless_somebody_sets_it() {
    let size = |archs, variables: &[&'static str], settings: &str| {
        let asked = asked(Policy::Local).told(settings).where_set(variables);
        let plan = Asked { archs, ..asked }.plan();
        value(&plan, "SCCACHE_CACHE_SIZE").map(ToOwned::to_owned)
    };
    assert_eq!(size(0, &[], "").as_deref(), Some("5G"));
    assert_eq!(size(1, &[], "").as_deref(), Some("5G"));
    assert_eq!(size(11, &[], "").as_deref(), Some("15G"));
    assert_eq!(size(11, &[], "max-size = '9G'").as_deref(), Some("9G"));
    assert_eq!(size(11, &["SCCACHE_CACHE_SIZE"], ""), None);
}

#[test]
fn checkouts_share_below_the_directory_that_run_starts_in() {
    let of = |version| {
        let plan = asked(Policy::Ci)
            .with(LauncherKind::Sccache, version)
            .plan();
        value(&plan, "SCCACHE_BASEDIRS").map(ToOwned::to_owned)
    };
    assert_eq!(of(NEW).as_deref(), Some("/checkout"));
    assert_eq!(of(Version(0, 13, 0)), None);
}

#[test]
fn servers_of_different_policies_are_different_servers() {
    let server = |plan: &Plan| value(plan, "SCCACHE_SERVER_UDS").map(ToOwned::to_owned);
    let ci = server(&asked(Policy::Ci).plan());
    assert!(ci.as_deref().unwrap().starts_with(r"\x00rock-wrap-"));
    assert_eq!(ci, server(&asked(Policy::Ci).plan()));
    assert_ne!(ci, server(&asked(Policy::PullRequest).plan()));
    assert_ne!(ci, server(&asked(Policy::Ci).of_a_fork().plan()));
    let own = asked(Policy::Local).where_set(&["SCCACHE_SERVER_PORT"]);
    assert_eq!(server(&own.plan()), None);
}

#[test]
fn a_cache_that_the_launcher_cannot_use_is_refused_rather_than_left_out() {
    let asked = asked(Policy::Ci).told("remote = 'http://host'");
    assert!(matches!(asked.try_plan(), Err(CiError::Unusable { .. })));
    // Even if the cache would not be used this time.
    let later = Asked {
        without_remote: true,
        ..asked
    };
    assert!(matches!(later.try_plan(), Err(CiError::Unusable { .. })));
}

#[test]
fn a_password_in_a_url_is_refused_even_where_the_url_is_not_used() {
    for policy in Policy::ALL {
        let asked = asked(policy).told("remote = 'redis://me:secret@host'");
        assert!(
            matches!(asked.try_plan(), Err(CiError::SecretInUrl(_))),
            "{policy}"
        );
    }
}
