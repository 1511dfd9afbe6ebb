//! The load that `corelog bench run` and `bench sweep` share.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use corelog_bench::{Acks, Arrivals, Driver, Load, Mode, Rate, Settings, Target, parse_cpus};
use corelog_record::Codec;

#[derive(Args)]
pub(crate) struct LoadArgs {
    #[arg(long, value_enum, default_value = "kafka")]
    driver: DriverArg,
    /// Brokers to begin with, as HOST:PORT, separated by commas. Without it: CORELOG_BOOTSTRAP or
    /// 127.0.0.1:9092; for the native driver CORELOG_NATIVE_BOOTSTRAP or 127.0.0.1:9192.
    #[arg(short, long, value_delimiter = ',', value_name = "HOST:PORT")]
    bootstrap: Vec<String>,
    /// Created if it does not exist.
    #[arg(long)]
    topic: String,
    /// Partitions that are used, and created if need be.
    #[arg(long, value_name = "N", default_value_t = 1)]
    partitions: i32,
    /// Bytes of a record's value, 16 or more.
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    size: usize,
    /// Bytes of a record's key; 0 is no key.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    key_bytes: usize,
    /// Records of a batch; a request carries one batch.
    #[arg(long, value_name = "N", default_value_t = 1)]
    batch: usize,
    #[arg(long, value_parser = codec, default_value = "none", value_name = "none|gzip|snappy|lz4|zstd")]
    compression: Codec,
    #[arg(long, value_enum, default_value = "all")]
    acks: AcksArg,
    /// How long is measured, such as 10s, 500ms or 2m.
    #[arg(long, value_parser = duration, default_value = "10s")]
    duration: Duration,
    /// What starts in this time before is not measured.
    #[arg(long, value_parser = duration, default_value = "2s")]
    warmup: Duration,
    #[arg(long, value_enum, default_value = "uniform")]
    arrivals: ArrivalsArg,
    #[arg(long, value_enum, default_value = "both")]
    mode: ModeArg,
    /// Connections that produce.
    #[arg(long, value_name = "C", default_value_t = 1)]
    connections: usize,
    /// Requests in flight on each connection at rate max.
    #[arg(long, value_name = "N", default_value_t = 16)]
    in_flight: usize,
    /// Connections that consume.
    #[arg(long, value_name = "C", default_value_t = 1)]
    consumers: usize,
    /// CPUs for the threads of the benchmark, by turns, such as 0,2-3.
    #[arg(long, value_name = "CPUS", value_parser = cpus)]
    pin: Option<Cpus>,
}

#[derive(Clone, Copy, ValueEnum)]
enum DriverArg {
    /// Any broker that speaks Kafka's protocol.
    Kafka,
    /// corelog's own protocol.
    Native,
}

#[derive(Clone, Copy, ValueEnum)]
enum AcksArg {
    #[value(name = "0")]
    None,
    #[value(name = "1")]
    Leader,
    #[value(name = "all", alias = "-1")]
    All,
}

#[derive(Clone, Copy, ValueEnum)]
enum ArrivalsArg {
    /// Evenly spaced.
    Uniform,
    /// Exponential gaps, as independent callers make.
    Poisson,
}

#[derive(Clone, Copy, ValueEnum)]
enum ModeArg {
    /// Write only.
    Produce,
    /// Read what the topic holds, once, as fast as can be.
    Consume,
    /// Write, and read at the end of the log.
    Both,
    /// Read at the end of the log what another run of this host writes.
    Tail,
    /// Write, and read what the topic held before.
    CatchUp,
}

/// A list, which clap would otherwise take for repeated values.
#[derive(Clone)]
struct Cpus(Vec<usize>);

fn cpus(text: &str) -> Result<Cpus, String> {
    parse_cpus(text).map(Cpus)
}

fn codec(text: &str) -> Result<Codec, String> {
    text.parse()
        .map_err(|_| "give none, gzip, snappy, lz4 or zstd".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    const WRONG: &str = "give a time such as 10s, 500ms or 2m";
    let split = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => 1e-3,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(WRONG.to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| WRONG.to_owned())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| WRONG.to_owned())
}

impl LoadArgs {
    pub(crate) fn settings(self, rate: Rate, out: PathBuf) -> Settings {
        let (driver, variable, default) = match self.driver {
            DriverArg::Kafka => (Driver::Kafka, "CORELOG_BOOTSTRAP", "127.0.0.1:9092"),
            DriverArg::Native => (Driver::Native, "CORELOG_NATIVE_BOOTSTRAP", "127.0.0.1:9192"),
        };
        let mut bootstrap = self.bootstrap;
        if bootstrap.is_empty() {
            let given = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
            bootstrap = given.split(',').map(str::to_owned).collect();
        }
        Settings {
            target: Target {
                driver,
                bootstrap,
                topic: self.topic,
                partitions: self.partitions,
            },
            load: Load {
                rate,
                arrivals: match self.arrivals {
                    ArrivalsArg::Uniform => Arrivals::Uniform,
                    ArrivalsArg::Poisson => Arrivals::Poisson,
                },
                acks: match self.acks {
                    AcksArg::None => Acks::None,
                    AcksArg::Leader => Acks::Leader,
                    AcksArg::All => Acks::All,
                },
                size: self.size,
                key_bytes: self.key_bytes,
                batch: self.batch,
                compression: self.compression,
                connections: self.connections,
                in_flight: self.in_flight,
                consumers: self.consumers,
            },
            mode: match self.mode {
                ModeArg::Produce => Mode::Produce,
                ModeArg::Consume => Mode::Consume,
                ModeArg::Both => Mode::Both,
                ModeArg::Tail => Mode::Tail,
                ModeArg::CatchUp => Mode::CatchUp,
            },
            duration: self.duration,
            warmup: self.warmup,
            pin: self.pin.map(|cpus| cpus.0).unwrap_or_default(),
            out,
        }
    }
}
