use std::os::unix::fs::chown;

use super::*;
use crate::fingerprint::testing::{Fixture, flip, settle};

/// Sets a file's modification time, as `touch -r` and archives do.
fn set_mtime(path: &Path, time: SystemTime) {
    let file = File::options().append(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

/// A tree with a compiler, and the directory of a memo.
struct Case {
    tree: Fixture,
    cache: Fixture,
}

impl Case {
    fn new() -> Self {
        let case = Self {
            tree: Fixture::tree(),
            cache: Fixture::new(),
        };
        settle();
        case.take();
        assert_eq!(case.files().len(), 1);
        case
    }

    fn memo(&self) -> Memo {
        Memo::at(&self.cache.path().join("rock-wrap"))
    }

    fn files(&self) -> Vec<PathBuf> {
        let dir = self.cache.path().join("rock-wrap").read_dir().unwrap();
        dir.map(|entry| entry.unwrap().path()).collect()
    }

    fn take(&self) -> Identity {
        self.take_in(&LookupEnvironment::none())
    }

    fn take_in(&self, environment: &LookupEnvironment) -> Identity {
        Identity::take_in(&self.tree.clang(), None, &self.memo(), environment).unwrap()
    }

    /// Whether the memo answers. Also checks that the remembered digest is that of the taken identity.
    fn hits(&self) -> bool {
        let (clang, memo, none) = (self.tree.clang(), self.memo(), LookupEnvironment::none());
        let known = Identity::remembered_digest_in(&clang, None, &memo, &none);
        let before = self.tree.asked();
        let taken = self.take();
        let hits = self.tree.asked() == before;
        if let Some((digest, notes)) = known {
            assert_eq!((digest, &notes), (taken.digest, &taken.notes));
            assert!(hits);
        }
        hits
    }
}

/// Replaces `path` with a file of the same size and time but different content.
fn replace(path: &Path) {
    let time = path.metadata().unwrap().modified().unwrap();
    let temp = path.with_extension("temp");
    std::fs::copy(path, &temp).unwrap();
    flip(&temp);
    set_mtime(&temp, time);
    std::fs::rename(&temp, path).unwrap();
}

#[test]
fn the_second_time_nothing_is_asked() {
    let case = Case::new();
    let clang = case.tree.clang();
    let first = Identity::take_in(&clang, None, &Memo::none(), &LookupEnvironment::none()).unwrap();
    assert!(case.hits());
    assert_eq!(case.take(), first);
    let known =
        Identity::remembered_digest_in(&clang, None, &case.memo(), &LookupEnvironment::none());
    assert_eq!(known, Some((first.digest, first.notes)));
}

#[test]
fn each_member_counts_by_size_time_and_inode() {
    let case = Case::new();
    for member in case.take().members {
        let path = &member.path;
        let mut last = case.take();
        let mut changed = |what: &str| {
            assert!(!case.hits(), "{what} of {}", path.display());
            let now = case.take();
            let same = std::mem::replace(&mut last, now.clone()).digest == now.digest;
            settle();
            case.take();
            assert!(case.hits(), "{what} of {}", path.display());
            same
        };
        replace(path);
        assert!(!changed("inode"));
        let time = path.metadata().unwrap().modified().unwrap();
        set_mtime(path, time + std::time::Duration::from_nanos(1));
        assert!(changed("time"));
        let mut bytes = std::fs::read(path).unwrap();
        bytes.push(b'\n');
        std::fs::write(path, bytes).unwrap();
        set_mtime(path, time);
        assert!(!changed("size"));
        flip(path);
        set_mtime(path, time);
        assert!(!changed("change time"));
    }
}

#[test]
fn what_decides_the_list_of_members_counts() {
    let case = Case::new();
    for name in [
        "bc/new.bc",
        "bin/clang++.cfg",
        "res/include/sub/new.h",
        "res/share/new",
    ] {
        case.tree.write(name, b"new");
        assert!(!case.hits(), "{name}");
        settle();
        case.take();
        assert!(case.hits(), "{name}");
    }
}

#[test]
fn a_new_hard_link_costs_a_reading_and_no_question() {
    let case = Case::new();
    let digest = case.take().digest;
    std::fs::hard_link(case.tree.clang(), case.tree.path().join("another")).unwrap();
    assert!(case.hits());
    assert_eq!(case.take().digest, digest);
}

#[test]
fn what_an_installation_puts_beside_the_compiler_does_not_count() {
    let case = Case::new();
    for name in [
        "bin/.rockwrap-journal",
        "bin/clang++.7625",
        "bin/clang++.9727",
    ] {
        case.tree.write(name, b"");
        assert!(case.hits(), "{name}");
    }
    case.tree.write("bin/a-new-tool", b"");
    assert!(!case.hits());
}

#[test]
fn a_compiler_that_is_moved_to_its_alias_is_known_there() {
    let case = Case::new();
    let (clang, alias) = (case.tree.clang(), case.tree.path().join("bin/clang.7625"));
    let environment = LookupEnvironment::none();
    let memo = case.memo();
    case.take()
        .moved(&alias, &memo.slot(&alias, None, &environment));
    std::fs::rename(&clang, &alias).unwrap();
    std::os::unix::fs::symlink("clang.7625", &clang).unwrap();
    let before = case.tree.asked();
    let moved = Identity::take_in(&alias, None, &memo, &environment).unwrap();
    assert_eq!(case.tree.asked(), before);
    assert_eq!(moved.executable(), Some(alias.as_path()));
    flip(&alias);
    let other = Identity::take_in(&alias, None, &memo, &environment).unwrap();
    assert_ne!(other.digest, moved.digest);
}

#[test]
fn what_was_not_there_before_what_was_found_counts() {
    let case = Case::new();
    let dir = case.tree.path();
    let bin = dir.join("bin");
    // A library that is found in the second directory, then appears in the first.
    case.tree.library("two/libtool.so", &[]);
    let rpath = "-Wl,-rpath,$ORIGIN/../one:$ORIGIN/../two";
    case.tree.program("bin/lld", &["-Ltwo", "-ltool", rpath]);
    settle();
    case.take();
    assert!(case.hits());
    case.tree
        .library("one/libtool.so", &["-Wl,--defsym,other=1"]);
    let bin_is_the_same = Stamp::of(&bin).unwrap();
    assert!(!case.hits());
    assert_eq!(Stamp::of(&bin).unwrap(), bin_is_the_same);
}

#[test]
fn the_environment_counts() {
    let case = Case::new();
    let with = LookupEnvironment::of("HIP_DEVICE_LIB_PATH", "/somewhere");
    let before = case.tree.asked();
    case.take_in(&with);
    assert!(case.tree.asked() > before);
    assert_eq!(case.files().len(), 2);
}

#[test]
fn only_what_changed_is_read_again() {
    let case = Case::new();
    // A made-up digest: if it is returned, it was read from the record.
    let environment = LookupEnvironment::none();
    let memo = case.memo();
    let slot = memo.slot(&case.tree.clang(), None, &environment);
    let mut identity = case.take();
    let lld = identity
        .members
        .iter()
        .position(|member| member.name == "lld");
    identity.members[lld.unwrap()].digest = Digest([7; 32]);
    slot.keep(&identity);
    replace(&case.tree.path().join("bc/ocml.bc"));
    let again = case.take();
    assert_eq!(again.members[lld.unwrap()].digest, Digest([7; 32]));
    let renewed = memo.clone().renewed();
    let clang = case.tree.clang();
    let renewed = Identity::take_in(&clang, None, &renewed, &environment).unwrap();
    assert_ne!(renewed.members[lld.unwrap()].digest, Digest([7; 32]));
}

#[test]
fn what_was_written_just_now_is_not_kept() {
    let case = Case::new();
    flip(&case.tree.path().join("bc/ocml.bc"));
    case.take();
    assert!(!case.hits());
}

#[test]
fn a_record_or_directory_that_others_can_write_is_ignored() {
    let case = Case::new();
    let file = case.files().remove(0);
    let dir = file.parent().unwrap();
    assert_eq!(dir.metadata().unwrap().mode() & 0o777, 0o700);
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    for (path, bad, good) in [(file.as_path(), 0o620, 0o600), (dir, 0o702, 0o700)] {
        let set = |mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        // A miss takes the identity again and rewrites the record. Afterwards the original is put back.
        let untouched = std::fs::read(&file).unwrap();
        set(bad);
        assert!(!case.hits(), "{}", path.display());
        std::fs::write(&file, untouched).unwrap();
        set(good);
        assert!(case.hits(), "{}", path.display());
    }
}

#[test]
fn a_record_or_directory_of_somebody_else_is_ignored() {
    let case = Case::new();
    let file = case.files().remove(0);
    let dir = file.parent().unwrap().to_owned();
    if chown(&file, Some(65534), None).is_err() {
        return; // Only root can give a file away.
    }
    assert!(!case.hits());
    assert!(case.hits());
    chown(&dir, Some(65534), None).unwrap();
    assert!(!case.hits());
    assert!(!case.hits());
}

#[test]
fn a_link_or_a_damaged_record_is_ignored() {
    let case = Case::new();
    let file = case.files().remove(0);
    let moved = case.cache.path().join("moved");
    std::fs::rename(&file, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &file).unwrap();
    assert!(!case.hits());
    assert!(case.hits());
    for length in [0, 10, 100] {
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..length]).unwrap();
        assert!(!case.hits(), "{length}");
    }
    flip(&file);
    assert!(!case.hits());
}

#[test]
fn without_a_place_to_keep_it_the_identity_is_taken_all_the_same() {
    let tree = Fixture::tree();
    let memo = Memo::at(Path::new("/dev/null/none"));
    Identity::take(&tree.clang(), None, &memo).unwrap();
}

#[test]
fn the_oldest_records_are_dropped() {
    let case = Case::new();
    let dir = case.cache.path().join("rock-wrap");
    let old = SystemTime::now() - std::time::Duration::from_secs(3600);
    for index in 0..MOST_RECORDS {
        let path = dir.join(format!("{index}.identity"));
        std::fs::write(&path, "").unwrap();
        set_mtime(&path, old);
    }
    case.take_in(&LookupEnvironment::of("ROCM_PATH", "/x"));
    assert_eq!(case.files().len(), MOST_RECORDS);
    assert!(case.hits());
}
