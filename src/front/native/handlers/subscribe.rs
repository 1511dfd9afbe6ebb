//! Subscribe: batches are pushed as they are committed, for as long as there is credit. Credit and
//! Unsubscribe, which have no answer.
//!
//! A subscription is driven by its connection's own task: what wakes it sends, without a hop.

use std::rc::Rc;

use corelog_base::Offset;
use corelog_broker::{Error, FetchPart, Fetched, Isolation};
use corelog_rt::{Credit, Runtime};
use corelog_wire::kafka::ErrorCode;
use corelog_wire::native::v1::{ArchivedFetchPart, CreditRequest, UnsubscribeRequest};
use corelog_wire::native::{FLAG_MORE, v1, v2};
use futures_lite::future::or;

use super::super::call::{Call, Malformed, response};
use super::super::context::Context;
use super::super::subscriptions::{Place, Subscriptions};
use super::fetch::{Payload, isolation, older, part};
use crate::connection::{Aside, Pushes, Response};
use crate::operation::Read;

/// Which version the frames have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Version {
    V1,
    V2,
}

/// What a Subscribe of any version asks for.
struct Asked {
    credit_bytes: u64,
    bytes_max: u64,
    isolation: Isolation,
    parts: Vec<Followed>,
}

/// A partition that is followed.
struct Followed {
    /// Its place in the request.
    place: u32,
    part: FetchPart,
}

pub(in super::super) fn begin<R: Runtime>(
    call: &Call<R>,
    version: Version,
    subscriptions: &Subscriptions,
    pushes: Pushes,
) -> Result<Aside, Malformed> {
    let asked = Asked::of(call, version)?;
    let id = call.header.correlation;
    let place = match subscriptions.begin(id, asked.parts.len(), asked.credit_bytes) {
        Ok(Some(place)) => place,
        // The client would not know which of the two a frame is of.
        Ok(None) => return Err(Malformed::REPEATED),
        Err(code) => {
            let frame = frame(version, id, 0, code, Vec::new(), Payload::default());
            pushes.push(frame?);
            return Ok(Aside::Nothing);
        }
    };
    let stream = Subscription {
        context: Rc::clone(&call.context),
        pushes,
        place,
        version,
        asked,
        is_behind: true,
    };
    Ok(Aside::Stream(Box::pin(stream.run())))
}

pub(in super::super) fn credit<R: Runtime>(
    call: &Call<R>,
    subscriptions: &Subscriptions,
) -> Result<Aside, Malformed> {
    let view = call.view()?;
    let request = view.read::<CreditRequest>()?;
    let (id, bytes) = (request.subscription.to_native(), request.bytes.to_native());
    subscriptions.add_credit(id, bytes);
    Ok(Aside::Nothing)
}

pub(in super::super) fn end<R: Runtime>(
    call: &Call<R>,
    subscriptions: &Subscriptions,
) -> Result<Aside, Malformed> {
    let view = call.view()?;
    let request = view.read::<UnsubscribeRequest>()?;
    subscriptions.end(request.subscription.to_native());
    Ok(Aside::Nothing)
}

impl Asked {
    fn of<R: Runtime>(call: &Call<R>, version: Version) -> Result<Asked, Malformed> {
        let view = call.view()?;
        Ok(match version {
            Version::V1 => {
                let request = view.read::<v1::SubscribeRequest>()?;
                Asked {
                    credit_bytes: request.credit_bytes.to_native(),
                    bytes_max: u64::from(request.bytes_max.to_native()),
                    isolation: Isolation::Uncommitted,
                    parts: followed(&request.parts),
                }
            }
            Version::V2 => {
                let request = view.read::<v2::SubscribeRequest>()?;
                Asked {
                    credit_bytes: request.credit_bytes.to_native(),
                    bytes_max: u64::from(request.bytes_max.to_native()),
                    isolation: isolation(request.isolation),
                    parts: followed(&request.parts),
                }
            }
        })
    }
}

fn followed(parts: &[ArchivedFetchPart]) -> Vec<Followed> {
    let each = (0u32..).zip(parts);
    each.map(|(place, asked)| Followed {
        place,
        part: part(asked),
    })
    .collect()
}

struct Subscription<R: Runtime> {
    context: Rc<Context<R>>,
    pushes: Pushes,
    place: Place,
    version: Version,
    asked: Asked,
    /// There was more than the last frame took.
    is_behind: bool,
}

/// What a subscription does next.
enum Next {
    Found(Vec<Result<Fetched, Error>>, Option<Credit>),
    Silence,
    Unwanted,
}

impl<R: Runtime> Subscription<R> {
    /// Pushes until every part has ended, or the client wants no more.
    async fn run(mut self) {
        while !self.asked.parts.is_empty() {
            match or(self.unwanted(), self.next()).await {
                Next::Found(found, credit) => self.push(found, credit),
                Next::Silence => self.send(FLAG_MORE, Vec::new(), Payload::default(), None),
                Next::Unwanted => break,
            }
        }
        self.send(0, Vec::new(), Payload::default(), None);
    }

    async fn unwanted(&self) -> Next {
        self.place.control.ended().await;
        Next::Unwanted
    }

    async fn next(&self) -> Next {
        self.pushes.room().await;
        let rt = self.context.broker.runtime();
        let may_send = async {
            self.place.control.has_credit().await;
            true
        };
        let silent = async {
            rt.sleep(self.context.silence_max).await;
            false
        };
        if !or(may_send, silent).await {
            return Next::Silence;
        }
        let read = Read {
            isolation: self.asked.isolation,
            parts: self.asked.parts.iter().map(|f| Ok(f.part)).collect(),
            wait_max: self.context.silence_max,
            bytes_min: 1,
            // Nothing at all would not be waited for; the first batch comes whatever its size.
            bytes_max: self.asked.bytes_max.min(self.place.control.credit()).max(1),
        };
        let memory = self.context.memory();
        let (found, credit) = match self.is_behind {
            true => read.run(&memory, self.context.silence_max).await,
            false => read.follow(&memory, self.context.silence_max).await,
        };
        let is_news = |outcome: &Result<Fetched, Error>| match outcome {
            Ok(fetched) => !fetched.batches.is_empty(),
            Err(_) => true,
        };
        match found.iter().any(is_news) {
            true => Next::Found(found, credit),
            false => Next::Silence,
        }
    }

    /// Sends what was found, and goes on behind it.
    fn push(&mut self, found: Vec<Result<Fetched, Error>>, credit: Option<Credit>) {
        let mut payload = Payload::default();
        let mut sent = Vec::new();
        self.is_behind = false;
        let parts = std::mem::take(&mut self.asked.parts);
        let parts = parts.into_iter().zip(found);
        let parts = parts.filter_map(|(mut followed, outcome)| {
            let (end, outcome) = end_of(outcome);
            let has_failed = outcome.is_err();
            if let Ok(fetched) = &outcome {
                let limit = match self.asked.isolation {
                    Isolation::Uncommitted => fetched.high_watermark,
                    Isolation::Committed => fetched.last_stable,
                };
                followed.part.offset = end.unwrap_or(followed.part.offset);
                self.is_behind |= followed.part.offset < limit;
            }
            if end.is_some() || has_failed {
                sent.push(v2::Sent {
                    part: followed.place,
                    fetched: payload.take(outcome),
                });
            }
            (!has_failed).then_some(followed)
        });
        self.asked.parts = parts.collect();
        // Others come first the next time: one that is far behind would take every frame.
        if self.asked.parts.len() > 1 {
            self.asked.parts.rotate_left(1);
        }
        self.place.control.spend(u64::from(payload.bytes));
        self.send(FLAG_MORE, sent, payload, credit);
    }

    fn send(&self, flags: u8, parts: Vec<v2::Sent>, payload: Payload, credit: Option<Credit>) {
        let none = ErrorCode::NONE;
        match frame(self.version, self.place.id, flags, none, parts, payload) {
            Ok(mut response) => {
                if let Some(mut credit) = credit {
                    credit.shrink_to(response.bytes());
                    response.credit = Some(credit);
                }
                self.pushes.push(response);
            }
            Err(error) => {
                tracing::error!(%error, "a frame of a subscription cannot be encoded");
                self.pushes.close();
            }
        }
    }
}

/// Where to go on. Batches that cannot be read would be sent for ever.
fn end_of(outcome: Result<Fetched, Error>) -> (Option<Offset>, Result<Fetched, Error>) {
    match outcome {
        Ok(fetched) => match fetched.end() {
            None if !fetched.batches.is_empty() => {
                let why = "a stored batch cannot be read".to_owned();
                (None, Err(Error::Storage(why)))
            }
            end => (end, Ok(fetched)),
        },
        Err(error) => (None, Err(error)),
    }
}

fn frame(
    version: Version,
    id: u64,
    flags: u8,
    code: ErrorCode,
    parts: Vec<v2::Sent>,
    payload: Payload,
) -> Result<Response, corelog_wire::Error> {
    let error = code.0;
    match version {
        Version::V1 => {
            let parts = parts.into_iter().map(|sent| v1::Sent {
                part: sent.part,
                fetched: older(sent.fetched),
            });
            let message = v1::SubscribeResponse {
                error,
                parts: parts.collect(),
            };
            response(id, flags, &message, payload.batches)
        }
        Version::V2 => {
            let message = v2::SubscribeResponse { error, parts };
            response(id, flags, &message, payload.batches)
        }
    }
}
