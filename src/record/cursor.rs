//! Reading and writing the integers of a batch. Every read is bounded by the bytes that remain.

use crate::{Error, Kind};

/// A position in bytes from outside.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (head, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(Error::new(Kind::Length, "a field ends after its bytes"))?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(Error::new(Kind::Length, "a field ends after its bytes"))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        let [byte] = self.array::<1>()?;
        Ok(byte)
    }

    /// A zigzag variable-length integer of at most 10 bytes (Kafka's VARLONG).
    #[inline]
    pub(crate) fn varlong(&mut self) -> Result<i64, Error> {
        if let Some((&byte, rest)) = self.rest.split_first()
            && byte < 0x80
        {
            self.rest = rest;
            return Ok(unzigzag(u64::from(byte)));
        }
        self.varlong_slow()
    }

    fn varlong_slow(&mut self) -> Result<i64, Error> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(unzigzag(value));
            }
        }
        Err(Error::new(Kind::Length, "a variable integer is too long"))
    }

    /// A zigzag variable-length integer of 32 bits (Kafka's VARINT).
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<i32, Error> {
        i32::try_from(self.varlong()?)
            .map_err(|_| Error::new(Kind::Length, "a variable integer is too large"))
    }

    /// Bytes with a varint length; -1 is null, anything lower is refused.
    #[inline]
    pub(crate) fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, Error> {
        match self.varint()? {
            -1 => Ok(None),
            length => {
                let count = usize::try_from(length)
                    .map_err(|_| Error::new(Kind::Length, "a length is negative"))?;
                self.take(count).map(Some)
            }
        }
    }
}

fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

pub(crate) fn put_varlong(out: &mut impl Extend<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = [0u8; 10];
    let mut count = 0;
    while rest >= 0x80 {
        bytes[count] = (rest & 0x7f) as u8 | 0x80;
        rest >>= 7;
        count += 1;
    }
    bytes[count] = rest as u8;
    out.extend(bytes.into_iter().take(count + 1));
}

/// The bytes that `put_varlong` writes.
pub(crate) fn varlong_bytes(value: i64) -> usize {
    let rest = ((value << 1) ^ (value >> 63)) as u64;
    let bits = 64 - (rest | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varlong_round_trip() {
        for value in [
            0,
            1,
            -1,
            63,
            64,
            -64,
            -65,
            8191,
            8192,
            1 << 31,
            i64::MAX,
            i64::MIN,
        ] {
            let mut bytes = Vec::new();
            put_varlong(&mut bytes, value);
            assert_eq!(bytes.len(), varlong_bytes(value), "{value}");
            let mut cursor = Cursor::new(&bytes);
            assert_eq!(cursor.varlong(), Ok(value));
            assert_eq!(cursor.remaining(), 0);
        }
    }

    #[test]
    fn bad_integers_are_refused() {
        let check = |bytes: &[u8]| Cursor::new(bytes).varlong().map_err(|e| e.kind);
        assert_eq!(check(&[]), Err(Kind::Length));
        assert_eq!(check(&[0x80; 3]), Err(Kind::Length));
        assert_eq!(check(&[0xff; 11]), Err(Kind::Length));
        let mut wide = Vec::new();
        put_varlong(&mut wide, 1 << 40);
        assert_eq!(
            Cursor::new(&wide).varint().map_err(|e| e.kind),
            Err(Kind::Length)
        );
        assert!(
            Cursor::new(&[0x03]).nullable_bytes().is_err(),
            "-2 is no length"
        );
        assert_eq!(Cursor::new(&[0x01]).nullable_bytes(), Ok(None));
    }
}
