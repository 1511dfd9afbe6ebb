//! The primitives of one core, without a runtime.

use super::*;
use futures_lite::future::{block_on, poll_once};

#[test]
fn oneshot_delivers_or_says_that_it_cannot() {
    let (tx, rx) = oneshot();
    tx.send(5).unwrap();
    assert_eq!(block_on(rx), Some(5));
    let (tx, rx) = oneshot::<u8>();
    drop(tx);
    assert_eq!(block_on(rx), None);
    let (tx, rx) = oneshot();
    drop(rx);
    assert_eq!(tx.send(7), Err(7));
}

#[test]
fn notify_is_kept() {
    let notify = Notify::new();
    notify.notify();
    block_on(notify.notified());
    assert!(block_on(poll_once(notify.notified())).is_none());
}

#[test]
fn credits_are_first_in_first_out_and_survive_cancellation() {
    block_on(async {
        let credits = Credits::new(10);
        let held = credits.take(8).await;
        let mut big = Box::pin(credits.take(9));
        assert!(poll_once(&mut big).await.is_none());
        let mut small = Box::pin(credits.take(1));
        assert!(poll_once(&mut small).await.is_none(), "no overtaking");
        assert!(credits.try_take(1).is_none());
        drop(big);
        assert!(poll_once(&mut small).await.is_some());
        drop(held);
        assert_eq!(credits.free(), 10);
    });
}

#[test]
fn a_value_that_nobody_takes_is_dropped_outside_the_borrow() {
    /// Looks at its own channel when it is dropped.
    struct Looks(Option<Sender<Looks>>, Rc<Cell<bool>>);
    impl Drop for Looks {
        fn drop(&mut self) {
            drop(self.0.take());
            self.1.set(true);
        }
    }
    let dropped = Rc::new(Cell::new(false));
    let (tx, rx) = oneshot();
    let twin = Sender(tx.0.clone());
    assert!(tx.send(Looks(Some(twin), dropped.clone())).is_ok());
    drop(rx);
    assert!(dropped.get());
}

#[test]
fn every_closer_hears_that_a_gate_is_empty() {
    block_on(async {
        let gate = Gate::new();
        let pass = gate.enter().unwrap();
        let (one, other) = (WakeCount::new(), WakeCount::new());
        let mut first = Box::pin(gate.close());
        let mut second = Box::pin(gate.close());
        assert!(one.poll(first.as_mut()).is_pending());
        assert!(other.poll(second.as_mut()).is_pending());
        drop(pass);
        assert_eq!((one.count(), other.count()), (1, 1));
        first.await;
        second.await;
    });
}

/// Polls and counts how often it is woken.
struct WakeCount(std::sync::Arc<Counter>);

#[derive(Default)]
struct Counter(std::sync::atomic::AtomicUsize);

impl std::task::Wake for Counter {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

impl WakeCount {
    fn new() -> Self {
        Self(std::sync::Arc::default())
    }

    fn poll<F: Future>(&self, future: Pin<&mut F>) -> Poll<F::Output> {
        let waker = Waker::from(self.0.clone());
        future.poll(&mut Context::from_waker(&waker))
    }

    fn count(&self) -> usize {
        self.0.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

#[test]
fn gate_waits_for_those_inside() {
    block_on(async {
        let gate = Gate::new();
        let pass = gate.enter().unwrap();
        let mut closing = Box::pin(gate.close());
        assert!(poll_once(&mut closing).await.is_none());
        assert!(gate.enter().is_none());
        drop(pass);
        closing.await;
    });
}
