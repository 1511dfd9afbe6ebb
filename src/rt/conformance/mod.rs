//! What every runtime behind the seam must do, as test cases over a [`Harness`].
//!
//! A runtime's room writes a harness and one line, `conformance_tests!(MyHarness::new())`, which
//! makes a test of each case. The simulator's runtime passes the same cases.
//!
//! Limits of time are generous: they turn a lost wake-up into a failure, and measure nothing.

mod cancel;
mod cross;
mod files;
mod real;
mod sockets;
mod tasks;

use std::any::Any;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_lite::FutureExt;

use crate::{Listener, Runtime, Stream, oneshot, timeout};

pub use cancel::*;
pub use cross::*;
pub use files::*;
pub use real::*;
pub use sockets::*;
pub use tasks::*;

/// How the suite runs a runtime.
pub trait Harness {
    type Runtime: Runtime;

    /// Runs `main` on each of `cores` cores until every one has ended and has shut down. A panic
    /// in `main` is a panic of this call.
    fn run<F, Fut>(&self, cores: u16, main: F)
    where
        F: Fn(Self::Runtime) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + 'static;

    /// A folder for this harness alone. A case creates it if it is not there.
    fn folder(&self) -> PathBuf;

    /// While the result lives, no further descriptor can be had: connect, listen and accept fail.
    fn exhaust_descriptors(rt: &Self::Runtime) -> Box<dyn Any>;
}

/// Makes a test of every case that needs nothing but a harness. The expression is evaluated for
/// each.
#[macro_export]
macro_rules! conformance_tests {
    ($harness:expr) => {
        $crate::conformance_tests! { $harness;
            what_is_computed_comes_back_and_others_run_meanwhile
            spawning_polls_nothing
            yielding_lets_every_other_task_run
            sleeps_end_in_order_and_never_early
            dropped_sleeps_leave_nothing
            a_busy_core_starves_neither_timers_nor_sockets_nor_files
            shutdown_drops_every_task
            shutdown_outlives_destructors_that_spawn_and_wake
            shutdown_ends_operations_in_flight
            a_timeout_drops_what_it_waited_for
            files_keep_what_is_written
            reads_end_at_the_end_of_the_file
            files_change_their_length
            opening_keeps_its_promises
            names_come_and_go
            small_files_are_replaced
            many_file_operations_at_once
            bytes_come_back_in_order
            a_receive_appends
            a_peer_that_closes_ends_the_stream
            close_ends_what_is_pending
            a_slow_reader_gets_every_part
            a_refused_connection_is_an_error
            many_connections_at_once
            cores_share_a_port
            a_dropped_receive_harms_nobody
            a_dropped_send_gives_its_parts_back
            a_dropped_accept_loses_no_connection
            a_dropped_listener_frees_its_port
            dropped_file_operations_harm_nobody
            a_narrow_mesh_keeps_order_and_loses_nothing
            cores_wake_each_other
            messages_to_a_core_that_is_gone_are_dropped
        }
    };
    ($harness:expr; $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $crate::conformance::$case(&$harness);
            }
        )*
    };
}

/// Far more than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for what must happen.
async fn soon<R: Runtime, F: Future>(rt: &R, future: F) -> F::Output {
    match timeout(rt, PATIENCE, future).await {
        Ok(out) => out,
        Err(_) => panic!("did not happen within {PATIENCE:?}"),
    }
}

/// Waits until a condition holds.
async fn until<R: Runtime>(rt: &R, condition: impl Fn() -> bool) {
    soon(rt, async {
        while !condition() {
            rt.sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// Runs a task beside the caller. Its panic is the panic of whoever awaits it.
fn beside<R: Runtime, T: 'static>(
    rt: &R,
    task: impl Future<Output = T> + 'static,
) -> impl Future<Output = T> + 'static {
    let (tx, rx) = oneshot();
    rt.spawn(async move {
        let outcome = AssertUnwindSafe(task).catch_unwind().await;
        // The case may have ended for another reason.
        let _ = tx.send(outcome);
    });
    async move {
        match rx.await {
            Some(Ok(out)) => out,
            Some(Err(panic)) => resume_unwind(panic),
            None => panic!("the task was dropped"),
        }
    }
}

/// Counts itself when dropped.
#[derive(Clone)]
struct Tally(Arc<AtomicUsize>);

struct Counted(Tally);

impl Tally {
    fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(0)))
    }

    fn guard(&self) -> Counted {
        Counted(self.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.add();
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Both ends of a connection.
async fn pair<R: Runtime>(rt: &R) -> (R::Stream, R::Stream) {
    let listener = rt.listen(loopback()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let connecting = beside(rt, rt.connect(address));
    let accepted = soon(rt, listener.accept()).await.unwrap();
    (soon(rt, connecting).await.unwrap(), accepted)
}

/// Receives until `count` bytes are there.
async fn receive<S: Stream>(stream: &S, count: usize) -> BytesMut {
    let mut buf = BytesMut::with_capacity(count.max(1));
    while buf.len() < count {
        buf.reserve(1);
        let (result, back) = stream.recv(buf).await;
        buf = back;
        assert_ne!(result.unwrap(), 0, "the peer has closed early");
    }
    buf
}

/// Bytes that differ from place to place.
fn pattern(seed: u64, count: usize) -> Bytes {
    let mut bytes = vec![0; count];
    corelog_base::Random::new(seed).fill(&mut bytes);
    Bytes::from(bytes)
}
