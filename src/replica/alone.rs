//! A leader that agrees with nobody: what is durable is committed.
//!
//! It has been elected, and has opened its term, like any other. From then on the engine would only
//! count one vote, its own, for each entry: a batch costs two of its steps, and with a thousand
//! groups on a core most of that is memory that no cache holds any more. Members do not change
//! within an engine, so none of them needs to know of what is appended here.

use bytes::Bytes;
use corelog_base::{EntryKind, Offset};

use crate::engine::Engine;
use crate::replicas::Out;

impl Engine {
    /// Whether it is alone, and the engine knows all that there is: nothing of it will come again.
    pub(crate) fn is_alone(&mut self) -> bool {
        if self.alone.is_none()
            && self.is_lone()
            && self.leads()
            && self.opening.is_none()
            && self.unflushed.is_empty()
            && self.applied == self.node.store().last().0
            && !self.has_ready()
        {
            self.alone = Some(Vec::new());
        }
        self.alone.is_some()
    }

    pub(crate) fn propose_alone(
        &mut self,
        kind: EntryKind,
        base: Offset,
        data: Bytes,
    ) -> Result<(), String> {
        let entry = self.node.mut_store().extend(kind, base, data)?;
        self.alone.get_or_insert_default().push(entry);
        Ok(())
    }

    /// Takes what was proposed, and what has become durable.
    pub(crate) fn ready_alone(&mut self, out: &mut Vec<Out>) -> Result<(), String> {
        let group = self.group;
        let entries = self.alone.as_mut().map(std::mem::take).unwrap_or_default();
        if !entries.is_empty() {
            out.push(Out::Append {
                group,
                entries,
                hard_state: None,
            });
        }
        if self.flushed > self.applied {
            self.apply_to(self.flushed, out)?;
            self.node.mut_store().forget(self.applied);
        }
        Ok(())
    }
}
