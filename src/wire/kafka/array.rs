//! Arrays: read lazily from bytes that were checked once, written from slices or vectors.

use std::fmt;

use super::{Decoder, Encoder, Nullable, Value, Version};
use crate::{Error, ErrorKind};

/// An array of a message.
///
/// Decoded, it is a view: its elements were checked when the message was decoded, and are read
/// again as they are walked, so nothing is allocated. To be encoded, it is made from a slice, a
/// vector or an iterator (`collect`).
#[derive(Clone)]
pub struct Array<'a, T>(Repr<'a, T>);

#[derive(Clone)]
enum Repr<'a, T> {
    View(View<'a>),
    Slice(&'a [T]),
    Owned(Vec<T>),
}

/// `count` elements, all of which were read once from `decoder` without error.
#[derive(Clone, Copy)]
struct View<'a> {
    count: usize,
    decoder: Decoder<'a>,
    version: Version,
}

impl<T> Array<'_, T> {
    pub const EMPTY: Self = Array(Repr::Slice(&[]));

    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::View(view) => view.count,
            Repr::Slice(slice) => slice.len(),
            Repr::Owned(vec) => vec.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a, T: Value<'a> + Clone> Array<'a, T> {
    /// Walks the elements, by value.
    #[inline]
    pub fn iter(&self) -> Iter<'_, 'a, T> {
        Iter(match &self.0 {
            Repr::View(view) => IterRepr::View(*view),
            Repr::Slice(slice) => IterRepr::Slice(slice.iter()),
            Repr::Owned(vec) => IterRepr::Slice(vec.iter()),
        })
    }

    /// The first element.
    pub fn first(&self) -> Option<T> {
        self.iter().next()
    }
}

impl<T> Default for Array<'_, T> {
    fn default() -> Self {
        Array::EMPTY
    }
}

impl<T> From<Vec<T>> for Array<'_, T> {
    fn from(vec: Vec<T>) -> Self {
        Array(Repr::Owned(vec))
    }
}

impl<'a, T> From<&'a [T]> for Array<'a, T> {
    fn from(slice: &'a [T]) -> Self {
        Array(Repr::Slice(slice))
    }
}

impl<'a, T> From<&'a Vec<T>> for Array<'a, T> {
    fn from(vec: &'a Vec<T>) -> Self {
        Array(Repr::Slice(vec))
    }
}

impl<T> FromIterator<T> for Array<'_, T> {
    fn from_iter<I: IntoIterator<Item = T>>(iter: I) -> Self {
        Array(Repr::Owned(iter.into_iter().collect()))
    }
}

impl<'a, T: Value<'a> + Clone + fmt::Debug> fmt::Debug for Array<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a, T: Value<'a> + Clone + PartialEq> PartialEq for Array<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<'s, 'a, T: Value<'a> + Clone> IntoIterator for &'s Array<'a, T> {
    type Item = T;
    type IntoIter = Iter<'s, 'a, T>;

    #[inline]
    fn into_iter(self) -> Iter<'s, 'a, T> {
        self.iter()
    }
}

/// The elements of an [`Array`], by value.
#[derive(Clone)]
pub struct Iter<'s, 'a, T>(IterRepr<'s, 'a, T>);

#[derive(Clone)]
enum IterRepr<'s, 'a, T> {
    View(View<'a>),
    Slice(std::slice::Iter<'s, T>),
}

impl<'a, T: Value<'a> + Clone> Iterator for Iter<'_, 'a, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        match &mut self.0 {
            IterRepr::Slice(iter) => iter.next().cloned(),
            IterRepr::View(view) => {
                view.count = view.count.checked_sub(1)?;
                let element = T::read(&mut view.decoder, view.version);
                debug_assert!(element.is_ok(), "the same bytes were read before");
                element.ok()
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = match &self.0 {
            IterRepr::View(view) => view.count,
            IterRepr::Slice(iter) => iter.len(),
        };
        (count, Some(count))
    }
}

impl<'a, T: Value<'a> + Clone> ExactSizeIterator for Iter<'_, 'a, T> {}

impl<'a, T: Value<'a> + Clone> Value<'a> for Array<'a, T> {
    #[inline]
    fn read(decoder: &mut Decoder<'a>, version: Version) -> Result<Self, Error> {
        match Self::read_nullable(decoder, version)? {
            Some(array) => Ok(array),
            None => Err(decoder.error(ErrorKind::Null)),
        }
    }

    fn write(&self, encoder: &mut Encoder, version: Version) {
        encoder.put_length(Some(self.len()), version.flexible);
        match &self.0 {
            Repr::View(_) => self.iter().for_each(|e| e.write(encoder, version)),
            Repr::Slice(slice) => slice.iter().for_each(|e| e.write(encoder, version)),
            Repr::Owned(vec) => vec.iter().for_each(|e| e.write(encoder, version)),
        }
    }
}

impl<'a, T: Value<'a> + Clone> Nullable<'a> for Array<'a, T> {
    #[inline]
    fn read_nullable(decoder: &mut Decoder<'a>, version: Version) -> Result<Option<Self>, Error> {
        let Some(count) = decoder.count(version.flexible)? else {
            return Ok(None);
        };
        let view = View {
            count,
            decoder: *decoder,
            version,
        };
        if T::WIDTH > 0 {
            // The count is at most the bytes that remain, so this can't overflow by much.
            decoder.take(count.saturating_mul(T::WIDTH))?;
        } else {
            for _ in 0..count {
                T::read(decoder, version)?;
            }
        }
        Ok(Some(Array(Repr::View(view))))
    }

    fn write_nullable(value: Option<&Self>, encoder: &mut Encoder, version: Version) {
        match value {
            Some(array) => array.write(encoder, version),
            None => encoder.put_length(None, version.flexible),
        }
    }
}
