//! One connection to each core, made when it is first needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use corelog_base::CoreId;
use tokio::sync::Mutex as AsyncMutex;

use crate::connection::Connection;
use crate::{Client, Error};

type Slot = Arc<AsyncMutex<Option<Connection>>>;

/// Those who send records or read them have one of their own: an answer waits behind no other's.
#[derive(Default)]
pub(crate) struct Pool(Mutex<HashMap<CoreId, Slot>>);

impl Pool {
    pub(crate) async fn get(&self, client: &Client, core: CoreId) -> Result<Connection, Error> {
        let slot = {
            let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(core).or_default())
        };
        let mut slot = slot.lock().await;
        // A core's port may be another after a restart: then the old address is left behind.
        let address = client.address(core)?;
        if let Some(open) = slot.as_ref()
            && !open.is_ended()
            && open.address() == address
        {
            return Ok(open.clone());
        }
        *slot = None;
        let open = client.open(&address).await?;
        *slot = Some(open.clone());
        Ok(open)
    }
}
