//! What every command that speaks to a cluster takes, and how it ends.

use std::fmt::Display;
use std::io::{self, Write};
use std::pin::{Pin, pin};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use corelog_client::{Client, Error, Kind, Options};

/// The cluster was reached, and refused.
pub(crate) const EXIT_REFUSED: u8 = 1;
/// The command line, or what was read from a file or a pipe, is wrong.
pub(crate) const EXIT_USAGE: u8 = 2;
/// No broker could be reached, or none answered in time.
pub(crate) const EXIT_UNREACHABLE: u8 = 3;
/// Some of several things were done, others were not.
pub(crate) const EXIT_PARTIAL: u8 = 4;

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    /// Tables and lines for people.
    Text,
    /// JSON: one document, or one a line where there is no end.
    Json,
}

#[derive(Args, Debug)]
pub(crate) struct Common {
    /// Brokers to begin with, as HOST:PORT, separated by commas.
    #[arg(
        short,
        long,
        alias = "brokers",
        env = "CORELOG_BOOTSTRAP",
        default_value = "127.0.0.1:9092",
        value_delimiter = ',',
        value_name = "HOST:PORT"
    )]
    pub bootstrap: Vec<String>,
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

impl Common {
    pub(crate) async fn client(&self) -> Result<Client, Failure> {
        let addresses: Vec<String> = self.bootstrap.iter().map(|a| with_port(a)).collect();
        let client = Client::connect(&addresses, Options::default()).await;
        client.map_err(|error| Failure {
            hint: Some(format!(
                "Is a broker listening on {}? Name another with -b HOST:PORT, or start one with \
                 'corelog serve'.",
                addresses.join(", ")
            )),
            ..Failure::of(&error)
        })
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }
}

fn with_port(address: &str) -> String {
    let bare_v6 = address.matches(':').count() > 1 && !address.contains(']');
    match address {
        a if bare_v6 => format!("[{a}]:9092"),
        a if a
            .rsplit_once(':')
            .is_some_and(|(_, p)| p.parse::<u16>().is_ok()) =>
        {
            a.to_owned()
        }
        a => format!("{a}:9092"),
    }
}

/// Why a command failed, in words and as an exit code.
#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Failure {
    pub fn usage(message: impl Display) -> Self {
        Self {
            code: EXIT_USAGE,
            message: message.to_string(),
            hint: None,
        }
    }

    pub fn refused(message: impl Display) -> Self {
        Self {
            code: EXIT_REFUSED,
            ..Self::usage(message)
        }
    }

    pub(crate) fn of(error: &Error) -> Self {
        let code = match error.kind {
            Kind::Connect | Kind::Disconnected | Kind::TimedOut => EXIT_UNREACHABLE,
            Kind::Invalid => EXIT_USAGE,
            _ => EXIT_REFUSED,
        };
        Self {
            code,
            message: error.to_string(),
            hint: hint(error),
        }
    }

    /// Of an output that cannot be written. A reader that went away is no failure.
    pub(crate) fn output(error: &io::Error) -> Self {
        let quiet = error.kind() == io::ErrorKind::BrokenPipe;
        Self {
            code: if quiet { 0 } else { EXIT_REFUSED },
            message: if quiet {
                String::new()
            } else {
                format!("write the output: {error}")
            },
            hint: None,
        }
    }

    /// Prints it, and gives the exit code.
    pub fn tell(&self) -> ExitCode {
        // Nobody is left to tell if this fails.
        let mut out = io::stderr().lock();
        if !self.message.is_empty() {
            let _ = writeln!(out, "corelog: {}", self.message);
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(out, "{hint}");
        }
        ExitCode::from(self.code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::of(&error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::output(&error)
    }
}

fn hint(error: &Error) -> Option<String> {
    let name = error.code()?.to_string();
    let text = match name.as_str() {
        n if n.contains("UNKNOWN_TOPIC") => {
            "'corelog topic list' shows the topics; 'corelog topic create NAME' makes one."
        }
        n if n.contains("TOPIC_ALREADY_EXISTS") => {
            "'corelog topic describe NAME' shows it; 'corelog topic alter' changes its settings."
        }
        n if n.contains("INVALID_REPLICATION_FACTOR") => {
            "Ask for at most as many replicas as 'corelog cluster info' shows brokers."
        }
        n if n.contains("OFFSET_OUT_OF_RANGE") => {
            "'corelog topic describe NAME' shows the first and the next offset of each partition."
        }
        n if n.contains("KAFKA_STORAGE_ERROR") => {
            "The broker's disk is full, has failed or is damaged there: its log says which. What lies \
             behind damage can be read with 'corelog consume -o OFFSET'."
        }
        n if n.contains("INVALID_TOPIC") => {
            "A topic's name has ASCII letters, digits, '.', '_' and '-'."
        }
        n if n.contains("MESSAGE_TOO_LARGE") => {
            "The topic's setting max.message.bytes bounds a batch: 'corelog topic alter NAME --set \
             max.message.bytes=N'."
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// Runs a command on a runtime of its own.
pub fn run(command: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    run_pinned(pin!(command))
}

/// Apart, so that tokio's runtime is built into the program once and not with every command.
fn run_pinned(command: Pin<&mut dyn Future<Output = Result<(), Failure>>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => Err(Failure::refused(format!("start threads: {error}"))),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

/// Says of several things what became of each, and fails if one did. `what` is a verb phrase.
pub(crate) fn outcomes(done: usize, failed: &[(String, Error)], what: &str) -> Result<(), Failure> {
    let Some((_, first)) = failed.first() else {
        return Ok(());
    };
    let lines: Vec<String> = failed
        .iter()
        .map(|(name, error)| format!("{what} {name}: {error}"))
        .collect();
    let failure = Failure::of(first);
    Err(Failure {
        code: if done > 0 { EXIT_PARTIAL } else { failure.code },
        message: lines.join("\ncorelog: "),
        hint: failure.hint,
    })
}

/// Columns as wide as their widest cell, two spaces apart.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(String::len);
        cells
            .chain(head.get(at).map(|h| h.len()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(head.to_vec());
    for row in rows {
        text += &line(row.iter().map(String::as_str).collect());
    }
    text
}

/// Prints all of it, or fails as a reader that went away does.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Prints one JSON document.
pub fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    print(&format!("{value:#}\n"))
}
