//! corelog-replica
