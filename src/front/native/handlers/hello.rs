//! Hello: who this is, what it speaks, and where each partition is. Also the answer to what is not
//! spoken.

use corelog_cluster::is_internal;
use corelog_rt::Runtime;
use corelog_wire::kafka::ErrorCode;
use corelog_wire::native::v1::{HelloRequest, HelloResponse, Range};
use corelog_wire::native::{Api, ApiRange};

use super::super::call::{Call, Malformed};
use super::super::context::Context;
use super::map::Map;
use crate::connection::Reply;

/// What an answer with all topics may take, decoded and encoded.
const WORK_BYTES: u64 = 2 << 20;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let credit = call.admit(WORK_BYTES).await;
    let view = call.view()?;
    let hello = view.read::<HelloRequest>()?;
    tracing::debug!(
        peer = %call.peer,
        client = hello.client.as_str(),
        software = hello.software.as_str(),
        "hello"
    );
    let context = &call.context;
    let ids: Vec<_> = context.broker.image(|image| {
        let topics = image.topics().filter(|topic| !is_internal(&topic.name));
        topics.map(|topic| topic.id).collect()
    });
    let mut map = Map::default();
    for id in ids {
        if map.is_cut {
            break;
        }
        map.add(context, id);
    }
    let response = HelloResponse {
        topics: map.topics,
        ..answer(context)
    };
    Ok(call.reply(&response).holding(credit))
}

/// Without topics.
fn answer<R: Runtime>(context: &Context<R>) -> HelloResponse {
    let broker = &context.broker;
    HelloResponse {
        error: 0,
        message: String::new(),
        node: broker.node().0,
        cluster: broker
            .image(|image| image.cluster_id())
            .map_or([0; 16], |id| id.0),
        ranges: ranges(),
        host: context.address.host.clone(),
        ports: context.address.ports(broker.cores()),
        core: broker.core().0,
        payload_bytes_max: context.payload_bytes_max,
        topics: Vec::new(),
    }
}

/// What this build speaks.
pub(in super::super) fn ranges() -> Vec<Range> {
    let range = |api: Api| {
        let ApiRange { api, min, max } = api.range();
        Range { api, min, max }
    };
    Api::ALL.into_iter().map(range).collect()
}

/// The answer to a request of an API or version that is not spoken: a Hello of version 1, which
/// every client can read, with error 35 and all ranges.
pub(in super::super) fn unsupported<R: Runtime>(call: &Call<R>) -> Reply {
    let (api, version) = (call.header.api, call.header.version);
    let message = match Api::from_number(api).map(Api::range) {
        Some(ApiRange { min, max, .. }) => {
            format!("api {api} is spoken in versions {min} to {max}, and not in {version}")
        }
        None => format!("there is no api {api}"),
    };
    tracing::debug!(peer = %call.peer, message, "not spoken");
    call.reply(&HelloResponse {
        error: ErrorCode::UNSUPPORTED_VERSION.0,
        message,
        ..answer(&call.context)
    })
}
