//! Walking concatenated batches, and the records of one batch.

use corelog_base::{Offset, TimestampMs};

use crate::cursor::Cursor;
use crate::{BatchHeader, Error, Kind};

/// Concatenated batches, as a segment or a Fetch response holds them. A partial batch at the end
/// ends the walk cleanly: that is how Kafka cuts a response. Headers are parsed, CRCs are not
/// checked. After an error there is nothing more.
pub fn batches(bytes: &[u8]) -> Batches<'_> {
    Batches { rest: bytes }
}

/// See [`batches`].
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<(BatchHeader, &'a [u8]), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let header = match BatchHeader::parse(self.rest) {
            Ok(header) => header,
            Err(error) => {
                self.rest = &[];
                return match error.kind {
                    Kind::Truncated => None,
                    _ => Some(Err(error)),
                };
            }
        };
        let (batch, rest) = self.rest.split_at_checked(header.batch_bytes as usize)?;
        self.rest = rest;
        Some(Ok((header, batch)))
    }
}

impl Batches<'_> {
    /// What has not been walked yet; at the end of the walk, the partial batch.
    pub fn remaining_bytes(&self) -> usize {
        self.rest.len()
    }
}

/// One record, borrowed from its batch's decompressed records.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    pub offset: Offset,
    /// The producer's, or the broker's where the batch has append time.
    pub timestamp: TimestampMs,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    headers: Headers<'a>,
}

impl<'a> Record<'a> {
    pub fn headers(&self) -> Headers<'a> {
        self.headers.clone()
    }
}

/// A record's header. Kafka says that keys are UTF-8; nothing checks it, and neither do we.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

/// The headers of one record, in the order in which they were added; keys may repeat.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    cursor: Cursor<'a>,
    count: u32,
}

impl<'a> Headers<'a> {
    /// Checks that all headers are sound and fill the rest of the record, then yields them.
    fn parse(mut cursor: Cursor<'a>) -> Result<Self, Error> {
        let count = u32::try_from(cursor.varint()?)
            .map_err(|_| Error::new(Kind::Count, "a header count is negative"))?;
        let headers = Self {
            cursor: cursor.clone(),
            count,
        };
        // A header takes at least two bytes, so a false count ends with the bytes.
        for _ in 0..count {
            header(&mut cursor)?;
        }
        if cursor.remaining() > 0 {
            return Err(Error::new(
                Kind::Length,
                "a record is longer than its fields",
            ));
        }
        Ok(headers)
    }
}

fn header<'a>(cursor: &mut Cursor<'a>) -> Result<Header<'a>, Error> {
    let key = cursor
        .nullable_bytes()?
        .ok_or(Error::new(Kind::Length, "a header has no key"))?;
    let value = cursor.nullable_bytes()?;
    Ok(Header { key, value })
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.count = self.count.checked_sub(1)?;
        // `parse` has read them all once.
        header(&mut self.cursor).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.count as usize))
    }
}

/// A record up to its headers.
pub(crate) struct Head<'a> {
    pub(crate) offset: Offset,
    pub(crate) timestamp: TimestampMs,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    /// Its headers, unread.
    pub(crate) rest: Cursor<'a>,
}

/// Takes the next record of a batch's section. `delta_min` is the lowest offset delta that it may
/// have, and becomes that of the one behind it.
pub(crate) fn head<'a>(
    section: &mut Cursor<'a>,
    header: &BatchHeader,
    delta_min: &mut i32,
) -> Result<Head<'a>, Error> {
    let bytes = section
        .nullable_bytes()?
        .ok_or(Error::new(Kind::Length, "a record's length is negative"))?;
    let mut rest = Cursor::new(bytes);
    let _attributes = rest.u8()?;
    let timestamp_delta = rest.varlong()?;
    let offset_delta = rest.varint()?;
    if offset_delta < *delta_min || offset_delta > header.last_offset_delta {
        return Err(Error::new(Kind::Count, "a record's offset is out of order"));
    }
    *delta_min = offset_delta.saturating_add(1);
    Ok(Head {
        offset: header.base_offset.plus(i64::from(offset_delta)),
        timestamp: header.time_of(timestamp_delta)?,
        key: rest.nullable_bytes()?,
        value: rest.nullable_bytes()?,
        rest,
    })
}

/// The records of one batch, from its decompressed record section.
///
/// Offsets must ascend within the header's range. At the end the count must be the header's and no
/// byte may be left over. After an error there is nothing more.
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    header: BatchHeader,
    cursor: Cursor<'a>,
    walked: u32,
    /// The lowest offset delta that the next record may have.
    delta_min: i32,
    done: bool,
}

impl<'a> RecordIter<'a> {
    /// `section`: what [`crate::section`] returns for the batch of this header.
    pub fn new(header: &BatchHeader, section: &'a [u8]) -> Self {
        Self {
            header: *header,
            cursor: Cursor::new(section),
            walked: 0,
            delta_min: 0,
            done: false,
        }
    }

    fn record(&mut self) -> Result<Record<'a>, Error> {
        let head = head(&mut self.cursor, &self.header, &mut self.delta_min)?;
        Ok(Record {
            offset: head.offset,
            timestamp: head.timestamp,
            key: head.key,
            value: head.value,
            headers: Headers::parse(head.rest)?,
        })
    }

    fn end(&mut self) -> Option<Result<Record<'a>, Error>> {
        self.done = true;
        (self.cursor.remaining() > 0).then(|| {
            let what = "bytes follow the last record that the batch counts";
            Err(Error::new(Kind::Count, what))
        })
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<Record<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        if i64::from(self.walked) == i64::from(self.header.record_count) {
            return self.end();
        }
        let record = self.record().map_err(|error| error.at(self.walked));
        self.walked += 1;
        self.done = record.is_err();
        Some(record)
    }
}
