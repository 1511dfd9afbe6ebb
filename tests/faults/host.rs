//! What a test finds around it: the binary and free ports.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// `BINARY`, or the one that `cargo build` makes beside these tests.
///
/// # Panics
/// If it was not built.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("BINARY") {
        // Tests run in the crate's folder, and whoever sets it thinks of the workspace's.
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        return workspace.join(path);
    }
    let test = std::env::current_exe().expect("a test has a file");
    let target = test.parent().and_then(Path::parent);
    let path = target.expect("it is in deps").join("corelog");
    assert!(
        path.exists(),
        "{} is missing: `cargo build`",
        path.display()
    );
    path
}

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
