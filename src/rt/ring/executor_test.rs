//! What the suite cannot see from outside: that nothing is left behind.

use std::time::Duration;

use bytes::BytesMut;
use corelog_base::CoreId;
use futures_lite::future::poll_once;

use crate::ring::{RingRuntime, start};
use crate::{CorePlan, Listener, Options, Runtime, Stream};

fn on_a_core<Fut: Future<Output = ()> + 'static>(
    main: impl Fn(RingRuntime) -> Fut + Send + Sync + 'static,
) {
    let plan = CorePlan {
        core: CoreId(0),
        cpu: None,
    };
    start(vec![plan], Options::default(), main).unwrap().join();
}

#[test]
fn dropped_sleeps_leave_the_timers_empty() {
    on_a_core(|rt| async move {
        for _ in 0..1000 {
            let mut sleep = Box::pin(rt.sleep(Duration::from_secs(3600)));
            assert!(poll_once(&mut sleep).await.is_none());
        }
        assert!(rt.0.timers.is_empty());
    });
}

#[test]
fn dropped_operations_leave_the_slab_empty() {
    on_a_core(|rt| async move {
        let listener = rt.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let mut accepting = Box::pin(listener.accept());
        assert!(poll_once(&mut accepting).await.is_none());
        let address = listener.local_addr().unwrap();
        let stream = rt.connect(address).await.unwrap();
        let _peer = accepting.await.unwrap();
        // More than the submission queue takes at once.
        for _ in 0..2000 {
            let mut receiving = Box::pin(stream.recv(BytesMut::with_capacity(1000)));
            assert!(poll_once(&mut receiving).await.is_none());
        }
        drop((listener, stream));
        // The read of the event counter stands for as long as the core.
        while rt.0.driver.in_flight() > 1 {
            rt.yield_now().await;
        }
    });
}
