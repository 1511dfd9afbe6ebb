//! The subcommands, and what runs each.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use super::{bench, cluster, completions, consume, group, produce, topic, txn};

/// An event broker that flushes to disk before it acknowledges, and speaks Kafka's protocol.
#[derive(Parser)]
#[command(name = "corelog", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Arguments<L: Local> {
    #[command(subcommand)]
    command: Command<L>,
}

/// Subcommands that do not speak to a broker: they run one, or look at its files.
pub trait Local: Subcommand {
    fn run(self) -> ExitCode;
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 refused or damaged, 2 wrong usage or input, \
    3 no broker answers, 4 done in part.";

#[derive(Subcommand)]
enum Command<L: Local> {
    #[command(flatten)]
    Local(L),
    Topic(topic::Topic),
    Produce(produce::Produce),
    Consume(consume::Consume),
    Group(group::Group),
    Txn(txn::Txn),
    Cluster(cluster::Cluster),
    Bench(bench::Bench),
    Completions(completions::Completions),
}

/// Runs what the command line says. Bad usage ends the process with code 2.
pub fn run<L: Local>() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    match Arguments::<L>::parse().command {
        Command::Local(local) => local.run(),
        Command::Topic(topic) => topic.run(),
        Command::Produce(produce) => produce.run(),
        Command::Consume(consume) => consume.run(),
        Command::Group(group) => group.run(),
        Command::Txn(txn) => txn.run(),
        Command::Cluster(cluster) => cluster.run(),
        Command::Bench(bench) => bench.run(),
        Command::Completions(completions) => completions.run(Arguments::<L>::command()),
    }
}
