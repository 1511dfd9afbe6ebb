//! A connection to one core, greeted.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use corelog_wire::native::v1::{CreditRequest, UnsubscribeRequest};
use corelog_wire::native::{Api, encode};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::hello::{self, Hello};
use crate::link::{Link, Many, Once};
use crate::options::Options;
use crate::reply::Reply;
use crate::{Error, Kind};

/// Clones share it; it ends with the last of them.
#[derive(Clone)]
pub(crate) struct Connection {
    link: Arc<Link>,
    hello: Arc<Hello>,
    request_timeout: std::time::Duration,
}

impl Connection {
    /// `address` is `HOST:PORT`.
    pub(crate) async fn open(
        address: &str,
        options: &Options,
        runtime: &Handle,
    ) -> Result<Self, Error> {
        let failed = |error| Error::with(Kind::Connect, format!("connect to {address}"), error);
        let stream = timeout(options.connect_timeout, TcpStream::connect(address))
            .await
            .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
            .map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let link = Arc::new(Link::start(address, stream, options, runtime));
        let greeting = hello::request(options);
        let asked = |correlation| encode(correlation, 0, &greeting, Vec::new());
        let time = options.connect_timeout;
        let reply = call(&link, time, (Api::Hello, 1), asked).await?;
        Ok(Self {
            hello: Arc::new(Hello::of(&reply, options)?),
            link,
            request_timeout: options.request_timeout,
        })
    }

    pub(crate) fn hello(&self) -> &Hello {
        &self.hello
    }

    pub(crate) fn address(&self) -> &str {
        self.link.address()
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.link.ended().is_some()
    }

    /// Asks, and waits for the answer. `encoded` gets the correlation id.
    pub(crate) async fn call(
        &self,
        api: Api,
        encoded: impl FnOnce(u64) -> Result<Vec<Bytes>, corelog_wire::Error>,
    ) -> Result<Reply, Error> {
        let version = self.hello.version(api)?;
        call(&self.link, self.request_timeout, (api, version), encoded).await
    }

    /// Asks; the answer, or why there is none, is handed over where it comes.
    pub(crate) fn ask(
        &self,
        encoded: impl FnOnce(u64) -> Result<Vec<Bytes>, corelog_wire::Error>,
        answer: Once,
    ) {
        let correlation = self.link.correlation();
        match encoded(correlation) {
            Ok(parts) => self.link.ask(correlation, parts, answer),
            Err(error) => answer(Err(error.into())),
        }
    }

    /// Asks for a stream of answers, and says by which number it is known.
    pub(crate) fn subscribe(
        &self,
        encoded: impl FnOnce(u64) -> Result<Vec<Bytes>, corelog_wire::Error>,
        answers: Many,
    ) -> Result<u64, Error> {
        self.hello.version(Api::Credit)?;
        let correlation = self.link.correlation();
        let parts = encoded(correlation)?;
        self.link.ask_many(correlation, parts, answers);
        Ok(correlation)
    }

    /// Lets a subscription send so much more.
    pub(crate) fn credit(&self, subscription: u64, bytes: u64) -> Result<(), Error> {
        let request = CreditRequest {
            subscription,
            bytes,
        };
        let parts = encode(self.link.correlation(), 0, &request, Vec::new())?;
        self.link.tell(parts);
        Ok(())
    }

    /// Ends a subscription. What it still sends goes nowhere.
    pub(crate) fn unsubscribe(&self, subscription: u64) {
        self.link.forget(subscription);
        let request = UnsubscribeRequest { subscription };
        if let Ok(parts) = encode(self.link.correlation(), 0, &request, Vec::new()) {
            self.link.tell(parts);
        }
    }
}

/// A call that times out ends the link: who does not answer one request answers none.
async fn call(
    link: &Link,
    time: std::time::Duration,
    (api, version): (Api, u16),
    encoded: impl FnOnce(u64) -> Result<Vec<Bytes>, corelog_wire::Error>,
) -> Result<Reply, Error> {
    let correlation = link.correlation();
    let parts = encoded(correlation)?;
    let (to, from) = oneshot::channel();
    let answer = Box::new(move |answer| drop(to.send(answer)));
    link.ask(correlation, parts, answer);
    match timeout(time, from).await {
        Ok(Ok(answer)) => {
            let answer = answer?;
            answer.expect(api, version)?;
            Ok(answer)
        }
        Ok(Err(_)) => Err(crate::error::closed()),
        Err(_) => {
            let context = format!("{} did not answer {api:?} in time", link.address());
            let error = Error::new(Kind::TimedOut, context);
            link.end(error.clone());
            Err(error)
        }
    }
}
