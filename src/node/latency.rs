//! `latency = "low"`: keeps the CPUs out of deep sleep states for as long as the process lives.
//!
//! A parked core is woken in some 13 µs instead of 66 where the kernel's latency request for DMA is
//! 0. The request belongs to an open descriptor: the kernel forgets it when the process ends,
//! however it ends, so there is nothing to undo.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

const DEVICE: &str = "/dev/cpu_dma_latency";

/// How long a wake-up may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LatencyChoice {
    /// What the host's idle governor decides.
    #[default]
    Normal,
    /// As little as the CPUs can do without polling, at the cost of their idle power.
    Low,
}

/// Holds the request until it is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    /// None where nothing was asked for.
    _device: Option<File>,
}

impl Hold {
    /// # Errors
    /// The device is not there or not allowed, and how to allow it.
    pub(crate) fn take(choice: LatencyChoice) -> Result<Self, String> {
        match choice {
            LatencyChoice::Normal => Ok(Self { _device: None }),
            LatencyChoice::Low => Self::on(Path::new(DEVICE)),
        }
    }

    fn on(device: &Path) -> Result<Self, String> {
        let held = request(device).map_err(|error| explain(device, &error))?;
        tracing::info!("wake-ups of CPUs are held low until the end of this process");
        Ok(Self {
            _device: Some(held),
        })
    }
}

/// Writes the number of microseconds that are bearable: 0, as the kernel's `s32`.
fn request(device: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).open(device)?;
    file.write_all(&0i32.to_ne_bytes())?;
    Ok(file)
}

fn explain(device: &Path, error: &io::Error) -> String {
    let how = match error.kind() {
        io::ErrorKind::NotFound => {
            "this kernel or container does not have it: in Docker, add --device"
        }
        io::ErrorKind::PermissionDenied => {
            "this user may not write to it: run as root, or give it to the group of the service \
             with tuning/60-corelog.rules (and DeviceAllow= in its unit)"
        }
        _ => "the kernel refused it",
    };
    format!(
        "latency = \"low\" needs {}, and {how} ({error}). Or leave latency at normal",
        device.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_four_zero_bytes_and_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let device = dir.path().join("device");
        std::fs::write(&device, "").unwrap();
        let hold = Hold::on(&device).unwrap();
        assert_eq!(std::fs::read(&device).unwrap(), [0; 4]);
        let held = hold._device.as_ref().unwrap().metadata().unwrap();
        assert_eq!(held.len(), 4, "it is open");
        assert!(Hold::take(LatencyChoice::Normal).unwrap()._device.is_none());
    }

    #[test]
    fn what_is_missing_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let refused = Hold::on(&dir.path().join("none")).unwrap_err();
        assert!(refused.contains("--device"), "{refused}");
        let refused = Hold::on(dir.path()).unwrap_err();
        assert!(refused.contains("latency at normal"), "{refused}");
        let denied = explain(Path::new(DEVICE), &io::ErrorKind::PermissionDenied.into());
        assert!(denied.contains("60-corelog.rules"), "{denied}");
    }
}
