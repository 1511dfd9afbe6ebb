//! Fetch: read or arm at each owning core, sum here, wait for the first that has more.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use corelog_base::{CoreId, Offset};
use corelog_rt::Runtime;
use corelog_rt::local::Receiver;

use super::produce::spread;
use crate::api::{FetchRequest, Fetched};
use crate::handle::Inner;
use crate::message::{FetchItem, FetchVisit, Message, Reply, ReplyTo, Request};
use crate::{Broker, Error, Outcomes, Result};

impl<R: Runtime> Broker<R> {
    /// Reads what is there; if that is less than `bytes_min`, waits for more, for an error, or
    /// for `wait_max`. Cancel-safe: a drop disarms what waits.
    pub async fn fetch(&self, request: FetchRequest) -> Outcomes<Fetched> {
        let mut fetch = Fetch::plan(Rc::clone(&self.0), request);
        let mut due: Vec<usize> = (0..fetch.visits.len()).collect();
        let inner = Rc::clone(&self.0);
        let mut deadline = pin!(inner.rt.sleep(fetch.request.wait_max));
        loop {
            fetch.visit(&due).await;
            if fetch.is_done() {
                break;
            }
            due = match fetch.fired(deadline.as_mut()).await {
                Some(visit) => vec![visit],
                None => break,
            };
        }
        fetch.finish()
    }
}

/// One core's share of a fetch.
struct Visit {
    core: CoreId,
    parts: Vec<usize>,
    items: Vec<FetchItem>,
    /// Where the core says that there is more, while it waits.
    armed: Option<(ReplyTo, Receiver<Reply>)>,
}

struct Fetch<R: Runtime> {
    inner: Rc<Inner<R>>,
    request: FetchRequest,
    outcomes: Vec<Option<Result<Fetched>>>,
    visits: Vec<Visit>,
}

impl<R: Runtime> Fetch<R> {
    fn plan(inner: Rc<Inner<R>>, request: FetchRequest) -> Self {
        let mut outcomes = Vec::new();
        let mut visits: Vec<Visit> = (0..inner.cores)
            .map(|core| Visit::new(CoreId(core)))
            .collect();
        for (index, part) in request.parts.iter().enumerate() {
            match inner.route(part.key) {
                Ok((group, core)) => {
                    outcomes.push(None);
                    let visit = &mut visits[usize::from(core.0)];
                    visit.parts.push(index);
                    visit.items.push(FetchItem {
                        group,
                        offset: part.offset,
                        leader_epoch: part.leader_epoch,
                        bytes_max: part.bytes_max,
                    });
                }
                Err(error) => outcomes.push(Some(Err(error))),
            }
        }
        visits.retain(|visit| !visit.items.is_empty());
        Self {
            inner,
            request,
            outcomes,
            visits,
        }
    }

    /// Asks the cores of these visits, all of them before the first answer is awaited.
    async fn visit(&mut self, due: &[usize]) {
        let waits = !self.request.wait_max.is_zero() && !self.is_final();
        let mut asked = Vec::new();
        for index in due {
            let armed = waits.then(|| self.inner.open_slot());
            let visit = &mut self.visits[*index];
            let request = FetchVisit {
                isolation: self.request.isolation,
                bytes_min: self.request.bytes_min,
                bytes_max: self.request.bytes_max,
                items: visit.items.clone(),
                arm: armed.as_ref().map(|(reply_to, _)| *reply_to),
            };
            visit.armed = armed;
            let core = visit.core;
            let receiver = self.inner.ask(core, Request::Fetch(request)).await;
            asked.push((*index, receiver));
        }
        for (index, receiver) in asked {
            let (reply, armed) = match receiver.await {
                Some(Reply::Fetch(reply)) => (Ok(reply.outcomes), reply.armed),
                Some(_) => unreachable!("a fetch visit is answered by what was fetched"),
                None => (Err(Error::Stopping), false),
            };
            if !armed {
                self.disarm(index);
            }
            spread(&mut self.outcomes, &self.visits[index].parts, reply);
        }
    }

    /// An error answers at once.
    fn is_final(&self) -> bool {
        self.outcomes.iter().any(|o| matches!(o, Some(Err(_))))
    }

    fn is_done(&self) -> bool {
        let bytes: u64 = self
            .outcomes
            .iter()
            .flatten()
            .flatten()
            .map(Fetched::bytes)
            .sum();
        self.is_final() || bytes >= self.request.bytes_min || self.request.wait_max.is_zero()
    }

    /// The visit whose core has more, or None when the time is up.
    async fn fired(&mut self, mut deadline: Pin<&mut impl Future<Output = ()>>) -> Option<usize> {
        let visits = &mut self.visits;
        let fired = poll_fn(|cx| {
            for (index, visit) in visits.iter_mut().enumerate() {
                if let Some((_, receiver)) = &mut visit.armed
                    && Pin::new(receiver).poll(cx).is_ready()
                {
                    return Poll::Ready(Some(index));
                }
            }
            deadline.as_mut().poll(cx).map(|()| None)
        })
        .await;
        if let Some(index) = fired {
            self.visits[index].armed = None;
        }
        fired
    }

    fn disarm(&mut self, index: usize) {
        let visit = &mut self.visits[index];
        let Some((reply_to, _)) = visit.armed.take() else {
            return;
        };
        self.inner.close_slot(reply_to.slot);
        let wait = reply_to.wait_id();
        if visit.core == self.inner.rt.core() {
            self.inner.shard.with(|shard| shard.disarm(wait));
        } else {
            self.inner.post(visit.core, Message::Disarm { wait });
        }
    }

    /// Cuts the answer to the request's `bytes_max`: what does not fit is left for the next
    /// request, but the first batch of all is given whatever its size.
    fn finish(mut self) -> Outcomes<Fetched> {
        let mut left = self.request.bytes_max;
        let mut given = false;
        let outcomes = std::mem::take(&mut self.outcomes).into_iter();
        outcomes
            .map(|outcome| {
                let mut outcome = outcome.unwrap_or(Err(Error::Stopping));
                if let Ok(fetched) = &mut outcome {
                    let whole = fetched.batches.len();
                    cut(&mut fetched.batches, &mut left, &mut given);
                    if fetched.batches.len() < whole {
                        let end = fetched.end().unwrap_or(Offset(0));
                        fetched.aborted.retain(|aborted| aborted.first < end);
                    }
                }
                outcome
            })
            .collect()
    }
}

fn cut(batches: &mut Vec<bytes::Bytes>, left: &mut u64, given: &mut bool) {
    let mut keep = 0;
    for batch in batches.iter() {
        let bytes = batch.len() as u64;
        if bytes > *left && *given {
            *left = 0;
            break;
        }
        *left = left.saturating_sub(bytes);
        *given = true;
        keep += 1;
    }
    batches.truncate(keep);
}

impl Visit {
    fn new(core: CoreId) -> Self {
        Self {
            core,
            parts: Vec::new(),
            items: Vec::new(),
            armed: None,
        }
    }
}

impl<R: Runtime> Drop for Fetch<R> {
    fn drop(&mut self) {
        for index in 0..self.visits.len() {
            self.disarm(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::cut;
    use bytes::Bytes;

    fn check(sizes: &[usize], left: u64, given: bool, expected: usize) {
        let mut batches: Vec<Bytes> = sizes.iter().map(|n| Bytes::from(vec![0; *n])).collect();
        cut(&mut batches, &mut left.clone(), &mut given.clone());
        assert_eq!(batches.len(), expected);
    }

    #[test]
    fn cut_gives_one_batch_at_least_and_no_more_than_fits() {
        check(&[10, 10], 5, false, 1);
        check(&[10, 10], 5, true, 0);
        check(&[10, 10], 20, true, 2);
        check(&[10, 10], 19, false, 1);
    }
}
