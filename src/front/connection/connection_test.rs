//! Connections over sockets in memory and virtual time, with a service whose requests are words:
//! the first byte says what a request does, the rest is echoed.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use corelog_rt::local::{Receiver, Sender};
use corelog_rt::{Credits, Runtime, Shared, oneshot};

use super::budget::Budget;
use super::door::Door;
use super::options::{FINISHED_BYTES_MAX, OWN_FINISHED_BYTES_MAX, Options, REQUESTS_IN_FLIGHT_MAX};
use super::service::{Frame, Order, Reply, Response, Service, Started, Task};
use super::testing::{Client, TestRuntime};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// What the service was asked, and the answers that the test still owes.
#[derive(Default)]
struct Book {
    started: Vec<String>,
    owed: BTreeMap<String, Sender<()>>,
}

struct Words(Shared<Book>);

impl Words {
    fn wait(&self, name: &str) -> Receiver<()> {
        let (sender, receiver) = oneshot();
        self.0.with(|book| {
            book.started.push(name.to_owned());
            book.owed.insert(name.to_owned(), sender);
        });
        receiver
    }
}

fn reply(name: &str, credit: Option<corelog_rt::Credit>) -> Reply {
    let throttle = match name.starts_with('t') {
        true => 5 * SECOND,
        false => Duration::ZERO,
    };
    let parts = match name.starts_with('B') {
        true => vec![Bytes::from(vec![b'.'; FINISHED_BYTES_MAX as usize])],
        false => vec![Bytes::from(format!("{name};"))],
    };
    Reply::Send(Response {
        parts,
        credit,
        throttle,
    })
}

/// `p`: overlaps, waits for the test. `w`: alone, waits. `0`: overlaps, silent. `x`: closes.
/// `B`: a large response. Anything else: answered at once.
impl Service for Words {
    fn order(&self, frame: &[u8]) -> Order {
        match frame.first() {
            Some(b'p' | b'0') => Order::Overlaps,
            _ => Order::Alone,
        }
    }

    fn start(&self, frame: Frame) -> Task<Started> {
        let name = String::from_utf8_lossy(&frame.bytes).trim_end().to_owned();
        let Some(kind @ (b'p' | b'w')) = name.bytes().next() else {
            self.0.with(|book| book.started.push(name.clone()));
            return Box::pin(async move {
                Started::Done(match name.as_bytes() {
                    [b'0', ..] => Reply::Silence,
                    [b'x', ..] => Reply::Close,
                    _ => reply(&name, None),
                })
            });
        };
        let answer = self.wait(&name);
        let task = async move {
            answer.await;
            reply(&name, Some(frame.credit))
        };
        Box::pin(async move {
            match kind {
                b'p' => Started::Later(Box::pin(task)),
                _ => Started::Done(task.await),
            }
        })
    }
}

pub(crate) struct Setup {
    pub(crate) rt: TestRuntime,
    pub(crate) door: Door<TestRuntime>,
    book: Shared<Book>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let rt = TestRuntime::new();
        let book = Shared::new(Book::default());
        let services = {
            let book = book.clone();
            Box::new(move |_| Box::new(Words(book.clone())) as Box<dyn Service>)
        };
        let address = "127.0.0.1:0".parse().unwrap();
        let budget = Budget {
            work: Credits::new(1),
            records: Credits::new(1),
            ..Budget::new(&options)
        };
        let framing = crate::kafka::FRAMING;
        let door = Door::listen(rt.clone(), address, options, budget, framing, services);
        let door = futures_lite::future::block_on(door).unwrap();
        Self { rt, door, book }
    }

    /// The service's answer to a request that waits.
    pub(crate) fn answer(&self, name: &str) {
        let owed = self.book.with(|book| book.owed.remove(name));
        owed.expect("this request has started").send(()).unwrap();
        self.rt.settle();
    }

    pub(crate) fn started(&self) -> Vec<String> {
        self.book.with(|book| book.started.clone())
    }
}

/// A frame of the least length or more, padded by spaces.
fn frame(name: &str) -> Vec<u8> {
    let body = format!("{name:<8}");
    let mut frame = (body.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(body.as_bytes());
    frame
}

pub(crate) fn send(client: &Client, names: &[&str]) {
    let frames: Vec<Vec<u8>> = names.iter().map(|name| frame(name)).collect();
    client.send(&frames.concat());
}

#[track_caller]
fn received(client: &Client, expected: &str) {
    assert_eq!(String::from_utf8(client.received()).unwrap(), expected);
}

#[test]
fn produces_overlap_and_answers_keep_their_order() {
    let setup = Setup::new();
    let client = setup.rt.dial();
    send(&client, &["p1", "p2", "p3"]);
    assert_eq!(setup.started(), ["p1", "p2", "p3"]);
    setup.answer("p3");
    setup.answer("p2");
    received(&client, "");
    setup.answer("p1");
    received(&client, "p1;p2;p3;");
}

#[test]
fn what_is_finished_together_leaves_by_one_send() {
    let setup = Setup::new();
    let client = setup.rt.dial();
    send(&client, &["p1", "p2", "p3", "p4"]);
    setup.answer("p3");
    setup.answer("p2");
    assert_eq!(client.sends(), 0);
    setup.answer("p1");
    assert_eq!(client.sends(), 1);
    setup.answer("p4");
    assert_eq!(client.sends(), 2);
    received(&client, "p1;p2;p3;p4;");
}

#[test]
fn another_request_starts_once_the_earlier_have_finished() {
    let setup = Setup::new();
    let client = setup.rt.dial();
    send(&client, &["p1", "a", "p2", "w", "p3"]);
    assert_eq!(setup.started(), ["p1"]);
    setup.answer("p1");
    assert_eq!(setup.started(), ["p1", "a", "p2"]);
    setup.answer("p2");
    assert_eq!(setup.started(), ["p1", "a", "p2", "w"]);
    setup.answer("w");
    assert_eq!(setup.started(), ["p1", "a", "p2", "w", "p3"]);
    received(&client, "p1;a;p2;w;");
}

#[test]
fn a_long_poll_holds_up_no_other_connection() {
    let setup = Setup::new();
    let (first, second) = (setup.rt.dial(), setup.rt.dial());
    send(&first, &["w"]);
    send(&second, &["a"]);
    received(&second, "a;");
    received(&first, "");
}

/// They would be begun and dropped, one after the other, and what each has set in motion goes on.
#[test]
fn what_a_gone_peer_left_behind_is_not_started() {
    let setup = Setup::new();
    let client = setup.rt.dial();
    send(&client, &["w1", "w2", "w3", "a"]);
    client.close();
    assert_eq!(setup.started(), ["w1"]);
    assert_eq!(setup.door.counters().connections_open, 0);
}

#[test]
fn silence_keeps_its_place_and_sends_nothing() {
    let setup = Setup::new();
    let client = setup.rt.dial();
    send(&client, &["p1", "01", "a"]);
    setup.answer("p1");
    received(&client, "p1;a;");
}

#[test]
fn a_close_follows_the_earlier_answers_and_drops_the_later() {
    let setup = Setup::new();
    let client = setup.rt.dial();
    send(&client, &["p1", "x", "a"]);
    assert!(!client.is_closed());
    setup.answer("p1");
    received(&client, "p1;");
    assert!(client.is_closed());
    assert_eq!(setup.started(), ["p1", "x"]);
    assert_eq!(setup.door.counters().connections_open, 0);
}

#[test]
fn a_frame_arrives_a_byte_at_a_time_or_many_at_once() {
    let setup = Setup::new();
    let client = setup.rt.dial();
    for byte in frame("a-longer-name") {
        client.send(&[byte]);
    }
    received(&client, "a-longer-name;");
    let large = "l".repeat(100_000);
    send(&client, &["b", &large, "c"]);
    received(&client, &format!("b;{large};c;"));
}

#[test]
fn an_impossible_length_closes() {
    for length in [-1i32, 0, 7, 1001, i32::MAX, i32::MIN] {
        let options = Options {
            request_bytes_max: 1000,
            memory_bytes: 4000,
            ..Options::default()
        };
        let setup = Setup::with(options);
        let client = setup.rt.dial();
        client.send(&length.to_be_bytes());
        assert!(client.is_closed(), "{length}");
        assert_eq!(setup.door.free_frame_bytes(), 3000);
    }
}

#[test]
fn a_large_frame_waits_for_memory_and_gives_it_back() {
    let options = Options {
        request_bytes_max: 60_000,
        memory_bytes: 133_336,
        ..Options::default()
    };
    let setup = Setup::with(options);
    let (first, second) = (setup.rt.dial(), setup.rt.dial());
    let name = format!("w{}", "1".repeat(59_999));
    send(&first, &[&name]);
    assert_eq!(setup.door.free_frame_bytes(), 100_002 - 60_000);
    let large = "a".repeat(50_000);
    send(&second, &[&large]);
    assert_eq!(setup.started(), std::slice::from_ref(&name));
    // A small frame needs nothing from the pool.
    let third = setup.rt.dial();
    send(&third, &["b"]);
    received(&third, "b;");
    setup.answer(&name);
    received(&second, &format!("{large};"));
    assert_eq!(setup.door.free_frame_bytes(), 100_002);
}

/// Behind a poll of minutes, a large request would hold memory that others need as long.
#[test]
fn a_large_frame_takes_memory_when_nothing_stands_before_it() {
    let setup = Setup::new();
    let client = setup.rt.dial();
    let large = format!("a{}", "1".repeat(99_999));
    send(&client, &["w", "b", &large]);
    assert_eq!(setup.door.free_frame_bytes(), 192 << 20);
    setup.answer("w");
    received(&client, &format!("w;b;{large};"));
    // Requests that overlap are no hindrance: each has started.
    let large = format!("p{}", "1".repeat(99_999));
    send(&client, &["p1", &large]);
    assert_eq!(setup.door.free_frame_bytes(), (192 << 20) - 100_000);
    assert_eq!(setup.started()[3..], ["p1".into(), large]);
}

/// Two announce what fills the pool; one of them goes on sending, the other does not. A third, whose
/// request is whole, waits for seconds and not for the deadline.
/// What it does not take pins memory: others wait for that, of whichever kind.
#[test]
fn at_the_cap_of_requests_reading_stops() {
    let setup = Setup::new();
    let client = setup.rt.dial();
    let names: Vec<String> = (0..=REQUESTS_IN_FLIGHT_MAX)
        .map(|n| format!("p{n}"))
        .collect();
    for name in &names {
        send(&client, &[name]);
    }
    assert_eq!(setup.started().len(), REQUESTS_IN_FLIGHT_MAX);
    assert_eq!(client.unread(), 12);
    setup.answer("p0");
    assert_eq!(client.unread(), 0);
    assert_eq!(setup.started().len(), REQUESTS_IN_FLIGHT_MAX + 1);
}

#[test]
fn at_the_cap_of_finished_bytes_nothing_starts() {
    let setup = Setup::new();
    let client = setup.rt.dial();
    client.limit(Some(0));
    send(&client, &["B1", "a", "b"]);
    assert_eq!(setup.started(), ["B1"]);
    client.limit(None);
    assert_eq!(setup.started(), ["B1", "a", "b"]);
    assert_eq!(client.received().len(), FINISHED_BYTES_MAX as usize + 4);
}

/// Answers that no pool accounts for are small each, and a client may ask for many and read none.
#[test]
fn at_the_cap_of_own_bytes_nothing_starts() {
    let setup = Setup::new();
    let client = setup.rt.dial();
    client.limit(Some(0));
    let half = "a".repeat(OWN_FINISHED_BYTES_MAX as usize / 2);
    send(&client, &[&half, &half, "b"]);
    assert_eq!(setup.started(), [half.clone(), half.clone()]);
    client.limit(None);
    assert_eq!(setup.started(), [half.clone(), half, "b".into()]);
}

#[test]
fn a_throttled_connection_is_answered_at_once_and_then_not_read() {
    let setup = Setup::new();
    let client = setup.rt.dial();
    send(&client, &["t1"]);
    received(&client, "t1;");
    send(&client, &["a"]);
    setup.rt.advance(4 * SECOND);
    received(&client, "");
    setup.rt.advance(2 * SECOND);
    received(&client, "a;");
}

#[test]
fn a_disconnect_cancels_what_waits_but_not_what_was_sent() {
    let setup = Setup::new();
    let client = setup.rt.dial();
    send(&client, &["w", "p1", "a"]);
    assert_eq!(setup.started(), ["w"]);
    client.close();
    assert_eq!(setup.started(), ["w", "p1"]);
    assert_eq!(setup.door.counters().connections_open, 0);
    let gone = setup.book.with(|book| book.owed.remove("w")).unwrap();
    assert!(gone.send(()).is_err(), "nobody waits any more");
}

#[test]
fn connections_above_the_cap_are_closed() {
    let options = Options {
        connections_max: 1,
        ..Options::default()
    };
    let setup = Setup::with(options);
    let first = setup.rt.dial();
    assert!(setup.rt.dial().is_closed());
    assert!(!first.is_closed());
    first.close();
    assert!(!setup.rt.dial().is_closed());
    assert_eq!(setup.door.counters().connections_refused, 1);
}

#[test]
fn accept_backs_off_and_goes_on() {
    let setup = Setup::new();
    setup.rt.settle();
    setup.rt.offer(Err(io::Error::from_raw_os_error(24)));
    let client = setup.rt.dial();
    send(&client, &["a"]);
    received(&client, "");
    setup.rt.advance(SECOND);
    received(&client, "a;");
}

#[test]
fn a_drain_answers_what_was_started_and_closes() {
    let setup = Setup::new();
    let (busy, waiting, idle) = (setup.rt.dial(), setup.rt.dial(), setup.rt.dial());
    send(&busy, &["p1"]);
    send(&waiting, &["p2", "w", "p3"]);
    setup.answer("p2");
    let drained = Shared::new(false);
    let (door, done) = (setup.door.clone(), drained.clone());
    setup.rt.spawn(async move {
        door.drain().await;
        done.with(|done| *done = true);
    });
    setup.rt.settle();
    assert!(idle.is_closed() && waiting.is_closed() && !busy.is_closed());
    received(&waiting, "p2;");
    assert!(!drained.with(|done| *done));
    send(&busy, &["p4"]);
    setup.answer("p1");
    received(&busy, "p1;");
    assert!(busy.is_closed() && drained.with(|done| *done));
    assert_eq!(setup.started(), ["p1", "p2", "w"]);
}
