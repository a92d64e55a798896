//! Builds the environment that a launcher runs in.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::rocm::Program;

/// This process's environment with changes.
#[derive(Clone, Debug, Default)]
pub struct ChangedEnvironment {
    changes: Vec<(OsString, OsString)>,
}

impl ChangedEnvironment {
    /// Sets the variable `name` to `value`; launchers run without it if that is empty.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.changes.push((name.into(), value.into()));
        self
    }

    /// The value of a variable; `None` if it is empty, since launchers do not get empty ones.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<OsString> {
        let changed = self
            .changes
            .iter()
            .rev()
            .find(|(changed, _)| changed == name);
        let value = match changed {
            Some((_, value)) => Some(value.clone()),
            None => std::env::var_os(name),
        };
        value.filter(|value| !value.is_empty())
    }

    /// The changes to this process's environment, in the order in which they were made.
    pub fn changes(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.changes
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// A launcher to be run without the variables that would keep it from answering. sccache
    /// refuses to run under `CARGO_INCREMENTAL=1` (0.8 to 0.16, measured) and with an empty
    /// `SCCACHE_*` variable.
    #[must_use]
    pub fn program(&self, path: &Path) -> Program {
        let empty = std::env::vars_os()
            .filter(|(name, value)| name.as_bytes().starts_with(b"SCCACHE_") && value.is_empty())
            .map(|(name, _)| name);
        let changed = self.changes.iter();
        let gone =
            changed.filter(|(name, _)| name.to_str().is_some_and(|name| self.get(name).is_none()));
        let gone: Vec<_> = gone.map(|(name, _)| name.clone()).collect();
        let unwanted = ["CARGO_INCREMENTAL", "CARGO_BUILD_INCREMENTAL"].map(Into::into);
        Program::at(path)
            .without_descriptors()
            .without(unwanted.into_iter().chain(empty))
            .with(self.changes())
            .without(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_change_of_a_variable_counts() {
        let environment = ChangedEnvironment::default()
            .with("A_B_C", "1")
            .with("A_B_C", "2");
        assert_eq!(environment.get("A_B_C").unwrap(), "2");
        assert_eq!(environment.with("A_B_C", "").get("A_B_C"), None);
        assert_eq!(
            ChangedEnvironment::default().get("PATH"),
            std::env::var_os("PATH")
        );
    }
}
