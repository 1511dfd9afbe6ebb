//! Values of settings, out of text.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::settings::CoreChoice;

pub(crate) fn flag(value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("is true or false".into()),
    }
}

pub(crate) fn number<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
    value: &str,
    min: T,
    max: T,
) -> Result<T, String> {
    let parsed = value.parse::<T>().ok();
    let within = parsed.filter(|n| *n >= min && *n <= max);
    within.ok_or_else(|| format!("is a number from {min} to {max}"))
}

pub(crate) fn seconds(value: &str) -> Result<Duration, String> {
    Ok(Duration::from_secs(number(value, 1, 3600)?))
}

/// A count of bytes, or with the unit KiB, MiB or GiB.
pub(crate) fn bytes(value: &str, min: u64) -> Result<u64, String> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let found = units.iter().find_map(|(unit, shift)| {
        let count = value.strip_suffix(unit)?;
        Some((count.trim(), *shift))
    });
    let (count, shift) = found.unwrap_or((value, 0));
    let parsed = count.parse::<u64>().ok();
    let parsed = parsed.and_then(|n| n.checked_mul(1 << shift));
    let parsed = parsed.filter(|n| *n >= min);
    parsed.ok_or_else(|| format!("is a number of bytes, KiB, MiB or GiB, {min} bytes at least"))
}

pub(crate) fn address(value: &str) -> Result<SocketAddr, String> {
    let value = value.replace("localhost", "127.0.0.1");
    value
        .parse()
        .map_err(|_| "is an address such as 127.0.0.1:9092".into())
}

pub(crate) fn host(value: &str) -> Result<String, String> {
    match value.is_empty() || value.contains(':') && value.parse::<IpAddr>().is_err() {
        true => Err("is a host without a port, such as broker1.example.org".into()),
        false => Ok(value.to_owned()),
    }
}

pub(crate) fn host_port(value: &str) -> Result<(String, u16), String> {
    let wrong = || String::from("is HOST:PORT, such as broker1.example.org:9092");
    let (host, port) = value.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().ok().filter(|p| *p > 0).ok_or_else(wrong)?;
    // Brackets are how an IPv6 address is told from its port; clients get it without them.
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host = bare.unwrap_or(host);
    if host.is_empty() {
        return Err(wrong());
    }
    Ok((host.to_owned(), port))
}

/// `3` is a count; `0,2` and `0-3` are CPU numbers; `0,` names CPU 0 alone.
pub(crate) fn core_choice(value: &str) -> Result<CoreChoice, String> {
    let wrong = || String::from("is a count such as 4, or CPU numbers such as 0,2-3");
    if let Ok(count) = value.parse::<u16>() {
        return if count == 0 || count > 256 {
            Err(wrong())
        } else {
            Ok(CoreChoice::Count(count))
        };
    }
    let mut cpus = Vec::new();
    for part in value
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: usize = first.parse().map_err(|_| wrong())?;
        let last: usize = last.parse().map_err(|_| wrong())?;
        if first > last || last > 4096 {
            return Err(wrong());
        }
        cpus.extend(first..=last);
    }
    let count = cpus.len();
    cpus.sort_unstable();
    cpus.dedup();
    if cpus.is_empty() || cpus.len() != count || count > 256 {
        return Err(wrong());
    }
    Ok(CoreChoice::Cpus(cpus))
}

/// Edits between two names (Levenshtein); both are short.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = before + usize::from(x != *y);
            before = row[j + 1];
            row[j + 1] = changed.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
