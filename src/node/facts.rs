//! What Kafka's configurations say on this node: those of its file, and facts that nobody sets.

use std::net::SocketAddr;
use std::sync::Arc;

use corelog_base::NodeId;
use corelog_cluster::Local;

use crate::Settings;

/// Topics come by themselves only while nobody else can ask for them.
///
/// # Errors
/// A configuration that is not there, or a value that it does not take.
pub(crate) fn local(settings: &Settings, node: NodeId, cores: u16) -> Result<Arc<Local>, String> {
    let mut local = Local::new(node);
    let auto = "auto.create.topics.enable";
    let listens = [Some(settings.kafka_listen), settings.native_listen()?];
    if listens.iter().flatten().any(|a| !a.ip().is_loopback()) {
        local.set(auto, "false").map_err(|e| e.to_string())?;
    }
    for (name, value) in &settings.broker {
        local.set(name, value).map_err(|e| e.to_string())?;
    }
    tell(&mut local, settings, node, cores);
    Ok(Arc::new(local))
}

/// Under the names by which tools of Kafka ask.
fn tell(local: &mut Local, settings: &Settings, node: NodeId, cores: u16) {
    let (host, port) = settings.advertised();
    let advertised = match host.contains(':') {
        true => format!("PLAINTEXT://[{host}]:{port}"),
        false => format!("PLAINTEXT://{host}:{port}"),
    };
    let dir = settings.data.to_string_lossy();
    for name in ["broker.id", "node.id"] {
        local.tell(name, &node.0.to_string());
    }
    for name in ["log.dir", "log.dirs", "metadata.log.dir"] {
        local.tell(name, &dir);
    }
    for name in [
        "num.io.threads",
        "num.network.threads",
        "num.recovery.threads.per.data.dir",
    ] {
        local.tell(name, &cores.to_string());
    }
    local.tell("listeners", &listener(settings.kafka_listen));
    local.tell("advertised.listeners", &advertised);
}

fn listener(address: SocketAddr) -> String {
    format!("PLAINTEXT://{address}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use corelog_cluster::{ConfigSource, Image, Node};

    fn check(pairs: &[(&str, &str)], expected: &[(&str, &str)]) {
        let mut settings = Settings::default();
        for (name, value) in pairs {
            settings.set(name, value).unwrap();
        }
        let node = NodeId(7);
        let mut image = Image::new(local(&settings, node, 3).unwrap());
        let _ = image.apply(&corelog_cluster::Record::Node(Node {
            id: node,
            host: "h".into(),
            port: 1,
            cores: 3,
            rack: None,
        }));
        let described = image.describe_broker(node);
        for (name, value) in expected {
            let found = described.iter().find(|c| c.name == *name).unwrap();
            assert_eq!(found.value.as_deref(), Some(*value), "{name}");
            assert_eq!(found.source, ConfigSource::StaticBroker, "{name}");
        }
    }

    #[test]
    fn tools_are_told_what_is() {
        check(
            &[("data", "/srv/x"), ("broker.num.partitions", "5")],
            &[
                ("broker.id", "7"),
                ("node.id", "7"),
                ("log.dirs", "/srv/x"),
                ("num.io.threads", "3"),
                ("listeners", "PLAINTEXT://127.0.0.1:9092"),
                ("advertised.listeners", "PLAINTEXT://127.0.0.1:9092"),
                ("num.partitions", "5"),
            ],
        );
        check(
            &[
                ("kafka.listen", "0.0.0.0:9092"),
                ("kafka.advertise", "b1:19092"),
            ],
            &[
                ("listeners", "PLAINTEXT://0.0.0.0:9092"),
                ("advertised.listeners", "PLAINTEXT://b1:19092"),
                ("auto.create.topics.enable", "false"),
            ],
        );
        check(
            &[("kafka.listen", "[::1]:9092")],
            &[
                ("listeners", "PLAINTEXT://[::1]:9092"),
                ("advertised.listeners", "PLAINTEXT://[::1]:9092"),
            ],
        );
    }

    #[test]
    fn the_file_may_say_that_topics_come_by_themselves() {
        check(
            &[
                ("kafka.listen", "10.0.0.1:9092"),
                ("broker.auto.create.topics.enable", "true"),
            ],
            &[("auto.create.topics.enable", "true")],
        );
    }
}
