//! What a broker says of itself when a connection begins.

use std::collections::BTreeMap;

use corelog_base::NodeId;
use corelog_wire::native::v1::{HelloRequest, HelloResponse, Range};
use corelog_wire::native::{Api, ApiRange, common};

use crate::error::check;
use crate::options::Options;
use crate::reply::Reply;
use crate::topics::{Topic, topics};
use crate::{Error, Kind};

#[derive(Debug)]
pub(crate) struct Hello {
    pub node: NodeId,
    /// Empty where the broker does not know it: then the host that was connected to.
    pub host: String,
    /// One a core.
    pub ports: Vec<u16>,
    pub payload_bytes_max: u32,
    pub topics: Vec<Topic>,
    versions: BTreeMap<u16, u16>,
}

/// What this client speaks: of all that this build has types of, what it makes use of.
pub(crate) fn spoken(api: Api) -> ApiRange {
    let max = match api {
        Api::Produce | Api::Subscribe | Api::ListOffsets => 2,
        _ => 1,
    };
    ApiRange { max, ..api.range() }
}

pub(crate) fn request(options: &Options) -> HelloRequest {
    let ranges = options.ranges.iter().map(|range| Range {
        api: range.api,
        min: range.min,
        max: range.max,
    });
    HelloRequest {
        client: options.name.clone(),
        software: concat!("corelog-native ", env!("CARGO_PKG_VERSION")).to_owned(),
        ranges: ranges.collect(),
    }
}

impl Hello {
    pub(crate) fn of(reply: &Reply, options: &Options) -> Result<Self, Error> {
        let response = reply.meta.read::<HelloResponse>()?;
        check(response.error.to_native(), &response.message, || {
            "greet the broker".to_owned()
        })?;
        let theirs = response.ranges.iter().map(|range| ApiRange {
            api: range.api.to_native(),
            min: range.min.to_native(),
            max: range.max.to_native(),
        });
        let theirs: BTreeMap<u16, ApiRange> = theirs.map(|range| (range.api, range)).collect();
        let versions = options.ranges.iter().filter_map(|ours| {
            let version = common(*ours, *theirs.get(&ours.api)?)?;
            Some((ours.api, version))
        });
        Ok(Self {
            node: NodeId(response.node.to_native()),
            host: response.host.as_str().to_owned(),
            ports: response.ports.iter().map(|port| port.to_native()).collect(),
            payload_bytes_max: response.payload_bytes_max.to_native(),
            topics: topics(&response.topics),
            versions: versions.collect(),
        })
    }

    /// The version that both sides speak, and that this build has types of.
    pub(crate) fn version(&self, api: Api) -> Result<u16, Error> {
        let version = self.versions.get(&api.number()).copied();
        let ours = spoken(api);
        version
            .filter(|version| (ours.min..=ours.max).contains(version))
            .ok_or_else(|| {
                let context = format!("the broker has no version of {api:?} that is known here");
                Error::new(Kind::Unsupported, context)
            })
    }
}
