//! corelog-log
