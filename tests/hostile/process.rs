//! What the kernel says of the broker's process.

use std::fs;

/// In bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Memory {
    pub resident: u64,
    /// The most that was resident since the start, or since [`Process::forget_peak`].
    pub peak: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

impl Process {
    /// # Errors
    /// If the process is gone.
    pub fn memory(self) -> Result<Memory, String> {
        let path = format!("/proc/{}/status", self.0);
        let text = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(kib << 10)
        };
        let both = field("VmRSS:").zip(field("VmHWM:"));
        let (resident, peak) = both.ok_or_else(|| format!("{path} tells no memory"))?;
        Ok(Memory { resident, peak })
    }

    /// Lets the peak begin at what is resident now.
    ///
    /// # Errors
    /// If the process is gone, or is not ours.
    pub fn forget_peak(self) -> Result<(), String> {
        let path = format!("/proc/{}/clear_refs", self.0);
        fs::write(&path, "5").map_err(|e| format!("{path}: {e}"))
    }

    /// Descriptors that are open.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn descriptors(self) -> Result<u64, String> {
        let path = format!("/proc/{}/fd", self.0);
        let entries = fs::read_dir(&path).map_err(|e| format!("{path}: {e}"))?;
        Ok(entries.count() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let own = Process(std::process::id());
        let memory = own.memory().unwrap();
        assert!(memory.resident > 0 && memory.peak >= memory.resident);
        let before = own.descriptors().unwrap();
        let file = fs::File::open("/proc/self/status").unwrap();
        assert!(own.descriptors().unwrap() >= before);
        drop(file);
        assert!(Process(u32::MAX).memory().is_err());
    }
}
