//! The CPUs of this process.

/// The numbers of the CPUs that this process may run on, ascending. Empty if the kernel does not
/// say: nothing is pinned then.
pub fn allowed_cpus() -> Vec<usize> {
    let mut cpus: Vec<usize> = core_affinity::get_core_ids()
        .unwrap_or_default()
        .into_iter()
        .map(|core| core.id)
        .collect();
    cpus.sort_unstable();
    cpus
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_one_at_least() {
        assert!(!super::allowed_cpus().is_empty());
    }
}
