//! The cores' figures as Prometheus' text.

use std::fmt::Write;

use crate::cores::Figures;

type Value = fn(&Figures) -> u64;

/// A figure: its name, what it means, whether it only grows, and where it is found.
struct Metric {
    name: &'static str,
    help: &'static str,
    counter: bool,
    value: Value,
}

macro_rules! metric {
    (counter $name:literal, $help:literal, $value:expr) => {
        Metric {
            name: $name,
            help: $help,
            counter: true,
            value: $value,
        }
    };
    (gauge $name:literal, $help:literal, $value:expr) => {
        Metric {
            name: $name,
            help: $help,
            counter: false,
            value: $value,
        }
    };
}

const METRICS: &[Metric] = &[
    metric!(gauge "replicas", "Partition replicas on the core", |f| f.broker.groups),
    metric!(counter "produced_batches_total", "Batches proposed", |f| f.broker.shard.produced_batches),
    metric!(counter "produced_bytes_total", "Bytes of batches proposed", |f| f.broker.shard.produced_bytes),
    metric!(counter "fetched_bytes_total", "Bytes given to fetches", |f| f.broker.shard.fetched_bytes),
    metric!(counter "elections_total", "Leaderships won", |f| f.broker.shard.elections),
    metric!(counter "journal_frames_total", "Journal frames written", |f| f.broker.log.frames_written),
    metric!(counter "journal_bytes_total", "Journal bytes written", |f| f.broker.log.journal_bytes_written),
    metric!(counter "settled_bytes_total", "Segment bytes written", |f| f.broker.log.settled_bytes_written),
    metric!(counter "bulk_bytes_total", "Bytes written to segments around the journal", |f| f.broker.log.bulk_bytes_written),
    metric!(counter "disk_reads_total", "Reads that went to the disk", |f| f.broker.log.disk_reads),
    metric!(gauge "unsettled_bytes", "Records not yet in segments", |f| f.broker.log.unsettled_bytes),
    metric!(gauge "tail_cache_bytes", "Recent records kept in memory", |f| f.broker.log.tail_cache_bytes),
    metric!(gauge "block_cache_bytes", "Blocks kept after a read", |f| f.broker.log.block_cache_bytes),
    metric!(gauge "journal_files", "Journal files", |f| u64::from(f.broker.log.journal_files)),
    metric!(gauge "log_fenced", "1 if the log failed and takes no appends", |f| u64::from(f.broker.log.fenced)),
    metric!(gauge "disk_full", "1 if appends are refused for space", |f| u64::from(f.broker.log.disk_full)),
    metric!(gauge "connections", "Open connections", |f| f.kafka.connections_open),
    metric!(counter "connections_accepted_total", "Connections accepted", |f| f.kafka.connections_accepted),
    metric!(counter "connections_refused_total", "Connections above the cap", |f| f.kafka.connections_refused),
    metric!(counter "connections_expired_total", "Connections closed as idle or too slow", |f| f.kafka.connections_expired),
    metric!(counter "requests_total", "Requests read", |f| f.kafka.requests),
    metric!(counter "received_bytes_total", "Bytes of requests", |f| f.kafka.received_bytes),
    metric!(counter "responses_total", "Responses sent", |f| f.kafka.responses),
    metric!(counter "sent_bytes_total", "Bytes of responses", |f| f.kafka.sent_bytes),
    metric!(gauge "frame_bytes_free", "Free bytes of the pool for requests", |f| f.frame_bytes_free),
];

/// Of compaction.
const COMPACTION: &[Metric] = &[
    metric!(counter "compaction_passes_total", "Passes of compaction that were ended", |f| f.broker.log.compaction.passes),
    metric!(counter "compaction_given_up_total", "Passes of compaction that were given up", |f| f.broker.log.compaction.given_up),
    metric!(counter "compaction_read_bytes_total", "Segment bytes that compaction read", |f| f.broker.log.compaction.read_bytes),
    metric!(counter "compaction_written_bytes_total", "Segment bytes that compaction wrote", |f| f.broker.log.compaction.written_bytes),
    metric!(counter "compaction_removed_records_total", "Records that compaction left out", |f| f.broker.log.compaction.removed_records),
    metric!(gauge "compaction_held_us_max", "The longest that compaction held the core at a time, in microseconds", |f| f.broker.log.compaction.held_us_max),
];

/// Of the native protocol.
const NATIVE: &[Metric] = &[
    metric!(gauge "native_connections", "Open connections of the native protocol", |f| f.native.connections_open),
    metric!(counter "native_connections_accepted_total", "Native connections accepted", |f| f.native.connections_accepted),
    metric!(counter "native_connections_refused_total", "Native connections above the cap", |f| f.native.connections_refused),
    metric!(counter "native_connections_expired_total", "Native connections closed as idle or too slow", |f| f.native.connections_expired),
    metric!(counter "native_requests_total", "Native requests read", |f| f.native.requests),
    metric!(counter "native_received_bytes_total", "Bytes of native requests", |f| f.native.received_bytes),
    metric!(counter "native_responses_total", "Native responses and pushed frames sent", |f| f.native.responses),
    metric!(counter "native_sent_bytes_total", "Bytes of native responses", |f| f.native.sent_bytes),
];

/// One line a core and figure; a core that has not reported yet has none.
pub(crate) fn render(figures: &[Option<Figures>], alive: &[bool]) -> String {
    let mut text = String::new();
    for metric in METRICS.iter().chain(COMPACTION).chain(NATIVE) {
        let kind = if metric.counter { "counter" } else { "gauge" };
        let Metric { name, help, .. } = metric;
        line(&mut text, format_args!("# HELP corelog_{name} {help}."));
        line(&mut text, format_args!("# TYPE corelog_{name} {kind}"));
        for (core, figures) in figures.iter().enumerate() {
            if let Some(figures) = figures {
                let value = (metric.value)(figures);
                line(
                    &mut text,
                    format_args!("corelog_{name}{{core=\"{core}\"}} {value}"),
                );
            }
        }
    }
    line(
        &mut text,
        format_args!("# HELP corelog_core_alive 1 while the core makes progress."),
    );
    line(&mut text, format_args!("# TYPE corelog_core_alive gauge"));
    for (core, alive) in alive.iter().enumerate() {
        let alive = u64::from(*alive);
        line(
            &mut text,
            format_args!("corelog_core_alive{{core=\"{core}\"}} {alive}"),
        );
    }
    text
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    writeln!(text, "{words}").expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_a_name_of_its_own() {
        let all = || METRICS.iter().chain(COMPACTION).chain(NATIVE);
        let mut names: Vec<&str> = all().map(|m| m.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all().count());
        for metric in all() {
            assert_eq!(
                metric.counter,
                metric.name.ends_with("_total"),
                "{}",
                metric.name
            );
        }
        let text = render(&[None], &[true]);
        assert!(
            text.ends_with("corelog_core_alive{core=\"0\"} 1\n"),
            "{text}"
        );
    }
}
