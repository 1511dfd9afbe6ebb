//! The command line: one file a subcommand. All speak to a broker as any client does, and so work
//! with any Kafka cluster. What is done on the node itself, `serve` and `log`, the program brings: so
//! this room knows no broker, and is built beside it.

mod arguments;
mod bench;
mod cluster;
mod common;
mod completions;
mod consume;
mod group;
mod load;
mod member;
mod produce;
mod start;
mod template;
mod topic;
mod txn;

pub use arguments::{Local, run};
pub use common::{Failure, Format, print, print_json, run as run_command};
