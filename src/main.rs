//! corelog: an event broker for dedicated Linux servers, and its command line.

use std::process::ExitCode;

use clap::Subcommand;
use corelog_cli::Local;

mod serve;
mod stopped;

/// Each core frees most of what it allocates itself: a heap a thread, without locks.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is done on the node itself.
#[derive(Subcommand)]
enum OnTheNode {
    /// Run a broker.
    Serve(Box<serve::Serve>),
    Log(stopped::Log),
}

impl Local for OnTheNode {
    fn run(self) -> ExitCode {
        match self {
            Self::Serve(serve) => serve.run(),
            Self::Log(log) => log.run(),
        }
    }
}

fn main() -> ExitCode {
    corelog_cli::run::<OnTheNode>()
}
