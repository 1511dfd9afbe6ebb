//! The floors, and the dependencies.

use crate::source::{self, Source, has_word};
use crate::{Finding, check};

/// Which rooms a room may use. A room may use any of these, never another.
const FLOORS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("fuzz", &["base"]),
    ("record", &["base"]),
    ("wire", &["base"]),
    ("rt", &["base"]),
    ("log", &["base", "record", "rt"]),
    ("replica", &["base"]),
    ("cluster", &["base"]),
    ("partition", &["base", "record"]),
    ("coordinator", &["base", "record", "wire"]),
    (
        "broker",
        &[
            "base",
            "record",
            "rt",
            "log",
            "replica",
            "cluster",
            "partition",
            "coordinator",
        ],
    ),
    (
        "front",
        &[
            "base",
            "record",
            "rt",
            "wire",
            "broker",
            "cluster",
            "coordinator",
        ],
    ),
    (
        "node",
        &[
            "base",
            "record",
            "rt",
            "log",
            "replica",
            "cluster",
            "partition",
            "broker",
            "front",
        ],
    ),
    ("client", &["base", "record", "wire"]),
    ("native", &["base", "record", "wire"]),
    ("bench", &["base", "record", "wire", "client", "native"]),
    ("sim", &["base", "rt"]),
    (
        "workload",
        &[
            "sim",
            "base",
            "record",
            "rt",
            "log",
            "replica",
            "cluster",
            "partition",
            "broker",
        ],
    ),
    // Speaks through sockets, files and the command line.
    ("tests/faults", &["base", "client", "record", "wire"]),
    (
        "tests/hostile",
        &["base", "faults", "fuzz", "record", "wire"],
    ),
    ("cli", &["base", "record", "client", "bench"]),
    // The binary.
    ("", &["cli", "log", "node"]),
];

/// A line of a manifest that names a dependency.
struct Dependency {
    line: usize,
    name: String,
    dev: bool,
    reason: bool,
}

struct Manifest {
    path: String,
    /// Empty for the binary.
    room: String,
    dependencies: Vec<Dependency>,
}

fn manifests() -> Vec<Manifest> {
    let files = source::files(&["Cargo.toml"]).into_iter();
    let rooms = files.map(|(path, text)| {
        let room = path.strip_suffix("/Cargo.toml").unwrap_or_default();
        let room = room.strip_prefix("src/").unwrap_or(room).to_owned();
        let dependencies = section(
            &text,
            &["dependencies", "dev-dependencies", "build-dependencies"],
        );
        Manifest {
            path,
            room,
            dependencies,
        }
    });
    rooms.collect()
}

fn section(text: &str, names: &[&str]) -> Vec<Dependency> {
    let mut found = Vec::new();
    let mut current = String::new();
    for (line, text) in (1..).zip(text.lines()) {
        if let Some(name) = text.strip_prefix('[') {
            current = name.trim_end_matches(']').to_owned();
        } else if names.contains(&current.as_str())
            && let Some((name, rest)) = text.split_once(['=', '.'])
            && !text.starts_with('#')
        {
            found.push(Dependency {
                line,
                name: name.trim().to_owned(),
                dev: current == "dev-dependencies",
                reason: rest.contains("# "),
            });
        }
    }
    found
}

#[test]
fn rooms_use_only_the_floors_below() {
    let mut findings = Vec::new();
    for manifest in manifests() {
        let floor = FLOORS.iter().find(|(room, _)| *room == manifest.room);
        let Some((_, below)) = floor else {
            findings.push(Finding::new(&manifest.path, 0, "a room without a floor"));
            continue;
        };
        for dependency in &manifest.dependencies {
            let Some(room) = dependency.name.strip_prefix("corelog-") else {
                continue;
            };
            // A test may also simulate, and may drive what is on top of a lower floor; those of the
            // binary use any client.
            let driven = !["node", "client"].contains(&room) || manifest.room.is_empty();
            let test = dependency.dev && driven;
            if !below.contains(&room) && !test {
                let what = format!("uses {room}, which is not below it");
                findings.push(Finding::new(&manifest.path, dependency.line, what));
            }
        }
    }
    check("rooms use only the floors below", findings);
}

#[test]
fn versions_and_reasons_stand_in_one_place() {
    let mut findings = Vec::new();
    let manifests = manifests();
    let root = source::files(&["Cargo.toml"]);
    let (path, text) = root
        .iter()
        .find(|(path, _)| path == "Cargo.toml")
        .expect("a root");
    for dependency in section(text, &["workspace.dependencies"]) {
        if dependency.name.starts_with("corelog-") {
            continue;
        }
        if !dependency.reason {
            let what = format!("{} has no reason beside it", dependency.name);
            findings.push(Finding::new(path, dependency.line, what));
        }
        let mut all = manifests.iter().flat_map(|m| &m.dependencies);
        if !all.any(|used| used.name == dependency.name) {
            let what = format!("{} is used by no room", dependency.name);
            findings.push(Finding::new(path, dependency.line, what));
        }
    }
    for (path, text) in &root {
        for (line, text) in (1..).zip(text.lines()) {
            if path != "Cargo.toml" && text.contains("version = \"") {
                findings.push(Finding::new(path, line, "versions stand in the root"));
            }
        }
    }
    check("versions and reasons stand in one place", findings);
}

#[test]
fn every_dependency_is_used() {
    let sources = source::rust();
    let mut findings = Vec::new();
    for manifest in manifests() {
        for dependency in &manifest.dependencies {
            let name = dependency.name.replace('-', "_");
            let used = |source: &Source| {
                let mine = match manifest.room.as_str() {
                    "" => is_binary(&source.path),
                    room if room.starts_with("tests/") => {
                        source.path.starts_with(&format!("{room}/"))
                    }
                    room => source.room() == Some(room),
                };
                mine && source.lines().any(|(_, line)| has_word(line, &name))
            };
            if !sources.iter().any(used) {
                let what = format!("{} is never named", dependency.name);
                findings.push(Finding::new(&manifest.path, dependency.line, what));
            }
        }
    }
    check("every dependency is used", findings);
}

/// The bugs on purpose are no part of what is built for use: tests of the simulator turn them on,
/// and no other manifest and no default does.
#[test]
fn planted_bugs_stay_in_the_tests_of_the_simulator() {
    let mut findings = Vec::new();
    for (path, text) in source::files(&["Cargo.toml"]) {
        let mut part = "";
        for (line, text) in (1..).zip(text.lines()) {
            if text.starts_with('[') {
                part = text;
            }
            let named = text.contains("planted");
            let declared = part == "[features]" && text == "planted = []";
            let tested = path == "src/workload/Cargo.toml" && part == "[dev-dependencies]";
            if named && !declared && !tested {
                findings.push(Finding::new(&path, line, "turns on a planted bug"));
            }
        }
    }
    check("planted bugs stay in the tests of the simulator", findings);
}

fn is_binary(path: &str) -> bool {
    ["src/main.rs", "src/serve.rs", "src/stopped.rs"].contains(&path)
        || path.starts_with("tests/")
            && !path.starts_with("tests/faults/")
            && !path.starts_with("tests/hostile/")
}
