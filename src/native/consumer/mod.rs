//! Reading records: one subscription a core, and a stream over what they bring.
//!
//! There is no task in between: a link's reader puts each frame into the consumer's queue, and the
//! consumer decodes it when it is polled. Connecting and looking things up are tasks that report
//! into the same queue.

mod buffered;
mod builder;
mod cursor;
mod handle;
mod state;
mod subscription;

#[cfg(test)]
mod consumer_test;

pub use buffered::Consumed;
pub use builder::{ConsumerBuilder, Isolation, OutOfRange};
pub use handle::Consumer;
