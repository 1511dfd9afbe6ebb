//! How much memory this process may take, and whether its budgets fit.
//!
//! Budgets bound what clients can make the broker hold. If their sum is more than there is, the
//! kernel kills the process under load, which no budget prevents: so a start with them is refused.

use std::fs;
use std::path::Path;

use crate::Settings;

/// Code, stacks, rings, HTTP, a decompressed batch's growth, and what the allocator keeps.
const BASE_BYTES: u64 = 128 << 20;
/// A connection's own memory at most; see the Kafka door's options.
const CONNECTION_BYTES: u64 = 256 << 10;
/// Fewer connections than this are of no use.
const CONNECTIONS_LEAST: u64 = 64;

/// What bounds this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// Of memory, in bytes.
    pub(crate) memory_bytes: u64,
    pub(crate) descriptors: u64,
}

impl Limits {
    pub(crate) fn of_host(descriptors: u64) -> Self {
        Self {
            memory_bytes: memory_bytes(Path::new("/")),
            descriptors,
        }
    }

    /// Connections that each core may hold: as many as were asked for, unless descriptors or memory
    /// are short.
    ///
    /// # Errors
    /// Memory is too short for the budgets alone; how much is needed, and what to do.
    pub(crate) fn connections_max(self, settings: &Settings, cores: u16) -> Result<u32, String> {
        let cores = u64::from(cores.max(1));
        let budgets = BASE_BYTES + cores * core_bytes(settings);
        let needed = budgets + cores * CONNECTIONS_LEAST * CONNECTION_BYTES;
        if self.memory_bytes < needed {
            return Err(format!(
                "this process may take {} MiB of memory (of the host, or of its cgroup), and its \
                 budgets for {cores} cores need {} MiB: allow it more, take fewer --cores, or lower \
                 kafka.memory_bytes with socket.request.max.bytes, log.unsettled_bytes, \
                 log.tail_cache_bytes, log.block_cache_bytes and log.compaction_bytes",
                self.memory_bytes >> 20,
                needed >> 20,
            ));
        }
        let by_memory = (self.memory_bytes - budgets) / cores / CONNECTION_BYTES;
        // A quarter is for segments, an eighth for journals, HTTP and all else.
        let by_descriptors = self.descriptors / 8 * 5 / cores;
        let most = by_memory.min(by_descriptors).max(1);
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        Ok(settings.connections_max.min(most))
    }
}

/// The sum of a core's budgets.
fn core_bytes(settings: &Settings) -> u64 {
    let log = &settings.log;
    settings.request_memory_bytes
        + log.unsettled_bytes_max
        + log.tail_cache_bytes_max
        + log.block_cache_bytes_max
        + log.compaction_bytes_max
}

/// The least of what the host has and what the process's cgroups allow. What cannot be read does
/// not bound.
fn memory_bytes(root: &Path) -> u64 {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let groups = read("proc/self/cgroup");
    let mut least = total_bytes(&read("proc/meminfo")).unwrap_or(u64::MAX);
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            "memory" => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        // A limit above binds what is below it; in a container, the group's path is that of the
        // host and only the mount's own directory is seen.
        for above in Path::new(group).ancestors() {
            let above = above.to_string_lossy();
            let text = read(&format!("{mount}/{}/{file}", above.trim_start_matches('/')));
            least = least.min(text.trim().parse().unwrap_or(u64::MAX));
        }
    }
    least
}

fn total_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], expected: u64) {
        let root = std::env::temp_dir().join(format!("corelog-memory-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        assert_eq!(memory_bytes(&root), expected, "{files:?}");
        let _ = fs::remove_dir_all(&root);
    }

    #[test]
    fn the_least_limit_holds() {
        let host = ("proc/meminfo", "MemFree: 1 kB\nMemTotal:       4096 kB\n");
        check(&[host], 4 << 20);
        let second = ("proc/self/cgroup", "0::/system/broker\n");
        let none = ("sys/fs/cgroup/system/broker/memory.max", "max\n");
        check(&[host, second, none], 4 << 20);
        let above = ("sys/fs/cgroup/system/memory.max", "1048576\n");
        check(&[host, second, none, above], 1 << 20);
        // In a container, what the path names is not there, and the mount is its own group.
        let own = ("sys/fs/cgroup/memory.max", "2097152\n");
        check(&[host, second, own], 2 << 20);
        let first = ("proc/self/cgroup", "3:cpu:/x\n2:memory:/x\n");
        let limit = ("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "3145728\n");
        check(&[host, first, limit], 3 << 20);
        check(&[], u64::MAX);
    }

    #[test]
    fn budgets_that_do_not_fit_are_refused_and_connections_give_way() {
        let settings = Settings::default();
        let limits = |memory_bytes, descriptors| Limits {
            memory_bytes,
            descriptors,
        };
        let connections = |limits: Limits| limits.connections_max(&settings, 2);
        assert_eq!(connections(limits(u64::MAX, 1 << 20)), Ok(16_384));
        assert_eq!(connections(limits(u64::MAX, 1024)), Ok(320));
        let budgets = BASE_BYTES + 2 * ((256 + 192 + 64 + 64 + 32) << 20);
        let least = budgets + 2 * 64 * CONNECTION_BYTES;
        assert_eq!(connections(limits(least, 1 << 20)), Ok(64));
        let refused = connections(limits(least - 1, 1 << 20)).unwrap_err();
        assert!(refused.contains("lower kafka.memory_bytes"), "{refused}");
    }
}
