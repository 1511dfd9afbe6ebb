//! The same records under another codec, for topics with their own `compression.type`.

use bytes::BytesMut;

use crate::header::{ATTRIBUTES_AT, Attributes};
use crate::records::section_of;
use crate::stamp::{get, put};
use crate::{BatchHeader, Codec, Error, Kind, builder, compress};

/// Returns the batch with its records under `codec`; everything else of the header stays but for
/// length and CRC. A batch that has the codec already is copied as it is.
///
/// # Errors
/// Those of [`crate::section`]; `TooLarge` if the result does not fit a batch's length.
pub fn recompress(
    batch: &[u8],
    codec: Codec,
    decompressed_bytes_max: usize,
) -> Result<BytesMut, Error> {
    let header = BatchHeader::parse(batch)?;
    let whole = batch
        .get(..header.batch_bytes as usize)
        .ok_or(Error::new(Kind::Truncated, "the batch is not whole"))?;
    if header.attributes.codec()? == codec {
        return Ok(BytesMut::from(whole));
    }
    let section = section_of(&header, whole, decompressed_bytes_max)?;
    let packed = match codec {
        // No copy: what is unpacked may be a thousand times what came.
        Codec::None => section,
        _ => compress(codec, &section).into(),
    };
    if packed.len() > builder::RECORDS_BYTES_MAX {
        return Err(Error::new(
            Kind::TooLarge,
            "the batch does not fit its length",
        ));
    }
    let mut out = BytesMut::with_capacity(BatchHeader::BYTES + packed.len());
    out.extend_from_slice(whole.get(..BatchHeader::BYTES).unwrap_or_default());
    out.extend_from_slice(&packed);
    let attributes = get(&out, ATTRIBUTES_AT) & !Attributes::CODEC_MASK | codec as i16;
    put(&mut out, ATTRIBUTES_AT, attributes.to_be_bytes());
    builder::seal(&mut out);
    Ok(out)
}
