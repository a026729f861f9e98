//! The administrator's token: made at first start, kept in a file that only its owner may read.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use gossamer_oci::Digest;

/// Bytes of randomness in a fresh token: as hard to guess as a 256-bit key.
const TOKEN_BYTES: usize = 32;

/// Shorter contents of `admin.token` are a mistake, not a password.
const TOKEN_CHARACTERS_MIN: usize = 16;

/// The administrator's token. Only its hash is held, so neither a log nor a comparison can leak it.
#[derive(Clone)]
pub struct AdminToken(Digest);

/// Why the token file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum AdminTokenError {
    #[error("cannot read {0}")]
    Read(PathBuf, #[source] io::Error),
    #[error("cannot write {0}")]
    Write(PathBuf, #[source] io::Error),
    #[error("{0} holds fewer than {TOKEN_CHARACTERS_MIN} characters")]
    TooShort(PathBuf),
    #[error("the system has no randomness to give")]
    NoRandomness,
}

// === impl AdminToken ===

impl AdminToken {
    /// The token in `path`; made first (mode 0600) if there is none.
    pub fn load_or_create(path: &Path) -> Result<Self, AdminTokenError> {
        match fs::read_to_string(path) {
            Ok(text) if text.trim().len() < TOKEN_CHARACTERS_MIN => {
                Err(AdminTokenError::TooShort(path.to_owned()))
            }
            Ok(text) => Ok(Self::of(text.trim())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(AdminTokenError::Read(path.to_owned(), error)),
        }
    }

    /// The token with this text.
    pub fn of(text: &str) -> Self {
        Self(Digest::sha256(text.as_bytes()))
    }

    /// Whether an `Authorization` header's value carries this token, as a bearer token or as a
    /// basic password (RFC 6750 section 2.1, RFC 7617 section 2).
    pub fn is_presented_by(&self, authorization: &str) -> bool {
        let Some((scheme, credentials)) = authorization.split_once(' ') else { return false };
        let credentials = credentials.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.is(credentials);
        }
        scheme.eq_ignore_ascii_case("basic")
            && super::base64::decode(credentials)
                .and_then(|pair| String::from_utf8(pair).ok())
                .and_then(|pair| pair.split_once(':').map(|(_, password)| self.is(password)))
                .unwrap_or(false)
    }

    /// Compares hashes over their whole length, so that time says nothing about the token.
    fn is(&self, presented: &str) -> bool {
        let presented = Digest::sha256(presented.as_bytes());
        let pairs = self.0.as_bytes().iter().zip(presented.as_bytes());
        pairs.fold(0, |difference, (ours, theirs)| difference | (ours ^ theirs)) == 0
    }

    fn create(path: &Path) -> Result<Self, AdminTokenError> {
        let text = crate::random::hex(TOKEN_BYTES).ok_or(AdminTokenError::NoRandomness)?;
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            writeln!(file, "{text}")?;
            file.sync_all()
        };
        write().map_err(|error| AdminTokenError::Write(path.to_owned(), error))?;
        Ok(Self::of(&text))
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(..)")
    }
}
