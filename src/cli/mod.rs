//! The command line: one file a subcommand. All but `serve` speak to a broker as any client does.

mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An event broker that flushes to disk before it acknowledges, and speaks Kafka's protocol.
#[derive(Parser)]
#[command(name = "corelog", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a broker.
    Serve(serve::Serve),
}

pub(crate) fn run() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    match Arguments::parse().command {
        Command::Serve(serve) => serve.run(),
    }
}
