//! corelog-record
