//! Answers to Produce.

use corelog_base::{Offset, TimestampMs};
use corelog_wire::native::{Api, v1, v2};

use super::ack::Placed;
use crate::error::check;
use crate::reply::Reply;
use crate::{Error, Kind};

/// What became of each part, in the order of the request.
///
/// # Errors
/// `Protocol` if this is no answer to so many parts.
pub(super) fn outcomes(reply: &Reply, count: usize) -> Result<Vec<Result<Placed, Error>>, Error> {
    let version = reply.meta.header().version;
    reply.expect(Api::Produce, version)?;
    let outcome = |error: i16, base_offset: i64, append_time: i64| {
        check(error, "", || "write a batch".to_owned())?;
        Ok(Placed {
            base_offset: Offset(base_offset),
            append_time: Some(TimestampMs(append_time)).filter(|time| time.0 >= 0),
        })
    };
    let outcomes: Vec<_> = match version {
        1 => {
            let response = reply.meta.read::<v1::ProduceResponse>()?;
            let parts = response.parts.iter();
            parts
                .map(|p| outcome(p.error.to_native(), p.base_offset.to_native(), -1))
                .collect()
        }
        2 => {
            let response = reply.meta.read::<v2::ProduceResponse>()?;
            let parts = response.parts.iter();
            parts
                .map(|p| {
                    let append_time = p.append_time.to_native();
                    outcome(p.error.to_native(), p.base_offset.to_native(), append_time)
                })
                .collect()
        }
        version => {
            let context = format!("a Produce was answered in version {version}");
            return Err(Error::new(Kind::Protocol, context));
        }
    };
    if outcomes.len() != count {
        let context = "a Produce was answered for other partitions";
        return Err(Error::new(Kind::Protocol, context));
    }
    Ok(outcomes)
}
