//! Collects the ingredients of a report's calls.
//!
//! Owns: the numbers of words, files and groups, and what a call takes over from an earlier report.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use super::ingredients::{CallIngredients, CompilerParts, Ingredients};
use super::stored::StoredReport;
use super::{ObservedCall, Unit, show};
use crate::launcher::CacheOutcome;

/// Gives numbers to things that may occur more than once.
struct Numbers<T> {
    of: HashMap<T, u32>,
    list: Vec<T>,
}

impl<T: Clone + Eq + Hash> Numbers<T> {
    fn new() -> Self {
        Self {
            of: HashMap::new(),
            list: Vec::new(),
        }
    }

    fn number(&mut self, thing: T) -> u32 {
        if let Some(number) = self.of.get(&thing) {
            return *number;
        }
        let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.of.insert(thing.clone(), number);
        self.list.push(thing);
        number
    }
}

/// Collects the ingredients of `calls`, which are `units` in the same order, and puts them into the units. What a hit
/// does not reveal is taken from `earlier`.
pub fn collect(
    calls: &[&ObservedCall],
    units: &mut [Unit],
    compilers: Vec<CompilerParts>,
    earlier: Option<&StoredReport>,
) -> Ingredients {
    let (mut words, mut files) = (Numbers::new(), Numbers::new());
    // The watcher stores equal files only once, so most are recognised by their address, without comparing texts.
    let mut seen = HashMap::<*const (PathBuf, String), u32>::new();
    let known = earlier.map(Known::of);
    let mut lists = Vec::<Vec<u32>>::with_capacity(units.len());
    for (call, unit) in calls.iter().zip(units.iter_mut()) {
        lists.push(Vec::new());
        if !unit.launched {
            continue;
        }
        let mut made_of = CallIngredients::default();
        if let Some(given) = &call.given {
            let mut numbers = |list: &[Arc<str>]| -> Vec<u32> {
                { list.iter() }
                    .map(|word| words.number(word.to_string()))
                    .collect()
            };
            made_of.arguments = Some(numbers(&given.words));
            made_of.environment = Some(numbers(&given.environment));
        }
        let mut list = call.texts.as_ref().map(|texts| {
            made_of.literals.clone_from(&texts.literals);
            (made_of.unnamed, made_of.dated) = (texts.unnamed, texts.dated);
            let number = |file: &Arc<(PathBuf, String)>| {
                let add = || files.number((show(&file.0), file.1.clone()));
                *seen.entry(Arc::as_ptr(file)).or_insert_with(add)
            };
            texts.files.iter().map(number).collect::<Vec<u32>>()
        });
        let found = !call.compiled
            && unit
                .outcome
                .is_none_or(|outcome| outcome == CacheOutcome::Hit);
        let arguments = call
            .given
            .as_ref()
            .map(|given| given.words.iter().map(|word| &**word));
        if let Some((old, earlier)) = known.as_ref().zip(earlier).filter(|_| found)
            && let Some(old) = old.find(unit, arguments)
        {
            let parts = earlier.parts();
            let mut renumbered = |list: &Option<Vec<u32>>| {
                let texts = list
                    .as_ref()?
                    .iter()
                    .filter_map(|word| parts.words.get(*word as usize));
                Some(
                    texts
                        .map(|word| words.number(word.clone()))
                        .collect::<Vec<u32>>(),
                )
            };
            if made_of.arguments.is_none() {
                made_of.arguments = renumbered(&old.arguments);
                made_of.environment = renumbered(&old.environment);
            }
            if list.is_none() {
                made_of.literals.clone_from(&old.literals);
                (made_of.unnamed, made_of.dated) = (old.unnamed, old.dated);
                let inherited = parts.files_of(old);
                list = inherited.map(|list| {
                    list.into_iter()
                        .map(|file| files.number(file.clone()))
                        .collect()
                });
            }
        }
        if let Some(list) = list {
            made_of.groups = Some(Vec::new());
            lists.last_mut().expect("just pushed").extend(list);
        }
        unit.made_of = Some(made_of);
    }
    let groups = group(&lists, files.list.len());
    let mut group_of = vec![0; files.list.len()];
    for (number, group) in (0..).zip(&groups) {
        group
            .iter()
            .for_each(|file| group_of[*file as usize] = number);
    }
    for (unit, list) in units.iter_mut().zip(&lists) {
        if let Some(own) = unit
            .made_of
            .as_mut()
            .and_then(|made_of| made_of.groups.as_mut())
        {
            let set: BTreeSet<u32> = list.iter().map(|file| group_of[*file as usize]).collect();
            own.extend(set);
        }
    }
    Ingredients {
        compilers,
        words: words.list,
        files: files.list,
        groups,
    }
}

/// Groups the files that occur in exactly the same lists.
fn group(lists: &[Vec<u32>], files: usize) -> Vec<Vec<u32>> {
    let mut signatures = vec![0_u64; files];
    for (index, list) in lists.iter().enumerate() {
        for file in list.iter().collect::<BTreeSet<_>>() {
            let signature = &mut signatures[*file as usize];
            let mut hasher = DefaultHasher::new();
            (*signature, index).hash(&mut hasher);
            *signature = hasher.finish();
        }
    }
    let mut groups = BTreeMap::<u64, Vec<u32>>::new();
    for (file, signature) in (0..).zip(signatures) {
        groups.entry(signature).or_default().push(file);
    }
    groups.into_values().collect()
}

/// The calls of an earlier report, by what they compile.
struct Known<'a> {
    report: &'a StoredReport,
    by_path: HashMap<(Option<String>, Option<&'a str>), Vec<usize>>,
}

impl<'a> Known<'a> {
    fn of(report: &'a StoredReport) -> Self {
        let mut by_path = HashMap::<_, Vec<usize>>::new();
        for (index, unit) in report.units.iter().enumerate() {
            let key = (unit.path(), unit.output.as_deref());
            by_path.entry(key).or_default().push(index);
        }
        Self { report, by_path }
    }

    /// The ingredients of the same compile: same source, output and arguments. Without `arguments`, the match must be
    /// unique.
    fn find<'w>(
        &self,
        unit: &Unit,
        arguments: Option<impl Iterator<Item = &'w str>>,
    ) -> Option<&'a CallIngredients> {
        let key = (unit.path(), unit.output.as_deref());
        let candidates = self.by_path.get(&key)?.iter();
        let candidates = candidates.filter_map(|index| self.report.units[*index].made_of.as_ref());
        let candidates: Vec<_> = candidates.collect();
        let Some(arguments) = arguments else {
            return candidates
                .first()
                .copied()
                .filter(|_| candidates.len() == 1);
        };
        let arguments: Vec<&str> = arguments.collect();
        let same = |own: &&CallIngredients| {
            let words = own.arguments.as_ref();
            words.is_none_or(|words| self.report.parts().texts(words) == arguments)
        };
        candidates.into_iter().find(same)
    }
}
