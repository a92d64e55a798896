//! How the arguments of two calls differ.
//!
//! Owns: which two arguments are the same option with another value, and which values name the same directory in
//! another place. Pure.

use std::collections::{BTreeSet, HashMap};

use super::change::Change;
use crate::shared::decision::options;

/// Options that name architectures.
const ARCHITECTURES: [&str; 2] = ["--offload-arch=", "--cuda-gpu-arch="];

/// The differences between the arguments of two calls.
pub(super) fn argument_changes(was: &[String], is: &[String]) -> Vec<Change> {
    let (was, is) = (joined(was), joined(is));
    let (mut gone, mut added) = (difference(&was, &is), difference(&is, &was));
    let mut changes = Vec::new();
    let archs = |words: &mut Vec<String>| -> BTreeSet<String> {
        let arch = |word: &String| {
            let names = ARCHITECTURES
                .iter()
                .find_map(|option| word.strip_prefix(option))?;
            Some(names.split(',').map(ToOwned::to_owned).collect::<Vec<_>>())
        };
        let named = words.iter().filter_map(arch).flatten().collect();
        words.retain(|word| arch(word).is_none());
        named
    };
    let (lost, new) = (archs(&mut gone), archs(&mut added));
    if !lost.is_empty() || !new.is_empty() {
        let both: BTreeSet<_> = lost.intersection(&new).cloned().collect();
        changes.push(Change::Architectures(&new - &both, &lost - &both));
    }
    for old in gone {
        // Of the added words, the one that has the most in common with this word.
        let alike = |new: &String| common_start(&old, new) + common_end(&old, new);
        let best = { 0..added.len() }
            .filter(|at| is_same_option(&old, &added[*at]))
            .max_by_key(|at| alike(&added[*at]));
        changes.push(match best.map(|at| added.remove(at)) {
            Some(new) => moved(&old, &new).unwrap_or(Change::Argument(Some(old), Some(new))),
            None => Change::Argument(Some(old), None),
        });
    }
    changes.extend(
        added
            .into_iter()
            .map(|new| Change::Argument(None, Some(new))),
    );
    changes.sort();
    changes.dedup();
    changes
}

/// Joins each option with its values into one word. Leaves out what rock-wrap derives from the others.
fn joined(words: &[String]) -> Vec<String> {
    let mut words = words.iter();
    let mut joined = Vec::new();
    while let Some(word) = words.next() {
        if word.starts_with("-cuid=") {
            continue;
        }
        let values = options::find(word.as_bytes()).map_or(0, |found| found.values);
        let values = words.by_ref().take(values).map(String::as_str);
        joined.push(
            { [word.as_str()].into_iter() }
                .chain(values)
                .collect::<Vec<_>>()
                .join(" "),
        );
    }
    joined
}

/// The words of `of` that are not in `than`, in any order; repetitions count.
fn difference(of: &[String], than: &[String]) -> Vec<String> {
    let mut left = HashMap::<&str, usize>::new();
    for word in than {
        *left.entry(word).or_default() += 1;
    }
    let more = of.iter().filter(|word| match left.get_mut(word.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    });
    more.cloned().collect()
}

fn is_same_option(one: &str, other: &str) -> bool {
    let name = |word: &str| -> String {
        match word.split_once(['=', ' ']) {
            Some((name, _)) => name.to_owned(),
            None if word.starts_with('-') => word.chars().take(2).collect(),
            None => String::new(),
        }
    };
    name(one) == name(other)
}

fn common_start(one: &str, other: &str) -> usize {
    { one.bytes().zip(other.bytes()) }
        .take_while(|(a, b)| a == b)
        .count()
}

fn common_end(one: &str, other: &str) -> usize {
    let pairs = one.bytes().rev().zip(other.bytes().rev());
    pairs.take_while(|(a, b)| a == b).count()
}

/// Options whose value is a directory.
const DIRECTORIES: [&str; 8] = [
    "-I",
    "-isystem",
    "-iquote",
    "-idirafter",
    "-B",
    "-F",
    "--sysroot",
    "--rocm-path",
];

/// The directory whose name has changed, if the two words differ in nothing else.
fn moved(old: &str, new: &str) -> Option<Change> {
    let start = |word: &str| word.find('/');
    let (was, is) = (old.get(start(old)?..)?, new.get(start(new)?..)?);
    if old.strip_suffix(was) != new.strip_suffix(is) {
        return None;
    }
    let parts = |path: &str| path.split('/').map(ToOwned::to_owned).collect::<Vec<_>>();
    let (was, is) = (parts(was), parts(is));
    let front = { was.iter().zip(&is) }.take_while(|(a, b)| a == b).count();
    let back = was[front..].iter().rev().zip(is[front..].iter().rev());
    let back = back.take_while(|(a, b)| a == b).count();
    let until = |path: &[String]| path[..path.len() - back].join("/");
    // The last component is a file, unless the option takes a directory.
    let is_directory = DIRECTORIES.iter().any(|option| new.starts_with(option));
    (back > 0 || is_directory).then(|| Change::Directory(until(&was), until(&is)))
}
