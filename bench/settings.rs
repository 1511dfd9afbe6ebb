//! What a run is asked to do.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use corelog_record::Codec;
use serde::Serialize;

use crate::{Driver, Error};

/// The value must hold the run's number and the send time.
pub(crate) const SIZE_BYTES_MIN: usize = 16;
const SIZE_BYTES_MAX: usize = 64 << 20;
const RATE_MAX: f64 = 1e9;
const DURATION_MAX: Duration = Duration::from_secs(24 * 3600);

/// One run.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    pub target: Target,
    pub load: Load,
    pub mode: Mode,
    #[serde(rename = "duration_s", serialize_with = "seconds")]
    pub duration: Duration,
    /// What is scheduled in this time after the start is sent, but not measured.
    #[serde(rename = "warmup_s", serialize_with = "seconds")]
    pub warmup: Duration,
    /// The CPUs of the generator's threads, by turns; anywhere if empty.
    pub pin: Vec<usize>,
    /// The folder for the results; made if need be.
    pub out: PathBuf,
}

/// Who is measured.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    pub driver: Driver,
    pub bootstrap: Vec<String>,
    pub topic: String,
    /// The topic is created with so many if it does not exist; of a larger one the first are used.
    pub partitions: i32,
}

/// What is written, and how.
#[derive(Clone, Debug, Serialize)]
pub struct Load {
    pub rate: Rate,
    pub arrivals: Arrivals,
    pub acks: Acks,
    /// Bytes of a record's value: 16 or more.
    pub size: usize,
    /// Bytes of a record's key; 0 is no key.
    pub key_bytes: usize,
    /// Records of a batch; a request carries one batch.
    pub batch: usize,
    #[serde(serialize_with = "shown")]
    pub compression: Codec,
    /// Connections that produce, at least one for each broker that leads a partition.
    pub connections: usize,
    /// Requests that a connection has in flight when the rate is `max`.
    pub in_flight: usize,
    /// Connections that consume, at least one for each broker that leads a partition.
    pub consumers: usize,
}

/// Records a second, or as many as the broker takes with so many requests in flight.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Rate {
    PerSecond(f64),
    Max,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let rate: f64 = text
            .replace('_', "")
            .parse()
            .map_err(|_| "give records a second, or max".to_owned())?;
        if rate > 0.0 && rate <= RATE_MAX {
            Ok(Self::PerSecond(rate))
        } else {
            Err(format!("a rate is above 0 and at most {RATE_MAX}"))
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerSecond(rate) => rate.fmt(f),
            Self::Max => f.write_str("max"),
        }
    }
}

impl Serialize for Rate {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::PerSecond(rate) => out.serialize_f64(*rate),
            Self::Max => out.serialize_str("max"),
        }
    }
}

/// How the starts of requests are spaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// Evenly.
    Uniform,
    /// As independent callers come: exponential gaps.
    Poisson,
}

/// When the broker acknowledges.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Acks {
    #[serde(rename = "0")]
    None,
    #[serde(rename = "1")]
    Leader,
    #[serde(rename = "all")]
    All,
}

impl Acks {
    /// Kafka's number.
    pub(crate) fn number(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// Who works.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Producers only.
    Produce,
    /// Consumers read what the topic holds at the start, once, as fast as they can.
    Consume,
    /// Producers, and consumers at the end of the log.
    Both,
    /// Consumers at the end of the log, of records that a producing run of another process writes.
    Tail,
    /// Producers, and consumers that read what the topic held at the start.
    CatchUp,
}

impl Mode {
    pub(crate) fn produces(self) -> bool {
        matches!(self, Self::Produce | Self::Both | Self::CatchUp)
    }

    pub(crate) fn consumes(self) -> bool {
        self != Self::Produce
    }

    /// Reads what was there before, instead of what comes.
    pub(crate) fn reads_history(self) -> bool {
        matches!(self, Self::Consume | Self::CatchUp)
    }
}

impl Settings {
    /// # Errors
    /// `Usage` for what cannot be run.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let load = &self.load;
        let sizes = SIZE_BYTES_MIN..=SIZE_BYTES_MAX;
        let bytes = load.size.saturating_add(load.key_bytes);
        let refusals = [
            (
                !sizes.contains(&load.size) || load.key_bytes > SIZE_BYTES_MAX,
                "a record's value has 16 B to 64 MiB, its key at most 64 MiB",
            ),
            (
                load.batch == 0 || bytes.saturating_mul(load.batch) > SIZE_BYTES_MAX,
                "a batch has at least one record and at most 64 MiB",
            ),
            (
                load.connections == 0 || load.in_flight == 0 || load.consumers == 0,
                "connections, consumers and requests in flight are at least 1",
            ),
            (
                self.target.driver == Driver::Native && load.acks == Acks::None,
                "every native Produce is answered: acks are 1 or all",
            ),
            (
                self.target.partitions < 1,
                "a topic has a partition or more",
            ),
            (
                self.duration.is_zero() || self.duration + self.warmup > DURATION_MAX,
                "a run takes above 0 seconds and at most a day",
            ),
        ];
        match refusals.iter().find(|(refused, _)| *refused) {
            Some((_, why)) => Err(Error::usage(*why)),
            None => Ok(()),
        }
    }

    /// Requests a second in the open loop.
    pub(crate) fn requests_per_s(&self) -> Option<f64> {
        match self.load.rate {
            Rate::PerSecond(rate) => Some(rate / self.load.batch as f64),
            Rate::Max => None,
        }
    }
}

/// Reads a list of CPUs such as `0,2-3`.
///
/// # Errors
/// Says what is wrong with the list.
pub fn parse_cpus(text: &str) -> Result<Vec<usize>, String> {
    const CPUS_MAX: usize = 4096;
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| {
            let parsed = text.trim().parse::<usize>().ok();
            let parsed = parsed.filter(|cpu| *cpu < CPUS_MAX);
            parsed.ok_or(format!("'{part}' is no CPU: give a list such as 0,2-3"))
        };
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(format!("'{part}' runs backwards"));
        }
        cpus.extend(first..=last);
    }
    Ok(cpus)
}

fn seconds<S: serde::Serializer>(time: &Duration, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_f64(time.as_secs_f64())
}

fn shown<S: serde::Serializer>(codec: &Codec, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(codec.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_cpus() {
        assert_eq!("max".parse(), Ok(Rate::Max));
        assert_eq!("10_000".parse(), Ok(Rate::PerSecond(10_000.0)));
        for wrong in ["0", "-1", "nan", "inf", "fast"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
        assert_eq!(parse_cpus("0,2-4"), Ok(vec![0, 2, 3, 4]));
        for wrong in ["", "a", "3-1", "1,,2", "99999"] {
            assert!(parse_cpus(wrong).is_err(), "{wrong}");
        }
    }
}
