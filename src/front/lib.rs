//! corelog-front
