//! `corelog completions`.

use std::process::ExitCode;

use clap::Args;
use clap_complete::{Shell, generate};

use super::common::{print, run};

/// Print a script that completes the command line, for a shell to read.
#[derive(Args)]
#[command(after_help = "For example: corelog completions bash > /etc/bash_completion.d/corelog")]
pub(crate) struct Completions {
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, mut command: clap::Command) -> ExitCode {
        let mut script = Vec::new();
        generate(self.shell, &mut command, "corelog", &mut script);
        run(async move { print(&String::from_utf8_lossy(&script)) })
    }
}
