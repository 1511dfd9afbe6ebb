use super::*;

const NOW: Monotonic = Monotonic(1);

fn key(partition: i32) -> Key {
    Key {
        topic: TopicRef::Id(TopicId([7; 16])),
        partition: PartitionIndex(partition),
    }
}

fn want(partition: i32, offset: i64) -> (Key, Wanted) {
    let wanted = Wanted {
        offset: Offset(offset),
        leader_epoch: None,
        bytes_max: 1,
    };
    (key(partition), wanted)
}

fn told(high_watermark: i64) -> Option<Told> {
    Some(Told {
        high_watermark: Offset(high_watermark),
        log_start: Offset(0),
    })
}

fn asked(id: i32, epoch: i32, wanted: Vec<(Key, Wanted)>) -> Asked {
    Asked {
        id,
        epoch,
        wanted,
        forgotten: Vec::new(),
    }
}

/// A session of partitions 0, 1 and 2, with its first answer given.
fn opened() -> (Sessions, i32) {
    let mut sessions = Sessions::default();
    let wanted = (0..3).map(|n| want(n, 0)).collect();
    let plan = sessions.plan(asked(0, 0, wanted), NOW, 5).unwrap();
    assert_eq!(plan.membership, Membership::New { id: 5 });
    assert_eq!(plan.parts.len(), 3);
    for n in 0..3 {
        assert!(sessions.tell(plan.membership, &key(n), told(0), false));
    }
    (sessions, 5)
}

#[test]
fn an_increment_holds_what_changed() {
    let (mut sessions, id) = opened();
    let plan = sessions
        .plan(asked(id, 1, vec![want(1, 9)]), NOW, 0)
        .unwrap();
    assert_eq!(plan.membership, Membership::Incremental { id });
    assert_eq!(plan.parts, [want(0, 0), want(1, 9), want(2, 0)]);
    let mut tell = |n, told, records| sessions.tell(plan.membership, &key(n), told, records);
    assert!(!tell(0, told(0), false), "nothing new");
    assert!(tell(1, told(3), false), "the high watermark moved");
    assert!(tell(2, None, false), "an error");
    assert!(tell(0, told(0), true), "records");
}

#[test]
fn a_forgotten_partition_is_not_read_and_a_new_one_is_told_once() {
    let (mut sessions, id) = opened();
    let request = Asked {
        forgotten: vec![key(0), key(1)],
        ..asked(id, 1, vec![want(8, 4)])
    };
    let plan = sessions.plan(request, NOW, 0).unwrap();
    assert_eq!(plan.parts, [want(2, 0), want(8, 4)]);
    assert!(sessions.tell(plan.membership, &key(8), told(0), false));
    assert!(!sessions.tell(plan.membership, &key(8), told(0), false));
    assert_eq!(sessions.partitions, 2);
}

#[test]
fn a_partition_that_had_records_is_read_last() {
    let (mut sessions, id) = opened();
    let plan = sessions.plan(asked(id, 1, vec![]), NOW, 0).unwrap();
    sessions.tell(plan.membership, &key(1), told(1), true);
    let plan = sessions.plan(asked(id, 2, vec![]), NOW, 0).unwrap();
    assert_eq!(plan.parts, [want(2, 0), want(0, 0), want(1, 0)]);
}

#[test]
fn unknown_ids_wrong_epochs_and_mixed_names_are_refused() {
    let (mut sessions, id) = opened();
    let mut refused = |asked| sessions.plan(asked, NOW, 0).unwrap_err();
    assert_eq!(refused(asked(id + 1, 1, vec![])), SessionError::NotFound);
    assert_eq!(refused(asked(0, 1, vec![])), SessionError::NotFound);
    assert_eq!(refused(asked(id, 2, vec![])), SessionError::WrongEpoch);
    let named = Key {
        topic: TopicRef::Name("t".into()),
        partition: PartitionIndex(0),
    };
    let wanted = vec![(named, want(0, 0).1)];
    assert_eq!(refused(asked(id, 1, wanted)), SessionError::TopicIds);
}

#[test]
fn a_final_epoch_and_a_full_request_end_the_session() {
    let (mut sessions, id) = opened();
    let plan = sessions
        .plan(asked(id, -1, vec![want(0, 0)]), NOW, 9)
        .unwrap();
    assert_eq!((plan.membership, plan.parts.len()), (Membership::None, 1));
    assert_eq!((sessions.sessions.len(), sessions.partitions), (0, 0));
    let (mut sessions, id) = opened();
    let plan = sessions
        .plan(asked(id, 0, vec![want(0, 0)]), NOW, 9)
        .unwrap();
    assert_eq!(plan.membership, Membership::New { id: 9 });
    assert_eq!((sessions.sessions.len(), sessions.partitions), (1, 1));
}

#[test]
fn a_session_without_partitions_ends() {
    let (mut sessions, id) = opened();
    let request = Asked {
        forgotten: (0..3).map(key).collect(),
        ..asked(id, 1, vec![])
    };
    let plan = sessions.plan(request, NOW, 0).unwrap();
    assert_eq!(plan.membership, Membership::None);
    assert_eq!((sessions.sessions.len(), sessions.partitions), (0, 0));
}

#[test]
fn slots_are_bounded_and_the_unused_make_way() {
    let mut sessions = Sessions::default();
    let mut open = |random: u64, now| {
        let plan = sessions.plan(asked(0, 0, vec![want(0, 0)]), now, random);
        plan.unwrap().membership
    };
    for id in 1..=1000 {
        assert_eq!(open(id, NOW), Membership::New { id: id as i32 });
    }
    assert_eq!(open(1001, NOW), Membership::None);
    let later = NOW + UNUSED_MIN;
    assert_eq!(open(1001, later), Membership::New { id: 1001 });
    assert_eq!((sessions.sessions.len(), sessions.partitions), (1000, 1000));
}

#[test]
fn partitions_are_bounded() {
    let mut sessions = Sessions::default();
    let many: Vec<_> = (0..=PARTITIONS_MAX as i32).map(|n| want(n, 0)).collect();
    let plan = sessions.plan(asked(0, 0, many.clone()), NOW, 1).unwrap();
    assert_eq!(plan.membership, Membership::None);
    sessions
        .plan(asked(0, 0, vec![want(0, 0)]), NOW, 1)
        .unwrap();
    let plan = sessions.plan(asked(1, 1, many), NOW, 1).unwrap();
    assert_eq!(plan.membership, Membership::None);
    assert_eq!((sessions.sessions.len(), sessions.partitions), (0, 0));
}
