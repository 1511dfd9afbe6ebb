//! When a connection is closed that takes its time, with the service of the connections' tests.

use corelog_rt::Runtime;

use super::connection_test::{SECOND, Setup, send};
use super::options::Options;

#[test]
fn a_frame_that_does_not_arrive_frees_its_memory() {
    let setup = Setup::new();
    let client = setup.rt.dial();
    client.send(&(100_000u32).to_be_bytes());
    assert_eq!(setup.door.free_frame_bytes(), (192 << 20) - 100_000);
    for _ in 0..28 {
        setup.rt.advance(SECOND);
        client.send(b"a");
    }
    assert!(!client.is_closed());
    setup.rt.advance(5 * SECOND);
    assert!(client.is_closed());
    assert_eq!(setup.door.free_frame_bytes(), 192 << 20);
    // A length that drips, and what it stands for: one deadline for both.
    let client = setup.rt.dial();
    client.send(&[0]);
    setup.rt.advance(20 * SECOND);
    client.send(&[1, 0, 0]);
    setup.rt.advance(8 * SECOND);
    assert!(!client.is_closed());
    setup.rt.advance(5 * SECOND);
    assert!(client.is_closed());
    // Not even a length.
    let client = setup.rt.dial();
    client.send(&[0, 0]);
    setup.rt.advance(35 * SECOND);
    assert!(client.is_closed());
    assert_eq!(setup.door.counters().connections_expired, 3);
}

#[test]
fn a_frame_that_stalls_gives_way_to_who_waits() {
    let options = Options {
        memory_bytes: 4 << 20,
        request_bytes_max: 2 << 20,
        ..Options::default()
    };
    let setup = Setup::with(options);
    let (stalls, goes_on) = (setup.rt.dial(), setup.rt.dial());
    for client in [&stalls, &goes_on] {
        client.send(&(1_500_000u32).to_be_bytes());
        setup.rt.settle();
    }
    setup.rt.advance(8 * SECOND);
    assert!(!stalls.is_closed(), "nobody waits");
    let waits = setup.rt.dial();
    let name = format!("p{}", "x".repeat(300_000));
    send(&waits, &[&name]);
    assert!(setup.started().is_empty());
    goes_on.send(&vec![b'p'; 1_000_000]);
    setup.rt.advance(2 * SECOND);
    assert_eq!(setup.started(), [name]);
    assert!(stalls.is_closed() && !goes_on.is_closed());
}

#[test]
fn an_idle_connection_is_closed_and_a_waiting_one_is_not() {
    let setup = Setup::new();
    let (idle, waiting) = (setup.rt.dial(), setup.rt.dial());
    send(&idle, &["a"]);
    send(&waiting, &["w"]);
    setup.rt.advance(595 * SECOND);
    assert!(!idle.is_closed());
    send(&idle, &["b"]);
    setup.rt.advance(595 * SECOND);
    assert!(!idle.is_closed());
    setup.rt.advance(10 * SECOND);
    assert!(idle.is_closed());
    assert!(!waiting.is_closed());
}

#[test]
fn a_socket_that_takes_nothing_is_closed() {
    let setup = Setup::new();
    let client = setup.rt.dial();
    client.limit(Some(3));
    send(&client, &["a-name"]);
    setup.rt.advance(28 * SECOND);
    assert!(!client.is_closed());
    setup.rt.advance(5 * SECOND);
    assert!(client.is_closed());
    assert_eq!(setup.door.counters().connections_open, 0);
}

#[test]
fn a_socket_that_takes_nothing_gives_way_to_who_waits() {
    for index in 0..3 {
        let setup = Setup::new();
        let client = setup.rt.dial();
        client.limit(Some(3));
        send(&client, &["a-name"]);
        setup.rt.advance(8 * SECOND);
        assert!(!client.is_closed());
        // All of it is held, and somebody waits.
        let pool = setup.door.pools()[index].clone();
        let held = pool.try_take(pool.total()).unwrap();
        setup.rt.spawn(async move { drop(pool.take(1).await) });
        setup.rt.advance(2 * SECOND);
        assert!(client.is_closed(), "{index}");
        drop(held);
    }
}
