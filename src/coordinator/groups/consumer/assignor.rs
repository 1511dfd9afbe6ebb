//! Who is to have which partitions.

use std::collections::{BTreeMap, BTreeSet};

use corelog_base::TopicId;

use super::Assignment;

/// The assignors that there are, the default first.
pub(super) const NAMES: [&str; 2] = ["uniform", "range"];

/// How often the heterogeneous case looks for a better place of every partition; each look that
/// moves something evens two loads out, so few are needed.
const PASSES_MAX: usize = 64;

/// What an assignor works with.
pub(super) struct Input<'a> {
    /// Topics that each member reads, and that exist.
    pub(super) members: &'a BTreeMap<String, BTreeSet<TopicId>>,
    /// How many partitions each topic has.
    pub(super) partitions: &'a BTreeMap<TopicId, u32>,
    /// What each was to have before.
    pub(super) before: &'a BTreeMap<String, Assignment>,
}

pub(super) fn assign(name: &str, input: &Input<'_>) -> BTreeMap<String, Assignment> {
    match name {
        "range" => range(input),
        _ => uniform(input),
    }
}

fn partitions(count: u32) -> impl Iterator<Item = i32> {
    (0..count).filter_map(|index| i32::try_from(index).ok())
}

fn readers<'a>(input: &'a Input<'_>, topic: TopicId) -> impl Iterator<Item = &'a String> + Clone {
    let members = input.members.iter();
    members
        .filter(move |(_, topics)| topics.contains(&topic))
        .map(|(id, _)| id)
}

/// Of each topic, a run of neighbours to each member; topics of the same size and readers have the
/// same partitions together.
fn range(input: &Input<'_>) -> BTreeMap<String, Assignment> {
    let mut target = nothing(input);
    for (topic, count) in input.partitions {
        let readers: Vec<&String> = readers(input, *topic).collect();
        if readers.is_empty() {
            continue;
        }
        let each = *count as usize / readers.len();
        let more = *count as usize % readers.len();
        let mut left = partitions(*count);
        for (index, reader) in readers.into_iter().enumerate() {
            let share = each + usize::from(index < more);
            for partition in left.by_ref().take(share) {
                if let Some(assignment) = target.get_mut(reader) {
                    assignment.insert(*topic, partition);
                }
            }
        }
    }
    target
}

fn nothing(input: &Input<'_>) -> BTreeMap<String, Assignment> {
    let members = input.members.keys();
    members
        .map(|id| (id.clone(), Assignment::default()))
        .collect()
}

/// Evenly, and as few partitions as possible change their place.
fn uniform(input: &Input<'_>) -> BTreeMap<String, Assignment> {
    let mut owners: BTreeMap<(TopicId, i32), &String> = BTreeMap::new();
    for (id, topics) in input.members {
        let before = input.before.get(id).into_iter().flat_map(Assignment::each);
        for (topic, partition) in before {
            let count = input.partitions.get(&topic).copied().unwrap_or(0);
            let exists = u32::try_from(partition).is_ok_and(|index| index < count);
            if exists && topics.contains(&topic) {
                owners.entry((topic, partition)).or_insert(id);
            }
        }
    }
    let mut loads: BTreeMap<&String, usize> = input.members.keys().map(|id| (id, 0)).collect();
    for owner in owners.values() {
        *loads.entry(owner).or_default() += 1;
    }
    let mut subscriptions = input.members.values();
    let first = subscriptions.next();
    let same = subscriptions.all(|topics| Some(topics) == first);
    match same {
        true => level(input, &mut owners, &loads),
        false => level_each(input, &mut owners, &mut loads),
    }
    let mut target = nothing(input);
    for ((topic, partition), owner) in owners {
        if let Some(assignment) = target.get_mut(owner) {
            assignment.insert(topic, partition);
        }
    }
    target
}

/// All read the same topics: the least loaded gets what is free, then what the most loaded has.
fn level<'a>(
    input: &'a Input<'_>,
    owners: &mut BTreeMap<(TopicId, i32), &'a String>,
    loads: &BTreeMap<&'a String, usize>,
) {
    let mut by_load: BTreeSet<(usize, &String)> = loads.iter().map(|(id, n)| (*n, *id)).collect();
    let read = input.members.values().next();
    for (topic, count) in input.partitions {
        if !read.is_some_and(|topics| topics.contains(topic)) {
            continue;
        }
        for partition in partitions(*count) {
            if !owners.contains_key(&(*topic, partition))
                && let Some((load, id)) = by_load.pop_first()
            {
                owners.insert((*topic, partition), id);
                by_load.insert((load + 1, id));
            }
        }
    }
    let mut owned: BTreeMap<&String, Vec<(TopicId, i32)>> = BTreeMap::new();
    for (partition, owner) in owners.iter() {
        owned.entry(owner).or_default().push(*partition);
    }
    while let (Some((least, to)), Some((most, from))) = (by_load.first(), by_load.last())
        && *most > *least + 1
    {
        let (least, to, most, from) = (*least, *to, *most, *from);
        let Some(partition) = owned.get_mut(from).and_then(Vec::pop) else {
            break;
        };
        owned.entry(to).or_default().push(partition);
        owners.insert(partition, to);
        by_load.remove(&(least, to));
        by_load.remove(&(most, from));
        by_load.insert((least + 1, to));
        by_load.insert((most - 1, from));
    }
}

/// Members read different topics: each partition goes to the least loaded of its readers.
fn level_each<'a>(
    input: &'a Input<'_>,
    owners: &mut BTreeMap<(TopicId, i32), &'a String>,
    loads: &mut BTreeMap<&'a String, usize>,
) {
    for _ in 0..PASSES_MAX {
        let mut moved = false;
        for (topic, count) in input.partitions {
            let readers: Vec<&String> = readers(input, *topic).collect();
            for partition in partitions(*count) {
                let load = |id: &&String| (loads.get(*id).copied().unwrap_or(0), (*id).clone());
                let Some(least) = readers.iter().copied().min_by_key(load) else {
                    continue;
                };
                let owner = owners.get(&(*topic, partition)).copied();
                let of = |id: &String| loads.get(id).copied().unwrap_or(0);
                if owner.is_none_or(|owner| of(owner) > of(least) + 1) {
                    if let Some(load) = owner.and_then(|owner| loads.get_mut(owner)) {
                        *load -= 1;
                    }
                    *loads.entry(least).or_default() += 1;
                    owners.insert((*topic, partition), least);
                    moved = true;
                }
            }
        }
        if !moved {
            return;
        }
    }
}
