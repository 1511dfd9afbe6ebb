//! The door while the node recovers: whatever is asked, the answer is a Hello of version 1 with an
//! error that clients retry.

use std::time::Duration;

use bytes::Bytes;
use corelog_base::NodeId;
use corelog_cluster::ClusterId;
use corelog_wire::kafka::ErrorCode;
use corelog_wire::native::v1::HelloResponse;
use corelog_wire::native::{Header, Outbound, PREFIX_BYTES, View};
use tokio::net::TcpListener;

use super::context::Address;
use super::door::limits;
use super::handlers::hello::ranges;
use crate::recovering::{Answers, FRAME_BYTES_MAX, answer};

/// Who answers.
#[derive(Clone)]
pub struct Recovering {
    pub cluster: ClusterId,
    pub node: NodeId,
    pub cores: u16,
    /// What clients are told.
    pub address: Address,
    /// How long a client may take for the next frame, and to receive its answer.
    pub wait: Duration,
}

impl Recovering {
    /// Answers at the port of one core until it is dropped; every connection ends with it.
    pub async fn answer(self, core: u16, listener: TcpListener) {
        let wait = self.wait;
        answer(AtCore { of: self, core }, listener, wait).await;
    }
}

struct AtCore {
    of: Recovering,
    core: u16,
}

impl Answers for AtCore {
    const PREFIX_BYTES: usize = PREFIX_BYTES;

    fn frame_bytes(&self, prefix: &[u8]) -> Option<usize> {
        let header = Header::parse(prefix, limits(FRAME_BYTES_MAX as u32)).ok()?;
        Some(header.frame_bytes()).filter(|bytes| *bytes <= FRAME_BYTES_MAX)
    }

    fn reply(&self, frame: &[u8]) -> Option<Vec<Bytes>> {
        let header = Header::parse(frame, limits(FRAME_BYTES_MAX as u32)).ok()?;
        if header.flags != 0 || View::of(header, frame).is_err() {
            return None;
        }
        let me = &self.of;
        let response = HelloResponse {
            error: ErrorCode::LEADER_NOT_AVAILABLE.0,
            message: "this node recovers".into(),
            node: me.node.0,
            cluster: me.cluster.0,
            ranges: ranges(),
            host: me.address.host.clone(),
            ports: me.address.ports(me.cores),
            core: self.core,
            payload_bytes_max: FRAME_BYTES_MAX as u32,
            topics: Vec::new(),
        };
        response.frame(header.correlation, 0, Vec::new()).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use corelog_wire::native::v1::MetadataRequest;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::recovering::listen;

    fn recovering() -> Recovering {
        Recovering {
            cluster: ClusterId::from_random([9; 16]),
            node: NodeId(4),
            cores: 2,
            address: Address {
                host: "broker.test".into(),
                port: 9192,
            },
            wait: Duration::from_secs(30),
        }
    }

    #[tokio::test]
    async fn whatever_is_asked_clients_are_told_to_come_again() {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(recovering().answer(1, listener));
        let mut stream = TcpStream::connect(address).await.unwrap();
        for correlation in [5, 6] {
            let request = MetadataRequest {
                topics: None,
                create: false,
            };
            let frame = request.frame(correlation, 0, Vec::new()).unwrap().concat();
            stream.write_all(&frame).await.unwrap();
            let mut head = vec![0; PREFIX_BYTES];
            stream.read_exact(&mut head).await.unwrap();
            let header = Header::parse(&head, limits(0)).unwrap();
            assert_eq!(
                (header.api, header.version, header.correlation),
                (1, 1, correlation)
            );
            head.resize(header.frame_bytes(), 0);
            stream.read_exact(&mut head[PREFIX_BYTES..]).await.unwrap();
            let view = View::of(header, &head).unwrap();
            let told = view.read::<HelloResponse>().unwrap();
            assert_eq!((told.error.to_native(), told.core.to_native()), (5, 1));
            assert_eq!(told.node, 4);
        }
        // What is no frame of ours ends the connection.
        stream.write_all(&[0; PREFIX_BYTES]).await.unwrap();
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    }
}
