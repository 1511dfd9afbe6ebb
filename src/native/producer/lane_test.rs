//! The lane's whole behaviour, answer by answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use corelog_base::{Offset, PartitionIndex, ProducerEpoch, ProducerId, TimestampMs};
use corelog_record::{BatchHeader, Codec, verify};
use corelog_wire::kafka::ErrorCode;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::ack::{Ack, Placed};
use super::lane::{Identity, Lane};
use super::open::Open;
use super::record::Record;
use crate::{Error, Kind};

const DAY: Duration = Duration::from_secs(86_400);

struct Bench {
    lane: Lane,
    open: Open,
    room: Arc<Semaphore>,
    acks: Vec<Option<Ack>>,
    request: u64,
}

fn identity(epoch: i16) -> Identity {
    Identity {
        id: ProducerId(9),
        epoch: ProducerEpoch(epoch),
    }
}

fn broker(code: ErrorCode) -> Error {
    Error::new(Kind::Broker(code), "a test")
}

fn placed(base: i64) -> Placed {
    Placed {
        base_offset: Offset(base),
        append_time: None,
    }
}

/// Epoch and sequence.
fn numbers(batch: &Bytes) -> (i16, i32) {
    verify(batch).unwrap();
    let header = BatchHeader::parse(batch).unwrap();
    (header.producer_epoch.0, header.base_sequence)
}

impl Bench {
    fn new(epoch: i16) -> Self {
        Self {
            lane: Lane::new(Some(identity(epoch)), 5),
            open: Open::new(1, Codec::None, 1 << 20),
            room: Arc::new(Semaphore::new(1 << 20)),
            acks: Vec::new(),
            request: 0,
        }
    }

    /// Sends a batch of so many records, as the next request.
    fn send(&mut self, records: usize) -> Bytes {
        for _ in 0..records {
            let room = self.room.clone().try_acquire_many_owned(10).unwrap();
            let record = Record::new("value");
            let pushed = self.open.push(&record, 50, TimestampMs(1), room);
            self.acks.push(Some(pushed.unwrap().0));
        }
        assert!(self.lane.has_room());
        let batch = self.open.take(PartitionIndex(0)).unwrap();
        self.request += 1;
        self.lane.send(batch, Instant::now() + DAY, self.request)
    }

    fn resend(&mut self) -> Option<Bytes> {
        self.request += 1;
        self.lane.resend(Instant::now(), self.request)
    }

    fn answer(&mut self, request: u64, answer: Result<Placed, Error>) {
        self.lane.answered(request, answer);
    }

    /// The first batch was acknowledged, so more may be under way.
    fn established(epoch: i16) -> Self {
        let mut bench = Self::new(epoch);
        bench.send(1);
        bench.answer(1, Ok(placed(0)));
        bench
    }

    async fn ack(&mut self, at: usize) -> Result<i64, Kind> {
        let ack = self.acks[at].take().unwrap().await;
        ack.map(|a| a.offset.0).map_err(|error| error.kind)
    }

    fn is_open(&mut self, at: usize) -> bool {
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        let ack = self.acks[at].as_mut().unwrap();
        std::pin::Pin::new(ack).poll(&mut context).is_pending()
    }
}

#[tokio::test]
async fn the_first_batch_goes_alone_and_five_after_it() {
    let mut bench = Bench::new(0);
    assert_eq!(numbers(&bench.send(2)), (0, 0));
    assert!(!bench.lane.has_room());
    bench.answer(1, Ok(placed(70)));
    for n in 0..5 {
        assert_eq!(numbers(&bench.send(1)), (0, 2 + n));
    }
    assert!(!bench.lane.has_room());
    assert_eq!(bench.ack(0).await, Ok(70));
    assert_eq!(bench.ack(1).await, Ok(71));
    bench.answer(3, Ok(placed(73)));
    assert!(bench.is_open(2));
    assert_eq!(bench.ack(3).await, Ok(73));
    // The broker would forget the second batch, which may have to be tried again.
    assert!(!bench.lane.has_room());
    bench.answer(2, Ok(placed(72)));
    assert!(bench.lane.has_room());
    assert_eq!(bench.lane.take_settled(), [1, 3, 2]);
}

/// What is under way when an error comes that passes is sent again as it was, in order, and only
/// once all of it has its answer.
#[tokio::test]
async fn what_failed_is_sent_again_in_order() {
    let mut bench = Bench::established(0);
    let sent: Vec<Bytes> = (0..3).map(|_| bench.send(1)).collect();
    bench.answer(2, Err(broker(ErrorCode::NOT_LEADER_OR_FOLLOWER)));
    bench.answer(3, Err(broker(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)));
    assert!(!bench.lane.has_room());
    assert!(bench.lane.drained().is_none());
    assert_eq!(bench.resend(), None);
    bench.answer(4, Err(broker(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)));
    let why = bench.lane.drained().unwrap().unwrap();
    assert_eq!(why.code(), Some(6));
    bench.lane.pause(Instant::now() + DAY);
    assert_eq!(bench.resend(), None);
    bench.lane.pause(Instant::now());
    for batch in &sent {
        assert_eq!(bench.resend().as_ref(), Some(batch));
    }
    assert_eq!(bench.resend(), None);
    assert!(bench.lane.has_room());
}

/// A batch that the broker will never take fails alone. Those behind it were refused for the gap, so
/// they go under new numbers, the first of them alone.
#[tokio::test]
async fn a_refused_batch_does_not_take_others_along() {
    let mut bench = Bench::established(0);
    (0..3).for_each(|_| drop(bench.send(1)));
    bench.answer(2, Err(broker(ErrorCode::MESSAGE_TOO_LARGE)));
    let too_large = Kind::Broker(ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(bench.ack(1).await, Err(too_large));
    bench.answer(3, Err(broker(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)));
    bench.answer(4, Err(broker(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)));
    assert!(bench.lane.drained().unwrap().is_none());
    bench.lane.pause(Instant::now());
    assert_eq!(numbers(&bench.resend().unwrap()), (1, 0));
    assert_eq!(bench.resend(), None);
    let request = bench.request - 1;
    bench.answer(request, Ok(placed(5)));
    assert_eq!(bench.ack(2).await, Ok(5));
    assert_eq!(numbers(&bench.resend().unwrap()), (1, 1));
}

#[tokio::test]
async fn a_gap_that_nothing_explains_is_told_and_left_behind() {
    let mut bench = Bench::established(0);
    bench.send(1);
    bench.send(1);
    bench.answer(2, Err(broker(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)));
    assert_eq!(bench.ack(1).await, Err(Kind::Sequence));
    assert_eq!(bench.ack(2).await, Err(Kind::Sequence));
    // The late answer belongs to nothing any more.
    bench.answer(3, Ok(placed(3)));
    assert_eq!(numbers(&bench.send(1)), (1, 0));
}

/// Nobody knows what became of these, so what follows must not be taken for them.
#[tokio::test]
async fn what_was_given_up_is_fenced() {
    let mut bench = Bench::established(0);
    bench.send(1);
    bench.answer(2, Err(Error::new(Kind::Disconnected, "a test")));
    assert_eq!(bench.lane.last_error().unwrap().kind, Kind::Disconnected);
    assert!(!bench.lane.is_overdue(Instant::now()));
    assert!(bench.lane.is_overdue(Instant::now() + DAY));
    let error = Error::new(Kind::TimedOut, "a test");
    bench.lane.give_up(&error);
    assert_eq!(bench.ack(1).await, Err(Kind::TimedOut));
    assert_eq!(numbers(&bench.send(1)), (1, 0));
}

#[tokio::test]
async fn used_up_epochs_ask_for_another_number() {
    let mut bench = Bench::established(i16::MAX);
    bench.lane.give_up(&Error::new(Kind::TimedOut, "a test"));
    assert!(bench.lane.needs_identity() && !bench.lane.has_room());
    bench.lane.set_identity(identity(0));
    assert_eq!(numbers(&bench.send(1)), (0, 0));
}

#[tokio::test]
async fn what_nobody_will_settle_says_so() {
    let mut bench = Bench::new(0);
    bench.send(1);
    bench.lane = Lane::new(None, 5);
    assert_eq!(bench.ack(0).await, Err(Kind::Closed));
    let batch = bench.send(1);
    assert_eq!(numbers(&batch), (-1, -1));
    assert!(bench.lane.has_room());
}
