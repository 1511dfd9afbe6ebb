//! The cluster itself: its id, its nodes, blocks of producer ids.

use std::ops::Range;

use crate::record::{Node, Record};
use crate::{ClusterId, Error, Image, Kind};

/// How many producer ids one record hands out.
pub const PRODUCER_IDS_A_BLOCK: i64 = 1000;

/// The feature whose level says which records and peer messages the cluster may use.
const FORMAT_FEATURE: &str = "corelog.version";
const FORMAT_LEVEL: u16 = 1;

/// The first records of a new cluster; none if it has them.
pub fn plan_bootstrap(image: &Image, id: ClusterId) -> Vec<Record> {
    if image.cluster_id().is_some() {
        return Vec::new();
    }
    let level = Record::Feature {
        name: FORMAT_FEATURE.into(),
        level: FORMAT_LEVEL,
    };
    vec![Record::Cluster(id), level]
}

/// The record that registers a node, or none if it is known just so.
///
/// # Errors
/// `InvalidRequest`: a negative id, no core, or an address without host or port.
pub fn plan_register_node(image: &Image, node: &Node) -> Result<Vec<Record>, Error> {
    if node.id.0 < 0 || node.cores == 0 || node.host.is_empty() || node.port == 0 {
        let why = format!("{node:?} is no node that clients could reach");
        return Err(Error::new(Kind::InvalidRequest, why));
    }
    if image.node(node.id) == Some(node) {
        return Ok(Vec::new());
    }
    Ok(vec![Record::Node(node.clone())])
}

/// A block of producer ids that nobody else has, and the record that makes it so.
///
/// # Panics
/// If all 2^63 ids are gone.
pub fn plan_producer_ids(image: &Image) -> (Range<i64>, Vec<Record>) {
    let first = image.next_producer();
    let next = first
        .checked_add(PRODUCER_IDS_A_BLOCK)
        .expect("2^63 producer ids are enough");
    (first..next, vec![Record::ProducerIds { next }])
}
