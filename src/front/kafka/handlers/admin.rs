//! What the handlers of metadata changes share.

use std::time::Duration;

use corelog_broker::{AdminReply, AdminRequest, Outcomes};
use corelog_rt::Runtime;

use super::super::call::Call;
pub(super) use crate::operation::done;

/// A change is committed by a flush or two; a client that gives less time gets this all the same.
const LIMIT_MIN: Duration = Duration::from_secs(1);
const LIMIT_MAX: Duration = Duration::from_secs(300);

/// How long to wait, from a request's `timeout_ms`.
pub(super) fn limit(timeout_ms: i32) -> Duration {
    let asked = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
    asked.clamp(LIMIT_MIN, LIMIT_MAX)
}

/// [`crate::operation::admin`], of a call.
pub(super) async fn admin<R: Runtime, T>(
    call: &Call<R>,
    request: AdminRequest,
    limit: Duration,
    count: usize,
    outcomes: impl FnOnce(AdminReply) -> Outcomes<T>,
) -> Outcomes<T> {
    crate::operation::admin(&call.context.broker, request, limit, count, outcomes).await
}
