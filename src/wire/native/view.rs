//! The archive of a frame, read where it lies.

use rkyv::Portable;
use rkyv::api::high::HighValidator;
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor;
use rkyv::util::AlignedVec;

use super::frame::Message;
use super::header::{ALIGN, HEADER_BYTES, Header, error};
use crate::{Error, ErrorKind};

/// Header and archive of a frame that lies in one piece, with a checksum that matches. Nothing is
/// copied where the frame is aligned, as allocators give it.
pub struct View<'f> {
    header: Header,
    meta: Place<'f>,
}

enum Place<'f> {
    Here(&'f [u8]),
    Copied(AlignedVec),
}

impl<'f> View<'f> {
    /// From the bytes of a frame, header included.
    ///
    /// # Errors
    /// `Truncated`, `Length` or `Checksum`.
    pub fn of(header: Header, frame: &'f [u8]) -> Result<Self, Error> {
        let end = HEADER_BYTES + header.meta_bytes as usize;
        let meta = frame
            .get(HEADER_BYTES..end)
            .ok_or(error(ErrorKind::Truncated))?;
        header.check(meta)?;
        let meta = match meta.as_ptr().align_offset(ALIGN) {
            0 => Place::Here(meta),
            _ => {
                let mut copy = AlignedVec::with_capacity(meta.len());
                copy.extend_from_slice(meta);
                Place::Copied(copy)
            }
        };
        Ok(Self { header, meta })
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
        let meta = match &self.meta {
            Place::Here(meta) => meta,
            Place::Copied(copy) => copy.as_slice(),
        };
        let root = self.header.root as usize;
        rkyv::api::high::access_pos::<M::Archived, rancor::Failure>(meta, root)
            .map_err(|_| error(ErrorKind::Archive))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::v1::{CreditRequest, MetadataRequest};
    use crate::native::{Limits, META_BYTES_MAX, encode};

    /// A frame at every distance from an aligned place is read the same.
    #[test]
    fn where_a_frame_lies_does_not_matter() {
        let topics = Some(vec!["a-topic-of-some-length".to_owned(), "b".to_owned()]);
        let message = MetadataRequest {
            topics,
            create: true,
        };
        let frame = encode(7, 0, &message, Vec::new()).unwrap().concat();
        let limits = Limits {
            meta_bytes_max: META_BYTES_MAX,
            payload_bytes_max: 0,
        };
        for shift in 0..ALIGN {
            let mut place = AlignedVec::<ALIGN>::new();
            place.resize(shift, 0);
            place.extend_from_slice(&frame);
            let frame = &place[shift..];
            let header = Header::parse(frame, limits).unwrap();
            let view = View::of(header, frame).unwrap();
            assert_eq!(matches!(view.meta, Place::Here(_)), shift == 0);
            let read = view.read::<MetadataRequest>().unwrap();
            assert_eq!(read.topics.as_ref().unwrap()[0], "a-topic-of-some-length");
        }
    }

    #[test]
    fn a_frame_that_ends_early_is_refused() {
        let message = CreditRequest {
            subscription: 1,
            bytes: 2,
        };
        let frame = encode(7, 0, &message, Vec::new()).unwrap().concat();
        let limits = Limits {
            meta_bytes_max: META_BYTES_MAX,
            payload_bytes_max: 0,
        };
        let header = Header::parse(&frame, limits).unwrap();
        let short = &frame[..HEADER_BYTES + header.meta_bytes as usize - 1];
        let refused = View::of(header, short).err().unwrap();
        assert_eq!(refused.kind, ErrorKind::Truncated);
    }
}
