//! What can be a field of a message.

use corelog_base::TopicId;

use super::decoder::STRING_BYTES_MAX;
use super::{Decoder, Encoder, ErrorCode};
use crate::{Error, ErrorKind};

type Result<T> = std::result::Result<T, Error>;

/// The version at which a message is read or written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version {
    pub number: i16,
    /// Compact lengths and tagged fields (KIP-482).
    pub flexible: bool,
}

/// A value of a field or an element of an array. A field that may be null is an `Option` of it.
pub trait Value<'a>: Sized {
    /// Bytes that every value of this type takes, or 0 if they differ.
    const WIDTH: usize = 0;

    /// Reads one value.
    ///
    /// # Errors
    /// What the primitives of [`Decoder`] refuse, and `Null`.
    fn read(decoder: &mut Decoder<'a>, version: Version) -> Result<Self>;

    /// Writes one value. What can't be written is remembered by the encoder, whose
    /// [`finish`](Encoder::finish) then refuses.
    fn write(&self, encoder: &mut Encoder, version: Version);
}

/// A value that has a form for null.
pub trait Nullable<'a>: Value<'a> + Default {
    /// Reads a value or null.
    ///
    /// # Errors
    /// As [`Value::read`], but for `Null`.
    fn read_nullable(decoder: &mut Decoder<'a>, version: Version) -> Result<Option<Self>>;

    fn write_nullable(value: Option<&Self>, encoder: &mut Encoder, version: Version);
}

/// A field whose nullability depends on the version; used by the tables.
pub(crate) trait MaybeNull<'a>: Sized {
    fn read_if(decoder: &mut Decoder<'a>, version: Version, nullable: bool) -> Result<Self>;
    fn write_if(&self, encoder: &mut Encoder, version: Version, nullable: bool);
}

impl<'a, T: Nullable<'a>> MaybeNull<'a> for Option<T> {
    #[inline]
    fn read_if(decoder: &mut Decoder<'a>, version: Version, nullable: bool) -> Result<Self> {
        if nullable {
            T::read_nullable(decoder, version)
        } else {
            T::read(decoder, version).map(Some)
        }
    }

    #[inline]
    fn write_if(&self, encoder: &mut Encoder, version: Version, nullable: bool) {
        match self {
            _ if nullable => T::write_nullable(self.as_ref(), encoder, version),
            Some(value) => value.write(encoder, version),
            None => T::default().write(encoder, version),
        }
    }
}

macro_rules! integer {
    ($type:ident) => {
        impl<'a> Value<'a> for $type {
            const WIDTH: usize = size_of::<$type>();

            #[inline]
            fn read(decoder: &mut Decoder<'a>, _: Version) -> Result<Self> {
                decoder.$type()
            }

            #[inline]
            fn write(&self, encoder: &mut Encoder, _: Version) {
                encoder.put(&self.to_be_bytes());
            }
        }
    };
}

integer!(i8);
integer!(i16);
integer!(i32);
integer!(i64);
integer!(u16);

impl<'a> Value<'a> for f64 {
    const WIDTH: usize = 8;

    #[inline]
    fn read(decoder: &mut Decoder<'a>, _: Version) -> Result<Self> {
        decoder.array().map(f64::from_be_bytes)
    }

    #[inline]
    fn write(&self, encoder: &mut Encoder, _: Version) {
        encoder.put(&self.to_be_bytes());
    }
}

impl<'a> Value<'a> for bool {
    const WIDTH: usize = 1;

    #[inline]
    fn read(decoder: &mut Decoder<'a>, _: Version) -> Result<Self> {
        Ok(decoder.i8()? != 0)
    }

    #[inline]
    fn write(&self, encoder: &mut Encoder, _: Version) {
        encoder.put(&[u8::from(*self)]);
    }
}

impl<'a> Value<'a> for ErrorCode {
    const WIDTH: usize = 2;

    #[inline]
    fn read(decoder: &mut Decoder<'a>, _: Version) -> Result<Self> {
        decoder.i16().map(ErrorCode)
    }

    #[inline]
    fn write(&self, encoder: &mut Encoder, _: Version) {
        encoder.put(&self.0.to_be_bytes());
    }
}

impl<'a> Value<'a> for TopicId {
    const WIDTH: usize = 16;

    #[inline]
    fn read(decoder: &mut Decoder<'a>, _: Version) -> Result<Self> {
        decoder.array().map(TopicId)
    }

    #[inline]
    fn write(&self, encoder: &mut Encoder, _: Version) {
        encoder.put(&self.0);
    }
}

impl<'a> Value<'a> for &'a str {
    #[inline]
    fn read(decoder: &mut Decoder<'a>, version: Version) -> Result<Self> {
        match decoder.string(version.flexible)? {
            Some(text) => Ok(text),
            None => Err(decoder.error(ErrorKind::Null)),
        }
    }

    fn write(&self, encoder: &mut Encoder, version: Version) {
        if self.len() > STRING_BYTES_MAX {
            encoder.fail(ErrorKind::Length);
        } else if version.flexible {
            encoder.put_compact_length(Some(self.len()));
        } else {
            encoder.put(&(self.len() as u16).to_be_bytes());
        }
        encoder.put(self.as_bytes());
    }
}

impl<'a> Nullable<'a> for &'a str {
    #[inline]
    fn read_nullable(decoder: &mut Decoder<'a>, version: Version) -> Result<Option<Self>> {
        decoder.string(version.flexible)
    }

    fn write_nullable(value: Option<&Self>, encoder: &mut Encoder, version: Version) {
        match value {
            Some(text) => text.write(encoder, version),
            None if version.flexible => encoder.put_compact_length(None),
            None => encoder.put(&(-1i16).to_be_bytes()),
        }
    }
}

impl<'a> Value<'a> for &'a [u8] {
    #[inline]
    fn read(decoder: &mut Decoder<'a>, version: Version) -> Result<Self> {
        match decoder.bytes(version.flexible)? {
            Some(bytes) => Ok(bytes),
            None => Err(decoder.error(ErrorKind::Null)),
        }
    }

    fn write(&self, encoder: &mut Encoder, version: Version) {
        encoder.put_length(Some(self.len()), version.flexible);
        encoder.put(self);
    }
}

impl<'a> Nullable<'a> for &'a [u8] {
    #[inline]
    fn read_nullable(decoder: &mut Decoder<'a>, version: Version) -> Result<Option<Self>> {
        decoder.bytes(version.flexible)
    }

    fn write_nullable(value: Option<&Self>, encoder: &mut Encoder, version: Version) {
        match value {
            Some(bytes) => bytes.write(encoder, version),
            None => encoder.put_length(None, version.flexible),
        }
    }
}
