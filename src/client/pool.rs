//! Connections to the brokers of a cluster, one a broker, made when first needed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use corelog_base::NodeId;
use tokio::sync::Mutex as AsyncMutex;

use crate::{Broker, Connection, Error, Options};

/// One slot a broker. The slot's lock is held while connecting, so that callers share one try.
type Slot = Arc<AsyncMutex<Option<Connection>>>;

/// A set of connections. Those who poll long have their own, so that nobody waits behind them.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    slots: Mutex<BTreeMap<NodeId, Slot>>,
}

impl Pool {
    /// The connection to a broker. One that has ended, or leads to an address that the broker has
    /// left, is replaced.
    pub(crate) async fn get(
        &self,
        broker: &Broker,
        options: &Options,
    ) -> Result<Connection, Error> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(broker.node).or_default())
        };
        let mut slot = slot.lock().await;
        let address = broker.address();
        match &*slot {
            Some(open) if !open.is_ended() && open.address() == address => Ok(open.clone()),
            _ => {
                let opened = Connection::open(&address, options).await?;
                Ok(slot.insert(opened).clone())
            }
        }
    }
}
