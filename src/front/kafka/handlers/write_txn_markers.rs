//! WriteTxnMarkers: ends of transactions, of other brokers' coordinators and of tools that end a
//! hanging transaction.

use corelog_base::{ProducerEpoch, ProducerId};
use corelog_broker::{EndMarker, MarkerEpoch, MarkerPart};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    ErrorCode, WritableTxnMarker, WritableTxnMarkerPartitionResult, WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};

use super::super::call::{Call, Fault, Malformed};
use super::parts::{good, key_of, merge};
use crate::connection::Reply;

/// From this transaction version on, each transaction has an epoch of its own (KIP-890).
const EPOCHS_VERSION_MIN: i8 = 2;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = WriteTxnMarkersRequest::decode(call.version, call.body())?;
    let mut parts = Vec::new();
    for marker in request.markers.iter() {
        for topic in marker.topics.iter() {
            let indexes = topic.partition_indexes.iter();
            parts.extend(indexes.map(|index| part(call, &marker, topic.name, index)));
        }
    }
    let written = call.context.broker.write_markers(good(&parts)).await;
    let mut written = merge(parts, written).into_iter();
    let markers = request
        .markers
        .iter()
        .map(|marker| WritableTxnMarkerResult {
            producer_id: marker.producer_id,
            topics: marker
                .topics
                .iter()
                .map(|topic| WritableTxnMarkerTopicResult {
                    name: topic.name,
                    partitions: topic
                        .partition_indexes
                        .iter()
                        .zip(&mut written)
                        .map(
                            |(partition_index, written)| WritableTxnMarkerPartitionResult {
                                partition_index,
                                error_code: written
                                    .map_or_else(|fault| fault.code, |()| ErrorCode::NONE),
                            },
                        )
                        .collect(),
                })
                .collect(),
        });
    Ok(call.reply(&WriteTxnMarkersResponse {
        markers: markers.collect(),
    }))
}

fn part<R: Runtime>(
    call: &Call<R>,
    marker: &WritableTxnMarker<'_>,
    topic: &str,
    index: i32,
) -> Result<MarkerPart, Fault> {
    Ok(MarkerPart {
        key: key_of(&call.context, topic, index)?,
        producer: ProducerId(marker.producer_id),
        epoch: ProducerEpoch(marker.producer_epoch),
        marker: EndMarker {
            committed: marker.transaction_result,
            coordinator_epoch: marker.coordinator_epoch,
        },
        rule: match marker.transaction_version {
            EPOCHS_VERSION_MIN.. => MarkerEpoch::Above,
            _ => MarkerEpoch::AtLeast,
        },
    })
}
