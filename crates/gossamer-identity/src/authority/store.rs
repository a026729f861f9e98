//! Where an authority lies in a core's identity directory, and how it gets there.

use std::fs;
use std::path::{Path, PathBuf};

use gossamer_wire::MeshName;
use rcgen::{KeyPair, PublicKeyData as _};
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;

use super::{Authority, AuthorityError, certificates};
use crate::certificate::Certificate;
use crate::credentials::{self, CredentialsError};
use crate::key::{self, KeyError};

pub(super) const KEY_FILE: &str = "ca.key";

/// The certificate of the key, then what leads from it towards older roots. With it, there is an authority.
pub(super) const CERTIFICATE_FILE: &str = "ca.crt";

/// Every root that the mesh trusts. Absent as long as that is the one in [`CERTIFICATE_FILE`].
const ROOTS_FILE: &str = "ca.roots.crt";

/// What is to be [`CERTIFICATE_FILE`] once the key is replaced: a rotation under way, or one that a crash ended.
const NEXT_FILE: &str = "ca.next.crt";

/// The CA key of a further core, which no root has certified yet. Never leaves its directory.
#[derive(Debug)]
pub struct AuthorityKey {
    pair: KeyPair,
    directory: PathBuf,
}

// === impl Authority ===

impl Authority {
    /// The authority that this directory holds: made as a root at the first call, the same ever after.
    /// The key's mode is 0600, and it never leaves the directory.
    pub fn open_or_create(directory: &Path, mesh: &MeshName) -> Result<Self, AuthorityError> {
        if let Some(authority) = Self::open(directory, mesh)? {
            return Ok(authority);
        }
        let AuthorityKey { pair, .. } = AuthorityKey::load_or_create(directory)?;
        let roots = vec![certificates::root(mesh, &pair, OffsetDateTime::now_utc())?];
        credentials::write_pem(&directory.join(CERTIFICATE_FILE), &roots)?;
        Self::new(mesh, pair, roots.clone(), roots)
    }

    /// The authority that this directory holds, `None` if none was ever made or installed.
    pub fn open(directory: &Path, mesh: &MeshName) -> Result<Option<Self>, AuthorityError> {
        let path = directory.join(CERTIFICATE_FILE);
        let Some(certificates) = credentials::read_pem(&path)? else { return Ok(None) };
        let pair = key::load_pair(directory, KEY_FILE)?;
        let pair = pair.ok_or_else(|| AuthorityError::KeyLost { path: path.clone() })?;
        let certificates = finish_rotation(directory, &pair)?.unwrap_or(certificates);
        let roots = credentials::read_pem(&directory.join(ROOTS_FILE))?;
        let roots = roots.unwrap_or_else(|| certificates.clone());
        Self::new(mesh, pair, certificates, roots).map(Some)
    }

    /// Puts what the root certified in place of what this directory holds.
    pub fn install(
        directory: &Path,
        mesh: &MeshName,
        certificates: Vec<CertificateDer<'static>>,
        roots: Vec<CertificateDer<'static>>,
    ) -> Result<Self, AuthorityError> {
        let path = directory.join(CERTIFICATE_FILE);
        let pair = key::load_pair(directory, KEY_FILE)?;
        let pair = pair.ok_or_else(|| AuthorityError::KeyLost { path: path.clone() })?;
        let authority = Self::new(mesh, pair, certificates, roots)?;
        credentials::write_pem(&directory.join(ROOTS_FILE), &authority.roots)?;
        credentials::write_pem(&path, &authority.certificates)?;
        Ok(authority)
    }

    /// Whether [`open`](Self::open) has anything to open.
    pub fn exists(directory: &Path) -> bool {
        fs::exists(directory.join(CERTIFICATE_FILE)).unwrap_or(true)
    }
}

/// Puts a new root in place of the old one. After a crash, the key says which of the two it is.
pub(super) fn replace_root(directory: &Path, next: &Authority) -> Result<(), AuthorityError> {
    credentials::write_pem(&directory.join(ROOTS_FILE), &next.roots)?;
    credentials::write_pem(&directory.join(NEXT_FILE), &next.certificates)?;
    key::store_pair(directory, KEY_FILE, next.issuer.key())?;
    finish_rotation(directory, next.issuer.key()).map(drop)
}

/// Takes the next certificates into use if they are for this key.
fn finish_rotation(
    directory: &Path,
    pair: &KeyPair,
) -> Result<Option<Vec<CertificateDer<'static>>>, AuthorityError> {
    let path = directory.join(NEXT_FILE);
    let Some(next) = credentials::read_pem(&path)? else { return Ok(None) };
    let is_ours = next.first().is_some_and(|first| {
        Certificate::parse(first).is_ok_and(|first| first.public_key_info() == pair.subject_public_key_info())
    });
    if !is_ours {
        return Ok(None);
    }
    credentials::write_pem(&directory.join(CERTIFICATE_FILE), &next)?;
    fs::remove_file(&path).map_err(|source| CredentialsError::File { path, source })?;
    Ok(Some(next))
}

// === impl AuthorityKey ===

impl AuthorityKey {
    /// The CA key in this directory; made at the first call, mode 0600.
    pub fn load_or_create(directory: &Path) -> Result<Self, KeyError> {
        let pair = match key::load_pair(directory, KEY_FILE)? {
            Some(pair) => pair,
            None => key::create_pair(directory, KEY_FILE)?,
        };
        Ok(Self { pair, directory: directory.to_owned() })
    }

    /// A PKCS #10 request, DER, that proves possession of the key; see [`Authority::delegate`].
    pub fn signing_request(&self) -> Result<Vec<u8>, KeyError> {
        key::signing_request(&self.pair)
    }

    /// The authority that the root's answer makes of this key; stored before this returns.
    pub fn install(
        self,
        mesh: &MeshName,
        certificates: Vec<CertificateDer<'static>>,
        roots: Vec<CertificateDer<'static>>,
    ) -> Result<Authority, AuthorityError> {
        Authority::install(&self.directory, mesh, certificates, roots)
    }
}
