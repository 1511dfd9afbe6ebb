//! Tasks, timers, fairness, shutdown.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_lite::future::poll_once;

use super::{Harness, PATIENCE, Tally, beside, loopback, pair, receive, soon, until};
use crate::{AlignedBuf, Elapsed, File, Listener, OpenMode, Runtime, Stream, oneshot, timeout};

pub fn yielding_lets_every_other_task_run<H: Harness>(harness: &H) {
    const TASKS: usize = 100;
    harness.run(1, |rt| async move {
        let started = Rc::new(Cell::new(0));
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (rt2, started) = (rt.clone(), started.clone());
                beside(&rt, async move {
                    started.set(started.get() + 1);
                    rt2.yield_now().await;
                    assert_eq!(started.get(), TASKS, "some task has not run yet");
                })
            })
            .collect();
        for task in tasks {
            soon(&rt, task).await;
        }
    });
}

pub fn what_is_computed_comes_back_and_others_run_meanwhile<H: Harness>(harness: &H) {
    harness.run(1, |rt| async move {
        let (told, hears) = std::sync::mpsc::channel();
        rt.spawn(async move { told.send(()).unwrap() });
        // It ends only once another task of the core has run.
        let work = move || hears.recv_timeout(PATIENCE).map(|()| 500_500);
        assert_eq!(soon(&rt, rt.compute(work)).await.unwrap(), Ok(500_500));
        // Nobody waits for this one.
        drop(rt.compute(|| ()));
    });
}

pub fn spawning_polls_nothing<H: Harness>(harness: &H) {
    harness.run(1, |rt| async move {
        let polled = Rc::new(Cell::new(false));
        let seen = polled.clone();
        rt.spawn(async move { seen.set(true) });
        assert!(!polled.get(), "the caller may be in the middle of a change");
        until(&rt, || polled.get()).await;
    });
}

pub fn sleeps_end_in_order_and_never_early<H: Harness>(harness: &H) {
    harness.run(1, |rt| async move {
        let ended = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = [60u64, 0, 20, 40, 20]
            .into_iter()
            .map(|ms| {
                let (rt2, ended) = (rt.clone(), ended.clone());
                let limit = Duration::from_millis(ms);
                let begin = rt.now();
                let sleep = rt.sleep(limit);
                beside(&rt, async move {
                    sleep.await;
                    assert!(rt2.now().since(begin) >= limit, "woken early");
                    ended.borrow_mut().push(ms);
                })
            })
            .collect();
        for task in tasks {
            soon(&rt, task).await;
        }
        assert_eq!(*ended.borrow(), [0, 20, 20, 40, 60]);
    });
}

pub fn dropped_sleeps_leave_nothing<H: Harness>(harness: &H) {
    harness.run(1, |rt| async move {
        for _ in 0..20 {
            let mut sleeps: Vec<_> = (0..1000u64)
                .map(|n| Box::pin(rt.sleep(Duration::from_secs(3600 + n))))
                .collect();
            for sleep in &mut sleeps {
                assert!(poll_once(sleep).await.is_none());
            }
            drop(sleeps);
            soon(&rt, rt.sleep(Duration::from_micros(100))).await;
        }
        // One that nobody can live to see, and one that never was polled.
        let mut eternal = Box::pin(rt.sleep(Duration::MAX));
        assert!(poll_once(&mut eternal).await.is_none());
        drop(rt.sleep(Duration::ZERO));
    });
}

pub fn a_busy_core_starves_neither_timers_nor_sockets_nor_files<H: Harness>(harness: &H) {
    let folder = harness.folder();
    harness.run(1, move |rt| {
        let folder = folder.clone();
        async move {
            rt.create_dir_all(&folder).await.unwrap();
            let stop = Rc::new(Cell::new(false));
            let busy: Vec<_> = (0..100)
                .map(|_| {
                    let (rt2, stop) = (rt.clone(), stop.clone());
                    beside(&rt, async move {
                        while !stop.get() {
                            rt2.yield_now().await;
                        }
                    })
                })
                .collect();
            let (a, b) = pair(&rt).await;
            let path = folder.join("busy");
            let file = soon(&rt, rt.open(&path, OpenMode::CreateNew))
                .await
                .unwrap();
            let mut buf = AlignedBuf::with_capacity(file.alignment() as usize);
            buf.set_len(file.alignment() as usize);
            for _ in 0..20 {
                soon(&rt, rt.sleep(Duration::from_millis(1))).await;
                soon(&rt, a.send(vec![Bytes::from_static(b"ping")]))
                    .await
                    .unwrap();
                assert_eq!(&soon(&rt, receive(&b, 4)).await[..], b"ping");
                let result;
                (result, buf) = soon(&rt, file.commit(buf, 0)).await;
                result.unwrap();
            }
            stop.set(true);
            for task in busy {
                soon(&rt, task).await;
            }
        }
    });
}

pub fn shutdown_drops_every_task<H: Harness>(harness: &H) {
    let dropped = Tally::new();
    let tally = dropped.clone();
    harness.run(2, move |rt| {
        let tally = tally.clone();
        async move {
            for _ in 0..50 {
                // Never polled: spawned as the last thing. Pending for ever. Asleep. Busy.
                let guard = tally.guard();
                rt.spawn(async move {
                    pending::<()>().await;
                    drop(guard);
                });
                let guard = tally.guard();
                let sleep = rt.sleep(Duration::from_secs(3600));
                rt.spawn(async move {
                    sleep.await;
                    drop(guard);
                });
                let (guard, rt2) = (tally.guard(), rt.clone());
                rt.spawn(async move {
                    let _guard = guard;
                    loop {
                        rt2.yield_now().await;
                    }
                });
            }
            rt.yield_now().await;
            let guard = tally.guard();
            rt.spawn(async move { drop(guard) });
        }
    });
    assert_eq!(dropped.count(), 2 * 151);
}

/// Wakes another task and spawns a third when it is dropped.
struct Troublemaker<R: Runtime> {
    rt: R,
    wake: Option<crate::local::Sender<u8>>,
    tally: Tally,
}

impl<R: Runtime> Drop for Troublemaker<R> {
    fn drop(&mut self) {
        if let Some(wake) = self.wake.take() {
            // The other task may be gone already.
            let _ = wake.send(1);
        }
        let guard = self.tally.guard();
        self.rt.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        self.tally.add();
    }
}

pub fn shutdown_outlives_destructors_that_spawn_and_wake<H: Harness>(harness: &H) {
    let dropped = Tally::new();
    let tally = dropped.clone();
    harness.run(1, move |rt| {
        let tally = tally.clone();
        async move {
            for _ in 0..20 {
                let (tx, rx) = oneshot();
                let trouble = Troublemaker {
                    rt: rt.clone(),
                    wake: Some(tx),
                    tally: tally.clone(),
                };
                let guard = tally.guard();
                rt.spawn(async move {
                    let _guard = guard;
                    rx.await;
                    pending::<()>().await;
                });
                rt.spawn(async move {
                    let _trouble = trouble;
                    pending::<()>().await;
                });
            }
            rt.yield_now().await;
        }
    });
    assert_eq!(dropped.count(), 3 * 20);
}

pub fn shutdown_ends_operations_in_flight<H: Harness>(harness: &H) {
    let dropped = Tally::new();
    let tally = dropped.clone();
    let folder = harness.folder();
    harness.run(1, move |rt| {
        let (tally, folder) = (tally.clone(), folder.clone());
        async move {
            rt.create_dir_all(&folder).await.unwrap();
            let path = folder.join("in-flight");
            let file = rt.open(&path, OpenMode::CreateNew).await.unwrap();
            let listener = rt.listen(loopback()).await.unwrap();
            let (a, b) = pair(&rt).await;
            let guards: Vec<_> = (0..5).map(|_| tally.guard()).collect();
            let mut guards = guards.into_iter();
            let mut hold = |operation: std::pin::Pin<Box<dyn Future<Output = ()>>>| {
                let guard = guards.next();
                rt.spawn(async move {
                    operation.await;
                    pending::<()>().await;
                    drop(guard);
                });
            };
            let receiving = a.recv(BytesMut::with_capacity(1000));
            hold(Box::pin(async move { drop(receiving.await) }));
            hold(Box::pin(async move { drop(listener.accept().await) }));
            let sending = b.send(vec![Bytes::from(vec![7; 32 << 20])]);
            hold(Box::pin(async move { drop(sending.await) }));
            let mut buf = AlignedBuf::with_capacity(1 << 20);
            buf.set_len(1 << 20);
            let committing = file.commit(buf, 0);
            hold(Box::pin(async move { drop(committing.await) }));
            let removing = rt.remove_dir_all(&folder.join("nothing"));
            hold(Box::pin(async move { drop(removing.await) }));
            rt.yield_now().await;
            // Ends with all of them pending, and with handles on this future's own frame.
        }
    });
    assert_eq!(dropped.count(), 5);
}

pub fn a_timeout_drops_what_it_waited_for<H: Harness>(harness: &H) {
    harness.run(1, |rt| async move {
        let tally = Tally::new();
        let guard = tally.guard();
        let never = async move {
            let _guard = guard;
            pending::<()>().await;
        };
        let out = timeout(&rt, Duration::from_millis(5), never).await;
        assert_eq!(out, Err(Elapsed));
        assert_eq!(tally.count(), 1);
        let out = timeout(&rt, Duration::from_secs(3600), async { 5 }).await;
        assert_eq!(out, Ok(5));
    });
}
