//! Dropped futures: the result is lost, never the memory, and nobody else is disturbed.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_lite::future::poll_once;

use super::{Harness, Tally, beside, loopback, pair, pattern, receive, soon, until};
use crate::{AlignedBuf, File, Listener, OpenMode, Runtime, Stream};

pub fn a_dropped_receive_harms_nobody<H: Harness>(harness: &H) {
    harness.run(1, |rt| async move {
        let (a, b) = pair(&rt).await;
        for round in 0..2000u32 {
            let mut receiving = Box::pin(b.recv(BytesMut::with_capacity(100)));
            let polled = poll_once(&mut receiving).await;
            if round % 2 == 0 {
                soon(&rt, a.send(vec![Bytes::from_static(&[7; 50])]))
                    .await
                    .unwrap();
            }
            if round % 3 == 0 {
                rt.yield_now().await;
            }
            if polled.is_none() {
                drop(receiving);
            }
            // Never polled at all.
            drop(b.recv(BytesMut::with_capacity(10)));
        }
        // What the dropped ones took is gone; the rest is in order, and ends. Those that the
        // kernel has not cancelled yet take a little of it.
        let rest = beside(&rt, async move {
            let mut got = BytesMut::new();
            loop {
                got.reserve(1000);
                let (result, back) = b.recv(got).await;
                got = back;
                if result.unwrap() == 0 {
                    return got;
                }
            }
        });
        soon(&rt, a.send(vec![Bytes::from(vec![8; 100_000])]))
            .await
            .unwrap();
        a.close();
        let got = soon(&rt, rest).await;
        let eights = got.iter().position(|b| *b == 8).unwrap();
        assert!(got[..eights].iter().all(|b| *b == 7));
        assert!(got[eights..].iter().all(|b| *b == 8));
        assert!(got.len() - eights > 50_000);
    });
}

/// Bytes that count themselves when they are freed.
struct Watched(Vec<u8>, #[expect(dead_code)] super::Counted);

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

pub fn a_dropped_send_gives_its_parts_back<H: Harness>(harness: &H) {
    harness.run(1, |rt| async move {
        let freed = Tally::new();
        let part = |bytes| Bytes::from_owner(Watched(vec![1; bytes], freed.guard()));
        // The peer does not read, so the send hangs half way.
        let (a, b) = pair(&rt).await;
        let mut sending = Box::pin(a.send(vec![part(16 << 20), part(16 << 20)]));
        assert!(poll_once(&mut sending).await.is_none());
        rt.sleep(Duration::from_millis(2)).await;
        drop(sending);
        until(&rt, || freed.count() == 2).await;
        // Never polled, and ended by an error.
        drop(b.send(vec![part(10)]));
        until(&rt, || freed.count() == 3).await;
        b.close();
        assert!(soon(&rt, b.send(vec![part(10)])).await.is_err());
        until(&rt, || freed.count() == 4).await;
        // Others go on.
        let (a, b) = pair(&rt).await;
        soon(&rt, a.send(vec![part(1000)])).await.unwrap();
        soon(&rt, receive(&b, 1000)).await;
        until(&rt, || freed.count() == 5).await;
    });
}

pub fn a_dropped_accept_loses_no_connection<H: Harness>(harness: &H) {
    harness.run(1, |rt| async move {
        let listener = rt.listen(loopback()).await.unwrap();
        let address = listener.local_addr().unwrap();
        for round in 0..100u8 {
            let mut accepting = Box::pin(listener.accept());
            assert!(poll_once(&mut accepting).await.is_none());
            let connecting = beside(&rt, rt.connect(address));
            if round % 2 == 0 {
                // The connection may be here already when the accept is dropped.
                rt.sleep(Duration::from_millis(1)).await;
            }
            drop(accepting);
            let b = soon(&rt, listener.accept()).await.unwrap();
            let a = soon(&rt, connecting).await.unwrap();
            soon(&rt, a.send(vec![Bytes::from(vec![round])]))
                .await
                .unwrap();
            assert_eq!(soon(&rt, receive(&b, 1)).await[0], round);
        }
    });
}

pub fn a_dropped_listener_frees_its_port<H: Harness>(harness: &H) {
    harness.run(1, |rt| async move {
        let listener = rt.listen(loopback()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut accepting = Box::pin(listener.accept());
        assert!(poll_once(&mut accepting).await.is_none());
        // Connections that nobody takes.
        let mut waiting = Vec::new();
        for _ in 0..5 {
            waiting.push(soon(&rt, rt.connect(address)).await.unwrap());
        }
        rt.sleep(Duration::from_millis(1)).await;
        drop(accepting);
        drop(listener);
        for stream in waiting {
            let (result, _) = soon(&rt, stream.recv(BytesMut::with_capacity(1))).await;
            assert!(matches!(result, Ok(0) | Err(_)), "closed, not forgotten");
        }
        let again = rt.listen(address).await.unwrap();
        // A late connection to the old socket may be reset; the new one takes the next.
        soon(&rt, async {
            loop {
                let connecting = beside(&rt, rt.connect(address));
                let mut accepting = Box::pin(again.accept());
                if connecting.await.is_ok() && accepting.as_mut().await.is_ok() {
                    return;
                }
            }
        })
        .await;
    });
}

pub fn dropped_file_operations_harm_nobody<H: Harness>(harness: &H) {
    let folder = harness.folder();
    harness.run(1, move |rt| {
        let folder = folder.clone();
        async move {
            rt.create_dir_all(&folder).await.unwrap();
            let path = folder.join("dropped");
            let file = rt.open(&path, OpenMode::CreateNew).await.unwrap();
            let unit = file.alignment() as usize;
            let buf = |seed: u8| {
                let mut buf = AlignedBuf::with_capacity(4 * unit);
                buf.extend_from_slice(&vec![seed; 4 * unit]);
                buf
            };
            file.write(buf(1), 0).await.0.unwrap();
            for round in 0..200u32 {
                let mut reading = Box::pin(file.read(AlignedBuf::with_capacity(4 * unit), 0));
                let mut writing = Box::pin(file.write(buf(2), 0));
                let mut committing = Box::pin(file.commit(buf(3), 0));
                let mut opening = Box::pin(rt.open(&path, OpenMode::Read));
                // Errors are no matter here: the kernel may have been faster.
                let _ = poll_once(&mut reading).await;
                let _ = poll_once(&mut writing).await;
                let _ = poll_once(&mut committing).await;
                let _ = poll_once(&mut opening).await;
                if round % 3 == 0 {
                    rt.yield_now().await;
                }
            }
            // Cancelled writes may still land after this, but only their own bytes.
            let (result, back) = soon(&rt, file.read(AlignedBuf::with_capacity(4 * unit), 0)).await;
            assert_eq!(result.unwrap() as usize, 4 * unit);
            assert!(back.iter().all(|b| (1..=3).contains(b)));
            let mut own = AlignedBuf::with_capacity(unit);
            own.extend_from_slice(&pattern(9, unit));
            let after = 4 * unit as u64;
            soon(&rt, file.commit(own, after)).await.0.unwrap();
            let (_, back) = soon(&rt, file.read(AlignedBuf::with_capacity(unit), after)).await;
            assert!(*back == pattern(9, unit)[..]);
        }
    });
}
