//! Checks the links between the documents.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::golden::source;

/// Every document: three at the top, and all below `docs`.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![source("docs")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(source));
    found.sort();
    found
}

/// A document's lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// The targets of a line's links: `[text](target)` and `[name]: target`, outside of code.
fn targets(line: &str) -> Vec<String> {
    let outside: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
    let inline = outside.split("](").skip(1);
    let mut found: Vec<String> = inline
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .collect();
    if let Some((_, target)) = outside
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]: "))
    {
        found.push(target.trim().to_owned());
    }
    found
}

/// The anchors of a document, as GitHub derives them from its headings.
fn anchors(text: &str) -> HashSet<String> {
    let mut found = HashSet::new();
    for line in prose(text).filter(|line| line.starts_with('#')) {
        let heading = line.trim_start_matches('#').trim();
        let slug: String = heading
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let mut anchor = slug.clone();
        for again in 1.. {
            if found.insert(anchor) {
                break;
            }
            anchor = format!("{slug}-{again}");
        }
    }
    found
}

/// What is wrong with a link in `document`, if anything.
fn broken(document: &Path, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let to = match path {
        "" => document.to_owned(),
        path => document.parent().unwrap().join(path),
    };
    if !to.exists() {
        return Some(format!("{}: {target}: no such file", document.display()));
    }
    if anchor.is_empty() || anchors(&fs::read_to_string(&to).unwrap()).contains(anchor) {
        return None;
    }
    Some(format!("{}: {target}: no such heading", document.display()))
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for target in prose(&text).flat_map(targets) {
            seen += 1;
            wrong.extend(broken(&document, &target));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 20, "only {seen} links were found");
}

#[test]
fn every_document_can_be_reached_from_the_readme() {
    let mut reached = HashSet::new();
    let mut next = vec![source("README.md")];
    while let Some(document) = next.pop() {
        if !reached.insert(document.canonicalize().unwrap()) {
            continue;
        }
        let text = fs::read_to_string(&document).unwrap();
        for target in prose(&text).flat_map(targets) {
            let path = target.split('#').next().unwrap();
            let to = document.parent().unwrap().join(path);
            if path.ends_with(".md") && to.exists() {
                next.push(to);
            }
        }
    }
    for document in documents() {
        let path = document.canonicalize().unwrap();
        assert!(
            reached.contains(&path),
            "nothing leads to {}",
            path.display()
        );
    }
}

#[test]
fn broken_links_are_noticed() {
    let readme = source("README.md");
    assert!(broken(&readme, "docs/no-such-page.md").is_some());
    assert!(broken(&readme, "README.md#no-such-heading").is_some());
    assert!(broken(&readme, "README.md#rock-wrap").is_none());
    assert_eq!(
        targets("see [a](b.md#c), `[d](e)` and [f](g)"),
        ["b.md#c", "g"]
    );
    let repeated = anchors("# A b\n## A `b`!\n```\n# no\n```\n");
    assert_eq!(
        repeated,
        HashSet::from(["a-b".to_owned(), "a-b-1".to_owned()])
    );
}
