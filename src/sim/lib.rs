//! corelog-sim
