//! The process under test.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a start or a drain may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// How the broker is started.
#[derive(Clone, Debug)]
pub struct Setup {
    pub binary: PathBuf,
    pub data: PathBuf,
    /// Kafka's port; HTTP's is the next.
    pub port: u16,
    pub cores: u16,
    /// Keys and values of `--set`.
    pub settings: Vec<(&'static str, String)>,
    pub environment: Vec<(String, String)>,
    /// What it prints is added here.
    pub log: PathBuf,
}

/// A running broker. Dropped, it is killed.
pub struct Broker {
    child: Child,
    started: Instant,
    ready: Option<oneshot::Receiver<()>>,
    log: PathBuf,
}

impl Setup {
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(["serve", "--listen-kafka", &self.address()])
            .args(["--listen-http", &format!("127.0.0.1:{}", self.port + 1)])
            // Several run beside each other; a setting may switch it on.
            .args(["--listen-native", "off"])
            .args(["--cores", &self.cores.to_string()])
            .arg("--data")
            .arg(&self.data);
        for (key, value) in &self.settings {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        command.envs(self.environment.iter().cloned());
        command
    }

    /// Starts the process and does not wait for it.
    ///
    /// # Errors
    /// If it cannot be started, or its log cannot be written.
    pub fn start(&self) -> io::Result<Broker> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let mut command = self.command();
        command.stdin(Stdio::null()).stderr(log.try_clone()?);
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().expect("it was piped");
        let (to, ready) = oneshot::channel();
        std::thread::spawn(move || copy_lines(BufReader::new(stdout), log, to));
        Ok(Broker {
            child,
            started: Instant::now(),
            ready: Some(ready),
            log: self.log.clone(),
        })
    }

    /// Starts the process and waits until it serves. Gives how long that took.
    ///
    /// # Errors
    /// As [`Setup::start`] and [`Broker::ready`].
    pub async fn serve(&self) -> Result<(Broker, Duration), String> {
        let start = self.start();
        let mut broker = start.map_err(|e| format!("start {}: {e}", self.binary.display()))?;
        let took = broker.ready().await?;
        Ok((broker, took))
    }
}

/// Ends with the process; says once that it is ready.
fn copy_lines(from: impl BufRead, mut log: File, ready: oneshot::Sender<()>) {
    let mut ready = Some(ready);
    for line in from.lines().map_while(Result::ok) {
        // The log is for people who look into a failure; the outcome does not depend on it.
        let _ = writeln!(log, "{line}");
        if line.starts_with("Try:")
            && let Some(ready) = ready.take()
        {
            let _ = ready.send(());
        }
    }
}

impl Broker {
    /// Waits until it serves. Gives how long that took since its start.
    ///
    /// # Errors
    /// If it ends before, or takes too long.
    pub async fn ready(&mut self) -> Result<Duration, String> {
        let Some(ready) = self.ready.take() else {
            return Ok(Duration::ZERO);
        };
        let failed = |what: &str| format!("{what}; see {}: {}", self.log.display(), self.last());
        match timeout(PATIENCE, ready).await {
            Ok(Ok(())) => Ok(self.started.elapsed()),
            Ok(Err(_)) => Err(failed("the broker ended while it started")),
            Err(_) => Err(failed("the broker does not get ready")),
        }
    }

    /// The last line of its log.
    fn last(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().last().unwrap_or_default().to_owned()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL; returns when the process is gone.
    ///
    /// # Panics
    /// If the kernel refuses.
    pub fn kill(mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// Waits until the process is gone, however it ends.
    ///
    /// # Panics
    /// If the kernel does not know it.
    pub fn wait(&mut self) {
        self.child.wait().expect("a child can be waited for");
    }

    /// Sends a signal by its name, such as `STOP`.
    ///
    /// # Panics
    /// If there is no such process.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|s| s.success()), "send {name} to the broker");
    }

    /// SIGKILL; returns when no thread runs code of the broker any more, while the kernel may still
    /// wait for the disk on its behalf. The signal alone takes as long as a thread waits for a CPU.
    /// (SIGSTOP would not do: the kernel hands it to one thread, and if that one waits for a disk
    /// that does not answer, the others go on.)
    ///
    /// # Errors
    /// If that takes too long.
    pub fn cease(&self) -> Result<(), String> {
        self.signal("KILL");
        let since = Instant::now();
        while !self.has_ceased() {
            if since.elapsed() > PATIENCE {
                return Err("the broker does not die".to_owned());
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    fn has_ceased(&self) -> bool {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.id()));
        tasks.into_iter().flatten().flatten().all(|task| {
            let stat = std::fs::read_to_string(task.path().join("stat"));
            // One that cannot be read has just gone.
            stat.map_or(true, |stat| has_left_user_mode(&stat))
        })
    }

    /// SIGTERM; returns when the process has drained.
    ///
    /// # Errors
    /// If it takes too long, or ends with another code than 0.
    pub async fn drain(mut self) -> Result<(), String> {
        self.signal("TERM");
        let (to, ended) = oneshot::channel();
        let (give_back, back) = oneshot::channel();
        let pid = self.child.id();
        std::thread::spawn(move || {
            let status = self.child.wait();
            let _ = to.send(status.map(|status| status.code()));
            let _ = give_back.send(self);
        });
        match timeout(PATIENCE, ended).await {
            Ok(Ok(Ok(Some(0)))) => Ok(()),
            Ok(other) => Err(format!("the drain ended with {other:?}")),
            Err(_) => {
                drop(back);
                Err(format!("process {pid} does not drain"))
            }
        }
    }

    /// Whether the process is still there.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

/// Whether a killed thread, by its line in `/proc`, never runs code of its program again: it is
/// dead, about to be, the kernel's own, or waits in the kernel and is dead before it returns.
fn has_left_user_mode(stat: &str) -> bool {
    const EXITING: u32 = 0x4;
    const IO_WORKER: u32 = 0x10;
    // The name before it may hold anything.
    let mut fields = stat
        .rsplit_once(") ")
        .into_iter()
        .flat_map(|(_, rest)| rest.split(' '));
    let state = fields.next();
    let flags = fields.nth(5).and_then(|flags| flags.parse::<u32>().ok());
    matches!(state, Some("D" | "Z" | "X"))
        || flags.is_some_and(|flags| flags & (EXITING | IO_WORKER) != 0)
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
