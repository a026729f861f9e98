//! Compiles `proto/*.proto` without protoc.

use std::error::Error;

const FILES: [&str; 3] = ["proto/mesh.proto", "proto/join.proto", "proto/event.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let files = protox::compile(FILES, ["proto"])?;
    prost_build::Config::new().bytes(["."]).compile_fds(files)?;
    Ok(())
}
