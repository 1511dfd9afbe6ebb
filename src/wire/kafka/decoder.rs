//! Reads the primitives of Kafka's protocol from borrowed bytes.

use crate::{Error, ErrorKind};

type Result<T> = std::result::Result<T, Error>;

/// The longest string, as in Kafka: compact strings could say more, but nobody may.
pub(crate) const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// Reads a tagged field, or answers false; see [`Decoder::tags`].
pub type Known<'f, 'a> = &'f mut dyn FnMut(u32, &mut Decoder<'a>) -> Result<bool>;

/// A cursor over borrowed bytes. Every read is bounded by what remains; nothing is allocated.
#[derive(Clone, Copy, Debug)]
pub struct Decoder<'a> {
    rest: &'a [u8],
    /// The position just past `rest`, counted from the start of the body.
    end: usize,
}

impl<'a> Decoder<'a> {
    #[inline]
    pub fn new(body: &'a [u8]) -> Decoder<'a> {
        Decoder {
            rest: body,
            end: body.len(),
        }
    }

    /// Bytes read so far, counted from the start of the body.
    #[inline]
    pub fn position(&self) -> usize {
        self.end - self.rest.len()
    }

    /// What has not been read yet.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[cold]
    pub(crate) fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind, self.position())
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// `Truncated`.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.error(ErrorKind::Truncated));
        };
        self.rest = rest;
        Ok(*head)
    }

    /// The next `bytes` bytes.
    ///
    /// # Errors
    /// `Truncated`.
    #[inline]
    pub fn take(&mut self, bytes: usize) -> Result<&'a [u8]> {
        let Some((head, rest)) = self.rest.split_at_checked(bytes) else {
            return Err(self.error(ErrorKind::Truncated));
        };
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    pub fn i8(&mut self) -> Result<i8> {
        self.array().map(i8::from_be_bytes)
    }

    #[inline]
    pub fn i16(&mut self) -> Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    #[inline]
    pub fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    #[inline]
    pub fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// An unsigned variable-length integer: seven bits a byte, lowest first, at most five bytes.
    ///
    /// # Errors
    /// `Truncated`, or `Varint` if it exceeds 32 bits.
    #[inline]
    pub fn varint(&mut self) -> Result<u32> {
        let first = self.array::<1>()?[0];
        if first < 0x80 {
            return Ok(u32::from(first));
        }
        self.varint_rest(u32::from(first & 0x7f))
    }

    fn varint_rest(&mut self, first: u32) -> Result<u32> {
        let mut value = first;
        for shift in [7, 14, 21, 28] {
            let byte = self.array::<1>()?[0];
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error(ErrorKind::Varint))
    }

    /// A length or count: compact (length + 1 as a varint) or i32; null is `None`.
    #[inline]
    fn length(&mut self, compact: bool) -> Result<Option<usize>> {
        if compact {
            let plus_one = self.varint()?;
            return Ok(plus_one.checked_sub(1).map(|n| n as usize));
        }
        match self.i32()? {
            -1 => Ok(None),
            n => match usize::try_from(n) {
                Ok(n) => Ok(Some(n)),
                Err(_) => Err(self.error(ErrorKind::Length)),
            },
        }
    }

    /// The count of an array, at most the bytes that remain: every element takes at least one.
    ///
    /// # Errors
    /// `Truncated`, `Varint`, `Length`, or `Count`.
    #[inline]
    pub fn count(&mut self, compact: bool) -> Result<Option<usize>> {
        let count = self.length(compact)?;
        match count {
            Some(n) if n > self.rest.len() => Err(self.error(ErrorKind::Count)),
            _ => Ok(count),
        }
    }

    /// Bytes behind a length.
    ///
    /// # Errors
    /// `Truncated`, `Varint` or `Length`.
    #[inline]
    pub fn bytes(&mut self, compact: bool) -> Result<Option<&'a [u8]>> {
        match self.length(compact)? {
            None => Ok(None),
            Some(n) => self.take(n).map(Some),
        }
    }

    /// A string; not compact, its length is an i16.
    ///
    /// # Errors
    /// `Truncated`, `Varint`, `Length` (negative, or above 32767) or `Utf8`.
    #[inline]
    pub fn string(&mut self, compact: bool) -> Result<Option<&'a str>> {
        let length = if compact {
            let plus_one = self.varint()?;
            plus_one.checked_sub(1).map(|n| n as usize)
        } else {
            match self.i16()? {
                -1 => None,
                n => match usize::try_from(n) {
                    Ok(n) => Some(n),
                    Err(_) => return Err(self.error(ErrorKind::Length)),
                },
            }
        };
        let Some(length) = length else {
            return Ok(None);
        };
        if length > STRING_BYTES_MAX {
            return Err(self.error(ErrorKind::Length));
        }
        match str::from_utf8(self.take(length)?) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(self.error(ErrorKind::Utf8)),
        }
    }

    /// The tagged fields at the end of a structure. `known` reads those that it knows from a
    /// decoder that ends with the field, and answers false for the others, which are skipped.
    ///
    /// # Errors
    /// `Truncated`, `Varint`, what `known` refuses, or `Tag` if it left bytes of a known field.
    #[inline]
    pub fn tags(&mut self, known: Known<'_, 'a>) -> Result<()> {
        match self.varint()? {
            0 => Ok(()),
            count => self.tagged(count, known),
        }
    }

    /// Apart, and not generic: every structure has tags, and hardly any message has one.
    fn tagged(&mut self, count: u32, known: Known<'_, 'a>) -> Result<()> {
        for _ in 0..count {
            let tag = self.varint()?;
            let bytes = self.varint()? as usize;
            let mut field = Decoder {
                rest: self.take(bytes)?,
                end: self.position(),
            };
            if known(tag, &mut field)? && !field.rest.is_empty() {
                return Err(field.error(ErrorKind::Tag));
            }
        }
        Ok(())
    }
}
