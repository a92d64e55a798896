//! What the CI system says about the job: whose code it builds, and where.
//!
//! Owns: the variables of GitHub Actions, GitLab CI and Jenkins, and whether a job's code is trusted. Must never treat
//! a job as trusted if the origin of its code is unknown.

use serde::Serialize;
use serde_json::Value;

/// A CI system whose variables are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum System {
    /// GitHub Actions and compatible systems.
    GitHub,
    /// GitLab CI.
    GitLab,
    /// Jenkins.
    Jenkins,
}

/// Whether the code that a job builds may write to caches that others read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// The code comes from the repository itself, or there is no CI system.
    Trusted,
    /// The code comes from elsewhere, or its origin is unknown; says which.
    Untrusted(String),
}

/// A CI job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CiContext {
    /// The system; `None` outside of the known CI systems.
    pub system: Option<System>,
    /// The repository, as the system names it.
    pub repository: Option<String>,
    /// What started the job.
    pub event: Option<String>,
    /// The branch or reference.
    pub reference: Option<String>,
    /// The commit.
    pub commit: Option<String>,
    /// The number of the run, pipeline or build.
    pub run: Option<String>,
    /// Which attempt at the run this is.
    pub attempt: Option<String>,
    /// The job's name.
    pub job: Option<String>,
    /// The URL of its page.
    pub url: Option<String>,
    /// Whether its code is trusted.
    pub trust: Trust,
}

impl CiContext {
    /// Describes the job from `variable`. `read` returns the content of a file.
    pub fn of(
        variable: impl Fn(&str) -> Option<String>,
        read: impl Fn(&str) -> Result<String, String>,
    ) -> Self {
        let get = |name: &str| variable(name).filter(|value| !value.is_empty());
        if get("GITHUB_ACTIONS").as_deref() == Some("true") {
            Self::of_github(get, read)
        } else if get("GITLAB_CI").as_deref() == Some("true") {
            Self::of_gitlab(get)
        } else if get("JENKINS_URL").is_some() {
            Self::of_jenkins(get)
        } else {
            Self {
                system: None,
                repository: None,
                event: None,
                reference: None,
                commit: None,
                run: None,
                attempt: None,
                job: None,
                url: None,
                trust: Trust::Trusted,
            }
        }
    }

    fn of_github(
        get: impl Fn(&str) -> Option<String>,
        read: impl Fn(&str) -> Result<String, String>,
    ) -> Self {
        let event = get("GITHUB_EVENT_NAME");
        let payload = match get("GITHUB_EVENT_PATH") {
            Some(path) => read(&path).and_then(|text| {
                serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))
            }),
            None => Err("GITHUB_EVENT_PATH is not set".to_owned()),
        };
        let url = || {
            let parts = ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"].map(&get);
            let [Some(server), Some(repository), Some(run)] = parts else {
                return None;
            };
            Some(format!("{server}/{repository}/actions/runs/{run}"))
        };
        Self {
            system: Some(System::GitHub),
            trust: trust_of_github(event.as_deref(), payload),
            repository: get("GITHUB_REPOSITORY"),
            event,
            reference: get("GITHUB_REF"),
            commit: get("GITHUB_SHA"),
            run: get("GITHUB_RUN_ID"),
            attempt: get("GITHUB_RUN_ATTEMPT"),
            job: get("GITHUB_JOB"),
            url: url(),
        }
    }

    fn of_gitlab(get: impl Fn(&str) -> Option<String>) -> Self {
        let event = get("CI_PIPELINE_SOURCE");
        let trust = match event.as_deref() {
            None => Trust::Untrusted("CI_PIPELINE_SOURCE is not set".to_owned()),
            Some("external_pull_request_event") => same_repository(
                get("CI_EXTERNAL_PULL_REQUEST_SOURCE_REPOSITORY").as_deref(),
                get("CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY").as_deref(),
            ),
            // The pipeline of a branch has none of these variables; one that another pipeline started may have them.
            Some(event)
                if event == "merge_request_event" || get("CI_MERGE_REQUEST_IID").is_some() =>
            {
                same_repository(
                    get("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH").as_deref(),
                    get("CI_MERGE_REQUEST_PROJECT_PATH").as_deref(),
                )
            }
            Some(_) => Trust::Trusted,
        };
        Self {
            system: Some(System::GitLab),
            repository: get("CI_PROJECT_PATH"),
            event,
            reference: get("CI_COMMIT_REF_NAME"),
            commit: get("CI_COMMIT_SHA"),
            run: get("CI_PIPELINE_ID"),
            attempt: None,
            job: get("CI_JOB_NAME"),
            url: get("CI_JOB_URL"),
            trust,
        }
    }

    fn of_jenkins(get: impl Fn(&str) -> Option<String>) -> Self {
        let change = get("CHANGE_ID");
        let trust = match get("CHANGE_FORK") {
            Some(fork) => Trust::Untrusted(format!("the change comes from the fork {fork}")),
            None => Trust::Trusted,
        };
        Self {
            system: Some(System::Jenkins),
            repository: get("GIT_URL").map(|url| without_credentials(&url)),
            event: change.is_some().then(|| "change".to_owned()),
            reference: get("BRANCH_NAME").or_else(|| get("GIT_BRANCH")),
            commit: get("GIT_COMMIT"),
            run: get("BUILD_NUMBER"),
            attempt: None,
            job: get("JOB_NAME"),
            url: get("BUILD_URL"),
            trust,
        }
    }
}

/// Whether the code of a GitHub job is the repository's own.
///
/// The repository can itself be a fork, so the payload's `fork` proves nothing, and the names are compared.
fn trust_of_github(event: Option<&str>, payload: Result<Value, String>) -> Trust {
    let unknown =
        |why: String| Trust::Untrusted(format!("where the code comes from is unknown: {why}"));
    let Some(event) = event else {
        return unknown("GITHUB_EVENT_NAME is not set".to_owned());
    };
    let names: [&str; 2] = match event {
        "pull_request"
        | "pull_request_target"
        | "pull_request_review"
        | "pull_request_review_comment" => [
            "/pull_request/head/repo/full_name",
            "/pull_request/base/repo/full_name",
        ],
        "workflow_run" => [
            "/workflow_run/head_repository/full_name",
            "/repository/full_name",
        ],
        "issue_comment" => {
            return match payload {
                Ok(payload) if payload.pointer("/issue/pull_request").is_some() => unknown(
                    "a comment on a pull request does not name the repository of its branch"
                        .to_owned(),
                ),
                Ok(_) => Trust::Trusted,
                Err(why) => unknown(why),
            };
        }
        _ => return Trust::Trusted,
    };
    match payload {
        Ok(payload) => {
            let [from, to] = names.map(|name| payload.pointer(name).and_then(Value::as_str));
            same_repository(from, to)
        }
        Err(why) => unknown(why),
    }
}

fn same_repository(from: Option<&str>, to: Option<&str>) -> Trust {
    match (from, to) {
        (Some(from), Some(to)) if from == to => Trust::Trusted,
        (Some(from), Some(_)) => Trust::Untrusted(format!("the code comes from the fork {from}")),
        // GitHub reports null for a deleted fork.
        _ => Trust::Untrusted("the repository that the code comes from is not named".to_owned()),
    }
}

/// Turns `https://user:secret@host/path` into `https://host/path`. Other spellings, such as `git@host:path`, contain no
/// secret.
#[must_use]
pub fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(variables: &[(&str, &str)], payload: Result<&str, &str>) -> CiContext {
        let get = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        CiContext::of(get, |_| payload.map(Into::into).map_err(Into::into))
    }

    fn github(event: &str, payload: Result<&str, &str>) -> Trust {
        let variables = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_EVENT_NAME", event),
            ("GITHUB_EVENT_PATH", "/event.json"),
        ];
        context(&variables, payload).trust
    }

    const FORK: &str = r#"{"pull_request":{"head":{"repo":{"full_name":"me/torch","fork":true}},
        "base":{"repo":{"full_name":"ROCm/torch"}}}}"#;
    /// ROCm's PyTorch is a fork itself.
    const OWN: &str = r#"{"pull_request":{"head":{"repo":{"full_name":"ROCm/torch","fork":true}},
        "base":{"repo":{"full_name":"ROCm/torch","fork":true}}}}"#;
    const DELETED: &str =
        r#"{"pull_request":{"head":{"repo":null},"base":{"repo":{"full_name":"ROCm/torch"}}}}"#;
    const RUN_OF_FORK: &str = r#"{"workflow_run":{"head_repository":{"full_name":"me/torch"}},
        "repository":{"full_name":"ROCm/torch"}}"#;
    const RUN_OF_OWN: &str = r#"{"workflow_run":{"head_repository":{"full_name":"ROCm/torch"}},
        "repository":{"full_name":"ROCm/torch"}}"#;

    #[test]
    fn only_code_of_the_repository_itself_is_trusted() {
        for (event, payload, trusted) in [
            ("push", "{}", true),
            ("schedule", "{}", true),
            ("workflow_dispatch", "{}", true),
            ("merge_group", "{}", true),
            ("pull_request", OWN, true),
            ("pull_request", FORK, false),
            ("pull_request", DELETED, false),
            ("pull_request", "{}", false),
            ("pull_request_target", OWN, true),
            ("pull_request_target", FORK, false),
            ("pull_request_review", FORK, false),
            ("workflow_run", RUN_OF_OWN, true),
            ("workflow_run", RUN_OF_FORK, false),
            ("issue_comment", r#"{"issue":{"pull_request":{}}}"#, false),
            ("issue_comment", r#"{"issue":{}}"#, true),
        ] {
            let trust = github(event, Ok(payload));
            assert_eq!(trust == Trust::Trusted, trusted, "{event}: {payload}");
        }
        let Trust::Untrusted(why) = github("pull_request", Ok(FORK)) else {
            panic!("trusted");
        };
        assert!(why.contains("me/torch"), "{why}");
    }

    #[test]
    fn what_cannot_be_known_is_not_trusted() {
        for broken in [Ok("{not json"), Err("no such file")] {
            assert!(matches!(
                github("pull_request", broken),
                Trust::Untrusted(_)
            ));
            assert_eq!(github("push", broken), Trust::Trusted, "needs no payload");
        }
        let nameless = context(&[("GITHUB_ACTIONS", "true")], Ok("{}"));
        assert!(matches!(nameless.trust, Trust::Untrusted(_)));
    }

    #[test]
    fn gitlab_and_jenkins_say_it_in_their_own_words() {
        let gitlab = |more: &[(&str, &str)]| {
            let mut variables = vec![("GITLAB_CI", "true"), ("CI_PROJECT_PATH", "rocm/torch")];
            variables.extend(more);
            context(&variables, Err("none"))
        };
        let push = gitlab(&[("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_SHA", "abc")]);
        assert_eq!(push.system, Some(System::GitLab));
        assert_eq!(
            (push.trust, push.commit.as_deref()),
            (Trust::Trusted, Some("abc"))
        );
        let request = |from| {
            gitlab(&[
                ("CI_PIPELINE_SOURCE", "merge_request_event"),
                ("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH", from),
                ("CI_MERGE_REQUEST_PROJECT_PATH", "rocm/torch"),
            ])
        };
        assert_eq!(request("rocm/torch").trust, Trust::Trusted);
        assert!(matches!(request("me/torch").trust, Trust::Untrusted(_)));
        assert!(matches!(gitlab(&[]).trust, Trust::Untrusted(_)));

        let jenkins = [
            ("JENKINS_URL", "http://ci"),
            ("GIT_URL", "https://me:secret@host/torch.git"),
            ("CHANGE_ID", "7"),
            ("CHANGE_FORK", "me"),
        ];
        let fork = context(&jenkins, Err("none"));
        assert!(matches!(fork.trust, Trust::Untrusted(_)));
        assert_eq!(fork.repository.as_deref(), Some("https://host/torch.git"));
        assert_eq!(context(&jenkins[..3], Err("none")).trust, Trust::Trusted);
    }

    #[test]
    fn without_a_ci_system_the_user_is_trusted() {
        let context = context(&[("GITHUB_ACTIONS", "")], Err("none"));
        assert_eq!((context.system, context.trust), (None, Trust::Trusted));
    }
}
