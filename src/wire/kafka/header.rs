//! Frame lengths and headers.
//!
//! A frame is an i32 length and that many bytes: a header, then a body. A request's header has
//! version 1, or 2 where the API's version is flexible (tags at the end); in both, the client's id
//! is a string with an i16 length. A response's header is the correlation id, with tags where
//! flexible; but never for ApiVersions, whose caller doesn't know yet what the server speaks.

use super::{ApiKey, Decoder, Encoder, Nullable, Version};
use crate::{Error, ErrorKind};

/// Every header's strings, whatever the version of the body.
const PLAIN: Version = Version {
    number: 1,
    flexible: false,
};

/// The length of a frame from its first four bytes, which it does not count.
///
/// # Errors
/// `Length` if negative or above `bytes_max`: the connection must be closed.
pub fn frame_bytes(prefix: [u8; 4], bytes_max: usize) -> Result<usize, Error> {
    match usize::try_from(i32::from_be_bytes(prefix)) {
        Ok(bytes) if bytes <= bytes_max => Ok(bytes),
        _ => Err(Error::new(ErrorKind::Length, 0).within("frame")),
    }
}

/// Who asks what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestHeader<'a> {
    /// The API's number, which may be one that we don't know; see [`api`](RequestHeader::api).
    pub key: i16,
    pub version: i16,
    pub correlation_id: i32,
    pub client_id: Option<&'a str>,
}

impl<'a> RequestHeader<'a> {
    /// The header at the front of a frame (without its length), and the body behind it.
    ///
    /// If the API or its version is unknown, so is the header's layout: then the client's id is
    /// `None` and the body empty, and [`api`](RequestHeader::api) says so.
    ///
    /// # Errors
    /// What the primitives refuse: the connection must be closed.
    pub fn decode(frame: &'a [u8]) -> Result<(RequestHeader<'a>, &'a [u8]), Error> {
        let mut decoder = Decoder::new(frame);
        RequestHeader::read(&mut decoder)
            .map(|header| (header, decoder.rest()))
            .map_err(|error| error.within("RequestHeader"))
    }

    fn read(decoder: &mut Decoder<'a>) -> Result<RequestHeader<'a>, Error> {
        let mut header = RequestHeader {
            key: decoder.i16()?,
            version: decoder.i16()?,
            correlation_id: decoder.i32()?,
            client_id: None,
        };
        match header.api() {
            None => *decoder = Decoder::new(&[]),
            Some(key) => {
                header.client_id = decoder.string(false)?;
                if key.is_flexible(header.version) {
                    decoder.tags(&mut |_, _| Ok(false))?;
                }
            }
        }
        Ok(header)
    }

    /// The API, if we know it at this version.
    pub fn api(&self) -> Option<ApiKey> {
        let key = ApiKey::of(self.key)?;
        key.versions().contains(&self.version).then_some(key)
    }

    pub fn encode(&self, encoder: &mut Encoder) {
        encoder.put(&self.key.to_be_bytes());
        encoder.put(&self.version.to_be_bytes());
        encoder.put(&self.correlation_id.to_be_bytes());
        <&str>::write_nullable(self.client_id.as_ref(), encoder, PLAIN);
        if ApiKey::of(self.key).is_some_and(|key| key.is_flexible(self.version)) {
            encoder.put_varint(0);
        }
    }
}

/// Which request is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResponseHeader {
    pub correlation_id: i32,
}

impl ResponseHeader {
    /// The header at the front of a frame (without its length), and the body behind it.
    ///
    /// # Errors
    /// What the primitives refuse.
    pub fn decode(
        key: ApiKey,
        version: i16,
        frame: &[u8],
    ) -> Result<(ResponseHeader, &[u8]), Error> {
        let mut decoder = Decoder::new(frame);
        ResponseHeader::read(key, version, &mut decoder)
            .map(|header| (header, decoder.rest()))
            .map_err(|error| error.within("ResponseHeader"))
    }

    fn read(key: ApiKey, version: i16, decoder: &mut Decoder<'_>) -> Result<Self, Error> {
        let correlation_id = decoder.i32()?;
        if key.has_response_tags(version) {
            decoder.tags(&mut |_, _| Ok(false))?;
        }
        Ok(ResponseHeader { correlation_id })
    }

    pub fn encode(&self, key: ApiKey, version: i16, encoder: &mut Encoder) {
        encoder.put(&self.correlation_id.to_be_bytes());
        if key.has_response_tags(version) {
            encoder.put_varint(0);
        }
    }
}
