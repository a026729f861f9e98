//! The one integration binary: each module is a chapter about the running mesh, each test a sentence.

mod agreement;
mod artifacts;
mod attacks;
mod command_line;
mod cores;
mod doctor;
mod events;
mod explain;
mod faults;
mod forwarding;
mod identity;
mod isolation;
mod lifecycle;
mod membership;
mod mounts;
mod network;
mod policies;
mod registry;
mod rotation;
mod tidy;

use gossamer_tests::mesh::{Programs, TestMesh};

const PROGRAMS: Programs = Programs {
    gossamer: env!("CARGO_BIN_EXE_gossamer-under-test"),
    guest: env!("CARGO_BIN_EXE_guest-plugin"),
};

/// A core that knows only itself.
async fn core() -> TestMesh {
    TestMesh::start(PROGRAMS).await
}
