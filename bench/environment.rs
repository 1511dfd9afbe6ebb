//! env.json: what a reader needs to know of the host. What the host does not say is null.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use corelog_base::crc32c;
use serde_json::{Map, Value, json};

use crate::disk::Disk;
use crate::histogram::{self, times};
use crate::{Summary, clock};

/// Wake-ups of the hiccup baseline, and how far they are apart.
const HICCUPS: u32 = 500;
const HICCUP_GAP: Duration = Duration::from_millis(2);
const FLUSHES: usize = 200;
const FLUSH_BYTES: usize = 4096;
/// Interrupts that are listed.
const INTERRUPTS_MAX: usize = 256;

/// Looks at the host for about a second. `dir` is where the disk is looked at.
pub fn environment(dir: &Path) -> Value {
    json!({
        "kernel": kernel(),
        "cpu": cpu(),
        "memory": memory(),
        "network": network(),
        "disk": disk(dir),
        "virtual_machine": virtual_machine(),
        "container": container(),
        "program": program(),
        "load": {
            "average": text("/proc/loadavg"),
            "steal_ticks": steal_ticks(),
        },
        "hiccup_us": hiccups(),
    })
}

/// A file's text without the line's end.
fn text(path: impl AsRef<Path>) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The value behind `name` and a colon.
fn field(text: &str, name: &str) -> Option<String> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(key, _)| key.trim() == name);
    Some(found.next()?.1.trim().to_owned())
}

/// The files of a folder by name, each with its text.
fn texts(dir: &str) -> Map<String, Value> {
    let names = names(dir).into_iter();
    let each = names.filter_map(|name| {
        let value = text(Path::new(dir).join(&name))?;
        Some((name, Value::from(value)))
    });
    each.collect()
}

fn names(dir: impl AsRef<Path>) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn kernel() -> Value {
    json!({
        "version": text("/proc/version"),
        "command_line": text("/proc/cmdline"),
        "clock_source": text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "mitigations": texts("/sys/devices/system/cpu/vulnerabilities"),
        "host_name": text("/proc/sys/kernel/hostname"),
    })
}

fn cpu() -> Value {
    let info = text("/proc/cpuinfo").unwrap_or_default();
    let first = Path::new("/sys/devices/system/cpu/cpu0/cpufreq");
    let nodes = names("/sys/devices/system/node");
    let nodes = nodes.iter().filter(|name| {
        let number = name.strip_prefix("node").unwrap_or_default();
        number.parse::<u32>().is_ok()
    });
    let numa: Map<String, Value> = nodes
        .map(|node| {
            let cpus = text(format!("/sys/devices/system/node/{node}/cpulist"));
            (node.clone(), cpus.into())
        })
        .collect();
    json!({
        "model": field(&info, "model name"),
        "microcode": field(&info, "microcode"),
        "online": text("/sys/devices/system/cpu/online"),
        "isolated": text("/sys/devices/system/cpu/isolated"),
        "allowed": field(&text("/proc/self/status").unwrap_or_default(), "Cpus_allowed_list"),
        "governor": text(first.join("scaling_governor")),
        "khz_max": text(first.join("scaling_max_freq")),
        "no_turbo": text("/sys/devices/system/cpu/intel_pstate/no_turbo"),
        "boost": text("/sys/devices/system/cpu/cpufreq/boost"),
        "smt_active": text("/sys/devices/system/cpu/smt/active"),
        "idle_driver": text("/sys/devices/system/cpu/cpuidle/current_driver"),
        "numa": numa,
        "interrupts": interrupts(),
    })
}

/// Which interrupt goes to which CPUs.
fn interrupts() -> Map<String, Value> {
    let table = text("/proc/interrupts").unwrap_or_default();
    let lines = table.lines().skip(1).take(INTERRUPTS_MAX);
    let numbered = lines.filter_map(|line| {
        let (number, rest) = line.split_once(':')?;
        let number: u32 = number.trim().parse().ok()?;
        let cpus = text(format!("/proc/irq/{number}/smp_affinity_list"))?;
        let name = rest.split_whitespace().last()?;
        Some((format!("{number} {name}"), cpus.into()))
    });
    numbered.collect()
}

fn memory() -> Value {
    let info = text("/proc/meminfo").unwrap_or_default();
    json!({
        "total": field(&info, "MemTotal"),
        "available": field(&info, "MemAvailable"),
        "transparent_huge_pages": text("/sys/kernel/mm/transparent_hugepage/enabled"),
        "swappiness": text("/proc/sys/vm/swappiness"),
        "dirty_ratio": text("/proc/sys/vm/dirty_ratio"),
        "dirty_background_ratio": text("/proc/sys/vm/dirty_background_ratio"),
    })
}

fn network() -> Map<String, Value> {
    let devices = names("/sys/class/net").into_iter();
    let each = devices.map(|device| {
        let folder = Path::new("/sys/class/net").join(&device);
        let driver = fs::read_link(folder.join("device/driver")).ok();
        let driver = driver.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        let facts = json!({
            "driver": driver,
            "speed_mbit": text(folder.join("speed")),
            "mtu": text(folder.join("mtu")),
            "state": text(folder.join("operstate")),
            "receive_queues": names(folder.join("queues")).iter().filter(|n| n.starts_with("rx")).count(),
            "offloads": output("ethtool", &["-k", &device]),
        });
        (device, facts)
    });
    each.collect()
}

/// What a program prints, if there is such a program and it succeeds.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).stderr(Stdio::null());
    let output = command.output().ok().filter(|done| done.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn disk(dir: &Path) -> Value {
    let mount = mount(dir);
    let device = mount.as_ref().map(|mount| block_device(&mount.device));
    let setting = |name: &str| text(device.as_ref()?.join("queue").join(name));
    let flush = Disk::prewrite(dir).ok().and_then(|disk| {
        let mut all = times();
        disk.flushes(FLUSH_BYTES, FLUSHES, &mut all).ok()?;
        // Two hundred tell a median and, roughly, a tail.
        let micros = |part: f64| all.value_at_quantile(part) as f64 / 1e3;
        Some(json!({ "samples": all.len(), "p50": micros(0.5), "p99": micros(0.99) }))
    });
    json!({
        "folder": dir.canonicalize().unwrap_or_else(|_| dir.to_owned()).display().to_string(),
        "file_system": mount.as_ref().map(|mount| mount.kind.clone()),
        "mount_options": mount.as_ref().map(|mount| mount.options.clone()),
        "source": mount.as_ref().map(|mount| mount.source.clone()),
        "model": device.as_ref().and_then(|device| text(device.join("device/model"))),
        "write_cache": setting("write_cache"),
        "scheduler": setting("scheduler"),
        "rotational": setting("rotational"),
        "logical_block_bytes": setting("logical_block_size"),
        "read_ahead_kb": setting("read_ahead_kb"),
        "write_and_flush_4k_us": flush,
    })
}

/// The folder of a device in sysfs; of its disk, if it is a partition.
fn block_device(number: &str) -> PathBuf {
    let folder = PathBuf::from(format!("/sys/dev/block/{number}"));
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.clone());
    match (whole.join("partition").exists(), whole.parent()) {
        (true, Some(disk)) => disk.to_owned(),
        _ => folder,
    }
}

struct Mount {
    device: String,
    kind: String,
    source: String,
    options: String,
}

/// The mount that holds a folder: of those above it, the deepest and last one.
fn mount(dir: &Path) -> Option<Mount> {
    let dir = dir.canonicalize().ok()?;
    let table = text("/proc/self/mountinfo")?;
    let mounts = table.lines().filter_map(|line| {
        let (place, source) = line.split_once(" - ")?;
        let place: Vec<&str> = place.split(' ').collect();
        let source: Vec<&str> = source.split(' ').collect();
        let point = Path::new(*place.get(4)?).to_owned();
        let mount = Mount {
            device: (*place.get(2)?).to_owned(),
            kind: (*source.first()?).to_owned(),
            source: (*source.get(1)?).to_owned(),
            options: format!("{},{}", place.get(5)?, source.get(2)?),
        };
        dir.starts_with(&point).then_some((point, mount))
    });
    let deepest = mounts.max_by_key(|(point, _)| point.components().count());
    deepest.map(|(_, mount)| mount)
}

fn virtual_machine() -> Value {
    let info = text("/proc/cpuinfo").unwrap_or_default();
    let flags = field(&info, "flags").unwrap_or_default();
    json!({
        "hypervisor_flag": flags.split(' ').any(|flag| flag == "hypervisor"),
        "hypervisor": text("/sys/hypervisor/type"),
        "vendor": text("/sys/class/dmi/id/sys_vendor"),
        "product": text("/sys/class/dmi/id/product_name"),
    })
}

/// Time that the hypervisor gave to others, over all CPUs since boot, in hundredths of a second.
fn steal_ticks() -> Option<u64> {
    let stat = text("/proc/stat")?;
    stat.lines().next()?.split_whitespace().nth(8)?.parse().ok()
}

fn container() -> Value {
    let group = text("/proc/self/cgroup").unwrap_or_default();
    let path = group.lines().find_map(|line| line.strip_prefix("0::"));
    let path = path.unwrap_or("/").trim_start_matches('/');
    let folder = Path::new("/sys/fs/cgroup").join(path);
    json!({
        "group": group,
        "cpu_max": text(folder.join("cpu.max")),
        "memory_max": text(folder.join("memory.max")),
        "cpus": text(folder.join("cpuset.cpus.effective")),
        "io_max": text(folder.join("io.max")),
    })
}

/// The benchmark itself, and the repository that it was started in.
fn program() -> Value {
    let bytes = fs::read("/proc/self/exe").unwrap_or_default();
    let changed = output("git", &["status", "--porcelain"]);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "bytes": bytes.len(),
        "crc32c": format!("{:08x}", crc32c(&bytes)),
        "debug_assertions": cfg!(debug_assertions),
        "commit": output("git", &["rev-parse", "HEAD"]),
        "dirty": changed.map(|changed| !changed.is_empty()),
    })
}

/// How late an idle thread wakes: nothing that is measured on this host is better than that.
fn hiccups() -> Option<Summary> {
    // Its own thread, so that the caller's timers stay as they are.
    let measured = std::thread::spawn(|| {
        clock::sharpen_timers();
        let mut all = times();
        let mut next = clock::now();
        for _ in 0..HICCUPS {
            next = next + HICCUP_GAP;
            clock::sleep_until(next);
            histogram::record(&mut all, clock::now().since(next));
        }
        Summary::of(&all)
    });
    measured.join().ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linux_host_says_the_most() {
        let environment = environment(Path::new(env!("CARGO_MANIFEST_DIR")));
        let said = |pointer: &str| {
            let value = environment.pointer(pointer);
            assert!(value.is_some_and(|value| !value.is_null()), "{pointer}");
        };
        for pointer in [
            "/kernel/version",
            "/kernel/clock_source",
            "/cpu/online",
            "/cpu/allowed",
            "/memory/total",
            "/network/lo/mtu",
            "/disk/file_system",
            "/disk/mount_options",
            "/program/crc32c",
            "/load/steal_ticks",
            "/hiccup_us/p50",
        ] {
            said(pointer);
        }
        assert_eq!(environment["program"]["debug_assertions"], true);
    }
}
