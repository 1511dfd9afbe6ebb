//! A thread for what may block without a limit: opening, renaming, folders. One for each core.

use std::future::Future;
use std::io;
use std::thread::JoinHandle;

use flume::{Sender, TrySendError};

/// None ends the thread.
type Job = Option<Box<dyn FnOnce() + Send>>;

/// Once so many jobs wait for the thread, who brings another waits for room.
const JOBS_MAX: usize = 16 * 1024;

/// The thread and the way to it. Dropping it lets the thread finish what it was given.
pub(crate) struct Blocking {
    jobs: Sender<Job>,
    thread: Option<JoinHandle<()>>,
}

impl Blocking {
    /// Starts the thread; before the caller is pinned, for a thread inherits the CPUs of the one
    /// that makes it.
    pub(crate) fn start() -> io::Result<Self> {
        let (jobs, queue) = flume::bounded::<Job>(JOBS_MAX);
        let thread = std::thread::Builder::new()
            .name("cold".into())
            .spawn(move || {
                while let Ok(Some(job)) = queue.recv() {
                    job();
                }
            })?;
        Ok(Self {
            jobs,
            thread: Some(thread),
        })
    }

    /// Runs `work` there, after everything that was given before. Dropping the future abandons
    /// the result; the work is done all the same, unless it still waits for room.
    ///
    /// # Errors
    /// `NotConnected` if the thread ends first.
    pub(crate) fn run<T, W>(&self, work: W) -> impl Future<Output = io::Result<T>> + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> io::Result<T> + Send + 'static,
    {
        let (done, result) = flume::bounded(1);
        let job: Job = Some(Box::new(move || {
            // Nobody may be left to hear it.
            let _ = done.send(work());
        }));
        let waits = match self.jobs.try_send(job) {
            Err(TrySendError::Full(job)) => Some(self.jobs.clone().into_send_async(job)),
            // A job that is not taken drops its sender, which the result says.
            Ok(()) | Err(TrySendError::Disconnected(_)) => None,
        };
        let result = result.into_recv_async();
        async move {
            if let Some(room) = waits {
                let _ = room.await;
            }
            match result.await {
                Ok(result) => result,
                Err(flume::RecvError::Disconnected) => Err(io::Error::new(
                    io::ErrorKind::NotConnected,
                    "the thread for file work has ended",
                )),
            }
        }
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        // Refused only if the thread has ended by a panic.
        let _ = self.jobs.send(None);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread for cold file work panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};
    use std::sync::mpsc;

    #[test]
    fn work_is_done_in_order_and_even_if_abandoned() {
        let blocking = Blocking::start().unwrap();
        let (tx, rx) = mpsc::channel();
        for n in 0..3 {
            let tx = tx.clone();
            drop(blocking.run(move || tx.send(n).map_err(io::Error::other)));
        }
        assert_eq!(block_on(blocking.run(|| Ok(7))).unwrap(), 7);
        drop(blocking);
        assert_eq!(rx.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
    }

    /// One job that holds the thread until what comes first is dropped, and more than fit behind it.
    fn fill(
        blocking: &Blocking,
    ) -> (
        mpsc::Sender<()>,
        impl Future<Output = io::Result<bool>> + use<>,
        Vec<impl Future<Output = io::Result<()>> + use<>>,
    ) {
        let (release, hold) = mpsc::channel::<()>();
        let held = blocking.run(move || Ok(hold.recv().is_err()));
        let queued = (0..=JOBS_MAX).map(|_| blocking.run(|| Ok(())));
        (release, held, queued.collect())
    }

    #[test]
    fn who_finds_the_queue_full_waits() {
        let blocking = Blocking::start().unwrap();
        let (release, held, queued) = fill(&blocking);
        let mut last = Box::pin(blocking.run(|| Ok(7)));
        assert!(block_on(poll_once(&mut last)).is_none());
        drop(release);
        assert_eq!(block_on(last).unwrap(), 7);
        assert!(block_on(held).unwrap());
        for job in queued {
            block_on(job).unwrap();
        }
    }

    #[test]
    fn who_waits_for_room_when_the_thread_ends_hears_so() {
        let blocking = Blocking::start().unwrap();
        let (release, held, queued) = fill(&blocking);
        let last = blocking.run(|| Ok(7));
        drop(release);
        drop(blocking);
        let error = block_on(last).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
        assert!(block_on(held).unwrap());
        drop(queued);
    }
}
