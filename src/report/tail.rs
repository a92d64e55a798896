//! Follows a file that other processes append lines to.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};

/// Reads the lines that are added to a file, complete ones only.
#[derive(Debug)]
pub struct Tail {
    file: File,
    position: u64,
    /// The start of a line that is not complete yet.
    partial: Vec<u8>,
}

impl Tail {
    /// Follows `path` from `offset` on.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn from(path: &Path, offset: u64) -> io::Result<Self> {
        // Only `punch` needs write access, and not every user has it.
        let both = File::options().read(true).write(true).open(path);
        let mut file = both.or_else(|_| File::open(path))?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self {
            file,
            position: offset,
            partial: Vec::new(),
        })
    }

    /// How far the file was read.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Frees the disk space of a range that has been read. The file's size does not change.
    ///
    /// # Errors
    /// If the file system cannot do that.
    pub fn punch(&self, from: u64, length: u64) -> io::Result<()> {
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(fallocate(&self.file, hole, from, length)?)
    }

    /// The lines since the last call. Empty if the file cannot be read.
    pub fn lines(&mut self) -> Vec<u8> {
        let mut new = std::mem::take(&mut self.partial);
        match self.file.read_to_end(&mut new) {
            Ok(read) => self.position += read as u64,
            Err(error) => tracing::debug!(%error, "the session's log cannot be read"),
        }
        let whole = new.iter().rposition(|byte| *byte == b'\n');
        self.partial = new.split_off(whole.map_or(0, |newline| newline + 1));
        new
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_line_is_read_once_and_when_it_is_whole() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"before\n").unwrap();
        let mut tail = Tail::from(file.path(), "before\n".len() as u64).unwrap();
        for (written, read) in [("a\nb", "a\n"), ("", ""), ("c\nd\n", "bc\nd\n"), ("e", "")] {
            file.write_all(written.as_bytes()).unwrap();
            assert_eq!(tail.lines(), read.as_bytes());
        }
    }

    #[test]
    fn what_was_read_can_give_its_space_back_and_what_comes_after_it_is_read() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let line = [&[b'x'; 65_535][..], b"\n"].concat();
        file.write_all(&line).unwrap();
        let mut tail = Tail::from(file.path(), 0).unwrap();
        assert_eq!(tail.lines(), line);
        assert_eq!(tail.position(), 65_536);
        tail.punch(0, 65_536).unwrap();
        let after = file.as_file().metadata().unwrap();
        assert_eq!(
            (after.len(), std::os::unix::fs::MetadataExt::blocks(&after)),
            (65_536, 0)
        );
        file.write_all(b"more\n").unwrap();
        assert_eq!(tail.lines(), b"more\n");
    }
}
