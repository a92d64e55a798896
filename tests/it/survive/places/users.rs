//! Trees of root and of unprivileged users, and who may write to them.

use super::super::tree::{NAMES, Tree, clean, ok, stderr};
use super::super::{alone, report};
use super::{assert_refused, there_and_back};
use crate::support::tree::Layout;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

const NOBODY: u32 = 65534;

/// `program` with `args` and then `command`, in the environment and the working directory of `command`.
fn through(program: &str, args: &[&str], command: &Command) -> Command {
    let mut outer = clean(program);
    outer.args(args).arg(command.get_program());
    outer.args(command.get_args());
    outer.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    if let Some(dir) = command.get_current_dir() {
        outer.current_dir(dir);
    }
    outer
}

/// `command` in a PID namespace of its own where that is possible. Other tests compile as root in directories that an
/// unprivileged user may not look into, and a restore by that user waits for such compiles.
fn by_itself(command: &Command) -> Command {
    let unshare = |command: &Command| {
        let args = ["--pid", "--fork", "--kill-child", "--mount-proc"];
        through("unshare", &args, command)
    };
    if unshare(&clean("true")).output().unwrap().status.success() {
        return unshare(command);
    }
    report!("other users: no PID namespace can be made here");
    through("env", &[], command)
}

/// `command` run as the unprivileged `user`.
fn unprivileged(user: u32, command: &Command) -> Command {
    let user = user.to_string();
    let args = ["--reuid", &user, "--regid", &user, "--clear-groups"];
    through("setpriv", &args, command)
}

/// `command` run as the unprivileged `user`, who sees no process of another test. If the tests do not run as root, prints
/// a line and returns `None`.
fn as_user(user: u32, command: &Command) -> Option<Command> {
    if !rustix::process::geteuid().is_root() {
        report!("SKIPPED: other users: this is not root");
        return None;
    }
    Some(by_itself(&unprivileged(user, command)))
}

/// A tree that other users can reach, in a directory that they can write to.
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
fn an_unprivileged_user_cannot_change_roots_tree_but_builds_with_it() {
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
            // The install succeeds, since it has nothing to do.
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
fn a_users_own_tree_can_be_wrapped_and_restored_by_that_user_and_by_root() {
    let _alone = alone();
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
fn in_a_sticky_directory_only_root_and_the_owner_of_the_files_install() {
    let _alone = alone();
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
        // Root and the owner of the files may install.
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

/// Restores `tree`, its owner's, while a process of root has `alias` among its arguments. The process ends after the
/// restore; or, if the restore is to wait for it, once the original is back, and the tree's alias must be there still.
fn restored_beside_a_process_of_root(tree: &Tree, alias: &Path, waits: bool) {
    let script = r#"
        set -e
        bin=$1 waits=$2
        shift 2
        rm -f ends
        mkfifo ends
        exec 3<>ends
        sh -c 'read line; :' sh "$alias" <&3 &
        process=$!
        trap 'kill "$process" || :' EXIT
        "$@" &
        restore=$!
        if [ "$waits" = true ]; then
            until cmp -s original "$bin/clang"; do :; done
            test -e "$bin/clang.7625"
            echo >&3
        fi
        wait "$restore"
    "#;
    std::fs::copy(tree.path("clang.7625"), tree.outside("original")).unwrap();
    let mut sh = clean("sh");
    sh.args(["-c", script, "sh"])
        .arg(tree.bin())
        .arg(waits.to_string())
        // Not an argument of this shell too.
        .env("alias", alias);
    let restore = unprivileged(NOBODY, &tree.rock_wrap(["restore"]));
    sh.arg(restore.get_program()).args(restore.get_args());
    ok(&mut by_itself(sh.current_dir(tree.outside(""))));
}

#[test]
fn a_users_restore_waits_for_roots_compiles_in_the_same_tree_alone() {
    let [tree, other] = [Layout::Symlink, Layout::Regular].map(reachable);
    if as_user(NOBODY, &clean("true")).is_none() {
        return;
    }
    other.install();
    owned_by(&tree, NOBODY);
    let link = tree.outside("link");
    symlink(tree.root(), &link).unwrap();
    for (alias, waits) in [
        (other.path("clang.7625"), false),
        (link.join("lib/llvm/bin/clang.7625"), true),
    ] {
        let original = tree.manifest();
        tree.install();
        restored_beside_a_process_of_root(&tree, &alias, waits);
        original.assert_same(&tree.manifest(), alias.display());
    }
}

#[test]
fn none_of_our_files_is_writable_by_others_even_if_the_compiler_is() {
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
fn a_planted_record_is_ignored() {
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
                // A directory of this name is not rock-wrap's, so the restore left it.
                std::fs::remove_dir(&record).unwrap();
            }
            original.assert_same(&tree.manifest(), what);
        }
    }
}
