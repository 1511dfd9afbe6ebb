//! What the doors ask for, one file an operation: plan by owning core, ask, gather.

mod admin;
mod coordinate;
mod fetch;
mod produce;
mod scatter;
mod transactions;

pub use produce::SubmittedProduce;
