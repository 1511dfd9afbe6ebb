//! `corelog serve`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use corelog_cli::Failure;
use corelog_node::{KEYS, Settings, serve};

/// Run a broker. Settings come from defaults, then --config FILE, then the environment
/// (CORELOG_KAFKA__LISTEN is kafka.listen), then flags; a later one wins.
#[derive(Args)]
#[command(after_help = keys())]
pub(crate) struct Serve {
    /// Settings in TOML: the keys below, and Kafka's broker configurations in the section broker.
    #[arg(long, value_name = "FILE", env = "CORELOG_CONFIG")]
    config: Option<PathBuf>,
    /// Data directory.
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Address for Kafka's protocol.
    #[arg(long, value_name = "ADDR")]
    listen_kafka: Option<String>,
    /// What clients are told to connect to; needed when listening on every address.
    #[arg(long, value_name = "HOST:PORT")]
    advertise_kafka: Option<String>,
    /// Address for corelog's own protocol: core 0 listens there, the others at the ports after it. Or
    /// off.
    #[arg(long, value_name = "ADDR")]
    listen_native: Option<String>,
    /// Host that clients of it are told; needed when listening on every address.
    #[arg(long, value_name = "HOST")]
    advertise_native: Option<String>,
    /// Address for /live, /ready and /metrics.
    #[arg(long, value_name = "ADDR")]
    listen_http: Option<String>,
    /// CPU numbers such as 0,2-3, or how many cores.
    #[arg(long, value_name = "LIST|N")]
    cores: Option<String>,
    /// ring or glommio.
    #[arg(long)]
    runtime: Option<String>,
    /// This broker's number; kept from the first start on.
    #[arg(long, value_name = "N")]
    node_id: Option<String>,
    /// Never park an idle core, for hosts that run nothing else.
    #[arg(long)]
    spin: bool,
    /// Serve other hosts although there is no authentication.
    #[arg(long)]
    insecure: bool,
    /// Any other setting, such as -s log.journal_file_bytes=64MiB or -s broker.num.partitions=3.
    #[arg(short, long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// The table of settings, for the end of the help.
fn keys() -> String {
    let lines = KEYS
        .iter()
        .map(|key| format!("  {:<26} {}", key.name, key.help));
    format!("Settings:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

impl Serve {
    pub(crate) fn run(&self) -> ExitCode {
        let settings = match self.settings() {
            Ok(settings) => settings,
            Err(why) => return Failure::usage(why).tell(),
        };
        match serve(&settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => Failure::refused(why).tell(),
        }
    }

    fn settings(&self) -> Result<Settings, String> {
        let mut settings = Settings::default();
        if let Some(path) = &self.config {
            let shown = path.display();
            let text = std::fs::read_to_string(path).map_err(|e| format!("read {shown}: {e}"))?;
            settings
                .read_toml(&text)
                .map_err(|why| format!("{shown}: {why}"))?;
        }
        settings.read_environment(std::env::vars())?;
        let flags = [
            ("data", &self.data),
            ("kafka.listen", &self.listen_kafka),
            ("kafka.advertise", &self.advertise_kafka),
            ("native.listen", &self.listen_native),
            ("native.advertise", &self.advertise_native),
            ("http.listen", &self.listen_http),
            ("cores", &self.cores),
            ("runtime", &self.runtime),
            ("node_id", &self.node_id),
        ];
        for (name, value) in flags {
            if let Some(value) = value {
                settings.set(name, value)?;
            }
        }
        for (name, on) in [("spin", self.spin), ("insecure", self.insecure)] {
            if on {
                settings.set(name, "true")?;
            }
        }
        for pair in &self.set {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| format!("--set {pair} is not KEY=VALUE"))?;
            settings.set(name, value)?;
        }
        settings.check()?;
        Ok(settings)
    }
}
