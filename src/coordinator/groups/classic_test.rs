//! Classic groups.

use std::time::Duration;

use super::testing::*;
use super::*;
use crate::Error;

#[test]
fn a_first_group_waits_for_more_members_and_one_of_them_leads() {
    let mut bench = Bench::new();
    let first = bench.ask(Request::Join(join("g", "", &["range", "sticky"])));
    bench.pass_ms(2_000);
    let second = bench.ask(Request::Join(join("g", "", &["sticky"])));
    assert_eq!(bench.state("g"), Ok("PreparingRebalance"));
    // The second came within the delay, so it is waited for more.
    bench.pass_ms(2_000);
    assert_eq!(bench.answer(first), None);
    bench.pass_ms(2_000);
    let (first, second) = (bench.joined(first), bench.joined(second));
    assert_eq!((first.generation, second.generation), (1, 1));
    assert_eq!(first.protocol, "sticky");
    assert_eq!(first.leader, second.leader);
    let (leader, other) = match first.leader == first.member {
        true => (&first, &second),
        false => (&second, &first),
    };
    assert_eq!((leader.members.len(), other.members.len()), (2, 0));

    let waits = bench.sync(other, &[]);
    assert_eq!(bench.answer(waits), None);
    let led = bench.sync(
        leader,
        &[(&other.member, b"theirs"), (&leader.member, b"mine")],
    );
    for (token, expected) in [(waits, &b"theirs"[..]), (led, b"mine")] {
        match bench.answer(token) {
            Some(Ok(Reply::Synced(synced))) => assert_eq!(synced.assignment, expected),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bench.state("g"), Ok("Stable"));
    assert!(is_done(&bench.heartbeat(leader)));
}

#[test]
fn no_delay_is_no_delay() {
    let mut bench = Bench::new();
    bench.settings.groups.initial_delay = Duration::ZERO;
    let first = bench.ask(Request::Join(join("g", "", &["range"])));
    assert_eq!(bench.joined(first).generation, 1);
}

#[test]
fn a_member_that_can_take_an_id_gets_one_first() {
    let mut bench = Bench::new();
    let mut asked = join("g", "", &["range"]);
    asked.abilities.takes_id = true;
    let Ok(Reply::JoinAs(id)) = bench.tell(Request::Join(asked.clone())) else {
        panic!("an id");
    };
    assert!(id.starts_with("c-"), "{id}");
    asked.member = id.clone();
    let token = bench.ask(Request::Join(asked.clone()));
    bench.pass_ms(3_000);
    assert_eq!(bench.joined(token).member, id);
    // An id that nobody was given, and one whose time is up.
    asked.member = "other".to_owned();
    assert_eq!(bench.tell(Request::Join(asked.clone())), unknown());
    asked.member = String::new();
    let Ok(Reply::JoinAs(late)) = bench.tell(Request::Join(asked.clone())) else {
        panic!("an id");
    };
    bench.pass_ms(10_001);
    asked.member = late;
    assert_eq!(bench.tell(Request::Join(asked)), unknown());
}

#[test]
fn a_rebalance_tells_the_others_and_waits_for_them() {
    let mut bench = Bench::new();
    let old = bench.stable(2);
    let third = bench.ask(Request::Join(join("g", "", &["range"])));
    assert_eq!(bench.heartbeat(&old[0]), Err(Error::RebalanceInProgress));
    let wrong = membership(old[0].generation + 1, &old[0].member);
    let heartbeat = Heartbeat {
        group: "g".to_owned(),
        membership: wrong,
    };
    assert_eq!(
        bench.tell(Request::Heartbeat(heartbeat)),
        Err(Error::IllegalGeneration)
    );
    let back: Vec<_> = old
        .iter()
        .map(|member| bench.ask(Request::Join(join("g", &member.member, &["range"]))))
        .collect();
    let generations: Vec<i32> = back.iter().map(|t| bench.joined(*t).generation).collect();
    assert_eq!(generations, [2, 2]);
    let third = bench.joined(third);
    assert_eq!(third.generation, 2);
    // Before the leader has spoken, offsets of the generation are not known to be its own.
    let early = commit("g", membership(2, &third.member), "t", 1);
    assert_eq!(
        bench.tell(Request::Commit(early)),
        Err(Error::RebalanceInProgress)
    );
}

#[test]
fn who_does_not_join_in_time_is_left_behind() {
    let mut bench = Bench::new();
    let old = bench.stable(2);
    let rejoins = bench.ask(Request::Join(join("g", &old[0].member, &["range"])));
    for _ in 0..7 {
        // It is alive, but does not join.
        let _ = bench.heartbeat(&old[1]);
        bench.pass_ms(9_000);
    }
    assert_eq!(bench.joined(rejoins).members.len(), 1);
    assert_eq!(bench.heartbeat(&old[1]), unknown());
}

#[test]
fn a_silent_member_is_lost_after_its_session() {
    let mut bench = Bench::new();
    let old = bench.stable(1);
    bench.pass_ms(9_999);
    assert!(is_done(&bench.heartbeat(&old[0])));
    bench.pass_ms(9_999);
    assert_eq!(bench.state("g"), Ok("Stable"));
    bench.pass_ms(2);
    assert_eq!(bench.state("g"), Ok("Empty"));
    assert_eq!(bench.heartbeat(&old[0]), unknown());
}

#[test]
fn who_gets_no_assignment_in_time_is_left_behind() {
    let mut bench = Bench::new();
    let token = bench.ask(Request::Join(join("g", "", &["range"])));
    bench.pass_ms(3_000);
    let joined = bench.joined(token);
    for _ in 0..10 {
        let _ = bench.heartbeat(&joined);
        bench.pass_ms(9_000);
    }
    assert_eq!(bench.state("g"), Ok("Empty"));
}

#[test]
fn a_follower_that_joins_again_unchanged_moves_nobody_and_a_leader_moves_all() {
    let mut bench = Bench::new();
    let old = bench.stable(2);
    let again = bench.ask(Request::Join(join("g", &old[1].member, &["range"])));
    let again = bench.joined(again);
    assert_eq!((again.generation, again.members.len()), (1, 0));
    let leads = bench.ask(Request::Join(join("g", &old[0].member, &["range"])));
    assert_eq!(bench.answer(leads), None);
    assert_eq!(bench.state("g"), Ok("PreparingRebalance"));
}

#[test]
fn a_member_without_a_common_protocol_is_refused() {
    let mut bench = Bench::new();
    bench.stable(1);
    for other in [
        join("g", "", &["sticky"]),
        Join {
            protocol_type: "connect".to_owned(),
            ..join("g", "", &["range"])
        },
        join("g", "", &[]),
    ] {
        assert_eq!(
            bench.tell(Request::Join(other)),
            Err(Error::InconsistentProtocol)
        );
    }
}

#[test]
fn bounds_of_sessions_and_members() {
    let mut bench = Bench::new();
    for session_ms in [-1, 5_999, 1_800_001] {
        let asked = Join {
            session_ms,
            ..join("g", "", &["range"])
        };
        let refused = bench.tell(Request::Join(asked));
        assert_eq!(refused, Err(Error::InvalidSessionTimeout));
    }
    // A refused first member leaves no group behind.
    assert_eq!(bench.state("g"), Err(Error::GroupNotFound));
    bench.settings.groups.members_max = 1;
    bench.stable(1);
    let second = bench.tell(Request::Join(join("g", "", &["range"])));
    assert_eq!(second, Err(Error::GroupFull));
}

fn fixed(instance: &str, skips_assignment: bool) -> Join {
    Join {
        instance: Some(instance.to_owned()),
        abilities: Abilities {
            takes_id: true,
            skips_assignment,
        },
        ..join("g", "", &["range"])
    }
}

#[test]
fn a_static_member_comes_back_without_a_rebalance_and_fences_the_one_before() {
    let mut bench = Bench::new();
    let first = bench.ask(Request::Join(fixed("i", true)));
    bench.pass_ms(3_000);
    let first = bench.joined(first);
    let synced = bench.sync(&first, &[(&first.member, b"all")]);
    assert!(bench.answer(synced).is_some());

    for (skips, leader_is_new) in [(true, true), (false, false)] {
        let before = bench.state("g");
        let second = bench.ask(Request::Join(fixed("i", skips)));
        let second = bench.joined(second);
        assert_eq!((second.generation, second.skip_assignment), (1, skips));
        assert_eq!(second.leader == second.member, leader_is_new);
        assert_eq!(bench.state("g"), before);
        let token = bench.sync(&second, &[]);
        match bench.answer(token) {
            Some(Ok(Reply::Synced(synced))) => assert_eq!(synced.assignment, &b"all"[..]),
            other => panic!("{other:?}"),
        }
    }
    let old = Membership {
        instance: Some("i".to_owned()),
        ..membership(1, &first.member)
    };
    let heartbeat = Heartbeat {
        group: "g".to_owned(),
        membership: old.clone(),
    };
    let fenced = Err(Error::FencedInstance);
    assert_eq!(bench.tell(Request::Heartbeat(heartbeat)), fenced);
    assert_eq!(
        bench.tell(Request::Commit(commit("g", old, "t", 1))),
        fenced
    );
}

#[test]
fn leaving_is_per_member() {
    let mut bench = Bench::new();
    let old = bench.stable(2);
    assert_eq!(
        bench.leave("nobody"),
        Ok(Reply::Left(vec![Err(Error::UnknownMember)]))
    );
    assert_eq!(bench.state("g"), Ok("Stable"));
    assert_eq!(bench.leave(&old[1].member), Ok(Reply::Left(vec![Ok(())])));
    assert_eq!(bench.state("g"), Ok("PreparingRebalance"));
    assert_eq!(bench.leave(&old[0].member), Ok(Reply::Left(vec![Ok(())])));
    assert_eq!(bench.state("g"), Ok("Empty"));
}

#[test]
fn a_group_outlives_its_coordinator() {
    let mut bench = Bench::new();
    let old = bench.stable(2);
    bench.reload();
    assert_eq!(bench.state("g"), Ok("Stable"));
    for member in &old {
        assert!(is_done(&bench.heartbeat(member)));
    }
    bench.pass_ms(10_001);
    assert_eq!(bench.state("g"), Ok("Empty"));
    bench.reload();
    assert_eq!(bench.state("g"), Ok("Empty"));
    // Generations go on where they were.
    let token = bench.ask(Request::Join(join("g", "", &["range"])));
    bench.pass_ms(3_000);
    assert!(bench.joined(token).generation > 2);
}
