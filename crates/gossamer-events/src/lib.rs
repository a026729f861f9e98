#![doc = include_str!("../README.md")]

pub mod delivery;
mod event;
mod lane;
mod log;
mod sequence;

pub use event::{Action, Event, Head, Origin};
pub use lane::Lane;
pub use log::{Cursors, DeadLetter, EventLog};
pub use sequence::Sequence;
