#![doc = include_str!("../README.md")]

pub mod delivery;
mod event;
mod lane;
mod log;
mod position;
mod sequence;

pub use event::{Action, Event, Head, Origin};
pub use lane::Lane;
pub use log::{Cursors, DeadLetter, EventLog};
pub use position::{InvalidLogId, LogId, Position};
pub use sequence::Sequence;
