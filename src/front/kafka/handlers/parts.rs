//! Topics by name with partitions, as most requests have them.

use corelog_base::PartitionIndex;
use corelog_broker::{Error, PartitionKey};
use corelog_rt::Runtime;

use super::super::context::Context;

/// A partition of a topic by name.
///
/// # Errors
/// `UnknownPartition`; whether the topic has the partition is for the broker to say.
pub(super) fn key_of<R: Runtime>(
    context: &Context<R>,
    topic: &str,
    partition: i32,
) -> Result<PartitionKey, Error> {
    let id = context
        .broker
        .image(|image| image.topic_named(topic).map(|topic| topic.id));
    Ok(PartitionKey {
        topic: id.ok_or(Error::UnknownPartition)?,
        partition: PartitionIndex(partition),
    })
}

/// The parts that may be asked of the broker.
pub(super) fn good<P: Clone, E>(parts: &[Result<P, E>]) -> Vec<P> {
    parts.iter().flatten().cloned().collect()
}

/// Puts the outcomes of the good parts back among the others.
pub(super) fn merge<P, T, E>(
    parts: Vec<Result<P, E>>,
    outcomes: Vec<Result<T, Error>>,
) -> Vec<Result<T, E>>
where
    E: From<Error>,
{
    let mut outcomes = outcomes.into_iter();
    let merged = parts.into_iter().map(|part| match part {
        Ok(_) => {
            let outcome = outcomes.next().unwrap_or(Err(Error::Stopping));
            outcome.map_err(E::from)
        }
        Err(error) => Err(error),
    });
    merged.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_go_back_to_their_places() {
        let parts = vec![
            Err(Error::UnknownPartition),
            Ok(1),
            Ok(2),
            Err(Error::TimedOut),
        ];
        assert_eq!(good(&parts), [1, 2]);
        let merged = merge(parts, vec![Ok('a'), Err(Error::EpochFenced)]);
        let expected = vec![
            Err(Error::UnknownPartition),
            Ok('a'),
            Err(Error::EpochFenced),
            Err(Error::TimedOut),
        ];
        assert_eq!(merged, expected);
    }
}
