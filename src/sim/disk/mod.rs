//! A host's disk: files and names, of which only what is flushed is durable. No time passes here;
//! latencies are the runtime's.

mod content;
mod device;
mod image;
mod tree;

#[cfg(test)]
mod disk_test;

pub(crate) use device::broken;
pub use device::{Disk, DiskFaults, Site};
pub(crate) use image::{Data, PAGE_BYTES};
pub(crate) use tree::Inode;
