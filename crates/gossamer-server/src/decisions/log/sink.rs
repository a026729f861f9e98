//! Where lines go: standard output, or a file that may be moved away while it is written.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use tracing::warn;

/// Takes whole lines.
#[derive(Debug)]
pub(super) enum Sink {
    Stdout,
    File(Appended),
}

/// A file that is only ever appended to.
#[derive(Debug)]
pub(super) struct Appended {
    path: PathBuf,
    /// None after it could not be opened; tried again at the next line.
    file: Option<File>,
    bytes: u64,
    bytes_max: u64,
}

// === impl Sink ===

impl Sink {
    /// Opens `path`, whose directory must exist; 0 for a file that may grow for ever.
    pub(super) fn file(path: PathBuf, bytes_max: u64) -> io::Result<Self> {
        let mut file = Appended { path, file: None, bytes: 0, bytes_max };
        file.open()?;
        Ok(Self::File(file))
    }

    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(lines)?;
                stdout.flush()
            }
            Self::File(file) => file.write(lines),
        }
    }

    /// Goes on in a new file if the old one was moved away.
    pub(super) fn reopen(&mut self) {
        match self {
            Self::Stdout => {}
            Self::File(file) => {
                file.file = None;
                if let Err(error) = file.open() {
                    warn!(%error, path = %file.path.display(), "Cannot open the decision log again");
                }
            }
        }
    }
}

// === impl Appended ===

impl Appended {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let more = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        if self.bytes_max > 0 && self.bytes > 0 && self.bytes.saturating_add(more) > self.bytes_max {
            self.rotate()?;
        }
        let written = self.open()?.write_all(lines);
        match &written {
            Ok(()) => self.bytes = self.bytes.saturating_add(more),
            Err(_) => self.file = None,
        }
        written
    }

    fn rotate(&mut self) -> io::Result<()> {
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        self.file = None;
        std::fs::rename(&self.path, old)
    }

    fn open(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let file = File::options().create(true).append(true).open(&self.path)?;
                self.bytes = file.metadata()?.len();
                file
            }
        };
        Ok(self.file.insert(file))
    }
}
