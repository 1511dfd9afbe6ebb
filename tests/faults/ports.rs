//! Ports for a test's broker.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// The first of three free ports on 127.0.0.1. Below those that the kernel gives to clients, of which
/// a load takes one after the other, also between this look and the start of a broker; tests beside
/// each other and beside those of other processes get others.
///
/// # Panics
/// If there are none.
pub fn free_ports() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..1000 {
        let number = std::process::id() * 64 + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(11_000 + number % 6_500 * 3).expect("it is below 30,500");
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (0..3).all(|next| is_free(port + next)) {
            return port;
        }
    }
    panic!("no three free ports");
}
