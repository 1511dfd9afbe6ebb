//! Waiting on purpose.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Lets time pass: how long a load lasts before a fault, or a fault before it is healed. Nothing is
/// ever taken to have happened because time has passed.
pub async fn pause(time: Duration) {
    sleep_until(Instant::now() + time).await;
}
