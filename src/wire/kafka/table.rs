//! The machine that makes a message out of a table.

use super::{ApiKey, Encoder, Value};
use crate::Error;

/// The body of a request or a response.
pub trait Message<'a>: Value<'a> {
    const API: ApiKey;
    const NAME: &'static str;

    /// Reads a body. What it borrows are the bytes of the body. Bytes behind the message are
    /// ignored, as Kafka does.
    ///
    /// # Errors
    /// `Version`, and what the fields refuse.
    fn decode(version: i16, body: &'a [u8]) -> Result<Self, Error>;

    /// Writes a body behind what the encoder has.
    fn encode(&self, version: i16, encoder: &mut Encoder);
}

/// A request, with the response that answers it.
pub trait Request<'a>: Message<'a> {
    type Response<'r>: Message<'r>;
}

/// Makes the structs of a message, the message first.
///
/// A field is `name: Type [versions]`, then `nullable [versions]` if the type is an `Option`,
/// then `= default` if that is not the type's own. Fields with tags come last, in a block
/// `@tagged { tag: field, .. }`; they are not written when they have their default.
///
/// A structure is read by a function of its own. `Name @inline { .. }` puts it into its reader, for
/// what is read a million times a second: it costs a build far more than it gives elsewhere.
macro_rules! message {
    (
        request $api:ident => $response:ident $(<$rl:lifetime>)?;
        $(#[$meta:meta])* $name:ident $(<$lt:lifetime>)? $(@$hint:ident)? { $($body:tt)* }
        $($rest:tt)*
    ) => {
        $crate::kafka::table::message! { @message $api $name $(<$lt>)? }
        impl<'a> $crate::kafka::Request<'a> for $name $(<$lt>)? {
            type Response<'r> = $crate::kafka::table::message!(@response $response $(<$rl>)?);
        }
        $crate::kafka::table::structure! {
            $(#[$meta])* $name $(<$lt>)? $(@$hint)? { $($body)* }
            $($rest)*
        }
    };
    (
        response $api:ident;
        $(#[$meta:meta])* $name:ident $(<$lt:lifetime>)? $(@$hint:ident)? { $($body:tt)* }
        $($rest:tt)*
    ) => {
        $crate::kafka::table::message! { @message $api $name $(<$lt>)? }
        $crate::kafka::table::structure! {
            $(#[$meta])* $name $(<$lt>)? $(@$hint)? { $($body)* }
            $($rest)*
        }
    };
    (@response $response:ident <$rl:lifetime>) => { $response<'r> };
    (@response $response:ident) => { $response };
    (@message $api:ident $name:ident $(<$lt:lifetime>)?) => {
        impl<'a> $name $(<$lt>)? {
            /// See [`Message::decode`](crate::kafka::Message::decode).
            ///
            /// # Errors
            /// `Version`, and what the fields refuse.
            pub fn decode(version: i16, body: &'a [u8]) -> Result<Self, $crate::Error> {
                <Self as $crate::kafka::Message<'a>>::decode(version, body)
            }

            /// See [`Message::encode`](crate::kafka::Message::encode).
            pub fn encode(&self, version: i16, encoder: &mut $crate::kafka::Encoder) {
                $crate::kafka::Message::encode(self, version, encoder);
            }
        }

        impl<'a> $crate::kafka::Message<'a> for $name $(<$lt>)? {
            const API: $crate::kafka::ApiKey = $crate::kafka::ApiKey::$api;
            const NAME: &'static str = stringify!($name);

            #[inline]
            fn decode(version: i16, body: &'a [u8]) -> Result<Self, $crate::Error> {
                let mut decoder = $crate::kafka::Decoder::new(body);
                match $crate::kafka::table::version_of(Self::API, version) {
                    Ok(version) => <Self as $crate::kafka::Value<'a>>::read(&mut decoder, version),
                    Err(error) => Err(error),
                }
                .map_err(|error| error.within(Self::NAME))
            }

            fn encode(&self, version: i16, encoder: &mut $crate::kafka::Encoder) {
                match $crate::kafka::table::version_of(Self::API, version) {
                    Ok(version) => $crate::kafka::Value::write(self, encoder, version),
                    Err(error) => encoder.fail(error.kind),
                }
                encoder.name_error(Self::NAME);
            }
        }
    };
}

macro_rules! structure {
    ($(
        $(#[$meta:meta])* $name:ident $(<$lt:lifetime>)? $(@$hint:ident)? {
            $(
                $(#[$field_meta:meta])*
                $field:ident : $type:ty [$versions:pat]
                $(nullable [$nulls:pat])? $(= $default:expr)?,
            )*
            $(@tagged { $(
                $(#[$tag_meta:meta])*
                $tag:literal : $tag_field:ident : $tag_type:ty [$tag_versions:pat]
                $(nullable [$tag_nulls:pat])? $(= $tag_default:expr)?,
            )* })?
        }
    )*) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name $(<$lt>)? {
            $($(#[$field_meta])* pub $field: $type,)*
            $($($(#[$tag_meta])* pub $tag_field: $tag_type,)*)?
        }

        impl $(<$lt>)? Default for $name $(<$lt>)? {
            fn default() -> Self {
                $name {
                    $($field: $crate::kafka::table::default_of!($($default)?),)*
                    $($($tag_field: $crate::kafka::table::default_of!($($tag_default)?),)*)?
                }
            }
        }

        impl<'a> $crate::kafka::Value<'a> for $name $(<$lt>)? {
            $(#[$hint])?
            fn read(
                decoder: &mut $crate::kafka::Decoder<'a>,
                version: $crate::kafka::Version,
            ) -> Result<Self, $crate::Error> {
                $(let $field: $type = if matches!(version.number, $versions) {
                    $crate::kafka::table::read_field!(decoder, version $(, $nulls)?)
                } else {
                    $crate::kafka::table::default_of!($($default)?)
                };)*
                $($(let mut $tag_field: $tag_type =
                    $crate::kafka::table::default_of!($($tag_default)?);)*)?
                if version.flexible {
                    decoder.tags(&mut |_tag, _field| {
                        $($(if _tag == $tag && matches!(version.number, $tag_versions) {
                            $tag_field = $crate::kafka::table::read_field!(
                                _field, version $(, $tag_nulls)?);
                            return Ok(true);
                        })*)?
                        Ok(false)
                    })?;
                }
                Ok($name { $($field,)* $($($tag_field,)*)? })
            }

            fn write(
                &self,
                encoder: &mut $crate::kafka::Encoder,
                version: $crate::kafka::Version,
            ) {
                $(if matches!(version.number, $versions) {
                    $crate::kafka::table::write_field!(self.$field, encoder, version $(, $nulls)?);
                })*
                if version.flexible {
                    $crate::kafka::table::write_tags!(self, encoder, version, [$($(
                        ($tag, $tag_field, $tag_type, [$tag_versions], [$($tag_nulls)?],
                            [$($tag_default)?])
                    )*)?]);
                }
            }
        }

        #[cfg(test)]
        impl<'a> $crate::kafka::testing::Arbitrary<'a> for $name $(<$lt>)? {
            fn arbitrary(
                random: &mut corelog_base::Random,
                version: $crate::kafka::Version,
            ) -> Self {
                let mut value = $name::default();
                $(if matches!(version.number, $versions) {
                    value.$field = $crate::kafka::testing::arbitrary_field!(
                        random, version $(, $nulls)?);
                })*
                $($(if matches!(version.number, $tag_versions) {
                    value.$tag_field = $crate::kafka::testing::arbitrary_field!(
                        random, version $(, $tag_nulls)?);
                })*)?
                value
            }
        }
    )* };
}

macro_rules! default_of {
    () => {
        Default::default()
    };
    ($default:expr) => {
        $default
    };
}

macro_rules! read_field {
    ($decoder:expr, $version:expr) => {
        $crate::kafka::Value::read($decoder, $version)?
    };
    ($decoder:expr, $version:expr, $nulls:pat) => {
        $crate::kafka::value::MaybeNull::read_if(
            $decoder,
            $version,
            matches!($version.number, $nulls),
        )?
    };
}

macro_rules! write_field {
    ($value:expr, $encoder:expr, $version:expr) => {
        $crate::kafka::Value::write(&$value, $encoder, $version)
    };
    ($value:expr, $encoder:expr, $version:expr, $nulls:pat) => {
        $crate::kafka::value::MaybeNull::write_if(
            &$value,
            $encoder,
            $version,
            matches!($version.number, $nulls),
        )
    };
}

/// Tagged fields that have their default are left out, as Kafka does.
macro_rules! write_tags {
    ($self:ident, $encoder:ident, $version:ident, []) => {
        $encoder.put_varint(0)
    };
    ($self:ident, $encoder:ident, $version:ident, [$(
        ($tag:literal, $field:ident, $type:ty, [$versions:pat], [$($nulls:pat)?], [$($default:expr)?])
    )+]) => {{
        $(let $field = {
            let default: $type = $crate::kafka::table::default_of!($($default)?);
            matches!($version.number, $versions) && $self.$field != default
        };)+
        $encoder.put_varint(0 $(+ u32::from($field))+);
        $(if $field {
            $encoder.put_tag($tag, |encoder| {
                $crate::kafka::table::write_field!(
                    $self.$field, encoder, $version $(, $nulls)?);
            });
        })+
    }};
}

/// Lets a structure be null: an i8 before it, -1 for null (KIP-893).
macro_rules! nullable_structure {
    ($name:ident $(<$lt:lifetime>)?) => {
        impl<'a> $crate::kafka::Nullable<'a> for $name $(<$lt>)? {
            fn read_nullable(
                decoder: &mut $crate::kafka::Decoder<'a>,
                version: $crate::kafka::Version,
            ) -> Result<Option<Self>, $crate::Error> {
                if decoder.i8()? < 0 {
                    return Ok(None);
                }
                $crate::kafka::Value::read(decoder, version).map(Some)
            }

            fn write_nullable(
                value: Option<&Self>,
                encoder: &mut $crate::kafka::Encoder,
                version: $crate::kafka::Version,
            ) {
                match value {
                    None => encoder.put(&[0xff]),
                    Some(value) => {
                        encoder.put(&[1]);
                        $crate::kafka::Value::write(value, encoder, version);
                    }
                }
            }
        }
    };
}

pub(crate) use {
    default_of, message, nullable_structure, read_field, structure, write_field, write_tags,
};

/// The version of an API, if its messages are known.
#[inline]
pub(crate) fn version_of(api: ApiKey, number: i16) -> Result<super::Version, Error> {
    if !api.versions().contains(&number) {
        return Err(Error::new(crate::ErrorKind::Version, 0));
    }
    Ok(super::Version {
        number,
        flexible: api.is_flexible(number),
    })
}
