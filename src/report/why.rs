//! Says why calls missed that an earlier build had in the cache: what differs between the two, in words.
//!
//! Owns: which call of the earlier build is the same compile, what differs, and what to do about it. Pure.
//!
//! A call may differ in many ways. It counts for the first of these that applies: the compiler, the architectures, the
//! arguments, the environment, the files that were read. Within one of these it counts for the difference that most
//! other calls share, so that a path that is new in every call is one cause and not hundreds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

mod arguments;
mod change;

use serde::Serialize;

use self::arguments::argument_changes;
use self::change::Change;
use super::Unit;
use super::ingredients::{CallIngredients, CompilerParts};
use super::stored::StoredReport;
use crate::launcher::CacheOutcome;

/// Why a build's calls missed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Why {
    /// The sentence that says what is compared.
    pub text: String,
    /// The number of calls that missed.
    pub missed: usize,
    /// The number of calls that were launched.
    pub launched: usize,
    /// The causes, the one with the most calls first.
    pub causes: Vec<Cause>,
}

/// A cause, and the calls that it made miss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// What kind of cause; stable.
    pub id: &'static str,
    /// What differs.
    pub text: String,
    /// What to do about it.
    pub remedy: Option<&'static str>,
    /// The sources of these calls.
    pub units: Vec<String>,
}

/// Explains the misses of `new` by its differences from `old`. With `unit`, only for calls whose path contains it, and
/// each with everything that differs.
#[must_use]
pub fn explain(new: &StoredReport, old: &StoredReport, unit: Option<&str>) -> Why {
    let same = Same::of(old);
    let wanted = |path: &str| unit.is_none_or(|unit| path.contains(unit));
    let launched: Vec<&Unit> = { new.units.iter() }
        .filter(|unit| unit.launched && wanted(&unit.path().unwrap_or_default()))
        .collect();
    let missed = { launched.iter() }.filter(|unit| unit.outcome == Some(CacheOutcome::Miss));
    let mut compilers = Compilers::default();
    let changes: Vec<(&Unit, Vec<Change>)> = missed
        .map(|unit| (*unit, changes(unit, new, old, &same, &mut compilers)))
        .collect();
    let mut frequency = HashMap::<&Change, usize>::new();
    for change in changes.iter().flat_map(|(_, changes)| changes) {
        *frequency.entry(change).or_default() += 1;
    }
    let mut causes = BTreeMap::<(&Change, Compiled), Vec<String>>::new();
    for (missed, all) in &changes {
        let first = all.iter().map(Change::rank).min();
        let own = all.iter().filter(|change| Some(change.rank()) == first);
        let main = own.min_by_key(|change| (std::cmp::Reverse(frequency[change]), *change));
        let path = missed.path().unwrap_or_default();
        let counted: Vec<&Change> = match unit {
            Some(_) => all.iter().collect(),
            None => main.into_iter().collect(),
        };
        for change in counted {
            let key = (change, compiled(missed, change));
            causes.entry(key).or_default().push(path.clone());
        }
    }
    let mut causes: Vec<Cause> = { causes.into_iter() }
        .map(|((change, compiled), units)| Cause {
            id: change.id(),
            text: match &compiled {
                Compiled::Whole => change.text(),
                Compiled::New => change.text() + ", and the other architectures hit",
                Compiled::Only(what) => change.text() + ", and only " + what + " compiled",
            },
            remedy: match compiled {
                Compiled::New => Some("nothing: only the new architecture was compiled"),
                Compiled::Whole | Compiled::Only(_) => change.remedy(),
            },
            units,
        })
        .collect();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.units.len()));
    Why {
        text: format!(
            "{} of {} launched calls missed, compared with the build of {}",
            changes.len(),
            launched.len(),
            old.session.when()
        ),
        missed: changes.len(),
        launched: launched.len(),
        causes,
    }
}

/// How much of a call had to be compiled, as far as the cause of its miss explains it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Compiled {
    /// All of it, or that is unknown.
    Whole,
    /// Only architectures that are new.
    New,
    /// Only this, in words: architectures and a verb, or the host.
    Only(String),
}

/// How much of a call had to be compiled. If it was split, the launcher has compared each text separately.
fn compiled(unit: &Unit, cause: &Change) -> Compiled {
    let with = |outcome| {
        let parts = unit.parts.iter();
        parts.filter(move |part| part.outcome == outcome)
    };
    let archs: Vec<&str> = with(CacheOutcome::Miss)
        .map(|part| part.arch.as_str())
        .collect();
    // Without a host's part, the parts were not put together.
    let is_split = with(CacheOutcome::Uncached).next().is_some();
    let is_new = |new: &BTreeSet<String>| archs.iter().all(|arch| new.contains(*arch));
    match (cause, &archs[..]) {
        _ if !is_split || with(CacheOutcome::Hit).next().is_none() => Compiled::Whole,
        (Change::Architectures(new, _), [_, ..]) if is_new(new) => Compiled::New,
        _ if !cause.is_of_text() => Compiled::Whole,
        (_, []) => Compiled::Only("the host was".to_owned()),
        (_, [arch]) => Compiled::Only(format!("{arch} was")),
        (_, archs) => Compiled::Only(format!("{} were", archs.join(", "))),
    }
}

/// The differences between a call and the same call of the earlier build.
fn changes(
    unit: &Unit,
    new: &StoredReport,
    old: &StoredReport,
    same: &Same<'_>,
    compilers: &mut Compilers,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let (now, then) = (&new.session, &old.session);
    if now.launcher.kind != then.launcher.kind {
        changes.push(Change::Launcher(
            then.launcher.kind.clone(),
            now.launcher.kind.clone(),
        ));
    }
    let Some(made_of) = &unit.made_of else {
        changes.push(Change::Unrecorded);
        return changes;
    };
    let Some(before) = same.find(unit, made_of, new) else {
        changes.push(Change::New);
        return changes;
    };
    let Some(was_of) = before.made_of.as_ref().filter(|_| before.launched) else {
        changes.push(match &before.reason {
            Some(reason) => Change::Direct(reason.clone()),
            None => Change::Unrecorded,
        });
        return changes;
    };
    let words = |report: &StoredReport, words: &Option<Vec<u32>>| -> Option<Vec<String>> {
        let words = report.parts().texts(words.as_ref()?);
        Some(words.into_iter().map(ToOwned::to_owned).collect())
    };
    let pair =
        |of: fn(&CallIngredients) -> &Option<Vec<u32>>| -> Option<(Vec<String>, Vec<String>)> {
            Some((words(old, of(was_of))?, words(new, of(made_of))?))
        };
    let arguments = pair(|call| &call.arguments);
    if let Some((was, is)) = &arguments {
        changes.extend(compilers.change(was, is, old, new));
        changes.extend(argument_changes(was, is));
    }
    if let Some((was, is)) = pair(|call| &call.environment) {
        changes.extend(variable_changes(&was, &is));
    }
    let files = (old.parts().files_of(was_of), new.parts().files_of(made_of));
    if let (Some(was), Some(is)) = &files {
        changes.extend(file_changes(unit, was, is));
    }
    if made_of.unnamed {
        changes.push(Change::Unnamed);
    } else if made_of.literals != was_of.literals && files.0.is_some() {
        changes.push(if made_of.dated {
            Change::Dated
        } else {
            Change::Literals
        });
    } else if made_of.dated {
        changes.push(Change::Dated);
    }
    if changes.is_empty() {
        changes.push(match before.outcome {
            _ if now.rock_wrap != then.rock_wrap => {
                Change::RockWrap(then.rock_wrap.clone(), now.rock_wrap.clone())
            }
            Some(CacheOutcome::Failed | CacheOutcome::Error | CacheOutcome::Uncached) => {
                Change::Failed
            }
            _ if arguments.is_none() || files.0.is_none() || files.1.is_none() => {
                Change::Unrecorded
            }
            _ if arguments.is_some_and(|(was, is)| was != is) => Change::Order,
            _ if emptied(new, old) => Change::Emptied,
            _ => Change::Evicted,
        });
    }
    changes
}

/// Whether the build began with less than a tenth of what the earlier build left in the cache.
fn emptied(new: &StoredReport, old: &StoredReport) -> bool {
    let before = new.cache.as_ref().and_then(|cache| cache.bytes_before);
    let left = old.cache.as_ref().and_then(|cache| cache.bytes);
    before
        .zip(left)
        .is_some_and(|(before, left)| before < left / 10)
}

/// The differences between compilers, each computed once.
#[derive(Default)]
struct Compilers(HashMap<(String, String), Option<Change>>);

impl Compilers {
    fn change(
        &mut self,
        was: &[String],
        is: &[String],
        old: &StoredReport,
        new: &StoredReport,
    ) -> Option<Change> {
        let named = |words: &[String], compilers: &'_ [CompilerParts]| -> Option<String> {
            let names = words.iter().take(2).map(|word| base(word).to_owned());
            let mut names = names.filter(|name| compilers.iter().any(|one| one.name == *name));
            names.next()
        };
        let (before, now) = (&old.parts().compilers, &new.parts().compilers);
        let key = (named(was, before)?, named(is, now)?);
        let find = || {
            let of = |compilers: &'_ [CompilerParts], name: &str| {
                compilers.iter().find(|one| one.name == *name).cloned()
            };
            compiler_change(&of(before, &key.0)?, &of(now, &key.1)?)
        };
        let found = find();
        self.0.entry(key).or_insert(found).clone()
    }
}

fn compiler_change(was: &CompilerParts, is: &CompilerParts) -> Option<Change> {
    const NAMED: usize = 3;
    if was.fingerprint == is.fingerprint {
        return None;
    }
    let files = |parts: &CompilerParts| -> BTreeSet<(String, String, String)> {
        parts.members.iter().cloned().collect()
    };
    let (before, now) = (files(was), files(is));
    let changed = before.symmetric_difference(&now);
    let mut names: Vec<(usize, String)> = changed
        .map(|(role, name, _)| {
            // The compiler itself tells more about a new release than one of its headers.
            let roles = ["compiler", "shared-object", "program", "config", "bitcode"];
            let rank = roles
                .iter()
                .position(|own| own == role)
                .unwrap_or(roles.len());
            let name = if role == "compiler" {
                "the compiler's executable"
            } else {
                name
            };
            (rank, name.to_owned())
        })
        .collect();
    names.sort();
    names.dedup();
    let count = names.len();
    let shown = { names.into_iter() }.take(NAMED).map(|(_, name)| name);
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if count > NAMED {
        text += &format!(" and {} more files of the compiler", count - NAMED);
    }
    if count == 0 {
        text = "the compiler".to_owned();
    }
    text += " changed";
    if let (Some(old), Some(new)) = (&was.version, &is.version)
        && old != new
    {
        text += &format!(" ({old} -> {new})");
    }
    Some(Change::Compiler(text))
}

fn variable_changes(was: &[String], is: &[String]) -> Vec<Change> {
    let values = |entries: &[String]| -> BTreeMap<String, String> {
        let entries = entries.iter().filter_map(|entry| entry.split_once('='));
        entries
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    };
    let (was, is) = (values(was), values(is));
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let change = |name: &String| {
        let (old, new) = (was.get(name), is.get(name));
        (old != new).then(|| Change::Variable(name.clone(), old.cloned(), new.cloned()))
    };
    names.into_iter().filter_map(change).collect()
}

fn file_changes(unit: &Unit, was: &[&(String, String)], is: &[&(String, String)]) -> Vec<Change> {
    let by_name = |files: &[&(String, String)]| -> HashMap<String, String> {
        files.iter().map(|file| (*file).clone()).collect()
    };
    let (was, is) = (by_name(was), by_name(is));
    let source = unit.source.as_deref().unwrap_or_default();
    let mut changes: Vec<Change> = { is.iter() }
        .filter(|(name, digest)| was.get(*name).is_some_and(|old| old != *digest))
        .map(|(name, _)| match name == source {
            true => Change::Source,
            false => Change::File(name.clone()),
        })
        .collect();
    if changes.is_empty() {
        let only =
            |one: &HashMap<String, String>, other: &HashMap<String, String>| -> Vec<String> {
                { one.keys() }
                    .filter(|name| !other.contains_key(*name))
                    .cloned()
                    .collect()
            };
        changes.extend(
            only(&is, &was)
                .into_iter()
                .map(|name| Change::Read(name, true)),
        );
        changes.extend(
            only(&was, &is)
                .into_iter()
                .map(|name| Change::Read(name, false)),
        );
    }
    changes.sort();
    changes
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Finds the same compile in an earlier build.
struct Same<'a> {
    report: &'a StoredReport,
    /// By source and output: with their directories, as they are spelled, and by their base names.
    by: [HashMap<(String, String), Vec<&'a Unit>>; 3],
}

fn keys(unit: &Unit) -> [(String, String); 3] {
    let text = |path: &Option<String>| path.clone().unwrap_or_default();
    let (source, output) = (text(&unit.source), text(&unit.output));
    let names = (base(&source).to_owned(), base(&output).to_owned());
    let whole = (unit.path().unwrap_or_default(), output.clone());
    [whole, (source, output), names]
}

impl<'a> Same<'a> {
    fn of(report: &'a StoredReport) -> Self {
        let mut by = [const { None }; 3].map(|_: Option<()>| HashMap::<_, Vec<&Unit>>::new());
        for unit in &report.units {
            for (map, key) in by.iter_mut().zip(keys(unit)) {
                map.entry(key).or_default().push(unit);
            }
        }
        Self { report, by }
    }

    /// The earlier call that compiled the same: of several, the one with the most similar arguments. Base names must be
    /// unique.
    fn find(&self, unit: &Unit, made_of: &CallIngredients, new: &StoredReport) -> Option<&'a Unit> {
        let own: BTreeSet<&str> = { made_of.arguments.iter() }
            .flat_map(|words| new.parts().texts(words))
            .collect();
        let in_common = |unit: &&&Unit| {
            let made_of = unit.made_of.as_ref();
            let words = made_of.and_then(|made_of| made_of.arguments.as_ref());
            let words = words
                .map(|words| self.report.parts().texts(words))
                .unwrap_or_default();
            words.into_iter().filter(|word| own.contains(word)).count()
        };
        let found =
            { self.by.iter().zip(keys(unit)).enumerate() }.find_map(|(level, (map, key))| {
                let candidates = map.get(&key)?;
                (level < 2 || candidates.len() == 1).then_some(candidates)
            });
        found?.iter().max_by_key(in_common).copied()
    }
}

#[cfg(test)]
mod tests;
