//! corelog: an event broker for dedicated Linux servers, and its command line.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::run()
}
