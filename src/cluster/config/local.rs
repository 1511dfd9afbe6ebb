//! What a node's own configuration file says about Kafka's configurations.

use std::collections::BTreeMap;

use corelog_base::NodeId;

use super::{Access, broker_definition, broker_definitions, nearest};
use crate::{Error, Kind};

/// The static layer: this node, and values by the names of Kafka's broker configurations. It is
/// no part of the cluster's metadata.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Local {
    node: NodeId,
    configs: BTreeMap<&'static str, String>,
}

impl Local {
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            configs: BTreeMap::new(),
        }
    }

    pub fn node(&self) -> NodeId {
        self.node
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.configs.get(name).map(String::as_str)
    }

    /// What a configuration file sets.
    ///
    /// # Errors
    /// `InvalidConfig`: no such name (with a suggestion), not settable, or an illegal value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let refuse = |why: String| Err(Error::new(Kind::InvalidConfig, why));
        let Some(definition) = broker_definition(name) else {
            let settable = broker_definitions()
                .iter()
                .filter(|d| d.access != Access::Told);
            let hint = match nearest(name, settable.map(|d| d.name)) {
                Some(known) => format!(": did you mean {known}?"),
                None => String::new(),
            };
            return refuse(format!("there is no broker configuration {name}{hint}"));
        };
        if definition.access == Access::Told {
            return refuse(format!(
                "{name} cannot be set here: {}",
                definition.documentation
            ));
        }
        match definition.parse(value) {
            Ok(value) => self.configs.insert(definition.name, value),
            Err(why) => return refuse(why),
        };
        Ok(())
    }

    /// Tells a fact about this node under a name that nobody sets (addresses, folders, counts).
    ///
    /// # Panics
    /// If the table does not have the name, or the value is illegal.
    pub fn tell(&mut self, name: &str, value: &str) {
        let definition = broker_definition(name).expect("a name of the table");
        let value = definition.parse(value).expect("a legal value");
        self.configs.insert(definition.name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_a_file() {
        let mut local = Local::new(NodeId(1));
        local.set("num.partitions", " 3 ").unwrap();
        assert_eq!(local.get("num.partitions"), Some("3"));
        let error = local.set("num.partition", "3").unwrap_err();
        assert!(
            error.message.contains("did you mean num.partitions?"),
            "{error}"
        );
        let error = local.set("num.partitions", "0").unwrap_err();
        assert!(error.message.contains("at least 1"), "{error}");
        let error = local.set("log.dirs", "/tmp").unwrap_err();
        assert!(error.message.contains("cannot be set"), "{error}");
        local.tell("log.dirs", "/tmp");
        assert_eq!(local.get("log.dirs"), Some("/tmp"));
    }
}
