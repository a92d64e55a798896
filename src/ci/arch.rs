//! The set of offload architectures that a build is for.
//!
//! Owns: which spellings mean the same architecture. Unknown names are kept as they are: clang learns new ones with
//! every release.

use std::collections::BTreeSet;
use std::fmt;

use super::CiError;

/// A set of architectures, each in its usual spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchSet(BTreeSet<String>);

/// Other names for architectures that clang accepts (LLVM, `TargetParser.cpp`).
const ALIASES: [(&str, &str); 18] = [
    ("tahiti", "gfx600"),
    ("pitcairn", "gfx601"),
    ("verde", "gfx601"),
    ("hainan", "gfx602"),
    ("oland", "gfx602"),
    ("kaveri", "gfx700"),
    ("hawaii", "gfx701"),
    ("kabini", "gfx703"),
    ("mullins", "gfx703"),
    ("bonaire", "gfx704"),
    ("carrizo", "gfx801"),
    ("iceland", "gfx802"),
    ("tonga", "gfx802"),
    ("fiji", "gfx803"),
    ("polaris10", "gfx803"),
    ("polaris11", "gfx803"),
    ("tongapro", "gfx805"),
    ("stoney", "gfx810"),
];

/// Options and forms of the target triple that may precede a name.
const BEFORE: [&str; 4] = [
    "--offload-arch=",
    "--cuda-gpu-arch=",
    "amdgcn-amd-amdhsa--",
    "amdgcn-amd-amdhsa-",
];

impl ArchSet {
    /// Parses a list separated as in clang (`gfx942,gfx90a`), in CMake and PyTorch (`gfx942;gfx90a`) or in shells.
    ///
    /// # Errors
    /// If a word is `native` or no architecture.
    pub fn parse(list: &str) -> Result<Self, CiError> {
        let words = list.split(|c: char| matches!(c, ',' | ';') || c.is_whitespace());
        words
            .filter(|word| !word.is_empty())
            .map(one)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The number of architectures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether `other` contains all of these architectures and at least one more.
    #[must_use]
    pub fn is_part_of(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0) && self.len() < other.len()
    }
}

impl FromIterator<String> for ArchSet {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}

impl fmt::Display for ArchSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().collect();
        f.write_str(&names.join(","))
    }
}

/// Brings one architecture into its usual spelling: its features in alphabetical order, as clang writes them.
fn one(word: &str) -> Result<String, CiError> {
    let wrong = || CiError::NotAnArch(word.to_owned());
    let mut name = word;
    for before in BEFORE {
        name = name.strip_prefix(before).unwrap_or(name);
    }
    let mut parts = name.split(':');
    let name = parts.next().unwrap_or_default();
    if name == "native" {
        return Err(CiError::NativeArch);
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(plain) {
        return Err(wrong());
    }
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    let mut arch = alias.map_or(name, |(_, name)| name).to_owned();
    let mut features: Vec<_> = parts.collect();
    features.sort_unstable();
    features.dedup();
    for feature in features {
        let feature_name = feature.strip_suffix(['+', '-']).ok_or_else(wrong)?;
        let known = |c: char| c.is_ascii_alphanumeric();
        if feature_name.is_empty() || !feature_name.chars().all(known) {
            return Err(wrong());
        }
        arch.push(':');
        arch.push_str(feature);
    }
    Ok(arch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_a_set_in_every_spelling() {
        for (list, expected) in [
            ("", ""),
            ("gfx942", "gfx942"),
            ("gfx942,gfx90a", "gfx90a,gfx942"),
            ("gfx90a;gfx942;gfx90a", "gfx90a,gfx942"),
            (" gfx942  gfx90a\n", "gfx90a,gfx942"),
            ("gfx90a:xnack+:sramecc-", "gfx90a:sramecc-:xnack+"),
            ("fiji,polaris10", "gfx803"),
            ("--offload-arch=gfx1100", "gfx1100"),
            ("amdgcn-amd-amdhsa--gfx9-4-generic", "gfx9-4-generic"),
            ("amdgcnspirv", "amdgcnspirv"),
            ("gfx110X-all", "gfx110X-all"),
        ] {
            assert_eq!(
                ArchSet::parse(list).unwrap().to_string(),
                expected,
                "{list}"
            );
        }
    }

    #[test]
    fn what_is_no_architecture_is_named() {
        assert!(matches!(
            ArchSet::parse("gfx942,native"),
            Err(CiError::NativeArch)
        ));
        for word in [
            "942",
            "gfx942:",
            "gfx942:xnack",
            "gfx942/x",
            "-x",
            "gfx942:a=+",
        ] {
            let error = ArchSet::parse(word).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{word:?}")), "{error}");
        }
    }

    #[test]
    fn a_part_is_smaller_and_holds_nothing_else() {
        let set = |list| ArchSet::parse(list).unwrap();
        assert!(set("gfx942").is_part_of(&set("gfx950,gfx942")));
        assert!(!set("gfx942").is_part_of(&set("gfx942")));
        assert!(!set("gfx942").is_part_of(&set("gfx942:xnack-,gfx950")));
        assert!(!set("gfx942,gfx950").is_part_of(&set("gfx942")));
    }
}
