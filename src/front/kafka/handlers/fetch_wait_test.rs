//! Polls that wait: until when, and what they hold meanwhile.

use std::time::Duration;

use corelog_base::TopicId;
use corelog_rt::Runtime;
use corelog_wire::kafka::FetchResponse;

use super::fetch_test::{filled, partition, request, told};
use crate::node::{Node, batch, check};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn waits_for_enough_bytes_or_for_the_time() {
    check(|node| async move {
        let id = filled(&node, "t").await;
        let (mut reader, mut writer) = (node.client(0).await, node.client(1).await);
        let mut poll = request(
            "t",
            id,
            vec![partition(0, 6), partition(1, 0), partition(2, 0)],
        );
        let started = node.runtime().now();
        let body = reader.ask(13, &poll).await;
        let waited = node.runtime().now().since(started);
        assert!(waited >= SECOND / 2 && waited < SECOND, "{waited:?}");
        let response = FetchResponse::decode(13, &body).unwrap();
        assert!(told(&response).iter().all(|told| told.3.is_empty()));
        // One byte is enough, from whichever core.
        for index in [1, 2] {
            poll.max_wait_ms = 60_000;
            reader.send(13, &poll).await;
            node.runtime().sleep(SECOND).await;
            writer.produce("t", index, &batch(&["new"])).await;
            let started = node.runtime().now();
            let frame = reader.frame().await.unwrap();
            assert!(node.runtime().now().since(started) < SECOND);
            assert!(frame.windows(3).any(|w| w == b"new"));
            poll = request(
                "t",
                id,
                vec![partition(0, 6), partition(1, 1), partition(2, 0)],
            );
        }
        // Two batches are needed to pass the minimum.
        let mut poll = request("t", id, vec![partition(3, 0)]);
        poll.max_wait_ms = 60_000;
        poll.min_bytes = 100;
        reader.send(13, &poll).await;
        writer.produce("t", 3, &batch(&["one"])).await;
        node.runtime().sleep(SECOND).await;
        let started = node.runtime().now();
        writer.produce("t", 3, &batch(&["two"])).await;
        let frame = reader.frame().await.unwrap();
        assert!(node.runtime().now().since(started) < SECOND);
        assert!(frame.windows(3).any(|w| w == b"one") && frame.windows(3).any(|w| w == b"two"));
    });
}

/// How long an empty partition is waited for, and what is taken meanwhile of each pool.
async fn poll(node: &Node, id: TopicId, parts: usize, bytes_min: i32) -> (Duration, [u64; 3]) {
    let pools = node.door(0).pools();
    let free = pools.clone().map(|pool| pool.free());
    let mut reader = node.client(0).await;
    let mut poll = request("t", id, vec![partition(3, 0); parts]);
    (poll.max_wait_ms, poll.min_bytes) = (60_000, bytes_min);
    let started = node.runtime().now();
    reader.send(13, &poll).await;
    node.runtime().sleep(SECOND / 20).await;
    let during = pools.clone().map(|pool| pool.free());
    reader.frame().await.unwrap();
    let waited = node.runtime().now().since(started);
    assert_eq!(pools.map(|pool| pool.free()), free);
    let taken = [0, 1, 2].map(|pool| free[pool] - during[pool]);
    (waited, taken)
}

/// A small poll holds nothing that others need, so any number of them may wait; one that holds
/// memory waits for a moment only.
#[test]
fn who_waits_long_holds_no_memory_that_others_need() {
    check(|node| async move {
        let id = filled(&node, "t").await;
        let (waited, taken) = poll(&node, id, 1, 1).await;
        assert!(waited >= 60 * SECOND, "{waited:?}");
        assert_eq!(taken, [0; 3]);
        let (waited, taken) = poll(&node, id, 1000, 1).await;
        assert!(waited < SECOND, "{waited:?}");
        assert!(taken[1] > 64 << 10 && taken[2] == 0, "{taken:?}");
        let (waited, taken) = poll(&node, id, 1, 1 << 20).await;
        assert!(waited < SECOND, "{waited:?}");
        assert_eq!(taken, [0, 0, 1 << 20]);
    });
}

/// More came at once than a poll may read that waits on its own memory.
#[test]
fn who_wakes_reads_as_much_as_is_there() {
    check(|node| async move {
        let id = filled(&node, "t").await;
        let (mut reader, mut writer) = (node.client(0).await, node.client(0).await);
        let mut poll = request("t", id, vec![partition(3, 0)]);
        poll.max_wait_ms = 60_000;
        reader.send(13, &poll).await;
        node.runtime().sleep(SECOND).await;
        let value = "x".repeat(300_000);
        writer.produce("t", 3, &batch(&[&value, "last"])).await;
        let frame = reader.frame().await.unwrap();
        assert!(frame.windows(4).any(|w| w == b"last"));
        assert_eq!(
            node.door(0).pools().map(|pool| pool.free()),
            node.door(0).pools().map(|pool| pool.total())
        );
    });
}
