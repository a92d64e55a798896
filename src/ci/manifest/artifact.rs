//! Describes what a build made: files with their digests, and what the name of a wheel says.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Known, archs};
use crate::ci::ArchSet;

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Artifact {
    /// Its name.
    pub file: String,
    /// Its path, relative to the record's directory.
    pub path: String,
    /// Its size and digest.
    #[serde(flatten)]
    pub content: Content,
    /// What its name says, if it is a wheel.
    pub wheel: Option<WheelName>,
    /// The architectures that it has code for.
    pub offload_archs: Known<Vec<String>>,
}

/// Size and digest of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// In bytes.
    pub size: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// The name of a wheel (PEP 427).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WheelName {
    /// The project.
    pub distribution: String,
    /// The version, with the local part.
    pub version: String,
    /// The part of the version after `+`.
    pub local_version: Option<String>,
    /// The build tag.
    pub build_tag: Option<String>,
    /// The Python tags.
    pub python_tags: Vec<String>,
    /// The ABI tags.
    pub abi_tags: Vec<String>,
    /// The platform tags.
    pub platform_tags: Vec<String>,
}

impl Artifact {
    /// Describes the file at `file`, which the record calls `path`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(file: &Path, path: String) -> io::Result<Self> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let wheel = WheelName::parse(&name);
        let found = match wheel {
            Some(_) => archs::of_wheel(File::open(file)?),
            None => archs::of_file(File::open(file)?),
        };
        Ok(Self {
            content: Content::of(file)?,
            wheel,
            offload_archs: found.map(names).into(),
            file: name.into_owned(),
            path,
        })
    }
}

fn names(archs: ArchSet) -> Vec<String> {
    archs.iter().map(ToOwned::to_owned).collect()
}

impl Content {
    /// Reads `file`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(file: &Path) -> io::Result<Self> {
        let mut file = File::open(file)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        let mut size = 0;
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            size += read as u64;
        }
        let digest = hasher.finalize();
        let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { size, sha256 })
    }
}

impl WheelName {
    /// Parses `NAME-VERSION(-BUILD)?-PYTHON-ABI-PLATFORM.whl`.
    #[must_use]
    pub fn parse(file: &str) -> Option<Self> {
        let parts: Vec<_> = file.strip_suffix(".whl")?.split('-').collect();
        let (distribution, version, build_tag, tags) = match parts[..] {
            [name, version, python, abi, platform] => {
                (name, version, None, [python, abi, platform])
            }
            [name, version, build, python, abi, platform] => {
                // PEP 427: a build tag begins with a digit.
                build
                    .starts_with(|c: char| c.is_ascii_digit())
                    .then_some(())?;
                (
                    name,
                    version,
                    Some(build.to_owned()),
                    [python, abi, platform],
                )
            }
            _ => return None,
        };
        let [python_tags, abi_tags, platform_tags] =
            tags.map(|tags| tags.split('.').map(ToOwned::to_owned).collect());
        let local = version.split_once('+').map(|(_, local)| local.to_owned());
        Some(Self {
            distribution: distribution.to_owned(),
            version: version.to_owned(),
            local_version: local,
            build_tag,
            python_tags,
            abi_tags,
            platform_tags,
        })
    }

    /// The version of CPython that it is for, such as `3.12`.
    #[must_use]
    pub fn python(&self) -> Option<String> {
        let digits = self
            .python_tags
            .iter()
            .find_map(|tag| tag.strip_prefix("cp"))?;
        let (major, minor) = digits.split_at_checked(1)?;
        (!minor.is_empty()).then(|| format!("{major}.{minor}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheels_name_is_taken_apart() {
        let name =
            "torch-2.9.0+rocm7.2.0.git1-1abc-cp312-cp312-manylinux_2_28_x86_64.linux_x86_64.whl";
        let wheel = WheelName::parse(name).unwrap();
        assert_eq!(
            (wheel.distribution.as_str(), wheel.version.as_str()),
            ("torch", "2.9.0+rocm7.2.0.git1")
        );
        assert_eq!(wheel.local_version.as_deref(), Some("rocm7.2.0.git1"));
        assert_eq!(wheel.build_tag.as_deref(), Some("1abc"));
        assert_eq!(
            wheel.platform_tags,
            ["manylinux_2_28_x86_64", "linux_x86_64"]
        );
        assert_eq!(wheel.python().as_deref(), Some("3.12"));
        let pure = WheelName::parse("six-1.16.0-py2.py3-none-any.whl").unwrap();
        assert_eq!(pure.python_tags, ["py2", "py3"]);
        assert_eq!(
            (
                pure.build_tag.clone(),
                pure.local_version.clone(),
                pure.python()
            ),
            (None, None, None)
        );
        for name in [
            "torch.tar.gz",
            "a-1-py3.whl",
            "a-1-x-py3-none-any.whl",
            ".whl",
        ] {
            assert_eq!(WheelName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_files_digest_is_the_one_that_sha256sum_prints() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "abc").unwrap();
        let content = Content::of(&file).unwrap();
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((content.size, content.sha256.as_str()), (3, sha256));
    }
}
