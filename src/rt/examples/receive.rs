//! What a multishot receive into pooled buffers costs beside a receive into the connection's own
//! buffer, in CPU time of the thread that serves, by turns.
//!
//! `cargo run --release -p corelog-rt --example receive`
//!
//! *own*: one receive at a time, straight to where the frame is decoded; it does not try before the
//! socket is readable. *pool*: one multishot receive a connection, buffers from a ring that the kernel
//! takes them from, copied to where the frame is decoded, because a frame does not end where a buffer
//! does. Frames are a request and a short answer each, from blocking clients on the other core.

#![allow(unsafe_code)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use io_uring::types::{BufRingEntry, Fd};
use io_uring::{IoUring, cqueue, opcode, squeue};

const ROUNDS: usize = 5;
const GROUP: u16 = 0;
/// Of the pool: a power of two.
const BUFFERS: u16 = 64;
const BUFFER_BYTES: usize = 64 << 10;
static ANSWER: [u8; 8] = [1; 8];
/// IORING_RECVSEND_POLL_FIRST.
const POLL_FIRST: u16 = 1;
const SENT: u64 = u64::MAX;

type Failure = Box<dyn std::error::Error>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Own,
    Pool,
}

/// So many connections, frames of so many bytes, so many frames each.
#[derive(Clone, Copy)]
struct Load {
    connections: usize,
    frame: usize,
    frames: usize,
}

const LOADS: [Load; 3] = [
    Load {
        connections: 50,
        frame: 1100,
        frames: 2000,
    },
    Load {
        connections: 1,
        frame: 1100,
        frames: 20_000,
    },
    Load {
        connections: 4,
        frame: 1 << 20,
        frames: 400,
    },
];

fn main() -> Result<(), Failure> {
    println!("| connections | frame bytes | own: CPU µs a frame | pool | pool / own |");
    println!("|---|---|---|---|---|");
    for load in LOADS {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (way, times) in [Way::Own, Way::Pool].into_iter().zip(&mut times) {
                times.push(serve(way, load)?);
            }
        }
        let [own, pool] = times.map(|mut all| {
            all.sort();
            let frames = (load.connections * load.frames) as f64;
            all[all.len() / 2].as_secs_f64() * 1e6 / frames
        });
        let (connections, frame) = (load.connections, load.frame);
        let ratio = pool / own;
        println!("| {connections} | {frame} | {own:.2} | {pool:.2} | {ratio:.2} |");
    }
    Ok(())
}

/// CPU time, user and system, of this thread.
fn cpu() -> Duration {
    // SAFETY: all zeros is a timespec, and the call writes to nothing else.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time);
        time
    };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Frames one after the other, each answered before the next.
fn ask(mut stream: TcpStream, load: Load) -> std::io::Result<()> {
    let frame = vec![7; load.frame];
    let mut answer = ANSWER;
    for _ in 0..load.frames {
        stream.write_all(&frame)?;
        stream.read_exact(&mut answer)?;
    }
    Ok(())
}

/// A connection, and what of its frame is there.
struct Connection {
    stream: TcpStream,
    frame: Vec<u8>,
    have: usize,
    drained: bool,
}

/// Memory that the kernel takes buffers from.
struct Pool {
    entries: *mut BufRingEntry,
    memory: Vec<u8>,
    tail: u16,
}

impl Pool {
    fn new(ring: &IoUring) -> Result<Self, Failure> {
        let bytes = usize::from(BUFFERS) * size_of::<BufRingEntry>();
        // SAFETY: a fresh anonymous mapping, zeroed and aligned to a page. It is never unmapped.
        let entries = unsafe {
            let (read_write, private) = (
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            );
            libc::mmap(std::ptr::null_mut(), bytes, read_write, private, -1, 0)
        };
        if entries == libc::MAP_FAILED {
            return Err("no memory for the ring of buffers".into());
        }
        // SAFETY: the mapping outlives the ring.
        unsafe {
            ring.submitter()
                .register_buf_ring_with_flags(entries as u64, BUFFERS, GROUP, 0)?;
        }
        let mut pool = Self {
            entries: entries.cast(),
            memory: vec![0; usize::from(BUFFERS) * BUFFER_BYTES],
            tail: 0,
        };
        (0..BUFFERS).for_each(|id| pool.give(id));
        Ok(pool)
    }

    fn buffer(&self, id: u16) -> &[u8] {
        let start = usize::from(id) * BUFFER_BYTES;
        &self.memory[start..start + BUFFER_BYTES]
    }

    /// The kernel may fill it again.
    fn give(&mut self, id: u16) {
        let start = self.buffer(id).as_ptr() as u64;
        // SAFETY: the index is within the mapping, and the kernel reads the entry only behind the
        // tail, which moves after it was written.
        unsafe {
            let entry = &mut *self.entries.add(usize::from(self.tail & (BUFFERS - 1)));
            entry.set_addr(start);
            entry.set_len(BUFFER_BYTES as u32);
            entry.set_bid(id);
            self.tail = self.tail.wrapping_add(1);
            let tail = BufRingEntry::tail(self.entries).cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }
}

/// Both ends of so many connections.
fn connect(load: Load) -> std::io::Result<(Vec<Connection>, Vec<TcpStream>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (mut connections, mut clients) = (Vec::new(), Vec::new());
    for _ in 0..load.connections {
        let client = TcpStream::connect(listener.local_addr()?)?;
        client.set_nodelay(true)?;
        clients.push(client);
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        connections.push(Connection {
            stream,
            frame: vec![0; load.frame],
            have: 0,
            drained: true,
        });
    }
    Ok((connections, clients))
}

/// The CPU time that serving one load takes.
fn serve(way: Way, load: Load) -> Result<Duration, Failure> {
    let (mut connections, clients) = connect(load)?;
    let mut ring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_coop_taskrun()
        .build(256)?;
    let mut pool = Pool::new(&ring)?;
    let mut waiting: Vec<squeue::Entry> = (0..connections.len())
        .map(|at| receive(way, &mut connections[at], at))
        .collect();
    let clients: Vec<_> = clients
        .into_iter()
        .map(|client| std::thread::spawn(move || ask(client, load)))
        .collect();
    let before = cpu();
    let mut left = load.connections * load.frames;
    while left > 0 {
        for entry in waiting.drain(..) {
            // SAFETY: frames and answers outlive the ring: it is dropped first.
            while unsafe { ring.submission().push(&entry) }.is_err() {
                ring.submit()?;
            }
        }
        ring.submit_and_wait(1)?;
        let done: Vec<cqueue::Entry> = ring.completion().collect();
        for done in done.iter().filter(|done| done.user_data() != SENT) {
            let connection = &mut connections[done.user_data() as usize];
            left -= usize::from(take(way, connection, &mut pool, done, &mut waiting)?);
        }
    }
    let spent = cpu() - before;
    // The last answers.
    for entry in waiting.drain(..).filter(|e| e.get_user_data() == SENT) {
        // SAFETY: as above.
        unsafe { ring.submission().push(&entry)? };
    }
    ring.submit()?;
    for client in clients {
        client.join().expect("a client panicked")?;
    }
    Ok(spent)
}

/// Takes what was received, and answers a frame that is whole: then true.
fn take(
    way: Way,
    connection: &mut Connection,
    pool: &mut Pool,
    done: &cqueue::Entry,
    waiting: &mut Vec<squeue::Entry>,
) -> std::io::Result<bool> {
    let count = match done.result() {
        more if more > 0 => more as usize,
        // The pool was empty for a moment.
        error if -error == libc::ENOBUFS => 0,
        // The client has had all its answers.
        0 => return Ok(false),
        error => return Err(std::io::Error::from_raw_os_error(-error)),
    };
    connection.drained = !cqueue::sock_nonempty(done.flags());
    if let Some(id) = cqueue::buffer_select(done.flags()) {
        let to = connection.have..connection.have + count;
        connection.frame[to].copy_from_slice(&pool.buffer(id)[..count]);
        pool.give(id);
    }
    connection.have += count;
    let is_whole = connection.have == connection.frame.len();
    if is_whole {
        connection.have = 0;
        let fd = Fd(connection.stream.as_raw_fd());
        let answer = opcode::Send::new(fd, ANSWER.as_ptr(), ANSWER.len() as u32);
        waiting.push(answer.build().user_data(SENT));
    }
    if way == Way::Own || !cqueue::more(done.flags()) {
        waiting.push(receive(way, connection, done.user_data() as usize));
    }
    Ok(is_whole)
}

fn receive(way: Way, connection: &mut Connection, at: usize) -> squeue::Entry {
    let fd = Fd(connection.stream.as_raw_fd());
    let entry = match way {
        Way::Pool => opcode::RecvMulti::new(fd, GROUP).build(),
        Way::Own => {
            let room = &mut connection.frame[connection.have..];
            let how = if connection.drained { POLL_FIRST } else { 0 };
            opcode::Recv::new(fd, room.as_mut_ptr(), room.len() as u32)
                .ioprio(how)
                .build()
        }
    };
    entry.user_data(at as u64)
}
