//! What a node notes beside its certificates: whom to ask for the next one, and which token is not burnt yet.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gossamer_identity::TokenId;

use super::JoinError;

/// QUIC addresses of cores that issue, one on a line.
const ISSUERS: &str = "issuers";

/// The id of the token whose certificate is stored, but not confirmed.
const UNCONFIRMED: &str = "unconfirmed";

/// Small files in a node's identity directory. None of them is secret, and joining survives their loss.
#[derive(Clone, Debug)]
pub(crate) struct Notes {
    directory: PathBuf,
}

// === impl Notes ===

impl Notes {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Lines that are no address are passed over.
    pub(crate) fn issuers(&self) -> Result<Vec<SocketAddr>, JoinError> {
        let text = self.read(ISSUERS)?.unwrap_or_default();
        Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
    }

    pub(crate) fn note_issuers(&self, addresses: &[SocketAddr]) -> Result<(), JoinError> {
        let lines: String = addresses.iter().map(|address| format!("{address}\n")).collect();
        self.replace(ISSUERS, &lines)
    }

    pub(crate) fn unconfirmed(&self) -> Result<Option<TokenId>, JoinError> {
        Ok(self.read(UNCONFIRMED)?.and_then(|text| text.trim().parse().ok()))
    }

    pub(crate) fn note_unconfirmed(&self, token: TokenId) -> Result<(), JoinError> {
        self.replace(UNCONFIRMED, &format!("{token}\n"))
    }

    /// No token is left unconfirmed.
    pub(crate) fn confirmed(&self) -> Result<(), JoinError> {
        let path = self.directory.join(UNCONFIRMED);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(JoinError::Notes { path, source }),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn read(&self, name: &str) -> Result<Option<String>, JoinError> {
        let path = self.directory.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(JoinError::Notes { path, source }),
        }
    }

    /// Whole or not at all: written beside it, synced, then renamed.
    fn replace(&self, name: &str, text: &str) -> Result<(), JoinError> {
        let path = self.directory.join(name);
        let draft = path.with_extension("new");
        let write = || {
            let mut file = File::create(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            File::open(&self.directory)?.sync_all()
        };
        write().map_err(|source| JoinError::Notes { path: path.clone(), source })
    }
}
