//! corelog-client
