//! Clients that are older or newer than this broker, and frames that are none.

use bytes::Bytes;
use corelog_wire::native::v1::*;
use corelog_wire::native::{Api, ApiRange, HEADER_BYTES, common, encode, v2};

use super::client::{Answer, Client, fetch, part, produce};
use crate::node::{Node, batch, check, values};

fn hello(ranges: Vec<Range>) -> HelloRequest {
    HelloRequest {
        client: "test".into(),
        software: "test 1".into(),
        ranges,
    }
}

/// The version to use of an API, for a client that speaks `ours`.
async fn agreed(client: &mut Client, ours: Range) -> Option<u16> {
    let api = ours.api;
    let range = |r: &Range| ApiRange {
        api: r.api,
        min: r.min,
        max: r.max,
    };
    let answer = client.ask(&hello(vec![ours.clone()])).await;
    let view = answer.view();
    let hello = view.read::<HelloResponse>().unwrap();
    assert_eq!(hello.error, 0);
    let theirs = hello.ranges.iter().find(|r| r.api == api)?;
    let theirs = ApiRange {
        api,
        min: theirs.min.to_native(),
        max: theirs.max.to_native(),
    };
    common(range(&ours), theirs)
}

async fn client_and_topic(node: &Node) -> (Client, [u8; 16]) {
    let id = node.topic("t", &[]).await;
    (Client::connect(node, 0).await, id.0)
}

#[test]
fn a_client_one_version_behind_works() {
    check(|node| async move {
        let (mut client, id) = client_and_topic(&node).await;
        for api in [Api::Produce, Api::Fetch, Api::Subscribe, Api::ListOffsets] {
            let ours = Range {
                api: api.number(),
                min: 1,
                max: 1,
            };
            assert_eq!(agreed(&mut client, ours).await, Some(1));
        }
        let one = batch(&["one"]).freeze();
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 5000,
            parts: produce(id, 0, one.len()).parts,
        };
        let answer = client.ask_with(&request, vec![one]).await;
        let view = answer.view();
        let response = view.read::<ProduceResponse>().unwrap();
        assert_eq!(response.parts[0].error, 0);
        let (error, found) = client.fetch(id, 0, 0).await;
        assert_eq!(error, 0);
        assert_eq!(values(&found), [(0, "one".to_owned())]);
    });
}

#[test]
fn a_client_one_version_ahead_works() {
    check(|node| async move {
        let (mut client, id) = client_and_topic(&node).await;
        let ours = |api| Range {
            api,
            min: 1,
            max: 3,
        };
        assert_eq!(
            agreed(&mut client, ours(Api::Produce.number())).await,
            Some(2)
        );
        // An API that this broker has never heard of.
        assert_eq!(agreed(&mut client, ours(900)).await, None);
        assert_eq!(client.produce(id, 0, &batch(&["one"])).await, (0, 0));
    });
}

/// The frame of a request, with another API or version in its header.
fn changed(api: u16, version: u16) -> Vec<Bytes> {
    let frame = encode(9, 0, &hello(Vec::new()), Vec::new()).unwrap();
    vec![resealed(&frame.concat(), |frame| {
        frame[4..6].copy_from_slice(&api.to_le_bytes());
        frame[6..8].copy_from_slice(&version.to_le_bytes());
    })]
}

/// Changes a frame without a payload, and makes its checksum right again.
fn resealed(frame: &[u8], change: impl FnOnce(&mut [u8])) -> Bytes {
    let mut frame = frame.to_vec();
    change(&mut frame);
    let meta_bytes = u32::from_le_bytes(frame[16..20].try_into().unwrap()) as usize;
    frame[28..32].fill(0);
    let sum = corelog_base::crc32c(&frame[..HEADER_BYTES + meta_bytes]);
    frame[28..32].copy_from_slice(&sum.to_le_bytes());
    frame.into()
}

#[test]
fn what_is_not_spoken_is_answered_with_what_is() {
    check(|node| async move {
        let mut client = Client::connect(&node, 0).await;
        for (api, version, words) in [
            (6, 3, "api 6 is spoken in versions 1 to 2, and not in 3"),
            (6, 0, "api 6 is spoken in versions 1 to 2, and not in 0"),
            (1, 2, "api 1 is spoken in versions 1 to 1, and not in 2"),
            (8, 3, "api 8 is spoken in versions 1 to 2, and not in 3"),
            (12, 2, "api 12 is spoken in versions 1 to 1, and not in 2"),
            (900, 1, "there is no api 900"),
        ] {
            client.send_raw(changed(api, version)).await;
            let answer = client.frame().await.unwrap();
            let header = answer.header;
            assert_eq!((header.api, header.version, header.correlation), (1, 1, 9));
            let view = answer.view();
            let told = view.read::<HelloResponse>().unwrap();
            assert_eq!(told.error, 35);
            assert_eq!(told.message.as_str(), words);
            assert_eq!(told.ranges.len(), Api::ALL.len());
        }
        // The connection goes on.
        let answer = client.ask(&InitProducerRequest { flags: 0 }).await;
        let view = answer.view();
        assert_eq!(view.read::<InitProducerResponse>().unwrap().error, 0);
    });
}

async fn closes(node: &Node, frame: Bytes) {
    let mut client = Client::connect(node, 0).await;
    client.send_raw(vec![frame]).await;
    assert!(client.frame().await.is_none());
}

#[test]
fn frames_that_contradict_themselves_close_the_connection() {
    check(|node| async move {
        let (_, id) = client_and_topic(&node).await;
        let one = batch(&["one"]).freeze();
        let request = produce(id, 0, one.len());
        let good = encode(1, 0, &request, Vec::new()).unwrap().concat();
        // Its place lies beyond the payload.
        closes(&node, good.clone().into()).await;
        // A flipped bit, a root elsewhere, a length inside the archive.
        let mut flipped = good.clone();
        flipped[HEADER_BYTES + 1] ^= 1;
        closes(&node, flipped.into()).await;
        closes(&node, resealed(&good, |f| f[20] = 0)).await;
        closes(&node, resealed(&good, |f| f[HEADER_BYTES + 40] = 0xff)).await;
        // A response, an unknown flag, another magic, another frame version.
        for (at, byte) in [(3, 1), (3, 4), (0, 0), (2, 2)] {
            closes(&node, resealed(&good, |f| f[at] = byte)).await;
        }
        // Lengths above the caps are refused by the header alone.
        for (at, length) in [(16, (1u32 << 20) + 1), (24, (100 << 20) + 1)] {
            let mut header = good[..HEADER_BYTES].to_vec();
            header[at..at + 4].copy_from_slice(&length.to_le_bytes());
            closes(&node, header.into()).await;
        }
        assert_eq!(node.native_door(0).counters().connections_open, 0);
        assert_eq!(node.native_door(0).pools()[0].free(), 192 << 20);
    });
}

/// Version 2 tells where committed records end, and version 1 is as it was.
#[test]
fn version_2_tells_what_is_committed() {
    check(|node| async move {
        let (mut client, id) = client_and_topic(&node).await;
        client.produce(id, 0, &batch(&["one"])).await;
        for isolation in [v2::UNCOMMITTED, v2::COMMITTED] {
            let request = v2::FetchRequest {
                isolation,
                ..fetch(id, 0, 0).into()
            };
            let answer = client.ask(&request).await;
            let view = answer.view();
            let response = view.read::<v2::FetchResponse>().unwrap();
            let told = &response.parts[0];
            assert_eq!(
                (
                    told.last_stable.to_native(),
                    told.high_watermark.to_native()
                ),
                (1, 1)
            );
            assert!(told.aborted.is_empty() && told.bytes > 0);
            let latest = v2::ListOffsetsRequest {
                isolation,
                parts: vec![ListPart {
                    topic: id,
                    partition: 0,
                    epoch: -1,
                    time: -1,
                }],
            };
            let answer = client.ask(&latest).await;
            let view = answer.view();
            let response = view.read::<v2::ListOffsetsResponse>().unwrap();
            assert_eq!(response.parts[0].offset, 1);
            let request = v2::SubscribeRequest {
                credit_bytes: 1,
                bytes_max: 1,
                isolation,
                parts: vec![part(id, 0, 0)],
            };
            let subscription = client.send(&request, Vec::new()).await;
            let pushed: Answer = client.frame().await.unwrap();
            assert_eq!(pushed.header.correlation, subscription);
            let view = pushed.view();
            let response = view.read::<v2::SubscribeResponse>().unwrap();
            assert_eq!(response.parts[0].fetched.last_stable, 1);
        }
    });
}
