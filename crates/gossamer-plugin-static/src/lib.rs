#![doc = include_str!("../README.md")]

mod answer;
mod api;
mod catchup;
mod content;
mod event;
mod parameters;
mod plugin;
mod remove;
mod repository;
mod table;

pub use plugin::Static;
