//! Idempotent producers.

use bytes::BytesMut;
use corelog_base::{ProducerEpoch, ProducerId, TimestampMs, TopicId};
use corelog_record::{BatchBuilder, Codec, ProducerState};
use corelog_wire::kafka::{
    ErrorCode, InitProducerIdRequest, InitProducerIdResponse, ProduceRequest,
};

use crate::node::{Client, check, produce_request, produced};

const NOW: TimestampMs = TimestampMs(1_700_000_000_000);

/// A batch of `count` records of an idempotent producer.
fn sequenced(id: ProducerId, epoch: i16, base_sequence: i32, count: usize) -> BytesMut {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.producer(ProducerState {
        id,
        epoch: ProducerEpoch(epoch),
        base_sequence,
    });
    for _ in 0..count {
        builder.push(NOW, None, Some(b"value"), &[]).unwrap();
    }
    builder.finish()
}

async fn producer_id(client: &mut Client) -> ProducerId {
    let body = client.ask(4, &InitProducerIdRequest::default()).await;
    let response = InitProducerIdResponse::decode(4, &body).unwrap();
    assert_eq!(
        (response.error_code, response.producer_epoch),
        (ErrorCode::NONE, 0)
    );
    ProducerId(response.producer_id)
}

#[test]
fn idempotence() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        let (id, other) = (
            producer_id(&mut client).await,
            producer_id(&mut client).await,
        );
        assert_ne!(id, other);
        let none = ErrorCode::NONE;
        // Any sequence of a producer that nobody knows; then each follows the last.
        for (bytes, expected) in [
            (sequenced(id, 0, 0, 3), (none, 0)),
            (sequenced(id, 0, 3, 2), (none, 3)),
            (sequenced(id, 0, 0, 3), (none, 0)),
            (sequenced(id, 0, 3, 2), (none, 3)),
            (
                sequenced(id, 0, 9, 1),
                (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, -1),
            ),
            (sequenced(other, 0, 70, 1), (none, 5)),
            (
                sequenced(id, 1, 7, 1),
                (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, -1),
            ),
            (sequenced(id, 1, 0, 1), (none, 6)),
            (
                sequenced(id, 0, 5, 1),
                (ErrorCode::INVALID_PRODUCER_EPOCH, -1),
            ),
        ] {
            assert_eq!(client.produce("t", 0, &bytes).await, expected);
        }
        // More than five batches later, the first is forgotten.
        for (sequence, offset) in (1..=6).zip(7..) {
            let written = client.produce("t", 0, &sequenced(id, 1, sequence, 1)).await;
            assert_eq!(written, (none, offset));
        }
        let written = client.produce("t", 0, &sequenced(id, 1, 0, 1)).await;
        assert_eq!(written.0, ErrorCode::DUPLICATE_SEQUENCE_NUMBER);
        // The fifth last is not: its offset is known.
        for (sequence, offset) in (2..=6).zip(8..) {
            let written = client.produce("t", 0, &sequenced(id, 1, sequence, 1)).await;
            assert_eq!(written, (none, offset));
        }
        // Sequences wrap, within a batch too.
        for (base_sequence, offset) in [(i32::MAX - 1, 0), (1, 3)] {
            let bytes = sequenced(id, 0, base_sequence, 3);
            assert_eq!(client.produce("t", 2, &bytes).await, (none, offset));
        }
        let last = other;
        let written = client
            .produce("t", 1, &sequenced(last, 0, i32::MAX, 1))
            .await;
        assert_eq!(written, (none, 0));
        let written = client.produce("t", 1, &sequenced(last, 0, 0, 1)).await;
        assert_eq!(written, (none, 1));
    });
}

#[test]
fn a_duplicate_is_answered_once_the_original_has_committed() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let (mut first, mut second) = (node.client(0).await, node.client(1).await);
        let id = producer_id(&mut first).await;
        let bytes = sequenced(id, 0, 0, 2);
        let request = produce_request("t", TopicId::ZERO, 0, &bytes);
        node.slow_disk(1000);
        first.send(9, &request).await;
        first.send(9, &request).await;
        second.send(9, &request).await;
        // As long as nothing is readable, nobody is answered.
        let mut reader = node.client(0).await;
        assert_eq!(reader.fetch_all("t", 0).await, []);
        let frame = second.answer::<ProduceRequest>(9).await;
        assert_eq!(produced(&frame), (ErrorCode::NONE, 0));
        assert_eq!(reader.fetch_all("t", 0).await.len(), 2);
        for correlation_id in [2, 3] {
            let frame = first.frame().await.unwrap();
            assert_eq!(
                i32::from_be_bytes(*frame.first_chunk().unwrap()),
                correlation_id
            );
            assert_eq!(produced(&frame[5..]), (ErrorCode::NONE, 0));
        }
        assert_eq!(reader.fetch_all("t", 0).await.len(), 2);
    });
}
