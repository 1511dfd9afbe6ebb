//! One member's next step to its target.

use std::collections::BTreeMap;

use corelog_base::TopicId;

use super::Assignment;
use super::member::{Phase, Standing};

/// What a step depends on.
pub(super) struct Target<'a> {
    pub(super) epoch: i32,
    pub(super) assignment: &'a Assignment,
    /// What the member says that it has; None if it does not say.
    pub(super) owned: Option<&'a Assignment>,
    /// Who has a partition, or has yet to let go of it.
    pub(super) owners: &'a BTreeMap<(TopicId, i32), String>,
}

/// Where the member stands next. Partitions that it must let go of come first; until it has said
/// that it did, it stays in its epoch. Then it gets what is free.
pub(super) fn next(standing: &Standing, target: &Target<'_>) -> Standing {
    let done = standing.epoch == target.epoch;
    match standing.phase {
        Phase::Stable if done => standing.clone(),
        Phase::Unrevoked if still_has(&standing.revoking, target.owned) => standing.clone(),
        _ => advance(standing, target),
    }
}

/// Whether a member that says this may still have some of them.
fn still_has(revoking: &Assignment, owned: Option<&Assignment>) -> bool {
    owned.is_none_or(|owned| !owned.and(revoking).is_empty())
}

fn advance(standing: &Standing, target: &Target<'_>) -> Standing {
    let keeps = standing.assigned.and(target.assignment);
    let revoking = standing.assigned.minus(target.assignment);
    if !revoking.is_empty() && still_has(&revoking, target.owned) {
        return Standing {
            phase: Phase::Unrevoked,
            assigned: keeps,
            revoking,
            ..standing.clone()
        };
    }
    let wanted = target.assignment.minus(&standing.assigned);
    // What it is about to let go of is its own still; what it has just let go of is free.
    let free = |topic, partition| {
        let owner = target.owners.get(&(topic, partition));
        owner.is_none() || standing.revoking.contains(topic, partition)
    };
    let granted: Assignment = wanted.each().filter(|(t, p)| free(*t, *p)).collect();
    let phase = match granted.len() < wanted.len() {
        true => Phase::Unreleased,
        false => Phase::Stable,
    };
    Standing {
        epoch: target.epoch,
        previous: match standing.epoch == target.epoch {
            true => standing.previous,
            false => standing.epoch,
        },
        phase,
        assigned: keeps.plus(&granted),
        revoking: Assignment::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: TopicId = TopicId([1; 16]);

    fn some(partitions: &[i32]) -> Assignment {
        partitions.iter().map(|p| (T, *p)).collect()
    }

    #[test]
    fn lets_go_before_it_gets() {
        let standing = Standing {
            epoch: 1,
            assigned: some(&[0, 1]),
            ..Standing::default()
        };
        let mine = |p: i32| ((T, p), "me".to_owned());
        let owners: BTreeMap<_, _> = [mine(0), mine(1), ((T, 2), "other".to_owned())].into();
        let target = some(&[1, 2, 3]);
        let ask = |standing: &Standing, owned: Option<&Assignment>, owners| {
            next(
                standing,
                &Target {
                    epoch: 2,
                    assignment: &target,
                    owned,
                    owners,
                },
            )
        };
        let first = ask(&standing, None, &owners);
        assert_eq!((first.phase, first.epoch), (Phase::Unrevoked, 1));
        assert_eq!(
            (&first.assigned, &first.revoking),
            (&some(&[1]), &some(&[0]))
        );
        assert_eq!(ask(&first, None, &owners), first);
        assert_eq!(ask(&first, Some(&some(&[0, 1])), &owners), first);
        let second = ask(&first, Some(&some(&[1])), &owners);
        assert_eq!(
            (second.phase, second.epoch, second.previous),
            (Phase::Unreleased, 2, 1)
        );
        assert_eq!(second.assigned, some(&[1, 3]));
        let owners: BTreeMap<_, _> = [mine(1), mine(3)].into();
        let third = ask(&second, None, &owners);
        assert_eq!(
            (third.phase, third.assigned),
            (Phase::Stable, some(&[1, 2, 3]))
        );
    }
}
