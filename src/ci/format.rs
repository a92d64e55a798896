//! A plan's variables in the forms that shells, CI systems and containers read.
//!
//! Owns: the quoting. No value contains a line break: paths with one are refused.

use super::plan::Plan;

/// For `eval` in a POSIX shell.
#[must_use]
pub fn sh(plan: &Plan) -> String {
    let mut text = String::new();
    for name in &plan.unset {
        text.push_str(&format!("unset {name}\n"));
    }
    for (name, value) in &plan.set {
        let value = value.replace('\'', r"'\''");
        text.push_str(&format!("export {name}='{value}'\n"));
    }
    text
}

/// `NAME=VALUE` lines, without quotes: what GitHub's variable file, GitLab's dotenv reports and
/// `docker run --env-file` take. They cannot unset a variable, but an empty value selects no cache.
#[must_use]
pub fn lines(plan: &Plan) -> String {
    let unset = plan.unset.iter().map(|name| format!("{name}=\n"));
    let set = plan
        .set
        .iter()
        .map(|(name, value)| format!("{name}={value}\n"));
    unset.chain(set).collect()
}
