//! The command line: one file a subcommand. All but `serve` and `log` speak to a broker as any
//! client does, and so work with any Kafka cluster.

mod arguments;
mod bench;
mod cluster;
mod common;
mod completions;
mod consume;
mod group;
mod load;
mod log;
mod member;
mod produce;
mod serve;
mod start;
mod template;
mod topic;
mod txn;

pub(crate) use arguments::run;
