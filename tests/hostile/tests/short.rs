//! Each scenario, shortened; the long ones are `just hostile NAME`. Needs the binary: `BINARY`, or
//! the one that `cargo build` makes beside these tests.

use std::path::Path;

use corelog_faults::{binary, free_ports, remove};
use corelog_hostile::{Plan, Report, Size, scenarios};

fn check(name: &str, scenario: impl AsyncFnOnce(&Plan) -> Result<Report, String>) {
    let plan = Plan {
        binary: binary(),
        dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hostile-{name}")),
        port: free_ports(),
        seed: 1,
        size: Size::Short,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let report = runtime.block_on(scenario(&plan)).unwrap();
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    remove(&plan.dir).unwrap();
}

#[test]
fn a_flood_of_connections_is_refused() {
    check("flood", scenarios::flood);
}

#[test]
fn requests_that_never_end_are_closed() {
    check("slow-loris", scenarios::slow_loris);
}

#[test]
fn forged_lengths_and_counts_take_no_memory() {
    check("lengths", scenarios::lengths);
}

#[test]
fn frames_that_do_not_come_hold_up_nobody_for_long() {
    check("hoarders", scenarios::hoarders);
}

#[test]
fn slow_consumers_hold_up_nobody() {
    check("slow-readers", scenarios::slow_readers);
}

#[test]
fn batches_that_grow_are_refused_at_the_cap() {
    check("bombs", scenarios::bombs);
}

#[test]
fn mutants_of_requests_change_nothing_for_others() {
    check("fuzz", scenarios::fuzz);
}

#[test]
fn a_thousand_partitions_are_made_and_started_again() {
    check("partitions", scenarios::partitions);
}

#[test]
fn limits_of_the_host_are_respected() {
    check("limits", scenarios::limits);
}
