//! The ends of transactions, written into their partitions, and where they stand there.

use corelog_rt::Runtime;

use super::scatter::scatter;
use crate::api::{MarkerPart, Standing, StandingPart};
use crate::message::{MarkerItem, Reply, Request, StandingItem};
use crate::{Broker, Outcomes};

impl<R: Runtime> Broker<R> {
    /// Writes markers. Each is answered once it is committed, or refused: `ProducerFenced` by a
    /// newer epoch of the producer, `CoordinatorFenced` by a newer leader of the coordinator. The
    /// same marker may be written again.
    pub async fn write_markers(&self, parts: Vec<MarkerPart>) -> Outcomes<()> {
        let keyed = parts.into_iter().map(|part| {
            (part.key, move |group| MarkerItem {
                group,
                producer: part.producer,
                epoch: part.epoch,
                marker: part.marker,
                rule: part.rule,
            })
        });
        let replied = |reply| match reply {
            Reply::Produce(outcomes) => outcomes.into_iter().map(|o| o.map(|_| ())).collect(),
            _ => unreachable!("markers are answered as a produce is"),
        };
        scatter(&self.0, keyed.collect(), Request::Markers, replied).await
    }

    /// Where transactions stand at the partitions' leaders.
    pub async fn standings(&self, parts: Vec<StandingPart>) -> Outcomes<Standing> {
        let keyed = parts.into_iter().map(|part| {
            (part.key, move |group| StandingItem {
                group,
                producer: part.producer,
                epoch: part.epoch,
            })
        });
        let replied = |reply| match reply {
            Reply::Standings(outcomes) => outcomes,
            _ => unreachable!("a standings request is answered by standings"),
        };
        scatter(&self.0, keyed.collect(), Request::Standings, replied).await
    }
}
