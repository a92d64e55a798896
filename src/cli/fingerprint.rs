//! Implements `rock-wrap fingerprint`: prints a digest of everything that decides a compiler's
//! output.
//!
//! It prints nothing but the digest, on standard output and standard error. With this command as
//! its `compiler_check`, ccache takes both for the compiler's identity.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{CliError, Exit, FingerprintArgs, output};
use crate::fingerprint::{Identity, Memo, Role};
use crate::rocm::Tree;

/// The output in JSON.
#[derive(Serialize)]
struct FingerprintAnswer<'a> {
    digest: String,
    /// The sum over all members, in bytes.
    size: u64,
    notes: &'a [String],
    members: Vec<ShownMember<'a>>,
}

#[derive(Serialize)]
struct ShownMember<'a> {
    role: Role,
    name: &'a str,
    path: &'a Path,
    /// Size in bytes.
    size: u64,
    digest: String,
    witnessed: bool,
}

/// Prints the digest.
pub fn main(args: &FingerprintArgs) -> Result<Exit, CliError> {
    let root = args.tree.rocm_path.as_deref();
    let (compiler, root) = match &args.compiler {
        Some(word) => {
            let missing = |_| CliError::NoCompiler(PathBuf::from(word));
            (
                which::which(word).map_err(missing)?,
                root.map(Path::to_owned),
            )
        }
        None => {
            let tree = Tree::find(root, &[])?;
            (first_of(&tree), Some(tree.root))
        }
    };
    let root = root.as_deref();
    let memo = Memo::of_user();
    let memo = if args.quick { memo } else { memo.renewed() };
    if args.json {
        let identity = Identity::take(&compiler, root, &memo)?;
        tell(&identity.notes);
        output::json(&answer(&identity));
        return Ok(Exit::Success);
    }
    let (digest, notes) = match Identity::remembered_digest(&compiler, root, &memo) {
        Some(remembered) => remembered,
        None => {
            let identity = Identity::take(&compiler, root, &memo)?;
            (identity.digest, identity.notes)
        }
    };
    tell(&notes);
    output::answer(digest);
    Ok(Exit::Success)
}

fn tell(notes: &[String]) {
    for note in notes {
        tracing::info!("{note}");
    }
}

/// One of the tree's compilers; all are names of the same executable.
pub fn first_of(tree: &Tree) -> PathBuf {
    let names = &tree.names;
    let files = names
        .iter()
        .flat_map(|name| [name.as_os_str().to_owned(), name.alias()]);
    let mut paths = files
        .map(|file| tree.bin.join(file))
        .filter(|path| path.exists());
    paths
        .next()
        .unwrap_or_else(|| tree.bin.join(names[0].as_os_str()))
}

fn answer(identity: &Identity) -> FingerprintAnswer<'_> {
    let members: Vec<_> = identity
        .members
        .iter()
        .map(|member| ShownMember {
            role: member.role,
            name: &member.name,
            path: &member.path,
            size: member.stamp.size,
            digest: member.digest.to_string(),
            witnessed: member.witnessed,
        })
        .collect();
    FingerprintAnswer {
        digest: identity.digest.to_string(),
        size: members.iter().map(|member| member.size).sum(),
        notes: &identity.notes,
        members,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rocm::CompilerName;

    #[test]
    fn the_answer_lists_every_file_with_its_digest() {
        let identity = Identity::take(Path::new("/bin/sh"), None, &Memo::none()).unwrap();
        let json = serde_json::to_value(answer(&identity)).unwrap();
        assert_eq!(json["digest"], identity.digest.to_string());
        let member = &json["members"][0];
        assert_eq!(member["role"], "compiler");
        assert_eq!(member["digest"].as_str().unwrap().len(), 64);
        assert_eq!(member["size"], json["size"]);
        for key in ["name", "path", "witnessed"] {
            assert!(!member[key].is_null(), "{key}");
        }
    }

    #[test]
    fn a_tree_whose_names_are_wrapped_is_asked_by_its_alias() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("clang++.7625"), "").unwrap();
        let tree = Tree {
            root: dir.path().to_owned(),
            bin: dir.path().to_owned(),
            found_by: "a test",
            names: CompilerName::defaults(),
            hipcc: None,
            calls: None,
            passed_over: Vec::new(),
        };
        let found = first_of(&tree);
        assert_eq!(found, dir.path().join("clang++.7625"));
    }
}
