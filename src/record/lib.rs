//! Kafka's record batch v2: what is journaled, replicated, stored and fetched, byte for byte.
//!
//! This room reads, checks, stamps, builds and recompresses batches. It owns no state, does no
//! I/O and runs on whichever core holds the bytes. It never panics on bytes from outside and never
//! allocates by a count or a length that they claim: memory is bounded by the bytes at hand and,
//! where something is decompressed, by a cap that the caller names.
//!
//! The layout is Kafka's ("Record Batch" in the protocol documentation, KIP-98). All integers are
//! big-endian:
//!
//! | position | bytes | field |
//! |---|---|---|
//! | 0 | 8 | base offset |
//! | 8 | 4 | length of what follows this field |
//! | 12 | 4 | partition leader epoch |
//! | 16 | 1 | magic, 2 |
//! | 17 | 4 | CRC32C of everything from position 21 on |
//! | 21 | 2 | attributes |
//! | 23 | 4 | last offset delta |
//! | 27 | 8 | base timestamp |
//! | 35 | 8 | max timestamp |
//! | 43 | 8 | producer id |
//! | 51 | 2 | producer epoch |
//! | 53 | 4 | base sequence |
//! | 57 | 4 | record count |
//! | 61 | | records, compressed as a whole if the attributes name a codec |

mod aborted;
mod builder;
mod codec;
mod cursor;
mod error;
mod gzip;
mod header;
mod lookup;
mod lz4;
mod marker;
mod owned;
mod partitioner;
mod recompress;
mod records;
mod snappy;
mod stamp;
mod thin;
mod validate;
mod walk;
mod zstandard;

pub use aborted::Aborted;
pub use builder::{BatchBuilder, ProducerState, record_bytes_max};
pub use codec::{Codec, compress, decompress_capped};
pub use error::{Error, Kind};
pub use header::{Attributes, BatchHeader};
pub use lookup::{first_at_or_after, max_timestamp_record};
pub use marker::EndMarker;
pub use owned::{OwnedRecord, owned_section, read_owned};
pub use partitioner::{Sticky, key_partition};
pub use recompress::recompress;
pub use records::{Records, records, section};
pub use stamp::{stamp, stamp_append_time, stamp_producer};
pub use thin::{BareRecord, BareRecords, Thinning, without_records};
pub use validate::{Policy, validate, verify};
pub use walk::{Batches, Header, Headers, Record, RecordIter, batches};
