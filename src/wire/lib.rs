//! corelog-wire
