#![doc = include_str!("../README.md")]

pub mod halves;
pub mod mesh;
pub mod netns;
pub mod oci;
pub mod process;
pub mod sim;
pub mod tool;
