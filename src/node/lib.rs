//! corelog-node
