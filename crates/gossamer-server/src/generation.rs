//! Counting the lives of this core.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use gossamer_wire::Generation;

/// The number of this life, one more than the last one's; on disk when this returns.
///
/// # Errors
/// Also where `path` holds no number: a life that might be older than the last one must not begin.
pub(crate) fn begin(path: &Path) -> io::Result<Generation> {
    let last = match fs::read_to_string(path) {
        Ok(text) => Generation::new(text.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Generation::default(),
        Err(error) => return Err(error),
    };
    let generation = last.next();
    let partial = path.with_extension("partial");
    let mut file = File::create(&partial)?;
    writeln!(file, "{generation}")?;
    file.sync_all()?;
    fs::rename(partial, path)?;
    Ok(generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_life_has_a_higher_number() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("generation");
        assert_eq!(begin(&path).unwrap(), Generation::new(1));
        assert_eq!(begin(&path).unwrap(), Generation::new(2));
    }

    #[test]
    fn a_damaged_count_is_not_guessed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("generation");
        fs::write(&path, "many").unwrap();
        assert!(begin(&path).is_err());
    }
}
