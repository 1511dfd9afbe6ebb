//! The native half of the sink.

use std::net::SocketAddr;

use bytes::Bytes;
use corelog_wire::native::v1::{
    CreateTopicRequest, CreateTopicResponse, HelloResponse, ListOffsetsRequest,
    ListOffsetsResponse, Listed, MetadataRequest, MetadataResponse, Partition, ProduceResponse,
    Produced, Range, Topic,
};
use corelog_wire::native::{Api, ApiRange, Header, Limits, META_BYTES_MAX, Meta, encode, v2};

use crate::{Error, Kind};

/// The first bytes of a frame; Kafka's would be a frame above its bound.
pub(crate) const MAGIC: [u8; 2] = [0x63, 0x4c];
const PARTITIONS: i32 = 64;
const TOPIC: [u8; 16] = [1; 16];
pub(crate) const LIMITS: Limits = Limits {
    meta_bytes_max: META_BYTES_MAX,
    payload_bytes_max: 128 << 20,
};

/// The API of a frame, and its answer.
pub(crate) fn answer(frame: &[u8], address: SocketAddr) -> Result<(Api, Vec<u8>), Error> {
    let header = Header::parse(frame, LIMITS)?;
    let meta = Meta::of(header, frame)?;
    let unknown = || Error::new(Kind::Protocol, "an API that the sink has not");
    let api = Api::from_number(header.api).ok_or_else(unknown)?;
    let correlation = header.correlation;
    let parts: Vec<Bytes> = match api {
        Api::Hello => encode(correlation, 0, &hello(address), Vec::new())?,
        Api::Metadata => {
            let request = meta.read::<MetadataRequest>()?;
            let names = request.topics.as_ref().map_or(&[][..], |names| names);
            let topics = names.iter().map(|name| topic(name.as_str()));
            let response = MetadataResponse {
                error: 0,
                message: String::new(),
                topics: topics.collect(),
            };
            encode(correlation, 0, &response, Vec::new())?
        }
        Api::CreateTopic => {
            meta.read::<CreateTopicRequest>()?;
            let response = CreateTopicResponse {
                error: 0,
                message: String::new(),
            };
            encode(correlation, 0, &response, Vec::new())?
        }
        Api::ListOffsets => {
            let request = meta.read::<ListOffsetsRequest>()?;
            let empty = Listed {
                error: 0,
                offset: 0,
                time: -1,
                epoch: -1,
            };
            let response = ListOffsetsResponse {
                parts: vec![empty; request.parts.len()],
            };
            encode(correlation, 0, &response, Vec::new())?
        }
        Api::Produce => produced(&meta)?,
        _ => return Err(unknown()),
    };
    Ok((api, parts.concat()))
}

fn hello(address: SocketAddr) -> HelloResponse {
    // Of every API but Produce the sink knows the first version alone.
    let known = |api: Api| match api {
        Api::Produce => api.range(),
        _ => ApiRange {
            max: 1,
            ..api.range()
        },
    };
    // It has nothing to say of its topics' durability.
    let apis = Api::ALL.into_iter();
    let apis = apis.filter(|api| *api != Api::DescribeTopic);
    let ranges = apis.map(known).map(|range| Range {
        api: range.api,
        min: range.min,
        max: range.max,
    });
    HelloResponse {
        error: 0,
        message: String::new(),
        node: 1,
        cluster: [1; 16],
        ranges: ranges.collect(),
        host: address.ip().to_string(),
        ports: vec![address.port()],
        core: 0,
        payload_bytes_max: 128 << 20,
        topics: Vec::new(),
    }
}

fn topic(name: &str) -> Topic {
    let partitions = (0..PARTITIONS).map(|index| Partition {
        index,
        leader: 1,
        epoch: 1,
        core: 0,
    });
    Topic {
        name: name.to_owned(),
        id: TOPIC,
        error: 0,
        partitions: partitions.collect(),
    }
}

fn produced(meta: &Meta) -> Result<Vec<Bytes>, Error> {
    let header = meta.header();
    let count = match header.version {
        1 => meta
            .read::<corelog_wire::native::v1::ProduceRequest>()?
            .parts
            .len(),
        _ => meta.read::<v2::ProduceRequest>()?.parts.len(),
    };
    let part = Produced {
        error: 0,
        base_offset: 0,
    };
    let response = ProduceResponse {
        parts: vec![part; count],
    };
    Ok(match header.version {
        1 => encode(header.correlation, 0, &response, Vec::new())?,
        _ => {
            let response = v2::ProduceResponse::from(response);
            encode(header.correlation, 0, &response, Vec::new())?
        }
    })
}
