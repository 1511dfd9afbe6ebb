//! Fuzzing of decoders inside ordinary tests. A dev-dependency only; no other room builds on it.
//!
//! A room that reads bytes from outside keeps a folder of small seeds beside its code and a test
//! that hands each decoder to [`Fuzz::run`]: seeds as they are first, then mutations of them for a
//! bounded time, or so many of them (`just fuzz-long`). A run fails on a panic and on memory beyond four times the input and 64 KiB; it
//! prints the input as a line for the corpus, which is then the regression test.
//!
//! ```no_run
//! #[global_allocator]
//! static ALLOCATOR: corelog_fuzz::Counting = corelog_fuzz::Counting;
//!
//! let fuzz = corelog_fuzz::Fuzz::from_env(1);
//! let seeds = corelog_fuzz::read_corpus(std::path::Path::new("corpus/frame.hex"));
//! fuzz.run("frame", &seeds, |input| assert!(input.len() < 1 << 20));
//! ```

mod allocator;
mod corpus;
mod mutate;
mod run;

pub use allocator::{Counting, Usage, measure};
pub use corpus::{Seed, hex, read_corpus};
pub use mutate::mutate;
pub use run::Fuzz;
