//! Where trees lie and whose they are: file systems, image layers, odd paths, users.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::manifest::Manifest;
use super::report;
use super::tree::{Action, Compiler, Layout, NAMES, Tree, clean, ok, stderr};

/// Set in a process that runs one test.
const ALONE: &str = "ROCK_WRAP_TEST_ALONE";

/// Runs `test`, the body of the test called `name`, in a process of its own whose mounts nobody else
/// sees and that are gone afterwards; says so where that cannot be.
///
/// A thread with mounts of its own would not do. A child that another test starts holds every file that
/// this test has open, until it has become its program; for as long, nothing can be unmounted.
fn with_mounts(name: &str, test: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        return test();
    }
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--propagation", "private"]);
        unshare
    };
    let tried = unshare().arg("true").output().unwrap();
    if !tried.status.success() {
        let why = stderr(&tried);
        report!(
            "SKIPPED: {name}: no mounts can be made here ({})",
            why.trim()
        );
        return;
    }
    let (_, module) = module_path!().split_once("::").unwrap();
    let output = unshare()
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &format!("{module}::{name}")])
        .env(ALONE, "1")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

/// Mounts a file system, or says that it cannot be had.
fn mount(what: &str, args: &[&OsStr]) -> bool {
    let output = clean("mount").args(args).output().unwrap();
    if !output.status.success() {
        report!("SKIPPED: {what}: {}", stderr(&output).trim());
    }
    output.status.success()
}

/// Everything that can be done to a tree, there and back.
fn there_and_back(tree: &Tree, what: &str, exact: bool) {
    let inodes = |manifest: Manifest| {
        if exact {
            manifest
        } else {
            manifest.without_inodes()
        }
    };
    let original = inodes(tree.manifest());
    for action in Action::ALL {
        tree.prepare(action);
        ok(&mut tree.command(action));
        let expected = if action == Action::Restore {
            "original"
        } else {
            "wrapped"
        };
        assert_eq!(tree.state(), expected, "{what}, {action}");
        tree.assert_compiles(what);
        tree.restore();
        original.assert_same(&inodes(tree.manifest()), format!("{what}, {action}"));
    }
}

fn kind_of(path: &Path) -> String {
    let output = ok(clean("stat").args(["-f", "-c", "%T"]).arg(path));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn every_file_system_gives_back_the_exact_tree() {
    let mut ran = vec![];
    for layout in Layout::ALL {
        // Where the sources are built, and where the tests' trees are.
        for base in [
            Path::new(env!("CARGO_TARGET_TMPDIR")),
            &std::env::temp_dir(),
        ] {
            let dir = tempfile::tempdir_in(base).unwrap();
            let tree = Tree::at(&dir.path().join("rocm"), layout, Compiler::Fake);
            there_and_back(&tree, &format!("{layout} in {}", base.display()), true);
            ran.push(kind_of(dir.path()));
        }
        there_and_back(&Tree::fake(layout), "in memory", true);
    }
    ran.sort();
    ran.dedup();
    report!("file systems: {}", ran.join(", "));
}

#[test]
fn every_file_system_that_can_be_mounted_gives_back_the_exact_tree() {
    with_mounts(
        "every_file_system_that_can_be_mounted_gives_back_the_exact_tree",
        || {
            let mut ran = vec![];
            let dir = tempfile::tempdir().unwrap();
            let at = dir.path().join("mounted");
            std::fs::create_dir(&at).unwrap();
            for kind in ["tmpfs", "ramfs"] {
                if mount(
                    kind,
                    &["-t", kind, "none"]
                        .map(OsStr::new)
                        .into_iter()
                        .chain([at.as_ref()])
                        .collect::<Vec<_>>(),
                ) {
                    each_layout(&at, kind);
                    ran.push(format!("{kind} (mounted)"));
                    ok(clean("umount").arg(&at));
                }
            }
            let made: [(&str, &[&str]); 5] = [
                ("ext4", &["-q"]),
                ("ext2", &["-q"]),
                ("xfs", &["-q"]),
                ("btrfs", &["-q"]),
                ("vfat", &[]),
            ];
            for (kind, options) in made {
                let image = dir.path().join(kind);
                std::fs::File::create(&image)
                    .unwrap()
                    .set_len(400 << 20)
                    .unwrap();
                let make = format!("mkfs.{kind}");
                match clean(&make).args(options).arg(&image).output() {
                    Err(error) => {
                        report!("SKIPPED: {kind}: {make}: {error}");
                        continue;
                    }
                    Ok(output) => assert!(output.status.success(), "{}", stderr(&output)),
                }
                if mount(
                    kind,
                    &["-o".as_ref(), "loop".as_ref(), image.as_ref(), at.as_ref()],
                ) {
                    each_layout(&at, kind);
                    ran.push(format!("{kind} (image)"));
                    ok(clean("umount").arg(&at));
                }
            }
            report!("file systems: {}", ran.join(", "));
        },
    );
}

fn each_layout(at: &Path, what: &str) {
    for layout in Layout::ALL {
        let tree = Tree::at(&at.join(layout.to_string()), layout, Compiler::Fake);
        there_and_back(&tree, &format!("{layout} on {what}"), true);
    }
}

#[test]
fn an_image_layer_is_wrapped_built_in_and_restored_in_others() {
    with_mounts(
        "an_image_layer_is_wrapped_built_in_and_restored_in_others",
        || {
            for upper in ["tmpfs", "disk"] {
                for options in ["", ",metacopy=on,redirect_dir=on", ",index=on"] {
                    for layout in Layout::ALL {
                        layers(layout, upper, options);
                    }
                }
            }
            report!(
                "file systems: overlayfs (compiler in a lower layer; upper on tmpfs and on disk)"
            );
        },
    );
}

fn layers(layout: Layout, upper: &str, options: &str) {
    let what = format!("{layout} in layers, upper on {upper}{options}");
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path();
    if upper == "tmpfs" {
        ok(clean("mount").args(["-t", "tmpfs", "none"]).arg(base));
    }
    let merged = base.join("merged");
    std::fs::create_dir(&merged).unwrap();
    let mut lower = vec![base.join("0")];
    let tree = Tree::at(&lower[0].join("rocm"), layout, Compiler::Fake);
    let tree = tree.moved_to(&merged.join("rocm"));
    // Each step is an image layer of its own on top of those before.
    let mut layer = |step: &dyn Fn()| {
        let i = lower.len();
        let (changes, work) = (base.join(i.to_string()), base.join(format!("work-{i}")));
        std::fs::create_dir(&changes).unwrap();
        std::fs::create_dir(&work).unwrap();
        let below: Vec<_> = lower
            .iter()
            .rev()
            .map(|path| path.to_str().unwrap())
            .collect();
        let data = format!(
            "lowerdir={},upperdir={},workdir={}{options}",
            below.join(":"),
            changes.display(),
            work.display()
        );
        ok(clean("mount")
            .args(["-t", "overlay", "none", "-o", &data])
            .arg(&merged));
        step();
        ok(clean("umount").arg(&merged));
        lower.push(changes);
    };
    let original = std::cell::OnceCell::new();
    layer(&|| {
        original.set(tree.manifest().without_inodes()).unwrap();
        tree.install();
        assert_eq!(tree.state(), "wrapped", "{what}");
        tree.assert_compiles(&what);
    });
    layer(&|| tree.assert_compiles(&what));
    layer(&|| {
        tree.restore();
        original
            .get()
            .unwrap()
            .assert_same(&tree.manifest().without_inodes(), &what);
        tree.assert_compiles(&what);
    });
    layer(&|| there_and_back(&tree, &what, false));
    if upper == "tmpfs" {
        ok(clean("umount").arg(base));
    }
}

#[test]
fn a_read_only_tree_is_refused_and_works_as_it_is() {
    with_mounts("a_read_only_tree_is_refused_and_works_as_it_is", || {
        for layout in Layout::ALL {
            for wrapped in [false, true] {
                let tree = Tree::fake(layout);
                if wrapped {
                    tree.install();
                }
                let before = tree.manifest();
                ok(clean("mount")
                    .arg("--bind")
                    .args([tree.root(), tree.root()]));
                ok(clean("mount")
                    .args(["-o", "remount,bind,ro"])
                    .arg(tree.root()));
                for command in if wrapped {
                    ["restore"; 2]
                } else {
                    ["install"; 2]
                } {
                    let output = tree.rock_wrap([command]).output().unwrap();
                    assert_refused(&output, &tree, "read-only");
                }
                tree.assert_compiles(layout);
                ok(clean("umount").arg(tree.root()));
                before.assert_same(&tree.manifest(), layout);
                tree.restore();
            }
        }
        report!("file systems: read-only bind mount");
    });
}

#[test]
fn a_full_disk_refuses_an_install_and_lets_a_restore_through() {
    with_mounts(
        "a_full_disk_refuses_an_install_and_lets_a_restore_through",
        || {
            for kind in ["tmpfs", "ext4"] {
                for layout in Layout::ALL {
                    let dir = tempfile::tempdir().unwrap();
                    let (at, image) = (dir.path().join("mounted"), dir.path().join("image"));
                    std::fs::create_dir(&at).unwrap();
                    if kind == "tmpfs" {
                        ok(clean("mount")
                            .args(["-t", "tmpfs", "-o", "size=8m", "none"])
                            .arg(&at));
                    } else {
                        std::fs::File::create(&image)
                            .unwrap()
                            .set_len(16 << 20)
                            .unwrap();
                        ok(clean("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image));
                        if !mount(
                            kind,
                            &["-o".as_ref(), "loop".as_ref(), image.as_ref(), at.as_ref()],
                        ) {
                            return;
                        }
                    }
                    let tree = Tree::at(&at.join("rocm"), layout, Compiler::Fake);
                    let original = tree.manifest();
                    let filler = at.join("filler");
                    let fill = || {
                        let mut dd = clean("dd");
                        dd.args(["if=/dev/zero", "bs=4k"])
                            .arg(format!("of={}", filler.display()));
                        assert!(!dd.output().unwrap().status.success(), "it can be filled");
                    };
                    let what = format!("{layout} on a full {kind}");
                    fill();
                    assert_refused(&tree.rock_wrap(["install"]).output().unwrap(), &tree, "");
                    original.assert_same(&tree.manifest(), &what);
                    std::fs::remove_file(&filler).unwrap();
                    tree.install();
                    fill();
                    tree.assert_compiles(&what);
                    tree.restore();
                    original.assert_same(&tree.manifest(), &what);
                    ok(clean("umount").arg(&at));
                }
                report!("file systems: a full {kind}");
            }
        },
    );
}

#[test]
fn a_compiler_that_is_a_mount_of_its_own_is_left_as_it_is() {
    with_mounts(
        "a_compiler_that_is_a_mount_of_its_own_is_left_as_it_is",
        || {
            for layout in [Layout::Regular, Layout::HardLink] {
                let tree = Tree::fake(layout);
                let other = tree.outside("mounted");
                ok(clean("cp")
                    .arg("-a")
                    .args([tree.path("clang"), other.clone()]));
                ok(clean("mount")
                    .arg("--bind")
                    .arg(&other)
                    .arg(tree.path("clang")));
                let before = tree.manifest();
                let output = tree.rock_wrap(["install"]).output().unwrap();
                assert_refused(&output, &tree, "");
                before.assert_same(&tree.manifest(), layout);
                ok(clean("umount").arg(tree.path("clang")));
            }
        },
    );
}

#[track_caller]
fn assert_refused(output: &Output, tree: &Tree, word: &str) {
    let said = stderr(output);
    assert!(
        matches!(output.status.code(), Some(1 | 4)),
        "{}: {said}",
        output.status
    );
    assert!(said.starts_with("rock-wrap: error: "), "{said}");
    assert!(said.contains(tree.root().to_str().unwrap()), "{said}");
    assert!(said.contains(word), "{said}");
}

#[test]
fn any_bytes_in_a_path_are_as_good_as_others() {
    let dir = super::tree::temp_dir();
    let names: [&[u8]; 4] = [
        b"with spaces and 'quotes\" $HOME `id`",
        b"not \xff\xfe utf-8",
        b"a\ttab, a \\backslash\\n and \x7f",
        "\u{e9}\u{4e2d}%41".as_bytes(),
    ];
    for name in names {
        for layout in Layout::ALL {
            let path = dir
                .path()
                .join(OsStr::from_bytes(name))
                .join(layout.to_string());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let tree = Tree::at(&path, layout, Compiler::Fake);
            there_and_back(&tree, &format!("{layout} in {path:?}"), true);
            ok(&mut tree.rock_wrap(["install", "--json", "--dry-run"]));
            ok(clean(env!("CARGO_BIN_EXE_rock-wrap"))
                .args(["explain", "--json", "--"])
                .arg(tree.path("clang"))
                .arg("--version"));
            for args in [
                ["install", "--json"],
                ["install", "--dry-run"],
                ["restore", "--json"],
            ] {
                ok(&mut tree.rock_wrap(args));
            }
        }
    }
}

#[test]
fn a_path_with_a_line_break_is_refused() {
    // clang prints the path of its executable on a line, so it cannot be read back.
    let dir = super::tree::temp_dir();
    for layout in Layout::ALL {
        let path = dir.path().join("a\nb").join(layout.to_string());
        let tree = Tree::at(&path, layout, Compiler::Fake);
        let original = tree.manifest();
        assert_refused(&tree.rock_wrap(["install"]).output().unwrap(), &tree, "");
        original.assert_same(&tree.manifest(), layout);
    }
}

#[test]
fn a_path_as_long_as_the_kernel_takes_works() {
    let dir = super::tree::temp_dir();
    // The longest path in a tree has 4095 bytes; ours are a little longer than the compilers'.
    let mut root = dir.path().to_owned();
    let rest = "/rocm/lib/llvm/bin/.rockwrap-tmp-0123456789abcdef0123456789abcdef";
    while root.as_os_str().len() + 1 + 200 + rest.len() < 4095 {
        root.push("x".repeat(200));
    }
    // A path that is made in one go could be too long for `cp`'s own; so step by step.
    std::fs::create_dir_all(&root).unwrap();
    let tree = Tree::at(&root.join("rocm"), Layout::Symlink, Compiler::Fake);
    there_and_back(&tree, "a long path", true);
}

#[test]
fn a_compiler_name_at_the_length_limit_is_managed_and_a_longer_one_refused() {
    let kept = ".rockwrap-orig-".len();
    for (length, works) in [(255 - kept, true), (256 - kept, false), (255, false)] {
        let tree = Tree::fake(Layout::Regular);
        let name = format!("clang-{}", "1".repeat(length - "clang-".len()));
        ok(clean("cp")
            .arg("-a")
            .args([tree.path("clang"), tree.path(&name)]));
        let original = tree.manifest();
        let mut install = tree.rock_wrap(["install", "--compiler", &name]);
        let output = install.output().unwrap();
        assert_eq!(
            output.status.success(),
            works,
            "{length}: {}",
            stderr(&output)
        );
        if works {
            let out = tree.outside("out");
            ok(clean(tree.path(&name)).arg("-c").arg("-o").arg(&out));
            assert!(std::fs::read(out).unwrap().starts_with(b"C by"));
            tree.restore();
        } else {
            assert_refused(&output, &tree, "");
        }
        original.assert_same(&tree.manifest(), length);
    }
}

#[test]
fn two_trees_side_by_side_do_not_know_of_each_other() {
    for layout in Layout::ALL {
        let dir = super::tree::temp_dir();
        let one = Tree::at(&dir.path().join("rocm-5"), layout, Compiler::Fake);
        let two = Tree::at(&dir.path().join("rocm-6"), layout, Compiler::Fake);
        symlink("rocm-5", dir.path().join("rocm")).unwrap();
        let before = [one.manifest(), two.manifest()];
        one.install();
        before[1].assert_same(&two.manifest(), "the other tree");
        two.install();
        // What the link leads to changes, as with a new release.
        std::fs::remove_file(dir.path().join("rocm")).unwrap();
        symlink("rocm-6", dir.path().join("rocm")).unwrap();
        one.assert_compiles(layout);
        two.assert_compiles(layout);
        one.restore();
        before[0].assert_same(&one.manifest(), layout);
        assert_eq!(two.state(), "wrapped");
        two.restore();
        before[1].assert_same(&two.manifest(), layout);
    }
}

#[test]
fn one_tree_through_two_paths_is_one_tree() {
    for layout in Layout::ALL {
        let dir = super::tree::temp_dir();
        let one = Tree::at(&dir.path().join("rocm-5"), layout, Compiler::Fake);
        let link = dir.path().join("rocm");
        symlink("rocm-5", &link).unwrap();
        // lib/llvm/bin and llvm/bin are one directory too.
        symlink("lib/llvm", one.root().join("llvm")).unwrap();
        let original = one.manifest();
        let other = Tree::fake(layout).moved_to(&link);
        one.install();
        assert_eq!(other.state(), "wrapped");
        other.assert_compiles(layout);
        let wrapped = one.manifest();
        other.install();
        wrapped.assert_same(&one.manifest(), "an install through the other path");
        other.restore();
        original.assert_same(&one.manifest(), layout);
        // And at once.
        let quiet = std::process::Stdio::null;
        let start = |tree: &Tree| {
            let mut command = tree.command(Action::Install);
            command.stdout(quiet()).stderr(quiet()).spawn().unwrap()
        };
        for mut child in [start(&one), start(&other), start(&one), start(&other)] {
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(one.state(), "wrapped");
        one.restore();
        original.assert_same(&one.manifest(), layout);
    }
}

const NOBODY: u32 = 65534;

/// `command` as a user without rights; `None`, said aloud, where this is no root.
fn as_user(user: u32, command: &Command) -> Option<Command> {
    if !rustix::process::geteuid().is_root() {
        report!("SKIPPED: other users: this is not root");
        return None;
    }
    let mut setpriv = clean("setpriv");
    setpriv
        .args(["--reuid", &user.to_string(), "--regid", &user.to_string()])
        .arg("--clear-groups")
        .arg(command.get_program())
        .args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        setpriv.current_dir(dir);
    }
    Some(setpriv)
}

/// A tree that other users can reach, in a directory in which they can write.
fn reachable(layout: Layout) -> Tree {
    let tree = Tree::fake(layout);
    let open = std::fs::Permissions::from_mode(0o1777);
    std::fs::set_permissions(tree.outside(""), open).unwrap();
    tree
}

fn owned_by(tree: &Tree, user: u32) {
    ok(clean("chown")
        .arg("-hR")
        .arg(format!("{user}:{user}"))
        .arg(tree.root()));
}

#[test]
fn an_unprivileged_user_changes_nothing_of_roots_and_builds_with_it() {
    for layout in Layout::ALL {
        let tree = reachable(layout);
        let original = tree.manifest();
        let Some(mut install) = as_user(NOBODY, &tree.rock_wrap(["install"])) else {
            return;
        };
        assert_refused(&install.output().unwrap(), &tree, "no right to write");
        original.assert_same(&tree.manifest(), layout);
        tree.install();
        let wrapped = tree.manifest();
        for args in [&["install"][..], &["restore"]] {
            let output = as_user(NOBODY, &tree.rock_wrap(args))
                .unwrap()
                .output()
                .unwrap();
            // Nothing to do for the install.
            if args == ["restore"] {
                assert_refused(&output, &tree, "right");
            }
            wrapped.assert_same(&tree.manifest(), format!("{layout}, {args:?}"));
        }
        ok(&mut as_user(NOBODY, &tree.rock_wrap(["status"])).unwrap());
        for name in NAMES {
            let mut call = clean(tree.path(name));
            let out = tree.outside(format!("by-nobody-{name}"));
            ok(&mut as_user(NOBODY, call.arg("-c").arg("-o").arg(&out)).unwrap());
            assert_eq!(out.metadata().unwrap().uid(), NOBODY);
        }
        tree.restore();
        original.assert_same(&tree.manifest(), layout);
    }
}

#[test]
fn a_user_wraps_and_restores_a_tree_of_his_own_and_root_can_too() {
    for layout in Layout::ALL {
        let tree = reachable(layout);
        if as_user(NOBODY, &clean("true")).is_none() {
            return;
        }
        owned_by(&tree, NOBODY);
        let original = tree.manifest();
        let run = |by_root: bool, command: &str| {
            let mut call = tree.rock_wrap([command]);
            if !by_root {
                call = as_user(NOBODY, &call).unwrap();
            }
            ok(&mut call);
        };
        for installer in [false, true] {
            for restorer in [false, true] {
                let what = format!("{layout}, by root: {installer}, {restorer}");
                run(installer, "install");
                let shim = tree.path("clang").symlink_metadata().unwrap();
                assert_eq!(
                    (shim.uid(), shim.mode() & 0o7777),
                    (NOBODY, 0o755),
                    "{what}"
                );
                tree.assert_compiles(&what);
                run(restorer, "restore");
                original.assert_same(&tree.manifest(), &what);
            }
        }
    }
}

#[test]
fn a_sticky_directory_keeps_others_files() {
    for layout in Layout::ALL {
        let tree = reachable(layout);
        if as_user(NOBODY, &clean("true")).is_none() {
            return;
        }
        let sticky = std::fs::Permissions::from_mode(0o1777);
        std::fs::set_permissions(tree.bin(), sticky).unwrap();
        let original = tree.manifest();
        let output = as_user(NOBODY, &tree.rock_wrap(["install"]))
            .unwrap()
            .output()
            .unwrap();
        assert_refused(&output, &tree, "sticky");
        original.assert_same(&tree.manifest(), layout);
        // Root and the owner of the files may.
        there_and_back(&tree, "sticky", true);
        owned_by(&tree, NOBODY);
        ok(clean("chown").arg("0:0").arg(tree.bin()));
        let original = tree.manifest();
        ok(&mut as_user(NOBODY, &tree.rock_wrap(["install"])).unwrap());
        tree.assert_compiles(layout);
        ok(&mut as_user(NOBODY, &tree.rock_wrap(["restore"])).unwrap());
        original.assert_same(&tree.manifest(), layout);
    }
}

#[test]
fn no_file_of_ours_can_be_written_by_others_whatever_the_compiler_allows() {
    for layout in Layout::ALL {
        let tree = Tree::fake(layout);
        for name in ["clang", "clang++", "clang-15"] {
            if !tree.path(name).symlink_metadata().unwrap().is_symlink() {
                let open = std::fs::Permissions::from_mode(0o777);
                std::fs::set_permissions(tree.path(name), open).unwrap();
            }
        }
        let original = tree.manifest();
        let mut install = clean("sh");
        install.args(["-c", "umask 0; exec \"$0\" install --rocm-path \"$1\""]);
        ok(install
            .arg(env!("CARGO_BIN_EXE_rock-wrap"))
            .arg(tree.root()));
        for name in [
            ".rockwrap-journal",
            "clang",
            "clang++",
            "clang.9727",
            "clang++.9727",
        ] {
            let mode = tree.path(name).symlink_metadata().unwrap().mode() & 0o7777;
            assert_eq!(mode & 0o7022, 0, "{layout}: {name} has {mode:o}");
        }
        tree.restore();
        original.assert_same(&tree.manifest(), layout);
    }
}

#[test]
fn a_planted_record_leads_nowhere() {
    let victim = "not to be touched";
    for layout in Layout::ALL {
        for plant in ["link", "paths", "writable", "directory", "garbage"] {
            let tree = Tree::fake(layout);
            let original = tree.manifest();
            let outside = tree.outside("victim");
            std::fs::write(&outside, victim).unwrap();
            tree.install();
            let record = tree.path(".rockwrap-journal");
            let text = std::fs::read_to_string(&record).unwrap();
            let remove = || std::fs::remove_file(&record).unwrap();
            match plant {
                "link" => {
                    remove();
                    symlink(&outside, &record).unwrap();
                }
                "paths" => {
                    let text = text.replace("\"clang++\"", "\"../../../../victim\"");
                    std::fs::write(&record, text).unwrap();
                }
                "writable" => {
                    let open = std::fs::Permissions::from_mode(0o666);
                    std::fs::set_permissions(&record, open).unwrap();
                }
                "directory" => {
                    remove();
                    std::fs::create_dir(&record).unwrap();
                }
                _ => std::fs::write(&record, "garbage").unwrap(),
            }
            let what = format!("{layout}, {plant}");
            assert_eq!(tree.state(), "unfinished", "{what}");
            assert!(tree.status()["record_ignored"].is_string(), "{what}");
            let output = tree.restore();
            assert!(stderr(&output).contains(".rockwrap-journal"), "{what}");
            assert_eq!(std::fs::read_to_string(&outside).unwrap(), victim, "{what}");
            if plant == "directory" {
                // Not ours, whatever it is called.
                std::fs::remove_dir(&record).unwrap();
            }
            original.assert_same(&tree.manifest(), what);
        }
    }
}

impl Tree {
    /// The same with the tree looked for at another path.
    fn moved_to(mut self, root: &Path) -> Self {
        self.set_root(PathBuf::from(root));
        self
    }
}
