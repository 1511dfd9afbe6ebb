//! Produce: at most one message a core, one reply slot a visit.

use std::rc::Rc;
use std::time::Duration;

use corelog_base::Monotonic;
use corelog_rt::local::Receiver;
use corelog_rt::{Runtime, timeout};

use crate::api::{ProduceRequest, Produced};
use crate::handle::Inner;
use crate::message::{ProduceItem, ProduceVisit, Reply, Request};
use crate::{Broker, Error, Outcomes, Result};

/// A produce request whose batches are on their way, in the order of submission.
pub struct SubmittedProduce<R: Runtime> {
    inner: Rc<Inner<R>>,
    deadline: Monotonic,
    /// One a part; None is filled by a visit.
    outcomes: Vec<Option<Result<Produced>>>,
    visits: Vec<Visit>,
}

/// What was asked of one core: which parts, and where the answer comes.
struct Visit {
    parts: Vec<usize>,
    receiver: Receiver<Reply>,
}

impl<R: Runtime> Broker<R> {
    /// Sends every batch to the core that owns its partition. When this returns, the batches are
    /// behind all that was submitted before and before all that is submitted after, so a
    /// connection awaits this in order and the outcomes side by side. Not cancel-safe: a drop
    /// before it returns may have sent some of the batches.
    pub async fn submit_produce(&self, request: ProduceRequest) -> SubmittedProduce<R> {
        let inner = Rc::clone(&self.0);
        let deadline = inner.rt.now() + request.timeout;
        let mut outcomes: Vec<Option<Result<Produced>>> = Vec::new();
        let mut planned: Vec<(Vec<usize>, Vec<ProduceItem>)> = Vec::new();
        planned.resize_with(usize::from(inner.cores), Default::default);
        for (index, part) in request.parts.into_iter().enumerate() {
            let routed = inner.route(part.key);
            outcomes.push(routed.as_ref().err().cloned().map(Err));
            if let Ok((group, core)) = routed {
                let (parts, items) = &mut planned[usize::from(core.0)];
                parts.push(index);
                items.push(ProduceItem {
                    group,
                    verified: part.verified,
                    header: part.header,
                    batch: part.batch,
                });
            }
        }
        let mut visits = Vec::new();
        for (core, (parts, items)) in (0u16..).zip(planned) {
            if items.is_empty() {
                continue;
            }
            let visit = ProduceVisit {
                acks: request.acks,
                items,
            };
            let core = corelog_base::CoreId(core);
            let receiver = inner.ask(core, Request::Produce(visit)).await;
            visits.push(Visit { parts, receiver });
        }
        SubmittedProduce {
            inner,
            deadline,
            outcomes,
            visits,
        }
    }

    /// Submits and waits.
    pub async fn produce(&self, request: ProduceRequest) -> Outcomes<Produced> {
        self.submit_produce(request).await.outcomes().await
    }
}

impl<R: Runtime> SubmittedProduce<R> {
    /// Waits until every batch is committed or refused, at most for the request's timeout.
    /// Dropping it abandons the answers; the batches may still be committed.
    pub async fn outcomes(mut self) -> Outcomes<Produced> {
        for visit in self.visits {
            let left = self.deadline.since(self.inner.rt.now());
            let reply = wait(&self.inner.rt, left, visit.receiver).await;
            spread(&mut self.outcomes, &visit.parts, reply);
        }
        let all = self.outcomes.into_iter();
        all.map(|outcome| outcome.unwrap_or(Err(Error::TimedOut)))
            .collect()
    }
}

async fn wait<R: Runtime>(
    rt: &R,
    left: Duration,
    receiver: Receiver<Reply>,
) -> Result<Outcomes<Produced>> {
    match timeout(rt, left, receiver).await {
        Ok(Some(Reply::Produce(outcomes))) => Ok(outcomes),
        Ok(Some(_)) => unreachable!("a produce visit is answered by its outcomes"),
        Ok(None) => Err(Error::Stopping),
        Err(_) => Err(Error::TimedOut),
    }
}

/// Puts a visit's outcomes where its parts are; one error goes to all of them.
pub(super) fn spread<T>(
    outcomes: &mut [Option<Result<T>>],
    parts: &[usize],
    reply: Result<Outcomes<T>>,
) {
    match reply {
        Ok(found) => {
            assert_eq!(found.len(), parts.len());
            for (part, outcome) in parts.iter().zip(found) {
                outcomes[*part] = Some(outcome);
            }
        }
        Err(error) => {
            for part in parts {
                outcomes[*part] = Some(Err(error.clone()));
            }
        }
    }
}
