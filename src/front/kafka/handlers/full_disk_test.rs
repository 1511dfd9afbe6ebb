//! A disk that fills behind batches that the log has taken already.

use std::time::Duration;

use corelog_base::TopicId;
use corelog_rt::Runtime;
use corelog_wire::kafka::ErrorCode;

use crate::kafka::client::Client;
use crate::node::{Node, batch, check, produce_request, produced};

/// Each sends one batch, too small to go around the journal. Together they are 20 MB, and the
/// journal's first file is 16 MiB.
const CLIENTS: usize = 400;
const VALUE_BYTES: usize = 50_000;

/// Sends one batch over each of many connections, and lets the log take them all: a slow disk has
/// written next to nothing then.
async fn taken(node: &Node) -> Vec<Client> {
    let bytes = batch(&[&"x".repeat(VALUE_BYTES)]);
    let mut request = produce_request("t", TopicId::ZERO, 0, &bytes);
    request.timeout_ms = 60_000;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(node.client(0).await);
    }
    node.slow_disk(100);
    for client in &mut clients {
        client.send(9, &request).await;
    }
    node.runtime().sleep(Duration::from_millis(100)).await;
    clients
}

#[test]
fn what_a_disk_has_no_room_for_is_unknown_at_once_and_written_later() {
    check(|node| async move {
        node.topic("t", &[]).await;
        // The first file is written ahead.
        node.runtime().sleep(Duration::from_secs(5)).await;
        let mut clients = taken(&node).await;
        node.bound_disk(Some(0));
        node.slow_disk(1);
        let started = node.runtime().now();
        let mut codes = Vec::new();
        for client in &mut clients {
            let frame = client.frame().await.unwrap();
            codes.push(produced(&frame[5..]).0);
        }
        let took = node.runtime().now().since(started);
        assert!(
            took < Duration::from_secs(5),
            "the time-out was a minute: {took:?}"
        );
        // A storage error would say that nothing was appended.
        let (none, unknown) = (ErrorCode::NONE, ErrorCode::REQUEST_TIMED_OUT);
        assert!(
            codes.iter().all(|code| [none, unknown].contains(code)),
            "{codes:?}"
        );
        assert!(
            codes.contains(&none) && codes.contains(&unknown),
            "{codes:?}"
        );
        let mut client = node.client(0).await;
        let refused = client.produce("t", 0, &batch(&["two"])).await;
        assert_eq!(refused.0, ErrorCode::KAFKA_STORAGE_ERROR);
        node.bound_disk(None);
        node.runtime().sleep(Duration::from_secs(3)).await;
        let written = client.produce("t", 0, &batch(&["three"])).await;
        assert_eq!(written, (none, CLIENTS as i64));
    });
}
