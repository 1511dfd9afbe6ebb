//! Listeners and streams.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{Harness, Tally, beside, loopback, pair, pattern, receive, soon, until};
use crate::{Listener, Runtime, Stream};

pub fn bytes_come_back_in_order<H: Harness>(harness: &H) {
    harness.run(1, |rt| async move {
        let (a, b) = pair(&rt).await;
        assert!(b.peer_addr().ip().is_loopback());
        let echo = beside(&rt, async move {
            loop {
                let (result, buf) = b.recv(BytesMut::with_capacity(1000)).await;
                if result.unwrap() == 0 {
                    return;
                }
                b.send(vec![buf.freeze()]).await.unwrap();
            }
        });
        for round in 0..200 {
            let bytes = pattern(round, 1 + round as usize * 7);
            soon(&rt, a.send(vec![bytes.clone()])).await.unwrap();
            assert!(soon(&rt, receive(&a, bytes.len())).await == bytes);
        }
        soon(&rt, a.send(vec![])).await.unwrap();
        soon(&rt, a.send(vec![Bytes::new(), Bytes::new()]))
            .await
            .unwrap();
        a.close();
        soon(&rt, echo).await;
    });
}

pub fn a_receive_appends<H: Harness>(harness: &H) {
    harness.run(1, |rt| async move {
        let (a, b) = pair(&rt).await;
        soon(&rt, a.send(vec![Bytes::from_static(b"defgh")]))
            .await
            .unwrap();
        let mut buf = BytesMut::with_capacity(4);
        buf.extend_from_slice(b"abc");
        let room = buf.capacity() - buf.len();
        let (result, buf) = soon(&rt, b.recv(buf)).await;
        let count = result.unwrap();
        assert!(
            count >= 1 && count <= room,
            "no more than the spare capacity"
        );
        assert_eq!(&buf[..], &b"abcdefgh"[..3 + count]);
        let rest = soon(&rt, receive(&b, 5 - count)).await;
        assert_eq!(&rest[..], &b"defgh"[count..]);
    });
}

pub fn a_peer_that_closes_ends_the_stream<H: Harness>(harness: &H) {
    harness.run(1, |rt| async move {
        let (a, b) = pair(&rt).await;
        let bytes = pattern(1, 10_000);
        soon(&rt, a.send(vec![bytes.clone()])).await.unwrap();
        // By its last handle, and by close: what was sent before arrives all the same.
        drop(a);
        assert!(soon(&rt, receive(&b, bytes.len())).await == bytes);
        let (result, buf) = soon(&rt, b.recv(BytesMut::with_capacity(10))).await;
        assert_eq!(result.unwrap(), 0);
        assert!(buf.is_empty());
        let (a, b) = pair(&rt).await;
        soon(&rt, a.send(vec![bytes.clone()])).await.unwrap();
        a.close();
        a.close();
        assert!(soon(&rt, receive(&b, bytes.len())).await == bytes);
        let (result, _) = soon(&rt, b.recv(BytesMut::with_capacity(10))).await;
        assert_eq!(result.unwrap(), 0);
        assert!(soon(&rt, a.send(vec![bytes])).await.is_err());
    });
}

pub fn close_ends_what_is_pending<H: Harness>(harness: &H) {
    harness.run(1, |rt| async move {
        let (a, b) = pair(&rt).await;
        let receiving = beside(&rt, a.recv(BytesMut::with_capacity(10)));
        let sending = beside(&rt, a.send(vec![pattern(1, 32 << 20)]));
        for _ in 0..10 {
            rt.yield_now().await;
        }
        a.close();
        let (result, _) = soon(&rt, receiving).await;
        assert!(matches!(result, Ok(0) | Err(_)));
        assert!(soon(&rt, sending).await.is_err());
        drop(b);
    });
}

pub fn a_slow_reader_gets_every_part<H: Harness>(harness: &H) {
    // More parts than one gathered send takes, and more bytes than a socket buffers.
    const PARTS: usize = 3000;
    harness.run(1, |rt| async move {
        let (a, b) = pair(&rt).await;
        let parts: Vec<Bytes> = (0..PARTS)
            .map(|n| pattern(n as u64, n * 37 % 10_000))
            .collect();
        let all: Vec<u8> = parts.concat();
        let expected = all.len();
        let rt2 = rt.clone();
        let reader = beside(&rt, async move {
            let mut got = Vec::new();
            let mut round = 0;
            while got.len() < expected {
                let (result, buf) = b.recv(BytesMut::with_capacity(60_000)).await;
                assert_ne!(result.unwrap(), 0);
                got.extend_from_slice(&buf);
                round += 1;
                if round % 16 == 0 {
                    rt2.sleep(Duration::from_millis(1)).await;
                }
            }
            got
        });
        soon(&rt, a.send(parts)).await.unwrap();
        assert!(soon(&rt, reader).await == all);
    });
}

pub fn a_refused_connection_is_an_error<H: Harness>(harness: &H) {
    harness.run(1, |rt| async move {
        let listener = rt.listen(loopback()).await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        // Until the kernel has let go of the socket, a connection may still be taken in.
        soon(&rt, async {
            while rt.connect(address).await.is_ok() {
                rt.sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        let (a, _b) = pair(&rt).await;
        assert!(rt.listen(a.peer_addr()).await.is_ok(), "ports are shared");
    });
}

pub fn many_connections_at_once<H: Harness>(harness: &H) {
    const CONNECTIONS: u64 = 200;
    harness.run(1, |rt| async move {
        let listener = rt.listen(loopback()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let rt2 = rt.clone();
        let server = beside(&rt, async move {
            for _ in 0..CONNECTIONS {
                let stream = listener.accept().await.unwrap();
                rt2.spawn(async move {
                    let bytes = receive(&stream, 1000).await;
                    stream.send(vec![bytes.freeze()]).await.unwrap();
                });
            }
        });
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|n| {
                let rt2 = rt.clone();
                beside(&rt, async move {
                    let stream = rt2.connect(address).await.unwrap();
                    let bytes = pattern(n, 1000);
                    stream.send(vec![bytes.slice(..500)]).await.unwrap();
                    rt2.yield_now().await;
                    stream.send(vec![bytes.slice(500..)]).await.unwrap();
                    assert!(receive(&stream, 1000).await == bytes);
                })
            })
            .collect();
        for client in clients {
            soon(&rt, client).await;
        }
        soon(&rt, server).await;
    });
}

pub fn cores_share_a_port<H: Harness>(harness: &H) {
    const CONNECTIONS: usize = 50;
    let port = Arc::new(Mutex::new(None));
    let (listening, served) = (Tally::new(), Tally::new());
    harness.run(2, move |rt| {
        let (port, listening, served) = (port.clone(), listening.clone(), served.clone());
        async move {
            // The first core takes any port, the second the same one.
            if rt.core().0 == 1 {
                until(&rt, || listening.count() == 1).await;
            }
            let address = port.lock().unwrap().unwrap_or(loopback());
            let listener = rt.listen(address).await.unwrap();
            let address = listener.local_addr().unwrap();
            *port.lock().unwrap() = Some(address);
            listening.add();
            let tally = served.clone();
            let rt2 = rt.clone();
            rt.spawn(async move {
                while let Ok(stream) = listener.accept().await {
                    let tally = tally.clone();
                    rt2.spawn(async move {
                        tally.add();
                        // A client that is gone needs no answer.
                        let _ = stream.send(vec![Bytes::from_static(b"x")]).await;
                        let (_, _) = stream.recv(BytesMut::with_capacity(1)).await;
                    });
                }
            });
            until(&rt, || listening.count() == 2).await;
            if rt.core().0 == 0 {
                let mine = Rc::new(Cell::new(0));
                for _ in 0..CONNECTIONS {
                    let stream = soon(&rt, rt.connect(address)).await.unwrap();
                    assert_eq!(&soon(&rt, receive(&stream, 1)).await[..], b"x");
                    mine.set(mine.get() + 1);
                }
                assert_eq!(mine.get(), CONNECTIONS);
            }
            until(&rt, || served.count() == CONNECTIONS).await;
        }
    });
}
