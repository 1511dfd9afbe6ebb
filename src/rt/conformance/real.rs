//! What is no part of `conformance_tests`: it needs threads that are no core, or a process of its
//! own.

use std::thread;
use std::time::Duration;

use super::{Harness, Tally, beside, loopback, pattern, receive, soon};
use crate::{Listener, Runtime, Stream};

/// Wake-ups from threads that are no core, while the core parks.
pub fn threads_wake_a_core<H: Harness>(harness: &H) {
    const THREADS: usize = 3;
    const MESSAGES: usize = 5000;
    let done = Tally::new();
    let tally = done.clone();
    harness.run(1, move |rt| {
        let tally = tally.clone();
        async move {
            let (tx, rx) = flume::bounded::<usize>(1);
            let senders: Vec<_> = (0..THREADS)
                .map(|n| {
                    let tx = tx.clone();
                    thread::spawn(move || {
                        for round in 0..MESSAGES {
                            tx.send(round).unwrap();
                            if round % (97 + n) == 0 {
                                thread::yield_now();
                            }
                        }
                    })
                })
                .collect();
            drop(tx);
            let count = soon(&rt, async {
                let mut count = 0;
                while rx.recv_async().await.is_ok() {
                    count += 1;
                }
                count
            })
            .await;
            assert_eq!(count, THREADS * MESSAGES);
            for sender in senders {
                sender.join().unwrap();
            }
            tally.add();
        }
    });
    assert_eq!(done.count(), 1);
}

/// Wakers that outlive their core are called, and dropped, on other threads.
pub fn wakers_outlive_their_core<H: Harness>(harness: &H) {
    for _ in 0..20 {
        let (tx, rx) = flume::bounded::<u8>(1);
        let sender = thread::spawn(move || {
            // Fails once the core is gone.
            while tx.send(1).is_ok() {}
        });
        harness.run(1, move |rt| {
            let rx = rx.clone();
            async move {
                let mut tasks = Vec::new();
                for _ in 0..10 {
                    let rx = rx.clone();
                    tasks.push(beside(&rt, async move {
                        while rx.recv_async().await.is_ok() {}
                    }));
                }
                rt.sleep(Duration::from_millis(2)).await;
            }
        });
        sender.join().unwrap();
    }
}

/// Without descriptors an accept is an error, and the connection is there once they are back.
/// On a real machine it needs a process of its own.
pub fn exhausted_descriptors_are_an_error<H: Harness>(harness: &H) {
    let done = Tally::new();
    let tally = done.clone();
    harness.run(1, move |rt| {
        let tally = tally.clone();
        async move {
            for _ in 0..3 {
                let listener = rt.listen(loopback()).await.unwrap();
                let address = listener.local_addr().unwrap();
                // Taken in by the kernel, asked for by nobody yet.
                let a = soon(&rt, rt.connect(address)).await.unwrap();
                let exhausted = H::exhaust_descriptors(&rt);
                for _ in 0..3 {
                    assert!(soon(&rt, listener.accept()).await.is_err());
                    assert!(rt.connect(address).await.is_err());
                    rt.sleep(Duration::from_millis(1)).await;
                }
                drop(exhausted);
                let b = soon(&rt, listener.accept()).await.unwrap();
                soon(&rt, a.send(vec![pattern(1, 100)])).await.unwrap();
                assert!(soon(&rt, receive(&b, 100)).await == pattern(1, 100));
            }
            tally.add();
        }
    });
    assert_eq!(done.count(), 1);
}
