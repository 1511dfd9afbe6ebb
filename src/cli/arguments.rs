//! The subcommands, and what runs each.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use super::{bench, cluster, completions, consume, group, log, produce, serve, topic, txn};

/// An event broker that flushes to disk before it acknowledges, and speaks Kafka's protocol.
#[derive(Parser)]
#[command(name = "corelog", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 refused or damaged, 2 wrong usage or input, \
    3 no broker answers, 4 done in part.";

#[derive(Subcommand)]
enum Command {
    /// Run a broker.
    Serve(serve::Serve),
    Topic(topic::Topic),
    Produce(produce::Produce),
    Consume(consume::Consume),
    Group(group::Group),
    Txn(txn::Txn),
    Cluster(cluster::Cluster),
    Log(log::Log),
    Bench(bench::Bench),
    Completions(completions::Completions),
}

pub(crate) fn run() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    match Arguments::parse().command {
        Command::Serve(serve) => serve.run(),
        Command::Topic(topic) => topic.run(),
        Command::Produce(produce) => produce.run(),
        Command::Consume(consume) => consume.run(),
        Command::Group(group) => group.run(),
        Command::Txn(txn) => txn.run(),
        Command::Cluster(cluster) => cluster.run(),
        Command::Log(log) => log.run(),
        Command::Bench(bench) => bench.run(),
        Command::Completions(completions) => completions.run(Arguments::command()),
    }
}
