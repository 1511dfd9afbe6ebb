//! Looks at the host before anything is started, and says in plain words what is missing.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use corelog_rt::{probe, probe_direct_io, raise_descriptor_limit};

use crate::Settings;
use crate::settings::CoreChoice;

/// Descriptors that a small broker needs; more are asked for, and the host may give fewer.
const DESCRIPTORS_MIN: u64 = 1_024;
const DESCRIPTORS_WANTED: u64 = 1 << 20;
/// Of segments, open in a core.
const SEGMENT_FILES_LEAST: u64 = 16;
const SEGMENT_FILES_MOST: u64 = 16 << 10;
const PORT_WAIT_MAX: Duration = Duration::from_secs(3);
const PORT_LOOK_EVERY: Duration = Duration::from_millis(10);

/// Checks what the chosen runtime and the data directory need. The directory exists afterwards.
/// Gives how many descriptors this process may have.
///
/// # Errors
/// The first thing that is missing, and how to allow it.
pub(crate) fn check_host(settings: &Settings) -> Result<u64, String> {
    probe(settings.runtime).map_err(|missing| missing.to_string())?;
    let descriptors = raise_descriptor_limit(DESCRIPTORS_WANTED);
    let descriptors = descriptors.map_err(|e| format!("look at the descriptor limit: {e}"))?;
    if descriptors < DESCRIPTORS_MIN {
        return Err(format!(
            "this process may open {descriptors} files and sockets, and needs {DESCRIPTORS_MIN}: \
             raise it with ulimit -n, or LimitNOFILE in the unit file"
        ));
    }
    let dir = &settings.data;
    fs::create_dir_all(dir).map_err(|e| format!("make the folder {}: {e}", dir.display()))?;
    probe_direct_io(dir).map_err(|missing| missing.to_string())?;
    Ok(descriptors)
}

/// How many files of segments each core keeps open: a quarter of the descriptors, the rest is for
/// connections and journals.
pub(crate) fn segment_files_max(descriptors: u64, cores: u16) -> u32 {
    let share = descriptors / 4 / u64::from(cores.max(1));
    share.clamp(SEGMENT_FILES_LEAST, SEGMENT_FILES_MOST) as u32
}

/// One entry a core: the CPU that it is pinned to, or None where there are more cores than CPUs.
/// `allowed` is what the process may run on, ascending; empty if the host does not tell.
///
/// # Errors
/// A CPU is named that the process may not run on: its core would float, and take another's CPU.
pub(crate) fn place_cores(
    choice: &CoreChoice,
    allowed: &[usize],
) -> Result<Vec<Option<usize>>, String> {
    let cpus = match choice {
        CoreChoice::All if allowed.is_empty() => return Ok(vec![None]),
        CoreChoice::All => allowed,
        CoreChoice::Count(count) => {
            let cores = 0..usize::from(*count);
            return Ok(cores.map(|core| allowed.get(core).copied()).collect());
        }
        CoreChoice::Cpus(cpus) => cpus,
    };
    let refused: Vec<usize> = cpus
        .iter()
        .copied()
        .filter(|cpu| !allowed.is_empty() && !allowed.contains(cpu))
        .collect();
    if refused.is_empty() {
        return Ok(cpus.iter().copied().map(Some).collect());
    }
    Err(format!(
        "cores names CPU {}, and this process may run on {}: name of these, or say how many \
         cores, such as --cores {}",
        ranges(&refused),
        ranges(allowed),
        allowed.len().min(cpus.len()),
    ))
}

/// As `--cores` takes them: `0,2-3`. The numbers ascend.
fn ranges(cpus: &[usize]) -> String {
    let runs = cpus.chunk_by(|before, next| before + 1 == *next);
    let texts = runs.map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        [only] => only.to_string(),
        [] => String::new(),
    });
    texts.collect::<Vec<_>>().join(",")
}

/// Waits a moment for ports that are taken: after SIGKILL, the kernel tears down the rings of the
/// old process behind its end, and until then their listeners keep the port. A supervisor that
/// starts the next process at once would find it taken.
///
/// # Errors
/// A port that is still taken after [`PORT_WAIT_MAX`].
pub(crate) async fn check_ports(settings: &Settings, cores: u16) -> Result<(), String> {
    let deadline = Instant::now() + PORT_WAIT_MAX;
    let mut all = vec![settings.kafka_listen, settings.http_listen];
    if let Some(native) = settings.native_listen()? {
        all.extend(core_ports(native, cores)?);
    }
    for address in all {
        while let Err(taken) = check_port(address) {
            if Instant::now() >= deadline {
                return Err(taken);
            }
            tokio::time::sleep(PORT_LOOK_EVERY).await;
        }
    }
    Ok(())
}

/// Where each core listens for the native protocol.
///
/// # Errors
/// There are more cores than ports.
pub(crate) fn core_ports(first: SocketAddr, cores: u16) -> Result<Vec<SocketAddr>, String> {
    let at = |core| Some(SocketAddr::new(first.ip(), first.port().checked_add(core)?));
    let all: Option<Vec<_>> = (0..cores).map(at).collect();
    all.ok_or_else(|| {
        format!("{first} and the ports after it are too few for {cores} cores: choose a lower one")
    })
}

/// SO_REUSEPORT would let two brokers of one user share a port without a word.
fn check_port(address: SocketAddr) -> Result<(), String> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(e) => Err(format!(
            "cannot listen on {address}: {e}. Stop what uses it, or choose another address"
        )),
    }
}

/// What the journals and the reserve need of a file system that is new to them.
///
/// # Errors
/// Too little is free; how much is needed.
pub(crate) fn check_space(settings: &Settings, cores: u16, free_bytes: u64) -> Result<(), String> {
    let log = &settings.log;
    let journals = u64::from(cores) * log.journal.prewrite_bytes;
    let needed = journals + log.disk_reserve_bytes;
    if free_bytes < needed {
        return Err(format!(
            "{} has {} MiB free, and {} MiB are needed: journals of {} MiB and a reserve of {} \
             MiB (log.disk_reserve_bytes). Free space, or choose another --data DIR",
            settings.data.display(),
            free_bytes >> 20,
            needed >> 20,
            journals >> 20,
            log.disk_reserve_bytes >> 20,
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_core_has_a_port() {
        let first = "127.0.0.1:65534".parse().unwrap();
        let ports = core_ports(first, 2).unwrap();
        assert_eq!(
            ports.iter().map(SocketAddr::port).collect::<Vec<_>>(),
            [65534, 65535]
        );
        assert!(core_ports(first, 3).unwrap_err().contains("3 cores"));
    }

    #[test]
    fn a_taken_port_and_a_full_disk_are_told() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let refused = check_port(taken.local_addr().unwrap()).unwrap_err();
        assert!(refused.contains("Stop what uses it"), "{refused}");
        let settings = Settings::default();
        let refused = check_space(&settings, 2, 1 << 20).unwrap_err();
        assert!(refused.contains("has 1 MiB free"), "{refused}");
        assert!(check_space(&settings, 2, 1 << 40).is_ok());
    }
    #[test]
    fn only_cpus_that_the_process_may_use_are_taken() {
        use CoreChoice::{All, Count, Cpus};
        let place = |choice: CoreChoice, allowed: &[usize]| place_cores(&choice, allowed);
        assert_eq!(place(All, &[1, 2]), Ok(vec![Some(1), Some(2)]));
        assert_eq!(place(All, &[]), Ok(vec![None]));
        assert_eq!(place(Count(2), &[3]), Ok(vec![Some(3), None]));
        assert_eq!(place(Cpus(vec![2]), &[1, 2]), Ok(vec![Some(2)]));
        // Where the host does not tell, it is tried.
        assert_eq!(place(Cpus(vec![7]), &[]), Ok(vec![Some(7)]));
        let refused = place(Cpus(vec![0, 2, 8, 9]), &[0, 1, 2, 4]).unwrap_err();
        assert_eq!(
            refused,
            "cores names CPU 8-9, and this process may run on 0-2,4: name of these, or say how \
             many cores, such as --cores 4"
        );
    }
}
