//! corelog-partition
