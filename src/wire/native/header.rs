//! The first 32 bytes of a frame, all integers little-endian.
//!
//! ```text
//!  0  u16  magic, 0x4c63 ("cL")        16  u32  meta length, without padding
//!  2  u8   frame version, 1            20  u32  position of the root in the meta
//!  3  u8   flags: 1 response, 2 more   24  u32  payload length
//!  4  u16  api                         28  u32  CRC32C of header (this field 0) and meta
//!  6  u16  version of the api          32  meta, zeros up to a multiple of 16, payload
//!  8  u64  correlation id
//! ```

use corelog_base::{crc32c, crc32c_append};

use crate::{Error, ErrorKind};

pub const HEADER_BYTES: usize = 32;
/// As much of a frame as tells its length.
pub const PREFIX_BYTES: usize = HEADER_BYTES;
/// No archive is longer.
pub const META_BYTES_MAX: u32 = 1 << 20;
/// The payload begins at a multiple of this in the frame.
pub(super) const ALIGN: usize = 16;
/// This frame answers one.
pub const FLAG_RESPONSE: u8 = 1;
/// More frames with this correlation id follow.
pub const FLAG_MORE: u8 = 2;

const MAGIC: u16 = 0x4c63;
const FRAME_VERSION: u8 = 1;
const FLAGS: u8 = FLAG_RESPONSE | FLAG_MORE;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub flags: u8,
    /// May be one that is not known here.
    pub api: u16,
    pub version: u16,
    pub correlation: u64,
    pub meta_bytes: u32,
    pub root: u32,
    pub payload_bytes: u32,
    crc: u32,
}

/// What a frame may hold, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    pub meta_bytes_max: u32,
    pub payload_bytes_max: u32,
}

impl Header {
    /// Reads a header; nothing of it is believed before [`Header::check`] has seen the meta, but its
    /// lengths are within the limits.
    ///
    /// # Errors
    /// `Truncated` below 32 bytes; `Version` for another magic, frame version or flag; `Length` above
    /// the limits.
    pub fn parse(bytes: &[u8], limits: Limits) -> Result<Self, Error> {
        let fields: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(error(ErrorKind::Truncated))?;
        let known = u16_at(fields, 0) == MAGIC && fields[2] == FRAME_VERSION;
        if !known || fields[3] & !FLAGS != 0 {
            return Err(error(ErrorKind::Version));
        }
        let header = Self {
            flags: fields[3],
            api: u16_at(fields, 4),
            version: u16_at(fields, 6),
            correlation: u64::from(u32_at(fields, 8)) | u64::from(u32_at(fields, 12)) << 32,
            meta_bytes: u32_at(fields, 16),
            root: u32_at(fields, 20),
            payload_bytes: u32_at(fields, 24),
            crc: u32_at(fields, 28),
        };
        let fits = header.meta_bytes <= limits.meta_bytes_max
            && header.payload_bytes <= limits.payload_bytes_max
            && header.root <= header.meta_bytes;
        if fits {
            Ok(header)
        } else {
            Err(error(ErrorKind::Length))
        }
    }

    /// Whether header and meta are as they were sent.
    ///
    /// # Errors
    /// `Length` if `meta` has another length; `Checksum`.
    pub fn check(&self, meta: &[u8]) -> Result<(), Error> {
        if meta.len() != self.meta_bytes as usize {
            return Err(error(ErrorKind::Length));
        }
        let sum = checksum(&self.fields(0), meta);
        if sum == self.crc {
            Ok(())
        } else {
            Err(error(ErrorKind::Checksum))
        }
    }

    /// Where the payload begins in the frame.
    pub fn payload_at(&self) -> usize {
        (HEADER_BYTES + self.meta_bytes as usize).next_multiple_of(ALIGN)
    }

    /// The whole frame.
    pub fn frame_bytes(&self) -> usize {
        self.payload_at() + self.payload_bytes as usize
    }

    pub fn is_response(&self) -> bool {
        self.flags & FLAG_RESPONSE != 0
    }

    pub fn has_more(&self) -> bool {
        self.flags & FLAG_MORE != 0
    }

    /// A header for this meta, with its checksum.
    pub(super) fn seal(
        flags: u8,
        (api, version): (u16, u16),
        correlation: u64,
        (meta, root): (&[u8], u32),
        payload_bytes: u32,
    ) -> [u8; HEADER_BYTES] {
        let header = Self {
            flags,
            api,
            version,
            correlation,
            meta_bytes: u32::try_from(meta.len()).unwrap_or(u32::MAX),
            root,
            payload_bytes,
            crc: 0,
        };
        header.fields(checksum(&header.fields(0), meta))
    }

    fn fields(&self, crc: u32) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0..2].copy_from_slice(&MAGIC.to_le_bytes());
        out[2] = FRAME_VERSION;
        out[3] = self.flags;
        out[4..6].copy_from_slice(&self.api.to_le_bytes());
        out[6..8].copy_from_slice(&self.version.to_le_bytes());
        out[8..16].copy_from_slice(&self.correlation.to_le_bytes());
        out[16..20].copy_from_slice(&self.meta_bytes.to_le_bytes());
        out[20..24].copy_from_slice(&self.root.to_le_bytes());
        out[24..28].copy_from_slice(&self.payload_bytes.to_le_bytes());
        out[28..32].copy_from_slice(&crc.to_le_bytes());
        out
    }
}

fn checksum(fields: &[u8], meta: &[u8]) -> u32 {
    crc32c_append(crc32c(fields), meta)
}

pub(super) fn error(kind: ErrorKind) -> Error {
    Error::native(kind)
}

fn u16_at(fields: &[u8; HEADER_BYTES], at: usize) -> u16 {
    u16::from_le_bytes([fields[at], fields[at + 1]])
}

fn u32_at(fields: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from(u16_at(fields, at)) | u32::from(u16_at(fields, at + 2)) << 16
}
