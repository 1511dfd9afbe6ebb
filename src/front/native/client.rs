//! For tests: a client of the native protocol, on a socket of the simulator.

use bytes::{Bytes, BytesMut};
use corelog_base::CoreId;
use corelog_rt::{Runtime, Stream};
use corelog_sim::{SimRuntime, SimStream};
use corelog_wire::native::v1::{self, ArchivedFetched};
use corelog_wire::native::{FLAG_RESPONSE, Header, Limits, META_BYTES_MAX, Outbound, View, v2};

use crate::node::{Node, native_address};

pub(crate) const LIMITS: Limits = Limits {
    meta_bytes_max: META_BYTES_MAX,
    payload_bytes_max: 16 << 20,
};

pub(crate) struct Client {
    rt: SimRuntime,
    stream: SimStream,
    received: BytesMut,
    correlation: u64,
}

/// A frame that was received.
pub(crate) struct Answer {
    pub(crate) header: Header,
    frame: Bytes,
}

impl Answer {
    pub(crate) fn view(&self) -> View<'_> {
        View::of(self.header, &self.frame).unwrap()
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.frame[self.header.payload_at()..]
    }

    /// What was fetched of a part.
    pub(crate) fn bytes_of(&self, fetched: &ArchivedFetched) -> &[u8] {
        let start = fetched.position.to_native() as usize;
        &self.payload()[start..][..fetched.bytes.to_native() as usize]
    }
}

impl Client {
    /// Connected to one core's door.
    pub(crate) async fn connect(node: &Node, core: u16) -> Client {
        let rt = node.runtime().clone();
        let stream = rt.connect(native_address(CoreId(core))).await.unwrap();
        Client {
            rt,
            stream,
            received: BytesMut::new(),
            correlation: 0,
        }
    }

    pub(crate) fn runtime(&self) -> &SimRuntime {
        &self.rt
    }

    /// Sends a request without waiting for its response; gives its correlation id.
    pub(crate) async fn send(&mut self, request: &impl Outbound, payload: Vec<Bytes>) -> u64 {
        self.correlation += 1;
        let parts = request.frame(self.correlation, 0, payload).unwrap();
        self.send_raw(parts).await;
        self.correlation
    }

    pub(crate) async fn send_raw(&mut self, parts: Vec<Bytes>) {
        self.stream.send(parts).await.unwrap();
    }

    /// The response to a request.
    pub(crate) async fn ask(&mut self, request: &impl Outbound) -> Answer {
        self.ask_with(request, Vec::new()).await
    }

    pub(crate) async fn ask_with(
        &mut self,
        request: &impl Outbound,
        payload: Vec<Bytes>,
    ) -> Answer {
        let correlation = self.send(request, payload).await;
        let answer = self.frame().await.expect("a response, not a close");
        assert_eq!(answer.header.correlation, correlation);
        assert_eq!(answer.header.flags, FLAG_RESPONSE);
        answer
    }

    /// The next frame; None if the server has closed.
    pub(crate) async fn frame(&mut self) -> Option<Answer> {
        loop {
            if let Ok(header) = Header::parse(&self.received, LIMITS) {
                let bytes = header.frame_bytes();
                if self.received.len() >= bytes {
                    let frame = self.received.split_to(bytes).freeze();
                    return Some(Answer { header, frame });
                }
            }
            self.received.reserve(1 << 16);
            let received = std::mem::take(&mut self.received);
            let (count, received) = self.stream.recv(received).await;
            self.received = received;
            match count {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    pub(crate) fn close(&self) {
        self.stream.close();
    }

    /// One batch for one partition, at version 2; the error and the first offset.
    pub(crate) async fn produce(
        &mut self,
        topic: [u8; 16],
        partition: i32,
        batch: &[u8],
    ) -> (i16, i64) {
        let request = produce(topic, partition, batch.len());
        let payload = vec![Bytes::copy_from_slice(batch)];
        let answer = self.ask_with(&request, payload).await;
        let view = answer.view();
        let response = view.read::<v2::ProduceResponse>().unwrap();
        let part = &response.parts[0];
        (part.error.to_native(), part.base_offset.to_native())
    }

    /// The error and the bytes of a partition from an offset on, as far as one response holds them.
    pub(crate) async fn fetch(
        &mut self,
        topic: [u8; 16],
        partition: i32,
        offset: i64,
    ) -> (i16, Vec<u8>) {
        let answer = self.ask(&fetch(topic, partition, offset)).await;
        let view = answer.view();
        let response = view.read::<v1::FetchResponse>().unwrap();
        let part = &response.parts[0];
        (part.error.to_native(), answer.bytes_of(part).to_vec())
    }
}

/// A request with one batch, of which the payload consists.
pub(crate) fn produce(topic: [u8; 16], partition: i32, bytes: usize) -> v2::ProduceRequest {
    v2::ProduceRequest {
        acks: -1,
        timeout_ms: 5000,
        parts: vec![v1::ProducePart {
            topic,
            partition,
            position: 0,
            bytes: bytes as u32,
        }],
    }
}

pub(crate) fn part(topic: [u8; 16], partition: i32, offset: i64) -> v1::FetchPart {
    v1::FetchPart {
        topic,
        partition,
        epoch: -1,
        offset,
        bytes_max: 1 << 20,
    }
}

/// What is there now.
pub(crate) fn fetch(topic: [u8; 16], partition: i32, offset: i64) -> v1::FetchRequest {
    v1::FetchRequest {
        wait_max_ms: 0,
        bytes_min: 1,
        bytes_max: 1 << 20,
        parts: vec![part(topic, partition, offset)],
    }
}
