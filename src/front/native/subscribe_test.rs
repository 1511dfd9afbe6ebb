//! Subscriptions: what is pushed, when, and how much.

use std::time::Duration;

use bytes::Bytes;
use corelog_rt::{Runtime, timeout};
use corelog_wire::native::v1::*;
use corelog_wire::native::{FLAG_MORE, FLAG_RESPONSE};

use super::client::{Answer, Client, fetch, part, produce};
use crate::Options;
use crate::node::{Node, batch, check, check_door, values};

const SECOND: Duration = Duration::from_secs(1);
const MORE: u8 = FLAG_RESPONSE | FLAG_MORE;

fn subscribe(credit_bytes: u64, parts: Vec<FetchPart>) -> SubscribeRequest {
    SubscribeRequest {
        credit_bytes,
        bytes_max: 1 << 20,
        parts,
    }
}

/// Of one part.
type Told = (u32, i16, Vec<(i64, String)>);

/// What a frame says: of each part its place, its error, and its records.
fn told(answer: &Answer) -> Vec<Told> {
    let view = answer.view();
    let response = view.read::<SubscribeResponse>().unwrap();
    assert_eq!(response.error, 0);
    let parts = response.parts.iter().map(|sent| {
        let records = values(answer.bytes_of(&sent.fetched));
        let error = sent.fetched.error.to_native();
        (sent.part.to_native(), error, records)
    });
    parts.collect()
}

fn one(part: u32, offset: i64, value: &str) -> Vec<Told> {
    vec![(part, 0, vec![(offset, value.to_owned())])]
}

/// Nothing comes for a second.
async fn is_quiet(client: &mut Client) -> bool {
    let rt = client.runtime().clone();
    timeout(&rt, SECOND, client.frame()).await.is_err()
}

#[test]
fn what_is_committed_is_pushed_without_being_asked_for() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        for core in 0..2 {
            let (mut reader, mut writer) = (
                Client::connect(&node, core).await,
                Client::connect(&node, 0).await,
            );
            let base = i64::from(core) * 5;
            let parts = vec![part(id.0, 0, base), part(id.0, 1, base)];
            let sent = reader.send(&subscribe(1 << 20, parts), Vec::new()).await;
            assert!(is_quiet(&mut reader).await);
            for turn in 0..5 {
                for place in 0..2 {
                    let offset = base + turn;
                    writer.produce(id.0, place, &batch(&["v"])).await;
                    let frame = reader.frame().await.unwrap();
                    assert_eq!(frame.header.correlation, sent);
                    assert_eq!(frame.header.flags, MORE);
                    assert_eq!(told(&frame), one(place as u32, offset, "v"));
                }
            }
        }
    });
}

#[test]
fn who_is_behind_catches_up_in_frames_of_its_size() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        let mut client = Client::connect(&node, 0).await;
        let value = "x".repeat(3000);
        for turn in 0..40 {
            client.produce(id.0, turn % 4, &batch(&[&value])).await;
        }
        let request = SubscribeRequest {
            bytes_max: 10_000,
            ..subscribe(u64::MAX, (0..4).map(|p| part(id.0, p, 0)).collect())
        };
        client.send(&request, Vec::new()).await;
        let mut next = [0; 4];
        while next != [10; 4] {
            let frame = client.frame().await.unwrap();
            assert!(frame.payload().len() <= 10_000);
            for (place, error, records) in told(&frame) {
                assert_eq!(error, 0);
                for (offset, _) in records {
                    assert_eq!(offset, next[place as usize]);
                    next[place as usize] += 1;
                }
            }
            // They take turns, so none is far behind the others.
            let least = next.iter().min().unwrap();
            assert!(next.iter().max().unwrap() - least <= 4, "{next:?}");
        }
        assert!(is_quiet(&mut client).await);
    });
}

#[test]
fn credit_is_overdrawn_by_one_batch_at_most() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        let mut client = Client::connect(&node, 0).await;
        let bytes = batch(&["v"]).len() as u64;
        for _ in 0..6 {
            client.produce(id.0, 0, &batch(&["v"])).await;
        }
        let request = subscribe(bytes + 1, vec![part(id.0, 0, 0)]);
        let subscription = client.send(&request, Vec::new()).await;
        let mut offsets = Vec::new();
        let mut take = async |client: &mut Client, count: usize| {
            while offsets.len() < count {
                for (_, _, records) in told(&client.frame().await.unwrap()) {
                    offsets.extend(records.iter().map(|(offset, _)| *offset));
                }
            }
            assert_eq!(offsets.len(), count);
            assert!(is_quiet(client).await);
        };
        // One byte is left after the first, so a second one is sent, and then none.
        take(&mut client, 2).await;
        for (credit, count) in [(bytes - 2, 2), (1, 2), (1, 3), (3 * bytes, 6)] {
            let request = CreditRequest {
                subscription,
                bytes: credit,
            };
            client.send(&request, Vec::new()).await;
            take(&mut client, count).await;
        }
    });
}

#[test]
fn an_end_is_told_and_later_credit_is_ignored() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        let mut client = Client::connect(&node, 0).await;
        let request = subscribe(1 << 20, vec![part(id.0, 0, 0)]);
        let subscription = client.send(&request, Vec::new()).await;
        client
            .send(&UnsubscribeRequest { subscription }, Vec::new())
            .await;
        let last = client.frame().await.unwrap();
        assert_eq!(
            (last.header.correlation, last.header.flags),
            (subscription, FLAG_RESPONSE)
        );
        assert!(told(&last).is_empty());
        let credit = CreditRequest {
            subscription,
            bytes: 1,
        };
        client.send(&credit, Vec::new()).await;
        client
            .send(&UnsubscribeRequest { subscription }, Vec::new())
            .await;
        client.produce(id.0, 0, &batch(&["v"])).await;
        assert!(is_quiet(&mut client).await);
    });
}

#[test]
fn a_part_ends_by_its_error_and_the_others_go_on() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        let mut client = Client::connect(&node, 0).await;
        let parts = vec![part(id.0, 0, 9), part(id.0, 1, 0), part([3; 16], 0, 0)];
        client.send(&subscribe(1 << 20, parts), Vec::new()).await;
        let mut failed = Vec::new();
        while failed.len() < 2 {
            let frame = client.frame().await.unwrap();
            assert_eq!(frame.header.flags, MORE);
            failed.extend(
                told(&frame)
                    .into_iter()
                    .map(|(part, error, _)| (part, error)),
            );
        }
        failed.sort_unstable();
        assert_eq!(failed, [(0, 1), (2, 100)]);
        let mut other = Client::connect(&node, 1).await;
        other.produce(id.0, 1, &batch(&["v"])).await;
        assert_eq!(told(&client.frame().await.unwrap()), one(1, 0, "v"));
        // The topic goes, and with it the last part.
        other.ask(&DeleteTopicRequest { name: "t".into() }).await;
        let frame = client.frame().await.unwrap();
        let (part, error, _) = told(&frame).remove(0);
        assert!(part == 1 && [3, 100].contains(&error), "{error}");
        let last = client.frame().await.unwrap();
        assert!(last.header.flags == FLAG_RESPONSE && told(&last).is_empty());
    });
}

/// A long poll of the same connection holds up neither pushes nor credit, and pushes hold up no
/// answer.
#[test]
fn a_subscription_and_requests_do_not_hold_each_other_up() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        let mut client = Client::connect(&node, 0).await;
        let request = subscribe(1, vec![part(id.0, 0, 0)]);
        let subscription = client.send(&request, Vec::new()).await;
        let poll = FetchRequest {
            wait_max_ms: 60_000,
            ..fetch(id.0, 1, 0)
        };
        let poll = client.send(&poll, Vec::new()).await;
        let mut writer = Client::connect(&node, 1).await;
        for offset in 0..3 {
            writer.produce(id.0, 0, &batch(&["v"])).await;
            let frame = client.frame().await.unwrap();
            assert_eq!(frame.header.correlation, subscription);
            assert_eq!(told(&frame), one(0, offset, "v"));
            let credit = CreditRequest {
                subscription,
                bytes: batch(&["v"]).len() as u64,
            };
            client.send(&credit, Vec::new()).await;
        }
        writer.produce(id.0, 1, &batch(&["v"])).await;
        assert_eq!(client.frame().await.unwrap().header.correlation, poll);
        // Its own produce is answered and pushed.
        let own = batch(&["own"]).freeze();
        let sent = client.send(&produce(id.0, 0, own.len()), vec![own]).await;
        let frames = [client.frame().await.unwrap(), client.frame().await.unwrap()];
        let mut found = frames.map(|frame| frame.header.correlation);
        found.sort_unstable();
        assert_eq!(found, [subscription, sent]);
    });
}

#[test]
fn silence_is_broken_by_empty_frames() {
    let door = Options {
        idle_max: Some(20 * SECOND),
        ..Options::default()
    };
    check_door(door, |node| async move {
        let id = node.topic("t", &[]).await;
        // One with credit, one without.
        for credit in [1 << 20, 0] {
            let mut client = Client::connect(&node, 0).await;
            client
                .send(&subscribe(credit, vec![part(id.0, 0, 0)]), Vec::new())
                .await;
            for _ in 0..6 {
                let began = node.runtime().now();
                let frame = client.frame().await.expect("no idle connection");
                assert!(frame.header.flags == MORE && told(&frame).is_empty());
                let took = node.runtime().now().since(began);
                assert!(took > 9 * SECOND && took < 12 * SECOND, "{took:?}");
            }
        }
        let mut idle = Client::connect(&node, 0).await;
        assert!(idle.frame().await.is_none());
    });
}

fn free(node: &Node) -> Vec<u64> {
    let door = node.native_door(0);
    let mut free: Vec<u64> = door.pools().iter().map(|pool| pool.free()).collect();
    free.push(door.stream_bytes_free());
    free
}

#[test]
fn what_a_connection_subscribes_to_is_bounded_and_freed() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        let before = free(&node);
        let mut client = Client::connect(&node, 0).await;
        for _ in 0..64 {
            client
                .send(&subscribe(1 << 20, vec![part(id.0, 0, 0)]), Vec::new())
                .await;
        }
        let refused = client
            .send(&subscribe(1, vec![part(id.0, 0, 0)]), Vec::new())
            .await;
        let frame = client.frame().await.unwrap();
        assert_eq!(
            (frame.header.correlation, frame.header.flags),
            (refused, FLAG_RESPONSE)
        );
        let error = |frame: &Answer| {
            let view = frame.view();
            view.read::<SubscribeResponse>().unwrap().error.to_native()
        };
        assert_eq!(error(&frame), 44);
        let mut hoarder = Client::connect(&node, 0).await;
        let many = vec![part(id.0, 0, 0); 10_000];
        let mut frames = 0;
        loop {
            hoarder.send(&subscribe(0, many.clone()), Vec::new()).await;
            frames += 1;
            let rt = node.runtime().clone();
            if let Ok(frame) = timeout(&rt, SECOND, hoarder.frame()).await {
                assert_eq!(error(&frame.unwrap()), 89);
                break;
            }
        }
        assert!(frames > 1 && frames < 64, "{frames}");
        assert!(free(&node)[3] < before[3] / 2);
        client.close();
        hoarder.close();
        node.runtime().sleep(SECOND).await;
        assert_eq!(free(&node), before);
        assert_eq!(node.native_door(0).counters().connections_open, 0);
    });
}

/// What a client does not take is not piled up.
#[test]
fn a_slow_reader_holds_little_and_is_closed() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        let before = free(&node);
        let (mut reader, mut writer) = (
            Client::connect(&node, 0).await,
            Client::connect(&node, 0).await,
        );
        reader
            .send(&subscribe(u64::MAX, vec![part(id.0, 0, 0)]), Vec::new())
            .await;
        let large = batch(&[&"x".repeat(500_000)]);
        for _ in 0..100 {
            writer.produce(id.0, 0, &large).await;
        }
        let held = before[2] - free(&node)[2];
        assert!(held <= 4 << 20, "{held}");
        node.runtime().sleep(40 * SECOND).await;
        assert_eq!(node.native_door(0).counters().connections_expired, 1);
        assert_eq!(free(&node), before);
    });
}

#[test]
fn an_id_that_is_in_use_closes() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        let mut client = Client::connect(&node, 0).await;
        let request = subscribe(1, vec![part(id.0, 0, 0)]);
        let frame = corelog_wire::native::encode(7, 0, &request, Vec::<Bytes>::new()).unwrap();
        client.send_raw(frame.clone()).await;
        client.send_raw(frame).await;
        assert!(client.frame().await.is_none());
    });
}
