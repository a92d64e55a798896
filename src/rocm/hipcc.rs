//! What the tree's hipcc can do.

use std::path::PathBuf;

use super::Tree;

/// A hipcc of the tree.
#[derive(Clone, Debug)]
pub struct Hipcc {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it forwards compiles through HIP_CLANG_LAUNCHER itself, as hipcc does from ROCm
    /// 7.13 on (llvm-project of ROCm, `amd/hipcc/src/hipBin_amd.h`).
    pub knows_launcher: bool,
}

/// The first hipcc of `tree`, if it has one.
///
/// The variable's name is looked for in the program's own bytes: asking hipcc would need a compile,
/// and its version does not tell (distributions patch it).
#[must_use]
pub fn find(tree: &Tree) -> Option<Hipcc> {
    const NAME: &[u8] = b"HIP_CLANG_LAUNCHER";
    let bin = tree.root.join("bin");
    let path = bin.join("hipcc");
    path.exists().then(|| {
        // A script beside it may carry the logic: hipcc.pl, or hipcc.bin behind a wrapper.
        let knows_launcher = ["hipcc", "hipcc.bin", "hipcc.pl"].iter().any(|file| {
            std::fs::read(bin.join(file))
                .is_ok_and(|bytes| bytes.windows(NAME.len()).any(|window| window == NAME))
        });
        Hipcc {
            path,
            knows_launcher,
        }
    })
}
