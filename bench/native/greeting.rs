//! What is said before the first request of a connection.

use std::time::Duration;

use corelog_wire::native::v1::{HelloRequest, HelloResponse, Range};
use corelog_wire::native::{Api, ApiRange, Header, Limits, META_BYTES_MAX, Meta, common, encode};

use super::CLIENT_NAME;
use crate::socket::{Framing, Socket};
use crate::{Error, Kind, clock};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
pub(super) const LIMITS: Limits = Limits {
    meta_bytes_max: META_BYTES_MAX,
    payload_bytes_max: 255 << 20,
};

/// A connection, and the version that both sides speak of one API.
pub(super) fn greet(address: &str, api: Api) -> Result<(Socket, u16), Error> {
    let mut socket = Socket::connect(address, Framing::Native)?;
    socket.set_read_timeout(ANSWER_TIMEOUT)?;
    let ranges = Api::ALL.into_iter().map(Api::range).map(|range| Range {
        api: range.api,
        min: range.min,
        max: range.max,
    });
    let hello = HelloRequest {
        client: CLIENT_NAME.to_owned(),
        software: CLIENT_NAME.to_owned(),
        ranges: ranges.collect(),
    };
    send(&mut socket, encode(0, 0, &hello, Vec::new())?)?;
    let asked = clock::now();
    let frame = loop {
        if let Some(frame) = socket.frame()? {
            break frame;
        }
        if !socket.fill()? && clock::now().since(asked) > ANSWER_TIMEOUT {
            let why = "the broker did not answer a Hello in time";
            return Err(Error::new(Kind::Unreachable, why));
        }
    };
    let meta = meta(socket.bytes(frame), (Api::Hello, 1))?;
    let response = meta.read::<HelloResponse>()?;
    if response.error != 0 {
        let why = format!("a Hello was refused: {}", response.message);
        return Err(Error::new(Kind::Refused, why));
    }
    let mut ranges = response.ranges.iter().map(|range| ApiRange {
        api: range.api.to_native(),
        min: range.min.to_native(),
        max: range.max.to_native(),
    });
    let theirs = ranges.find(|range| range.api == api.number());
    let version = theirs.and_then(|theirs| common(api.range(), theirs));
    let version = version.ok_or_else(|| {
        let why = format!("the broker has no version of {api:?} that is known here");
        Error::new(Kind::Protocol, why)
    })?;
    Ok((socket, version))
}

pub(super) fn send(socket: &mut Socket, parts: Vec<bytes::Bytes>) -> Result<(), Error> {
    for part in parts {
        socket.send([&part, &[], &[]])?;
    }
    socket.flush()?;
    Ok(())
}

/// The archive of an answer to this.
pub(super) fn meta(frame: &[u8], (api, version): (Api, u16)) -> Result<Meta, Error> {
    let meta = Meta::of(Header::parse(frame, LIMITS)?, frame)?;
    let header = meta.header();
    if header.is_response() && (header.api, header.version) == (api.number(), version) {
        return Ok(meta);
    }
    // A refusal of the request as such is written as the answer to a Hello.
    let refusal = match (header.api, header.version) == (Api::Hello.number(), 1) {
        true => meta.read::<HelloResponse>()?.message.as_str(),
        false => "it was answered as something else",
    };
    let why = format!("{api:?} {version} was refused: {refusal}");
    Err(Error::new(Kind::Refused, why))
}
