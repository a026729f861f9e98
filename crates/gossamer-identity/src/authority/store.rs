//! Where an authority lies in a core's identity directory, and how it gets there.

use std::fs;
use std::path::{Path, PathBuf};

use gossamer_wire::MeshName;
use rcgen::KeyPair;
use rustls::pki_types::CertificateDer;

use super::{Authority, AuthorityError, certificates};
use crate::credentials;
use crate::key::{self, KeyError};

pub(super) const KEY_FILE: &str = "ca.key";

/// The certificate of the key, then what leads from it towards older roots. With it, there is an authority.
pub(super) const CERTIFICATE_FILE: &str = "ca.crt";

/// Every root that the mesh trusts. Absent as long as that is the one in [`CERTIFICATE_FILE`].
const ROOTS_FILE: &str = "ca.roots.crt";

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
        let roots = vec![certificates::root(mesh, &pair)?];
        credentials::write_pem(&directory.join(CERTIFICATE_FILE), &roots)?;
        Self::new(mesh, pair, roots.clone(), roots)
    }

    /// The authority that this directory holds, `None` if none was ever made or installed.
    pub fn open(directory: &Path, mesh: &MeshName) -> Result<Option<Self>, AuthorityError> {
        let path = directory.join(CERTIFICATE_FILE);
        let Some(certificates) = credentials::read_pem(&path)? else { return Ok(None) };
        let pair = key::load_pair(directory, KEY_FILE)?.ok_or(AuthorityError::KeyLost { path })?;
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
