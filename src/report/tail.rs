//! Follows a file that other processes append lines to.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Reads a file's new lines, only whole ones.
#[derive(Debug)]
pub struct Tail {
    file: File,
    /// The start of a line that is not complete yet.
    partial: Vec<u8>,
}

impl Tail {
    /// Follows `path` from `offset` on.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn from(path: &Path, offset: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self {
            file,
            partial: Vec::new(),
        })
    }

    /// The lines since the last call. Empty if the file cannot be read.
    pub fn lines(&mut self) -> Vec<u8> {
        let mut new = std::mem::take(&mut self.partial);
        if let Err(error) = self.file.read_to_end(&mut new) {
            tracing::debug!(%error, "the session's log cannot be read");
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
}
