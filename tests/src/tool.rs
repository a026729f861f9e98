//! Programs of other people that a test may need, and the line that says when one is missing.

use std::path::PathBuf;
use std::process::{Command, Output};

/// Finds `program` on the path. Without it, says that the calling test is skipped.
pub fn find(program: &str) -> Option<PathBuf> {
    let found = std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|directory| directory.join(program))
        .find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: {program} is not installed");
        assert!(std::env::var_os("GOSSAMER_NO_SKIP").is_none(), "{program} is not installed");
    }
    found
}

/// Runs `command` to its end; it must succeed.
pub fn run(command: &mut Command) -> String {
    let output = output(command);
    assert!(
        output.status.success(),
        "{command:?} failed with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs `command` to its end, however it ends.
pub fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"))
}
