//! corelog-cluster
