//! Evaluator children: where a stranger's Rego is parsed, checked and run.
//!
//! A child is this program again, with a socket to this process as its standard input and nothing else: no
//! environment, no files, bounded memory and time. It serves one evaluation at a time, so that what kills it is known.

mod child;
mod conversation;
mod finished;
mod frames;
mod pool;
mod spawner;

pub use child::evaluator_main;
pub(crate) use pool::{Pool, Task};
