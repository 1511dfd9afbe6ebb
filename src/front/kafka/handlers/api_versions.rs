//! ApiVersions: what this broker serves.

use corelog_rt::Runtime;
use corelog_wire::kafka::{
    ApiVersionsRequest, ApiVersionsResponse, ErrorCode, FinalizedFeatureKey, SupportedFeatureKey,
};

use super::super::api::advertised;
use super::super::call::{Call, Malformed};
use crate::connection::Reply;

/// At 2 clients give each transaction an epoch of its own, and leave it to Produce to add partitions
/// (KIP-890).
const TRANSACTION_VERSION: &str = "transaction.version";

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = ApiVersionsRequest::decode(call.version, call.body())?;
    let (name, version) = (
        request.client_software_name,
        request.client_software_version,
    );
    if call.version >= 3 && !(is_software(name) && is_software(version)) {
        return Ok(call.reply(&ApiVersionsResponse {
            error_code: ErrorCode::INVALID_REQUEST,
            ..Default::default()
        }));
    }
    tracing::debug!(peer = %call.peer, name, version, "a client said what it is");
    Ok(call.reply(&ApiVersionsResponse {
        api_keys: advertised().into(),
        supported_features: vec![SupportedFeatureKey {
            name: TRANSACTION_VERSION,
            min_version: 0,
            max_version: 2,
        }]
        .into(),
        finalized_features_epoch: 0,
        finalized_features: vec![FinalizedFeatureKey {
            name: TRANSACTION_VERSION,
            max_version_level: 2,
            min_version_level: 2,
        }]
        .into(),
        ..Default::default()
    }))
}

/// KIP-511: letters, digits, '-' and '.', and neither of these at an end.
fn is_software(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.');
    let ends = [text.bytes().next(), text.bytes().last()];
    text.bytes().all(inner)
        && ends
            .iter()
            .all(|c| c.is_some_and(|c| c.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::is_software;

    #[test]
    fn software_names() {
        for good in ["a", "apache-kafka-java", "4.1.0", "librdkafka"] {
            assert!(is_software(good), "{good}");
        }
        for bad in ["", "-a", "a.", "a b", "ä", "a_b"] {
            assert!(!is_software(bad), "{bad}");
        }
    }
}
