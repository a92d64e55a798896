use super::*;

fn sccache(url: &str) -> String {
    let remote = Remote::parse(url).unwrap();
    remote.usable_by(LauncherKind::Sccache).unwrap();
    let set = remote.for_sccache(Access::Read, "ns-v1", true);
    let set: Vec<_> = set
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    set.join(" ")
}

fn ccache(url: &str, variables: &[&str]) -> String {
    let remote = Remote::parse(url).unwrap();
    remote.usable_by(LauncherKind::Ccache).unwrap();
    remote.for_ccache(Access::Read, |name| variables.contains(&name))
}

#[test]
fn sccache_is_told_by_variables() {
    for (url, expected) in [
        (
            "s3://bucket/a/b?region=eu-1&endpoint=host:9000&ssl=false",
            "SCCACHE_BUCKET=bucket SCCACHE_S3_KEY_PREFIX=a/b/ns-v1 SCCACHE_REGION=eu-1 \
             SCCACHE_ENDPOINT=host:9000 SCCACHE_S3_USE_SSL=false SCCACHE_S3_RW_MODE=READ_ONLY",
        ),
        (
            "s3://bucket?credentials=none",
            "SCCACHE_BUCKET=bucket SCCACHE_S3_KEY_PREFIX=ns-v1 SCCACHE_S3_USE_SSL=true \
             SCCACHE_S3_NO_CREDENTIALS=true SCCACHE_S3_RW_MODE=READ_ONLY",
        ),
        (
            "rediss://me@host:6380/2",
            "SCCACHE_REDIS_ENDPOINT=rediss://host:6380 SCCACHE_REDIS_DB=2 \
             SCCACHE_REDIS_USERNAME=me SCCACHE_REDIS_KEY_PREFIX=ns-v1 \
             SCCACHE_REDIS_RW_MODE=READ_ONLY",
        ),
        (
            "webdavs://me@host/dav/",
            "SCCACHE_WEBDAV_ENDPOINT=https://host SCCACHE_WEBDAV_USERNAME=me \
             SCCACHE_WEBDAV_KEY_PREFIX=dav/ns-v1 SCCACHE_WEBDAV_RW_MODE=READ_ONLY",
        ),
        (
            "gha:",
            "SCCACHE_GHA_ENABLED=on SCCACHE_GHA_VERSION=ns-v1 SCCACHE_GHA_RW_MODE=READ_ONLY",
        ),
        (
            "gs://bucket",
            "SCCACHE_GCS_BUCKET=bucket SCCACHE_GCS_KEY_PREFIX=ns-v1 \
             SCCACHE_GCS_RW_MODE=READ_ONLY",
        ),
        (
            "azure://container/p",
            "SCCACHE_AZURE_BLOB_CONTAINER=container SCCACHE_AZURE_KEY_PREFIX=p/ns-v1 \
             SCCACHE_AZURE_RW_MODE=READ_ONLY",
        ),
    ] {
        assert_eq!(sccache(url), expected, "{url}");
    }
}

#[test]
fn ccache_is_told_by_a_url_with_the_names_of_secrets() {
    const LOGIN: [&str; 2] = ["CCACHE_REMOTE_USER", "CCACHE_REMOTE_PASSWORD"];
    for (url, variables, expected) in [
        (
            "http://host:8080/p?layout=bazel",
            &[][..],
            "http://host:8080/p|layout=bazel|read-only",
        ),
        (
            "webdav://host",
            &LOGIN,
            "http://${CCACHE_REMOTE_USER}:${CCACHE_REMOTE_PASSWORD}@host/|read-only",
        ),
        (
            "redis://me@host/1",
            &LOGIN,
            "redis://me:${CCACHE_REMOTE_PASSWORD}@host/1|read-only",
        ),
        (
            "https://host/p",
            &["CCACHE_REMOTE_TOKEN"],
            "https://host/p|bearer-token=${CCACHE_REMOTE_TOKEN}|read-only",
        ),
        ("redis://host:6379", &[], "redis://host:6379|read-only"),
        ("file:///mnt/cache", &[], "file:/mnt/cache|read-only"),
    ] {
        assert_eq!(ccache(url, variables), expected, "{url}");
    }
}

#[test]
fn a_launcher_is_given_only_what_it_can_use() {
    for (url, launcher) in [
        ("http://host", LauncherKind::Sccache),
        ("file:///mnt", LauncherKind::Sccache),
        ("s3://bucket", LauncherKind::Ccache),
        ("gha:", LauncherKind::Ccache),
        ("rediss://host", LauncherKind::Ccache),
        ("redis://host", LauncherKind::Other),
    ] {
        let error = Remote::parse(url).unwrap().usable_by(launcher).unwrap_err();
        assert!(matches!(error, CiError::Unusable { .. }), "{url}");
    }
}

#[test]
fn missing_credentials_are_named() {
    use LauncherKind::{Ccache, Sccache};
    const AWS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    for (url, launcher, there, missing) in [
        (
            "s3://b",
            Sccache,
            &[][..],
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
        ("s3://b", Sccache, &AWS[..1], "AWS_SECRET_ACCESS_KEY"),
        ("s3://b", Sccache, &AWS, ""),
        ("s3://b", Sccache, &["AWS_PROFILE"], ""),
        ("s3://b?credentials=none", Sccache, &[], ""),
        ("s3://b?credentials=machine", Sccache, &[], ""),
        ("redis://host", Sccache, &[], ""),
        ("redis://me@host", Sccache, &[], "SCCACHE_REDIS_PASSWORD"),
        (
            "redis://me@host",
            Ccache,
            &["SCCACHE_REDIS_PASSWORD"],
            "CCACHE_REMOTE_PASSWORD",
        ),
        ("http://me@host", Ccache, &["CCACHE_REMOTE_PASSWORD"], ""),
        ("webdav://me@host", Sccache, &["SCCACHE_WEBDAV_TOKEN"], ""),
        (
            "gha:",
            Sccache,
            &["ACTIONS_RUNTIME_TOKEN"],
            "ACTIONS_RESULTS_URL",
        ),
        ("azure://c", Sccache, &[], "SCCACHE_AZURE_CONNECTION_STRING"),
        ("file:///mnt", Ccache, &[], ""),
    ] {
        let found = Remote::parse(url)
            .unwrap()
            .credentials(launcher, |name| there.contains(&name));
        let expected = match missing {
            "" => Credentials::There,
            _ => Credentials::Missing(missing.to_owned()),
        };
        assert_eq!(found, expected, "{url}");
    }
}

#[test]
fn what_is_wrong_with_a_url_is_said_without_its_secrets() {
    for url in [
        "host/path",
        "ftp://host",
        "s3:///prefix",
        "s3://bucket?zone=x",
        "http://host?layout=deep",
        "http://host/a b",
        "http://host|read-only",
        "file://host/path",
        "http://me:hunter2@host/",
        "redis://:hunter2@host/",
        "http://me:hunter2@host?x=1",
        "http://me:hun ter2@host/",
    ] {
        let error = Remote::parse(url).unwrap_err();
        let text = format!("{error} {}", error.remedy());
        assert!(
            !text.contains("hunter2") && !text.contains("ter2"),
            "{text}"
        );
    }
    let error = Remote::parse("ftp://host").unwrap_err().to_string();
    for scheme in &SCHEMES {
        assert!(error.contains(scheme.name), "{error}");
        Remote::parse(scheme.example).unwrap();
    }
}
