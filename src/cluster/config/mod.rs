//! Configurations: the table, what values are legal, and through which layers one is found.

mod broker;
mod describe;
mod layers;
mod local;
mod topic;
mod types;

pub(crate) use broker::broker_definition;
pub use broker::broker_definitions;
pub use describe::{ConfigSource, ConfigSynonym, DescribedConfig};
pub(crate) use layers::Layers;
pub use local::Local;
pub use topic::topic_definitions;
pub(crate) use topic::{find_topic_definition, topic_definition};
pub(crate) use types::nearest;
pub use types::{Access, Check, ConfigType, Definition};
