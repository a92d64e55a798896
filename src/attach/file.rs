//! Writes the file that builds call as a launcher: `HIP_CLANG_LAUNCHER`,
//! `CMAKE_CXX_COMPILER_LAUNCHER`.
//!
//! Owns: the location of this file and of the stand-ins beside it. CMake writes the file's path
//! into a build directory, which is used long after the session. So the file is never removed, and
//! its path contains a digest of its content. It checks the compiler's state on every call, so it
//! stays correct.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::AttachError;
use crate::rocm::names::stand_in;
use crate::shared::paths::LAUNCHER_NAME;
use crate::trampoline::trampoline;

/// The compilers that have a stand-in beside the launcher. Any compiler may be called through it: a
/// launcher behind it derives the language and the driver mode from the stand-in's name.
const STAND_INS: [&str; 2] = ["clang", "clang++"];

/// Writes `image` to its place below the directory `cache`, unless it is there already.
///
/// # Errors
/// If it cannot be written.
pub fn place(image: &[u8], cache: &Path) -> Result<PathBuf, AttachError> {
    let digest = blake3::hash(image).to_hex();
    let dir = cache.join("launcher").join(&digest[..16]);
    // Stand-ins first: whoever finds the launcher must find them too.
    for name in STAND_INS {
        put(&dir, &stand_in(OsStr::new(name)), trampoline())?;
    }
    put(&dir, OsStr::from_bytes(LAUNCHER_NAME), image)
}

fn put(dir: &Path, name: &OsStr, content: &[u8]) -> Result<PathBuf, AttachError> {
    let path = dir.join(name);
    if fs::read(&path).is_ok_and(|there| there == content) {
        return Ok(path);
    }
    fs::create_dir_all(dir).map_err(|source| AttachError::Directory(dir.to_owned(), source))?;
    let write = || -> io::Result<()> {
        let mut temp = tempfile::NamedTempFile::new_in(dir)?;
        temp.write_all(content)?;
        let mode = fs::Permissions::from_mode(0o755);
        temp.as_file().set_permissions(mode)?;
        // Rename the new file over an existing one, which others may be running. Close it first: a
        // file that is open for writing cannot be executed.
        temp.into_temp_path().persist(&path)?;
        Ok(())
    };
    write().map_err(|source| AttachError::Make(path.clone(), source))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_content_has_the_same_path_and_is_written_once() {
        use std::os::unix::fs::MetadataExt;
        let cache = tempfile::tempdir().unwrap();
        let path = place(b"one", cache.path()).unwrap();
        let ino = path.metadata().unwrap().ino();
        assert_eq!(place(b"one", cache.path()).unwrap(), path);
        assert_eq!(path.metadata().unwrap().ino(), ino);
        assert_ne!(place(b"two", cache.path()).unwrap(), path);
        fs::write(&path, "damaged").unwrap();
        place(b"one", cache.path()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o755);
    }

    #[test]
    fn the_stand_ins_stand_beside_the_launcher_and_are_written_once() {
        use std::os::unix::fs::MetadataExt;
        let cache = tempfile::tempdir().unwrap();
        let launcher = place(b"one", cache.path()).unwrap();
        for name in ["clang.9727", "clang++.9727"] {
            let path = launcher.with_file_name(name);
            let look = || {
                let metadata = path.symlink_metadata().unwrap();
                assert_eq!(metadata.mode() & 0o7777, 0o755, "{name}");
                assert_eq!(fs::read(&path).unwrap(), trampoline(), "{name}");
                metadata.ino()
            };
            let ino = look();
            place(b"one", cache.path()).unwrap();
            assert_eq!(look(), ino, "{name}");
            fs::write(&path, "damaged").unwrap();
            place(b"one", cache.path()).unwrap();
            look();
            fs::remove_file(&path).unwrap();
            place(b"one", cache.path()).unwrap();
            look();
        }
    }
}
