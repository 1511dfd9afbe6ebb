# Recipes of every day. `just` lists them; `check` never writes, `fix` does.

release := "target/release/corelog"

_list:
    @just --list --unsorted

# A broker on 127.0.0.1:9092
run *ARGUMENTS:
    cargo run --release -- serve {{ARGUMENTS}}

# What README says
test *ARGUMENTS:
    cargo test --workspace {{ARGUMENTS}}

# Format, lints, tests with tidy, and docs; writes nothing
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test --workspace
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Format, and what clippy can mend by itself
fix:
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged
    cargo fmt --all

# The gate: everything that must hold before a change lands
ci:
    .ci/run

# Seeds of the simulator: just sim --workload log|compact|one|three|five --seeds 1000 --seed 7
sim *ARGUMENTS:
    cargo run --release -p corelog-workload --example sim -- {{ARGUMENTS}}

# Real clients against the release binary: just compat --only acks_zero
compat *ARGUMENTS: _release
    BINARY={{release}} tests/compat/run {{ARGUMENTS}}

# Kills under kcat on one runtime
kills ROUNDS="50" RUNTIME="ring" SEED="1": _release
    BINARY={{release}} tests/compat/run --only kills_lose_nothing \
        --rounds {{ROUNDS}} --runtime {{RUNTIME}} --seed {{SEED}}

# Hostile clients against the release binary: just hostile flood; a NAME of --help, --short
hostile *ARGUMENTS: _release
    ulimit -n "$(ulimit -Hn)"; BINARY={{release}} cargo run --release -p corelog-hostile -- {{ARGUMENTS}}

# Conformance of the runtime, all clients and kills on glommio
glommio-matrix: _release
    cargo test -p corelog-rt
    BINARY={{release}} tests/compat/run --runtime glommio

# Faults against the release binary: just faults kill --rounds 200 --seed 7; a NAME of --help
faults *ARGUMENTS: _release
    BINARY={{release}} cargo run -p corelog-faults -- {{ARGUMENTS}}

# The fault harness itself: bugs that were put into a build on purpose must be found
faults-planted:
    cargo build --features corelog-log/planted
    cp target/debug/corelog target/debug/corelog-planted
    BINARY=target/debug/corelog-planted cargo run -p corelog-faults -- planted

# A topic of 1 GiB by Java and one by librdkafka, read by each other
compat-big RUNTIME="ring": _release
    BINARY={{release}} tests/compat/run --only big_topics_cross --big 1073741824 \
        --runtime {{RUNTIME}}

# Mutated record batches, and mutated messages and headers for SECONDS a kind
fuzz SECONDS="60":
    CORELOG_FUZZ_SECONDS={{SECONDS}} cargo test --release -p corelog-record --test fuzz
    CORELOG_FUZZ_SECONDS={{SECONDS}} cargo test --release -p corelog-wire fuzz_test

# So many mutants for each decoder: every message in every version, headers, batches of
# every codec, peers' messages, metadata
fuzz-long INPUTS="1000000" SEED="1":
    CORELOG_FUZZ_INPUTS={{INPUTS}} CORELOG_FUZZ_SEED={{SEED}} \
        cargo test --release -p corelog-record --test fuzz -- --nocapture
    CORELOG_FUZZ_INPUTS={{INPUTS}} CORELOG_FUZZ_SEED={{SEED}} \
        cargo test --release -p corelog-wire fuzz_test -- --nocapture
    CORELOG_FUZZ_INPUTS={{INPUTS}} CORELOG_FUZZ_SEED={{SEED}} \
        cargo test --release -p corelog-replica -p corelog-cluster mutations -- --nocapture

# What a consensus proposal costs
bench-replica:
    cargo bench -p corelog-replica

# What this machine's disk and loopback give, and what the runtime gives of it: just bench-rt DIR
bench-rt *ARGUMENTS:
    cargo run --release -p corelog-rt --example floor -- {{ARGUMENTS}}

# What a running broker reaches beside its machine; topics reach-one and reach-many must exist
bench-reach ADDRESS="127.0.0.1:9092" DIR=".":
    cargo run --release -p corelog-client --example reach -- {{ADDRESS}} {{DIR}}

# Groups and commits on a running broker: just coordinate 127.0.0.1:9092 classic|consumer|commits
coordinate ADDRESS="127.0.0.1:9092" WHAT="classic" *ARGUMENTS:
    cargo run --release -p corelog-client --example coordinate -- {{ADDRESS}} {{WHAT}} {{ARGUMENTS}}

# Beside Apache Kafka, Redis and NATS, in turns: just peers --rounds 5 --seconds 10 --only kafka
peers *ARGUMENTS: dist
    BINARY=target/dist/corelog bench/peers/run {{ARGUMENTS}}

# Transactions of 10 partitions beside Apache Kafka: just peers-transactions --rounds 3
peers-transactions *ARGUMENTS: dist
    BINARY=target/dist/corelog bench/peers/run transactions {{ARGUMENTS}}

# Both runtimes, parked and spinning, with and without latency = "low", by both protocols
bench-runtimes *ARGUMENTS: dist
    BINARY=target/dist/corelog bench/peers/run runtimes {{ARGUMENTS}}

# Beside the machine's floors: one in flight, 1 MiB batches, a tail consumer, cold reads
bench-floors *ARGUMENTS: dist
    BINARY=target/dist/corelog bench/peers/run floors {{ARGUMENTS}}

# What 1,000 partitions get of one partition's rate, same client and bytes
bench-spread *ARGUMENTS: dist
    BINARY=target/dist/corelog bench/peers/run spread {{ARGUMENTS}}

# The binary that is shipped and measured
dist:
    cargo build --profile dist
    ls -l target/dist/corelog

# What deviates on this host from what tuning/ says; changes nothing
tuning-check *ARGUMENTS:
    tuning/check {{ARGUMENTS}}

_release:
    cargo build --release
