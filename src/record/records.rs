//! The records of a batch, decompressed where needed.

use std::borrow::Cow;

use crate::{BatchHeader, Codec, Error, Kind, RecordIter, decompress_capped};

/// The bytes that hold the records: a view of an uncompressed batch, else decompressed.
///
/// `batch` is one whole batch. The CRC is not checked.
///
/// # Errors
/// Those of [`BatchHeader::parse`] and [`decompress_capped`]; `Truncated` if the batch is not whole.
pub fn section(batch: &[u8], decompressed_bytes_max: usize) -> Result<Cow<'_, [u8]>, Error> {
    let header = BatchHeader::parse(batch)?;
    section_of(&header, batch, decompressed_bytes_max)
}

pub(crate) fn section_of<'a>(
    header: &BatchHeader,
    batch: &'a [u8],
    decompressed_bytes_max: usize,
) -> Result<Cow<'a, [u8]>, Error> {
    let raw = raw_section(header, batch)?;
    match header.attributes.codec()? {
        // Kafka's cleaner leaves batches without records behind, to keep their last sequence.
        _ if raw.is_empty() && header.record_count == 0 => Ok(Cow::Borrowed(raw)),
        Codec::None => Ok(Cow::Borrowed(raw)),
        codec => decompress_capped(codec, raw, decompressed_bytes_max).map(Cow::Owned),
    }
}

/// What follows the header, as it is stored.
pub(crate) fn raw_section<'a>(header: &BatchHeader, batch: &'a [u8]) -> Result<&'a [u8], Error> {
    batch
        .get(BatchHeader::BYTES..header.batch_bytes as usize)
        .ok_or(Error::new(Kind::Truncated, "the batch is not whole"))
}

/// A batch's records. Owns what was decompressed, borrows what was not.
#[derive(Debug)]
pub struct Records<'a> {
    header: BatchHeader,
    section: Cow<'a, [u8]>,
}

/// Opens one whole batch. The CRC is not checked; the records are, while they are walked.
///
/// # Errors
/// See [`section`].
pub fn records(batch: &[u8], decompressed_bytes_max: usize) -> Result<Records<'_>, Error> {
    let header = BatchHeader::parse(batch)?;
    let section = section_of(&header, batch, decompressed_bytes_max)?;
    Ok(Records { header, section })
}

impl Records<'_> {
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter::new(&self.header, &self.section)
    }
}

impl<'a> IntoIterator for &'a Records<'_> {
    type Item = <RecordIter<'a> as Iterator>::Item;
    type IntoIter = RecordIter<'a>;

    fn into_iter(self) -> RecordIter<'a> {
        self.iter()
    }
}
