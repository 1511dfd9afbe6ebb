//! A message to bytes, and the archive of a frame that has arrived.

use bytes::Bytes;
use rkyv::api::high::{HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Portable, Serialize, rancor};

use super::api::Api;
use super::header::{ALIGN, HEADER_BYTES, Header, META_BYTES_MAX, error};
use crate::{Error, ErrorKind};

/// Header and archive of most messages.
const HEAD_BYTES: usize = 256;

/// A type of one version of an API, as a request or as a response.
pub trait Message: Archive {
    const API: Api;
    const VERSION: u16;
    /// [`super::FLAG_RESPONSE`] or nothing.
    const FLAGS: u8;
}

/// A message that can be sent. Every [`Message`] is one.
pub trait Outbound {
    /// [`encode`]d.
    ///
    /// # Errors
    /// As there.
    fn frame(&self, correlation: u64, flags: u8, payload: Vec<Bytes>) -> Result<Vec<Bytes>, Error>;
}

impl<M> Outbound for M
where
    M: Message + for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>>,
{
    fn frame(&self, correlation: u64, flags: u8, payload: Vec<Bytes>) -> Result<Vec<Bytes>, Error> {
        encode(correlation, flags, self, payload)
    }
}

/// The parts of a frame, gathered: the payload is not copied, and the archive is written behind the
/// header's place.
///
/// # Errors
/// `Length` if the archive is longer than [`META_BYTES_MAX`], or the payload than 4 GiB.
pub fn encode<M>(
    correlation: u64,
    flags: u8,
    message: &M,
    payload: Vec<Bytes>,
) -> Result<Vec<Bytes>, Error>
where
    M: Message + for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>>,
{
    // Room for a message of a few parts, so that it does not grow.
    let mut head = AlignedVec::with_capacity(HEAD_BYTES);
    head.extend_from_slice(&[0; HEADER_BYTES]);
    let head = rkyv::api::high::to_bytes_in::<_, rancor::Error>(message, head);
    let mut head = head.map_err(|_| error(ErrorKind::Length))?;
    let payload_bytes = payload.iter().map(|part| part.len() as u64).sum::<u64>();
    let payload_bytes = u32::try_from(payload_bytes).map_err(|_| error(ErrorKind::Length))?;
    let (place, meta) = head
        .split_first_chunk_mut::<HEADER_BYTES>()
        .ok_or(error(ErrorKind::Length))?;
    if meta.len() > META_BYTES_MAX as usize {
        return Err(error(ErrorKind::Length));
    }
    let root = rkyv::api::root_position::<M::Archived>(meta.len());
    let root = u32::try_from(root).map_err(|_| error(ErrorKind::Length))?;
    let selector = (M::API.number(), M::VERSION);
    let flags = M::FLAGS | flags;
    *place = Header::seal(flags, selector, correlation, (meta, root), payload_bytes);
    head.resize(head.len().next_multiple_of(ALIGN), 0);
    let mut parts = Vec::with_capacity(1 + payload.len());
    parts.push(Bytes::from_owner(head));
    parts.extend(payload);
    Ok(parts)
}

/// The archive of a frame, aligned, with a checksum that matches. Not validated yet.
pub struct Meta {
    header: Header,
    /// A copy: what a socket gives is not aligned. Archives are short, payloads are not copied.
    bytes: AlignedVec,
}

impl Meta {
    /// From the bytes of a frame, header included.
    ///
    /// # Errors
    /// `Truncated`, `Length` or `Checksum`.
    pub fn of(header: Header, frame: &[u8]) -> Result<Self, Error> {
        let end = HEADER_BYTES + header.meta_bytes as usize;
        let meta = frame
            .get(HEADER_BYTES..end)
            .ok_or(error(ErrorKind::Truncated))?;
        header.check(meta)?;
        let mut bytes = AlignedVec::with_capacity(meta.len());
        bytes.extend_from_slice(meta);
        Ok(Self { header, bytes })
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The message, validated and read in place.
    ///
    /// # Errors
    /// `Archive` if these bytes are no such message. Which message they should be, the caller has
    /// from the header: api, version and whether it is a response.
    pub fn read<M>(&self) -> Result<&M::Archived, Error>
    where
        M: Message,
        M::Archived: Portable + for<'a> CheckBytes<HighValidator<'a, rancor::Failure>>,
    {
        debug_assert_eq!(self.header.api, M::API.number());
        debug_assert_eq!(self.header.version, M::VERSION);
        rkyv::api::high::access_pos::<M::Archived, rancor::Failure>(
            &self.bytes,
            self.header.root as usize,
        )
        .map_err(|_| error(ErrorKind::Archive))
    }
}
