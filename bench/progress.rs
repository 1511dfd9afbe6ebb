//! The line of each second.

use std::time::Duration;

use corelog_base::Monotonic;

use crate::histogram::Times;
use crate::settings::Settings;
use crate::totals::Totals;

/// What came since the last line.
pub(crate) fn line(
    settings: &Settings,
    totals: &Totals,
    now: Monotonic,
    passed: Duration,
) -> String {
    let window = totals.published.window;
    let fresh = &totals.fresh;
    let mut line = match window.begin.since(now) {
        left if !left.is_zero() => format!("warm-up, {:.0} s left", left.as_secs_f64().ceil()),
        _ => format!("{:4.0} s", now.since(window.begin).as_secs_f64()),
    };
    let seconds = passed.as_secs_f64().max(1e-3);
    if settings.mode.produces() {
        let requests = fresh.published.acknowledged_in_all as f64;
        let records = requests * settings.load.batch as f64 / seconds;
        line += &format!(
            "  {records:.0}/s written{}",
            times(&fresh.published.publish)
        );
    }
    if settings.mode.consumes() {
        let records = fresh.consumed.records as f64 / seconds;
        line += &format!("  {records:.0}/s read{}", times(&fresh.consumed.end_to_end));
    }
    if fresh.published.late > 0 {
        line += &format!("  {} late", fresh.published.late);
    }
    line
}

fn times(times: &Times) -> String {
    if times.is_empty() {
        return String::new();
    }
    let ms = |nanos: u64| nanos as f64 / 1e6;
    format!(
        ", p50 {:.2} p99 {:.2} max {:.2} ms",
        ms(times.value_at_quantile(0.5)),
        ms(times.value_at_quantile(0.99)),
        ms(times.max())
    )
}
