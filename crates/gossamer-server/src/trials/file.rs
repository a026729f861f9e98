//! The plans on disk: one JSON file, replaced as a whole.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use super::PlanTable;

/// The plans in `path`; none if it is not there. A file that cannot be understood is an error: to forget a pin in
/// silence would route by what the operator did not want.
pub(super) fn load(path: &Path) -> io::Result<PlanTable> {
    match fs::read(path) {
        Ok(content) => serde_json::from_slice(&content).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display()))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(PlanTable::new()),
        Err(error) => Err(error),
    }
}

/// Replaces the file. The plans are on disk when this returns.
pub(super) fn store(path: &Path, plans: &PlanTable) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = File::create(&partial)?;
    file.write_all(&serde_json::to_vec_pretty(plans)?)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}
