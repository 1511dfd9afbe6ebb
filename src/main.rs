//! corelog: an event broker for dedicated Linux servers, and its command line.

use std::process::ExitCode;

mod cli;

/// Each core frees most of what it allocates itself: a heap a thread, without locks.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
