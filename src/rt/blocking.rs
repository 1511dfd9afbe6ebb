//! A thread for what may block without a limit: opening, renaming, folders. One for each core.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

type Job = Box<dyn FnOnce() + Send>;

/// More jobs than this waiting for one thread are refused.
const JOBS_MAX: usize = 16 * 1024;

/// The thread and the way to it. Dropping it lets the thread finish what it was given.
pub(crate) struct Blocking {
    jobs: Option<mpsc::Sender<Job>>,
    waiting: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Blocking {
    /// Starts the thread; before the caller is pinned, for a thread inherits the CPUs of the one
    /// that makes it.
    pub(crate) fn start() -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new()
            .name("cold".into())
            .spawn(move || {
                for job in queue {
                    job();
                }
            })?;
        Ok(Self {
            jobs: Some(jobs),
            waiting: Arc::new(AtomicUsize::new(0)),
            thread: Some(thread),
        })
    }

    /// Runs `work` there, after everything that was given before. Dropping the future abandons
    /// the result; the work is done all the same.
    ///
    /// # Errors
    /// `ResourceBusy` if too much waits already.
    pub(crate) fn run<T, W>(&self, work: W) -> impl Future<Output = io::Result<T>> + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> io::Result<T> + Send + 'static,
    {
        let (done, result) = flume::bounded(1);
        let waiting = Arc::clone(&self.waiting);
        let job = Box::new(move || {
            waiting.fetch_sub(1, Ordering::Relaxed);
            // Nobody may be left to hear it.
            let _ = done.send(work());
        });
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= JOBS_MAX {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            drop(job);
        } else if let Some(jobs) = &self.jobs {
            // The thread ends only after this sender, or by a panic, which ends the process.
            let _ = jobs.send(job);
        }
        let result = result.into_recv_async();
        async move {
            match result.await {
                Ok(result) => result,
                Err(flume::RecvError::Disconnected) => Err(io::Error::new(
                    io::ErrorKind::ResourceBusy,
                    "too much file work is waiting",
                )),
            }
        }
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        self.jobs = None;
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
    use futures_lite::future::block_on;

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

    #[test]
    fn a_full_queue_refuses() {
        let blocking = Blocking::start().unwrap();
        let (release, hold) = mpsc::channel::<()>();
        let held = blocking.run(move || Ok(hold.recv().is_err()));
        let queued: Vec<_> = (0..=JOBS_MAX).map(|_| blocking.run(|| Ok(()))).collect();
        let last = block_on(blocking.run(|| Ok(())));
        assert_eq!(last.unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        drop(release);
        assert!(block_on(held).unwrap());
        drop(queued);
        drop(blocking);
    }
}
