//! What a node is told: one table of keys, read from a TOML file, the environment and flags.
//!
//! A later source wins: defaults, file, environment (`CORELOG_KAFKA__LISTEN` is `kafka.listen`),
//! flags. A key that is not in the table is refused, with the one that was probably meant.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use corelog_base::NodeId;
use corelog_cluster::Local;
use corelog_rt::RuntimeKind;

use crate::latency::LatencyChoice;
use crate::parse::{address, bytes, core_choice, distance, flag, host, host_port, number, seconds};

/// Everything that `serve` obeys. The defaults are for a laptop: loopback, data beside it.
#[derive(Clone, Debug)]
pub struct Settings {
    pub data: PathBuf,
    pub node_id: Option<NodeId>,
    /// CPU numbers to pin to, or how many cores to take.
    pub cores: CoreChoice,
    pub runtime: RuntimeKind,
    pub spin: bool,
    pub latency: LatencyChoice,
    /// Serve other hosts although there is no authentication.
    pub insecure: bool,
    pub kafka_listen: SocketAddr,
    /// Host and port that clients are told; the listen address if none.
    pub kafka_advertise: Option<(String, u16)>,
    /// Where core 0 listens for corelog's own protocol; core i listens at the port + i.
    pub native: Native,
    /// Host that clients of it are told; the listen address if none.
    pub native_advertise: Option<String>,
    /// A core's; fewer where memory or descriptors are short.
    pub connections_max: u32,
    /// A core's pool for requests and responses.
    pub request_memory_bytes: u64,
    /// How long a request may take to arrive, beside a second for each MiB of it.
    pub request_wait: Duration,
    /// How long a client may take to receive 1 MiB of a response.
    pub response_wait: Duration,
    pub http_listen: SocketAddr,
    /// How long a connection may go without a response.
    pub http_wait: Duration,
    pub log: corelog_log::Options,
    /// Kafka's broker configurations, by Kafka's names.
    pub broker: BTreeMap<String, String>,
}

/// Where corelog's own protocol is served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Native {
    /// On loopback, 100 ports above Kafka's protocol: 9192 beside 9092.
    Beside,
    At(SocketAddr),
    Off,
}

/// How far above the port of Kafka's protocol the native one is, if nothing is said.
const NATIVE_PORTS_ABOVE: u16 = 100;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CoreChoice {
    /// One for each CPU of this process.
    All,
    Count(u16),
    Cpus(Vec<usize>),
}

impl Default for Settings {
    fn default() -> Self {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self {
            data: PathBuf::from("corelog-data"),
            node_id: None,
            cores: CoreChoice::All,
            runtime: RuntimeKind::Ring,
            spin: false,
            latency: LatencyChoice::Normal,
            insecure: false,
            kafka_listen: SocketAddr::new(loopback, 9092),
            kafka_advertise: None,
            native: Native::Beside,
            native_advertise: None,
            connections_max: 16_384,
            request_memory_bytes: 256 << 20,
            request_wait: Duration::from_secs(30),
            response_wait: Duration::from_secs(30),
            http_listen: SocketAddr::new(loopback, 9644),
            http_wait: Duration::from_secs(60),
            log: corelog_log::Options::default(),
            broker: BTreeMap::new(),
        }
    }
}

type Set = fn(&mut Settings, &str) -> Result<(), String>;

/// A key, what it takes, and how it is set.
pub struct Key {
    pub name: &'static str,
    /// What it means, its unit, and its default.
    pub help: &'static str,
    set: Set,
}

macro_rules! key {
    ($name:literal, $help:literal, $set:expr) => {
        Key {
            name: $name,
            help: $help,
            set: $set,
        }
    };
}

/// Every key but those of the section `broker`, which are Kafka's.
pub const KEYS: &[Key] = &[
    key!("data", "data directory (corelog-data)", |s, v| {
        s.data = PathBuf::from(v);
        Ok(())
    }),
    key!("node_id", "this broker's number, given once (1)", |s, v| {
        s.node_id = Some(NodeId(number(v, 0, i32::MAX)?));
        Ok(())
    }),
    key!(
        "cores",
        "CPU numbers such as 0,2-3, or a count (all)",
        |s, v| {
            s.cores = core_choice(v)?;
            Ok(())
        }
    ),
    key!("runtime", "ring or glommio (ring)", |s, v| {
        s.runtime = match v {
            "ring" => RuntimeKind::Ring,
            "glommio" => RuntimeKind::Glommio,
            _ => return Err("is ring or glommio".into()),
        };
        Ok(())
    }),
    key!("spin", "never park an idle core (false)", |s, v| {
        s.spin = flag(v)?;
        Ok(())
    }),
    key!(
        "latency",
        "low holds CPUs out of deep sleep; or normal (normal)",
        |s, v| {
            s.latency = match v {
                "normal" => LatencyChoice::Normal,
                "low" => LatencyChoice::Low,
                _ => return Err("is low or normal".into()),
            };
            Ok(())
        }
    ),
    key!(
        "insecure",
        "serve other hosts without authentication (false)",
        |s, v| {
            s.insecure = flag(v)?;
            Ok(())
        }
    ),
    key!("kafka.listen", "address (127.0.0.1:9092)", |s, v| {
        s.kafka_listen = address(v)?;
        Ok(())
    }),
    key!(
        "kafka.advertise",
        "HOST:PORT that clients are told (the listen address)",
        |s, v| {
            s.kafka_advertise = Some(host_port(v)?);
            Ok(())
        }
    ),
    key!(
        "native.listen",
        "address of core 0, others at the ports after it, or off (127.0.0.1, Kafka's port + 100)",
        |s, v| {
            s.native = match v {
                "off" => Native::Off,
                _ => Native::At(address(v)?),
            };
            Ok(())
        }
    ),
    key!(
        "native.advertise",
        "host that native clients are told (the listen address)",
        |s, v| {
            s.native_advertise = Some(host(v)?);
            Ok(())
        }
    ),
    key!(
        "kafka.connections_max",
        "connections a core, fewer if memory or descriptors are short (16384)",
        |s, v| {
            s.connections_max = number(v, 1, 1_000_000)?;
            Ok(())
        }
    ),
    key!(
        "kafka.memory_bytes",
        "requests and responses of a core (256 MiB)",
        |s, v| {
            s.request_memory_bytes = bytes(v, 16 << 20)?;
            Ok(())
        }
    ),
    key!(
        "kafka.request_wait_seconds",
        "a request must arrive in this, and 1 s a MiB (30)",
        |s, v| {
            s.request_wait = seconds(v)?;
            Ok(())
        }
    ),
    key!(
        "kafka.response_wait_seconds",
        "a client must take 1 MiB of a response in this (30)",
        |s, v| {
            s.response_wait = seconds(v)?;
            Ok(())
        }
    ),
    key!(
        "http.wait_seconds",
        "a connection without a response is closed after this (60)",
        |s, v| {
            s.http_wait = seconds(v)?;
            Ok(())
        }
    ),
    key!(
        "http.listen",
        "address of /live, /ready, /metrics (127.0.0.1:9644)",
        |s, v| {
            s.http_listen = address(v)?;
            Ok(())
        }
    ),
    key!(
        "log.journal_file_bytes",
        "a journal file (256 MiB)",
        |s, v| {
            s.log.journal.file_bytes = bytes(v, 1 << 20)?;
            s.log.journal.prewrite_bytes =
                s.log.journal.prewrite_bytes.min(s.log.journal.file_bytes);
            Ok(())
        }
    ),
    key!(
        "log.journal_files_max",
        "journal files a core (4)",
        |s, v| {
            s.log.journal.files_max = number(v, 2, 1024)?;
            Ok(())
        }
    ),
    key!(
        "log.unsettled_bytes",
        "memory for records not yet in segments (192 MiB)",
        |s, v| {
            s.log.unsettled_bytes_max = bytes(v, 8 << 20)?;
            Ok(())
        }
    ),
    key!(
        "log.tail_cache_bytes",
        "memory for recent records (64 MiB)",
        |s, v| {
            s.log.tail_cache_bytes_max = bytes(v, 0)?;
            Ok(())
        }
    ),
    key!(
        "log.block_cache_bytes",
        "memory for records read from disk (64 MiB)",
        |s, v| {
            s.log.block_cache_bytes_max = bytes(v, 1 << 20)?;
            Ok(())
        }
    ),
    key!(
        "log.compaction_bytes",
        "memory for keys while a partition is compacted (32 MiB)",
        |s, v| {
            s.log.compaction_bytes_max = bytes(v, 1 << 16)?;
            Ok(())
        }
    ),
    key!(
        "log.disk_reserve_bytes",
        "appends stop below this much free (256 MiB)",
        |s, v| {
            s.log.disk_reserve_bytes = bytes(v, 0)?;
            Ok(())
        }
    ),
];

const BROKER: &str = "broker.";

impl Settings {
    /// Sets one key.
    ///
    /// # Errors
    /// An unknown key, with a suggestion; a value that the key does not take.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        if let Some(kafka) = name.strip_prefix(BROKER) {
            let mut check = Local::new(NodeId(0));
            check.set(kafka, value).map_err(|e| e.to_string())?;
            self.broker.insert(kafka.to_owned(), value.to_owned());
            return Ok(());
        }
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            let near = KEYS
                .iter()
                .map(|key| (distance(name, key.name), key.name))
                .min();
            let is_near = |(edits, known): &(usize, &str)| *edits <= known.len() / 3;
            let hint = near.filter(is_near).map(|(_, known)| known);
            let hint = hint.map_or(String::new(), |known| format!(": did you mean {known}?"));
            return Err(format!("there is no setting {name}{hint}"));
        };
        (key.set)(self, value).map_err(|why| format!("{name} = {value:?} {why}"))
    }

    /// Sets what a TOML file says: sections are the first part of a key.
    ///
    /// # Errors
    /// Text that is no TOML, and what [`Settings::set`] refuses.
    pub fn read_toml(&mut self, text: &str) -> Result<(), String> {
        let table: toml::Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
        self.read_table("", &table)
    }

    fn read_table(&mut self, prefix: &str, table: &toml::Table) -> Result<(), String> {
        for (name, value) in table {
            let name = format!("{prefix}{name}");
            match value {
                toml::Value::Table(inner) => self.read_table(&format!("{name}."), inner)?,
                toml::Value::String(text) => self.set(&name, text)?,
                toml::Value::Array(items) => {
                    let items = items.iter().map(|item| item.to_string().replace('"', ""));
                    self.set(&name, &items.collect::<Vec<_>>().join(","))?;
                }
                other => self.set(&name, &other.to_string())?,
            }
        }
        Ok(())
    }

    /// Sets what variables with the prefix `CORELOG_` say: two underscores divide a section from
    /// its key; in the section `broker`, further ones stand for the dots of Kafka's names.
    ///
    /// # Errors
    /// What [`Settings::set`] refuses.
    pub fn read_environment(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<(), String> {
        for (variable, value) in variables {
            let Some(name) = variable.strip_prefix("CORELOG_") else {
                continue;
            };
            // These belong to the client commands.
            if matches!(name, "BOOTSTRAP" | "FORMAT" | "LOG" | "CONFIG") || is_of_a_service(name) {
                continue;
            }
            let name = name.to_lowercase().replace("__", ".");
            let name = match name.strip_prefix(BROKER) {
                Some(kafka) => format!("{BROKER}{}", kafka.replace('_', ".")),
                None => name,
            };
            let set = self.set(&name, &value);
            set.map_err(|why| format!("environment variable {variable}: {why}"))?;
        }
        Ok(())
    }

    /// What contradicts itself or would serve others by accident.
    ///
    /// # Errors
    /// What to change, in words.
    pub fn check(&self) -> Result<(), String> {
        let listen = self.kafka_listen;
        if listen.ip().is_unspecified() && self.kafka_advertise.is_none() {
            return Err(format!(
                "{listen} listens on every address, so clients must be told one: \
                 add --advertise-kafka HOST:PORT"
            ));
        }
        let native = self.native_listen()?;
        if native.is_some_and(|native| native.ip().is_unspecified())
            && self.native_advertise.is_none()
        {
            return Err(
                "native.listen is every address, so clients must be told one: \
                 add --advertise-native HOST"
                    .into(),
            );
        }
        let open = [Some(listen), Some(self.http_listen), native]
            .into_iter()
            .flatten()
            .find(|a| !a.ip().is_loopback());
        if let Some(open) = open
            && !self.insecure
        {
            return Err(format!(
                "{open} serves other hosts, and there is no authentication yet: \
                 bind to 127.0.0.1, or accept the risk with --insecure"
            ));
        }
        if listen.port() == 0 && self.kafka_advertise.is_none() {
            return Err("port 0 gives a port that clients cannot be told: name one".into());
        }
        Ok(())
    }

    /// Where core 0 listens for corelog's own protocol; none if it is off.
    ///
    /// # Errors
    /// A port that the other cores' cannot follow.
    pub fn native_listen(&self) -> Result<Option<SocketAddr>, String> {
        let address = match self.native {
            Native::Off => return Ok(None),
            Native::At(address) => Some(address).filter(|address| address.port() > 0),
            Native::Beside => {
                let port = self.kafka_listen.port().checked_add(NATIVE_PORTS_ABOVE);
                port.map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
            }
        };
        let none = "clients cannot be told the ports of the native protocol: \
             name one with --listen-native ADDR, or off";
        address.map(Some).ok_or_else(|| none.into())
    }

    /// The host that native clients are told.
    pub(crate) fn native_host(&self, listen: SocketAddr) -> String {
        let told = self.native_advertise.clone();
        told.unwrap_or_else(|| listen.ip().to_string())
    }

    /// What clients are told to connect to.
    pub fn advertised(&self) -> (String, u16) {
        let listen = || (self.kafka_listen.ip().to_string(), self.kafka_listen.port());
        self.kafka_advertise.clone().unwrap_or_else(listen)
    }
}

/// What Kubernetes sets for each service of a namespace, here for one that is called `corelog`:
/// `CORELOG_SERVICE_HOST`, `CORELOG_PORT_9092_TCP_ADDR` and so on. No setting is called like these.
fn is_of_a_service(name: &str) -> bool {
    name == "PORT" || ["SERVICE_", "PORT_"].iter().any(|p| name.starts_with(p))
}

#[cfg(test)]
#[path = "settings_test.rs"]
mod tests;
