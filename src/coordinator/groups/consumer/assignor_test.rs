//! Assignors: balance, stickiness, and nothing twice.

use std::collections::{BTreeMap, BTreeSet};

use corelog_base::{Random, TopicId};

use super::Assignment;
use super::assignor::{Input, assign};

fn topic(index: u8) -> TopicId {
    TopicId([index + 1; 16])
}

fn members(subscriptions: &[&[u8]]) -> BTreeMap<String, BTreeSet<TopicId>> {
    let all = subscriptions.iter().enumerate();
    all.map(|(index, topics)| {
        let topics = topics.iter().map(|t| topic(*t)).collect();
        (format!("m{index:04}"), topics)
    })
    .collect()
}

fn topics(counts: &[u32]) -> BTreeMap<TopicId, u32> {
    (0u8..).map(topic).zip(counts.iter().copied()).collect()
}

/// Every partition that has readers has one of them.
fn check(input: &Input<'_>, target: &BTreeMap<String, Assignment>) {
    let mut seen = BTreeSet::new();
    for (id, assignment) in target {
        for (topic, partition) in assignment.each() {
            assert!(seen.insert((topic, partition)), "two owners");
            assert!(input.members[id].contains(&topic), "not a reader");
        }
    }
    let read = |topic: &TopicId| input.members.values().any(|topics| topics.contains(topic));
    let expected: u32 = input
        .partitions
        .iter()
        .filter(|(t, _)| read(t))
        .map(|(_, n)| n)
        .sum();
    assert_eq!(seen.len(), expected as usize);
}

fn sizes(target: &BTreeMap<String, Assignment>) -> Vec<usize> {
    target.values().map(Assignment::len).collect()
}

#[test]
fn range_gives_neighbours() {
    let (members, partitions) = (members(&[&[0, 1], &[0, 1]]), topics(&[3, 3]));
    let before = BTreeMap::new();
    let input = Input {
        members: &members,
        partitions: &partitions,
        before: &before,
    };
    let target = assign("range", &input);
    check(&input, &target);
    let first: Vec<_> = target["m0000"].each().collect();
    assert_eq!(
        first,
        [(topic(0), 0), (topic(0), 1), (topic(1), 0), (topic(1), 1)]
    );
}

#[test]
fn uniform_moves_only_what_it_must() {
    let partitions = topics(&[100, 7]);
    let ten = members(&[&[0, 1][..]; 10]);
    let eleven = members(&[&[0, 1][..]; 11]);
    let nothing = BTreeMap::new();
    let input = Input {
        members: &ten,
        partitions: &partitions,
        before: &nothing,
    };
    let first = assign("uniform", &input);
    check(&input, &first);
    let counts = sizes(&first);
    assert!(counts.iter().all(|n| (10..=11).contains(n)), "{counts:?}");
    let input = Input {
        members: &eleven,
        partitions: &partitions,
        before: &first,
    };
    let second = assign("uniform", &input);
    check(&input, &second);
    let counts = sizes(&second);
    assert!(counts.iter().all(|n| (9..=10).contains(n)), "{counts:?}");
    let lost: usize = first.iter().map(|(id, a)| a.minus(&second[id]).len()).sum();
    assert_eq!(lost, second["m0010"].len());
}

#[test]
fn uniform_evens_out_among_readers_of_different_topics() {
    let mut random = Random::new(7);
    for _ in 0..200 {
        let topic_count = random.below(5) + 1;
        let counts: Vec<u32> = (0..topic_count)
            .map(|_| random.below(9) as u32 + 1)
            .collect();
        let subscriptions: Vec<Vec<u8>> = (0..random.below(6) + 1)
            .map(|_| {
                let topics = 0..u8::try_from(topic_count).unwrap();
                topics.filter(|_| random.chance(600)).collect()
            })
            .collect();
        let subscriptions: Vec<&[u8]> = subscriptions.iter().map(Vec::as_slice).collect();
        let (members, partitions) = (members(&subscriptions), topics(&counts));
        let before = BTreeMap::new();
        let input = Input {
            members: &members,
            partitions: &partitions,
            before: &before,
        };
        let target = assign("uniform", &input);
        check(&input, &target);
        // Nobody could take a partition of one who has two more.
        for (id, assignment) in &target {
            for (topic, _) in assignment.each() {
                let others = target
                    .iter()
                    .filter(|(other, _)| members[*other].contains(&topic));
                let least = others.map(|(_, a)| a.len()).min().unwrap();
                assert!(assignment.len() <= least + 1, "{id} has too many");
            }
        }
    }
}
