//! corelog-broker
