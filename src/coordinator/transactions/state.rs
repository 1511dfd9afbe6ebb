//! The transactional ids of one partition of `__transaction_state`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use corelog_base::{Monotonic, ProducerEpoch, TimestampMs};
use corelog_wire::kafka::internal::{TransactionLogKey, TransactionLogValue};

use super::transaction::{Phase, Step, Transaction};
use super::{Describe, Described, Init, List, Listed, Marked, Reply, Request, records};
use crate::{
    At, Coordinator, Effect, Error, Event, Marker, Producer, Replayed, Reply as AnyReply,
    Request as AnyRequest, Result, Stored, Token,
};

/// Transactional ids of one partition; beyond it, new ones are refused.
const IDS_MAX: usize = 200_000;
/// How long a request waits for markers before its client is told to come again.
const WAIT_MAX: Duration = Duration::from_millis(100);
/// How often all ids are looked through for those that nobody has used for long.
const EXPIRY: Duration = Duration::from_secs(60 * 60);
/// How many ids one step looks through.
const EXPIRY_IDS: usize = 1_000;
/// Before it looks at the next ones.
const EXPIRY_PAUSE: Duration = Duration::from_millis(100);

/// A request that waits until the markers of its transaction are there.
struct Waiter {
    token: Token,
    request: Request,
    due: Monotonic,
}

/// See the module.
#[derive(Default)]
pub struct Transactions {
    transactions: BTreeMap<String, Transaction>,
    /// Ids by when they are to be looked at. One that is not due any more does no harm.
    timers: BTreeSet<(Monotonic, String)>,
    waiting: BTreeMap<String, Vec<Waiter>>,
    expiry: Expiry,
}

/// Where the look through all ids stands.
#[derive(Default)]
struct Expiry {
    at: Option<Monotonic>,
    /// The last id that was looked at.
    after: Option<String>,
}

impl Transactions {
    fn request(
        &mut self,
        at: &At<'_>,
        token: Token,
        request: Request,
        due: Monotonic,
        out: &mut Vec<Effect>,
    ) {
        let step = match &request {
            Request::List(list) => return answer(token, self.list(at, list), out),
            Request::Describe(Describe { id }) => return answer(token, self.describe(id), out),
            Request::Verify(verify) => return answer(token, self.verify(verify), out),
            Request::Init(init) => self.init(at, init),
            Request::Add(add) => self.with(&add.id, |transaction| {
                transaction.add(add.producer, add.protocol, &add.partitions, at.wall)
            }),
            Request::End(end) => self.with(&end.id, |transaction| transaction.end_by_client(end)),
        };
        let id = match &request {
            Request::Init(Init { id, .. }) => id.clone(),
            Request::Add(add) => add.id.clone(),
            Request::End(end) => end.id.clone(),
            Request::List(_) | Request::Describe(_) | Request::Verify(_) => return,
        };
        match step {
            Ok(Step::Known) => {}
            Ok(Step::Changed) => self.store(at, &id, out),
            Ok(Step::Prepared) => self.prepared(at, &id, out),
            Ok(Step::Aborted) => {
                self.prepared(at, &id, out);
                return self.wait(&id, token, request, due);
            }
            Ok(Step::Wait) => return self.wait(&id, token, request, due),
            Err(error) => return answer(token, Err(error), out),
        }
        let told = self.told(&id, &request);
        answer(token, Ok(told), out);
    }

    /// What a request that went well is told.
    fn told(&self, id: &str, request: &Request) -> Reply {
        let transaction = self.transactions.get(id).expect("a step has found it");
        match request {
            Request::Init(_) => Reply::Producer(transaction.producer),
            Request::End(_) => Reply::Producer(transaction.after_end()),
            _ => Reply::Done,
        }
    }

    fn with(
        &mut self,
        id: &str,
        step: impl FnOnce(&mut Transaction) -> Result<Step>,
    ) -> Result<Step> {
        let transaction = self.transactions.get_mut(id);
        step(transaction.ok_or(Error::UnknownProducer)?)
    }

    fn init(&mut self, at: &At<'_>, init: &Init) -> Result<Step> {
        if init.id.is_empty() {
            return Err(Error::InvalidRequest);
        }
        let timeout = u64::try_from(init.timeout_ms).map(Duration::from_millis);
        let longest = at.settings.transactions.timeout_max;
        if !timeout.is_ok_and(|timeout| !timeout.is_zero() && timeout <= longest) {
            return Err(Error::InvalidTransactionTimeout);
        }
        if let Some(transaction) = self.transactions.get_mut(&init.id) {
            return transaction.init(init);
        }
        if self.transactions.len() >= IDS_MAX {
            return Err(Error::Unavailable);
        }
        let mut transaction = Transaction::new(Producer {
            id: init.fresh,
            epoch: ProducerEpoch(0),
        });
        transaction.timeout_ms = init.timeout_ms;
        self.transactions.insert(init.id.clone(), transaction);
        Ok(Step::Changed)
    }

    /// Leaves the record of an id, and sets its timer anew.
    fn store(&mut self, at: &At<'_>, id: &str, out: &mut Vec<Effect>) {
        let transaction = self.transactions.get_mut(id).expect("a step has found it");
        transaction.updated = at.wall;
        append(records::stored(id, transaction), out);
        self.set_timer(at, id);
    }

    /// An open transaction is aborted when its time is over.
    fn set_timer(&mut self, at: &At<'_>, id: &str) {
        let Some(transaction) = self.transactions.get_mut(id) else {
            return;
        };
        let due = transaction.is_open().then(|| transaction.due(at));
        if due == transaction.due {
            return;
        }
        if let Some(known) = std::mem::replace(&mut transaction.due, due) {
            self.timers.remove(&(known, id.to_owned()));
        }
        self.timers.extend(due.map(|due| (due, id.to_owned())));
    }

    fn prepared(&mut self, at: &At<'_>, id: &str, out: &mut Vec<Effect>) {
        self.store(at, id, out);
        let transaction = self.transactions.get(id);
        let mark = transaction.and_then(|transaction| transaction.mark(id));
        out.extend(mark.map(Effect::Mark));
    }

    fn wait(&mut self, id: &str, token: Token, request: Request, due: Monotonic) {
        self.timers.insert((due, id.to_owned()));
        let waiting = self.waiting.entry(id.to_owned()).or_default();
        waiting.push(Waiter {
            token,
            request,
            due,
        });
    }

    /// All markers of a transaction are in their partitions.
    fn marked(&mut self, at: &At<'_>, marked: &Marked, out: &mut Vec<Effect>) {
        let Some(transaction) = self.transactions.get_mut(&marked.id) else {
            return;
        };
        if !transaction.is_prepared() || transaction.producer != marked.producer {
            return;
        }
        transaction.complete();
        self.store(at, &marked.id, out);
        for waiter in self.waiting.remove(&marked.id).unwrap_or_default() {
            self.request(at, waiter.token, waiter.request, waiter.due, out);
        }
    }

    fn verify(&self, verify: &super::Verify) -> Result<Reply> {
        let transaction = self.transactions.get(&verify.id);
        let transaction = transaction.ok_or(Error::UnknownProducer)?;
        transaction.check(verify.producer)?;
        if transaction.is_prepared() {
            return Err(Error::ConcurrentTransactions);
        }
        let asked = verify.partitions.iter();
        let found = asked.map(
            |(topic, partition)| match transaction.has(topic, *partition) {
                true => Ok(()),
                false => Err(Error::NotInTransaction),
            },
        );
        Ok(Reply::Partitions(found.collect()))
    }

    fn describe(&self, id: &str) -> Result<Reply> {
        let transaction = self.transactions.get(id);
        let transaction = transaction.ok_or(Error::TransactionalIdNotFound)?;
        Ok(Reply::Described(Described {
            producer: transaction.producer,
            state: transaction.phase.name(),
            timeout_ms: transaction.timeout_ms,
            started: transaction.started,
            partitions: transaction.partitions.clone(),
        }))
    }

    fn list(&self, at: &At<'_>, list: &List) -> Result<Reply> {
        let pattern = match list.pattern.as_deref() {
            None | Some("") => None,
            Some(pattern) => Some(crate::pattern::whole(pattern)?),
        };
        let wanted = |id: &str, transaction: &Transaction| {
            let open_for = match transaction.started {
                TimestampMs(..0) => -1,
                TimestampMs(started) => at.wall.0.saturating_sub(started),
            };
            let state = transaction.phase.name();
            (list.states.is_empty() || list.states.iter().any(|name| name == state))
                && (list.producers.is_empty() || list.producers.contains(&transaction.producer.id))
                && list.open_for_ms.is_none_or(|least| open_for > least)
                && pattern.as_ref().is_none_or(|p| p.is_match(id))
        };
        let all = self.transactions.iter();
        let listed = all.filter(|(id, transaction)| wanted(id, transaction));
        let listed = listed.map(|(id, transaction)| Listed {
            id: id.clone(),
            producer: transaction.producer.id,
            state: transaction.phase.name(),
        });
        Ok(Reply::Listed(listed.collect()))
    }

    fn tick(&mut self, at: &At<'_>, out: &mut Vec<Effect>) {
        while let Some((due, id)) = self.timers.first().cloned()
            && due <= at.now
        {
            self.timers.pop_first();
            self.time_out(at, &id, out);
            let Some(waiting) = self.waiting.get_mut(&id) else {
                continue;
            };
            for waiter in waiting.extract_if(.., |waiter| waiter.due <= at.now) {
                answer(waiter.token, Err(Error::ConcurrentTransactions), out);
            }
            if waiting.is_empty() {
                self.waiting.remove(&id);
            }
        }
        if self.expiry.at.is_some_and(|due| due <= at.now) {
            self.expire_some(at, out);
        }
    }

    fn time_out(&mut self, at: &At<'_>, id: &str, out: &mut Vec<Effect>) {
        let Some(transaction) = self.transactions.get_mut(id) else {
            return;
        };
        if transaction.is_open() && transaction.due.is_some_and(|due| due <= at.now) {
            transaction.due = None;
            transaction.fence();
            self.prepared(at, id, out);
        }
    }

    /// Ids that nobody has used for long go.
    fn expire_some(&mut self, at: &At<'_>, out: &mut Vec<Effect>) {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = self.expiry.after.take();
        let from = after.as_deref().map_or(Unbounded, Excluded);
        let kept = at.settings.transactions.id_expiration;
        let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
        let mut gone = Vec::new();
        let mut last = None;
        let mut count = 0;
        let all = self.transactions.range::<str, _>((from, Unbounded));
        for (id, transaction) in all.take(EXPIRY_IDS) {
            let ended = matches!(transaction.phase, Phase::Empty | Phase::Complete { .. });
            if ended && at.wall.0.saturating_sub(transaction.updated.0) > kept {
                gone.push(id.clone());
            }
            last = Some(id.clone());
            count += 1;
        }
        for id in gone {
            self.transactions.remove(&id);
            append(records::gone(&id), out);
        }
        let wait = match count < EXPIRY_IDS {
            true => EXPIRY,
            false => EXPIRY_PAUSE,
        };
        self.expiry = Expiry {
            at: Some(at.now + wait),
            after: last.filter(|_| count == EXPIRY_IDS),
        };
    }
}

fn answer(token: Token, reply: Result<Reply>, out: &mut Vec<Effect>) {
    let reply = reply.map(AnyReply::Transaction);
    out.push(Effect::Reply { token, reply });
}

fn append(record: Stored, out: &mut Vec<Effect>) {
    out.push(Effect::Append {
        records: vec![record],
        producer: None,
    });
}

impl Coordinator for Transactions {
    fn replay(
        &mut self,
        _at: &At<'_>,
        record: &Replayed<'_>,
    ) -> std::result::Result<(), corelog_wire::Error> {
        let key = TransactionLogKey::decode(record.key)?;
        let id = key.transactional_id;
        let transaction = match record.value {
            Some(value) => records::restored(&TransactionLogValue::decode(value)?),
            None => None,
        };
        match transaction {
            Some(transaction) => drop(self.transactions.insert(id.to_owned(), transaction)),
            None => drop(self.transactions.remove(id)),
        }
        Ok(())
    }

    fn replay_marker(&mut self, _marker: &Marker) {}

    fn loaded(&mut self, at: &At<'_>, out: &mut Vec<Effect>) {
        let ids: Vec<String> = self.transactions.keys().cloned().collect();
        for id in ids {
            self.set_timer(at, &id);
        }
        let marks = self.transactions.iter().filter_map(|(id, t)| t.mark(id));
        out.extend(marks.map(Effect::Mark));
        self.expiry.at = Some(at.now + EXPIRY);
    }

    fn step(&mut self, at: &At<'_>, event: Event, out: &mut Vec<Effect>) {
        match event {
            Event::Request { token, request } => match request {
                AnyRequest::Transaction(request) => {
                    self.request(at, token, request, at.now + WAIT_MAX, out);
                }
                _ => answer(token, Err(Error::InvalidRequest), out),
            },
            Event::Tick => self.tick(at, out),
            Event::Marked(marked) => self.marked(at, &marked, out),
            // A partition that is gone needs no marker: whoever writes them finds out.
            Event::TopicsChanged | Event::TopicsDeleted(_) | Event::Marker(_) => {}
        }
    }

    fn deadline(&self) -> Option<Monotonic> {
        let timer = self.timers.first().map(|(due, _)| *due);
        timer.into_iter().chain(self.expiry.at).min()
    }
}
