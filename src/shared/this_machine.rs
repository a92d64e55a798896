//! Answers what the decision asks the machine, with system calls.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::mem::ManuallyDrop;

use crate::shared::bytes::{decimal, find, push_decimal};
use crate::shared::decision::response::BUDGET;
use crate::shared::machine::{FileKind, FileState, Machine, Visitor};
use crate::shared::sys;

/// The machine that this process runs on, including a compiler on it.
pub struct ThisMachine<'a> {
    /// Returns the compiler's directory, which is empty or has a trailing slash. Called only on demand, because
    /// finding it may take work.
    dir: &'a dyn Fn() -> &'a [u8],
    hands: Option<&'a dyn Hands>,
}

/// The actions on this machine that [`Machine`] needs besides inspection: running a program and writing a file.
pub trait Hands {
    /// The output of a program, run with that argument; `None` if it fails.
    fn run(&self, program: &CStr, argument: Option<&CStr>) -> Option<Vec<u8>>;
    /// Writes a file in rock-wrap's directory in the user's cache.
    fn write(&self, path: &CStr, content: &[u8]);
}

impl<'a> ThisMachine<'a> {
    /// A machine with a compiler in the directory that `dir` returns, which is empty or has a trailing slash.
    #[must_use]
    pub fn new(dir: &'a dyn Fn() -> &'a [u8]) -> Self {
        Self { dir, hands: None }
    }

    /// Adds the means to run programs and write files. Without them, neither happens.
    #[must_use]
    pub fn with(mut self, hands: &'a dyn Hands) -> Self {
        self.hands = Some(hands);
        self
    }
}

impl Machine for ThisMachine<'_> {
    /// Never closed: the following `execve` does that, and the shim has no `drop` code for it.
    type DirHandle = ManuallyDrop<sys::File>;

    fn kind(&self, path: &CStr) -> FileKind {
        match sys::stat(path) {
            Ok(stat) if stat.is_regular() => FileKind::Regular,
            Err(errno) if errno.means_missing() => FileKind::Missing,
            Ok(_) | Err(_) => FileKind::Other,
        }
    }

    fn kind_to_write(&self, path: &CStr, keeps_mode: bool) -> FileKind {
        match sys::stat_itself(path) {
            Ok(stat) if stat.is_regular() && sys::may_write(path) => {
                let is_usual = || {
                    [0o666, 0o777]
                        .map(sys::new_mode)
                        .contains(&stat.permissions())
                };
                match !keeps_mode || is_usual() {
                    true => FileKind::Regular,
                    false => FileKind::Other,
                }
            }
            Err(errno) if errno.means_missing() => FileKind::Missing,
            Ok(_) | Err(_) => FileKind::Other,
        }
    }

    fn read(&self, path: &CStr) -> Option<Vec<u8>> {
        // Opening a pipe would block until there is a writer.
        if self.kind(path) != FileKind::Regular {
            return None;
        }
        let file = sys::File::open(path).ok()?;
        let size = usize::try_from(file.own_stat().ok()?.file_state.size).ok()?;
        // One extra byte detects the end of the file, unless the file grows meanwhile.
        let mut content = Vec::with_capacity(size.min(BUDGET) + 1);
        loop {
            if content.len().max(size) > BUDGET {
                return None;
            }
            if content.len() == content.capacity() {
                content.reserve(content.len());
            }
            if file.read_more(&mut content).ok()? == 0 {
                return Some(content);
            }
        }
    }

    fn holds(&self, path: &CStr, mark: u8, word: &[u8]) -> bool {
        // Touching more of the heap would cost more than another read.
        const PIECE: usize = 4096;
        // A word that begins this close to the end of a piece is searched for in the next one.
        const AGAIN: usize = 32;
        let Ok(file) = sys::File::open(path) else {
            return true;
        };
        let mut piece = Vec::with_capacity(PIECE);
        loop {
            let Ok(read) = file.read_more(&mut piece) else {
                return true;
            };
            if read == 0 || stands_behind(&piece, mark, word) {
                return read > 0;
            }
            piece.drain(..piece.len().saturating_sub(AGAIN));
        }
    }

    fn cwd(&self) -> Vec<u8> {
        sys::getcwd()
    }

    fn file_state(&self, path: &CStr) -> Option<FileState> {
        sys::stat(path).map(|stat| stat.file_state).ok()
    }

    fn open_dir(&self, dir: &CStr) -> Option<Self::DirHandle> {
        let own = match (self.dir)() {
            _ if dir.to_bytes().starts_with(b"/") => &b""[..],
            b"" => b"./",
            own => own,
        };
        sys::File::open_dir(&CString::new([own, dir.to_bytes()].concat()).ok()?)
            .ok()
            .map(ManuallyDrop::new)
    }

    fn state_in(&self, place: &Self::DirHandle, path: &CStr) -> Option<FileState> {
        place.stat(path).map(|stat| stat.file_state).ok()
    }

    fn now(&self) -> u64 {
        sys::now() / 1_000_000_000
    }

    fn ask(&self, tool: &CStr, argument: Option<&CStr>) -> Option<Vec<u8>> {
        let own = match (self.dir)() {
            b"" => b"./",
            own => own,
        };
        let program = CString::new([own, tool.to_bytes()].concat()).ok()?;
        self.hands?.run(&program, argument)
    }

    fn keep(&self, path: &CStr, content: &[u8]) {
        if let Some(hands) = self.hands {
            hands.write(path, content);
        }
    }

    fn list(&self, dir: &CStr, wanted: fn(&CStr) -> bool, visit: &mut dyn FnMut(&CStr, FileState)) {
        let Ok(dir) = sys::File::open(dir) else {
            return;
        };
        while let Ok(entries) = dir.entries() {
            if entries.is_empty() {
                return;
            }
            for name in sys::EntryNames(&entries) {
                if wanted(name)
                    && let Ok(stat) = dir.stat(name)
                {
                    visit(name, stat.file_state);
                }
            }
        }
    }

    fn ancestors(&self, visit: &mut Visitor<'_>) {
        const GENERATIONS: usize = 4;
        let mut pid = sys::getppid();
        for _ in 0..GENERATIONS {
            if pid <= 1 {
                return;
            }
            // Enough for the name, of at most 64 bytes, and for what is requested.
            let mut room = [0; 128];
            // Reads the name from a file of its own: the file that also has the parent takes the kernel longer (5.7
            // us instead of 3.5), and a build tool's parent is not needed. Each process that is not a build tool
            // costs one more file.
            let Some(comm) = read(pid, b"/comm", &mut room) else {
                return;
            };
            let comm = comm.strip_suffix(b"\n").unwrap_or(comm);
            // Another user's process does not reveal its executable; its name still counts.
            let exe = || sys::readlink(&proc_path(pid, b"/exe")).unwrap_or_default();
            if visit(comm, &exe) {
                return;
            }
            let Some(parent) = read(pid, b"/stat", &mut room).and_then(parent) else {
                return;
            };
            pid = parent;
        }
    }
}

/// Whether `word` follows `mark`, after optional blanks. Case-insensitive, as assemblers are.
fn stands_behind(text: &[u8], mark: u8, word: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = find(rest, mark) {
        rest = &rest[at + 1..];
        let blanks = rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        let next = rest[blanks..].get(..word.len());
        if next.is_some_and(|next| next.eq_ignore_ascii_case(word)) {
            return true;
        }
    }
    false
}

/// Reads a file of `/proc/PID`, truncated to the buffer.
fn read<'b>(pid: usize, file: &[u8], buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let len = sys::File::open(&proc_path(pid, file))
        .ok()?
        .read(buffer)
        .ok()?;
    Some(&buffer[..len])
}

/// The parent of a process. `/proc/PID/stat` begins with `PID (NAME) STATE PARENT`; the name may contain any
/// character.
fn parent(line: &[u8]) -> Option<usize> {
    let close = line.iter().rposition(|byte| *byte == b')')?;
    let digits = line.get(close + 4..)?.split(|byte| *byte == b' ').next()?;
    usize::try_from(decimal(digits)?).ok()
}

/// The path `/proc/PID` followed by `file`.
fn proc_path(pid: usize, file: &[u8]) -> CString {
    let mut path = Vec::from(b"/proc/");
    push_decimal(&mut path, pid as u64);
    path.extend_from_slice(file);
    CString::new(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> ThisMachine<'static> {
        ThisMachine::new(&|| b"/proc/self/")
    }

    #[test]
    fn a_witness_is_looked_for_beside_the_compiler() {
        let exe = here().file_state(c"/proc/self/exe");
        assert!(exe.is_some());
        let seen = |dir: &CStr, path: &CStr| {
            let place = here().open_dir(dir)?;
            here().state_in(&place, path)
        };
        for (dir, path) in [
            (c"", c"exe"),
            (c"", c"/proc/self/exe"),
            (c"../self/", c"exe"),
            (c"/proc/self/", c"exe"),
        ] {
            assert_eq!(seen(dir, path), exe);
        }
        for dir in [c"", c"nowhere/"] {
            assert_eq!(seen(dir, c"nothing"), None);
        }
    }

    #[test]
    fn a_stamp_is_what_stat_says() {
        use std::os::unix::fs::MetadataExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "12345").unwrap();
        let metadata = file.path().metadata().unwrap();
        let path = CString::new(file.path().as_os_str().as_encoded_bytes()).unwrap();
        let expected = FileState {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: 5,
            mtime: metadata.mtime().cast_unsigned(),
            mtime_nsec: metadata.mtime_nsec().cast_unsigned(),
        };
        assert_eq!(here().file_state(&path), Some(expected));
    }

    #[test]
    fn every_entry_of_a_large_directory_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..1000 {
            std::fs::write(dir.path().join(format!("file-{i}")), "").unwrap();
        }
        let path = CString::new(dir.path().as_os_str().as_encoded_bytes()).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        here().list(&path, |name| name != c".", &mut |name, _| {
            seen.insert(name.to_owned());
        });
        assert_eq!(seen.len(), 1001, "with ..");
    }

    #[test]
    fn the_working_directory_is_the_kernels() {
        let expected = std::env::current_dir().unwrap().canonicalize().unwrap();
        assert_eq!(here().cwd(), expected.as_os_str().as_encoded_bytes());
    }

    #[test]
    fn a_file_a_directory_and_nothing_are_told_apart() {
        assert_eq!(here().kind(c"/proc/self/exe"), FileKind::Regular);
        assert_eq!(here().kind(c"/dev/null"), FileKind::Other);
        assert_eq!(here().kind(c"/"), FileKind::Other);
        assert_eq!(here().kind(c"/nonexistent"), FileKind::Missing);
    }

    #[test]
    fn a_file_is_read_whole() {
        let content: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, &content).unwrap();
        let path = CString::new(file.path().as_os_str().as_encoded_bytes()).unwrap();
        assert!(here().read(&path).is_some_and(|read| read == content));
        assert!(here().read(c"/dev/zero").is_none(), "not a regular file");
        assert!(here().read(c"/nonexistent").is_none());
    }

    #[test]
    fn a_word_is_found_behind_its_mark_wherever_the_file_is_cut() {
        let holds = |content: &[u8]| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(&file, content).unwrap();
            let path = CString::new(file.path().as_os_str().as_encoded_bytes()).unwrap();
            here().holds(&path, b'#', b"embed")
        };
        for before in (0..24).chain(4_050..4_110).chain([100_000]) {
            let mut content = vec![b'.'; before];
            content.extend(b"# #  embed <a>");
            assert!(holds(&content), "{before}");
            content[before + 6..before + 11].make_ascii_uppercase();
            assert!(holds(&content), "{before}");
            content.extend(b"\n");
            content[before + 2] = b'e';
            assert!(!holds(&content), "{before}");
        }
        assert!(!holds(b""));
        assert!(!holds(b"embed #embe"));
        assert!(here().holds(c"/nonexistent", b'#', b"embed"));
    }

    #[test]
    fn the_nearest_ancestor_is_the_parent() {
        let parent = std::os::unix::process::parent_id();
        let expected = std::fs::read_link(format!("/proc/{parent}/exe")).unwrap();
        let mut seen = Vec::new();
        here().ancestors(&mut |_, exe| {
            seen.push(exe());
            true
        });
        assert_eq!(seen, [expected.into_os_string().into_encoded_bytes()]);
    }

    #[test]
    fn a_parent_is_found_behind_a_name_with_parentheses_and_spaces() {
        assert_eq!(parent(b"42 (a) (b c)) S 17 42 42 0"), Some(17));
        assert_eq!(parent(b"42 (cut"), None);
    }

    #[test]
    fn proc_paths_are_spelt_out() {
        assert_eq!(
            proc_path(usize::MAX, b"/stat").as_c_str(),
            c"/proc/18446744073709551615/stat"
        );
    }
}
