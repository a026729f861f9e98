//! Reading one X.509 certificate: the few things that the mesh looks for.

use rustls::pki_types::CertificateDer;
use x509_parser::asn1_rs::Oid;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::grant;
use crate::spiffe::{InvalidSpiffeId, SpiffeId};
use crate::validity::Validity;
use crate::{Grant, InvalidGrantPattern};

/// Why a certificate is not one of a mesh. Says nothing about who signed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCertificate {
    #[error("the chain is empty")]
    Empty,
    #[error("not an X.509 certificate in DER")]
    Malformed,
    /// SPIFFE X509-SVID, section 2: exactly one URI, and it is the SPIFFE id.
    #[error("the certificate has {uris} URI names instead of one")]
    UriCount { uris: usize },
    #[error("the certificate names no node of a mesh")]
    SpiffeId(#[from] InvalidSpiffeId),
    #[error("the grant in the certificate is malformed")]
    GrantMalformed,
    #[error("the grant in the certificate is malformed")]
    Grant(#[from] InvalidGrantPattern),
}

/// A parsed certificate that borrows its DER.
pub(crate) struct Certificate<'a>(X509Certificate<'a>);

// === impl Certificate ===

impl<'a> Certificate<'a> {
    pub(crate) fn parse(der: &'a CertificateDer<'_>) -> Result<Self, InvalidCertificate> {
        match X509Certificate::from_der(der) {
            Ok(([], certificate)) => Ok(Self(certificate)),
            Ok(_) | Err(_) => Err(InvalidCertificate::Malformed),
        }
    }

    /// DER of the `SubjectPublicKeyInfo`.
    pub(crate) fn public_key_info(&self) -> &[u8] {
        self.0.public_key().raw
    }

    /// DER of who it is for.
    pub(crate) fn subject_name(&self) -> &[u8] {
        self.0.subject().as_raw()
    }

    /// DER of who signed it.
    pub(crate) fn issuer_name(&self) -> &[u8] {
        self.0.issuer().as_raw()
    }

    /// To the second, as the certificate says it.
    pub(crate) fn validity(&self) -> Validity {
        let validity = self.0.validity();
        Validity {
            not_before: validity.not_before.to_datetime(),
            not_after: validity.not_after.to_datetime(),
        }
    }

    /// The text of the only URI among the subject's alternative names.
    pub(crate) fn uri(&self) -> Result<&str, InvalidCertificate> {
        let names = self.0.subject_alternative_name().map_err(|_| InvalidCertificate::Malformed)?;
        let names = names.map_or(&[][..], |extension| &extension.value.general_names);
        let uris: Vec<&str> = names.iter().filter_map(uri_of).collect();
        match uris.as_slice() {
            [uri] => Ok(uri),
            _ => Err(InvalidCertificate::UriCount { uris: uris.len() }),
        }
    }

    pub(crate) fn spiffe_id(&self) -> Result<SpiffeId, InvalidCertificate> {
        Ok(self.uri()?.parse()?)
    }

    /// What the node may claim. A certificate without the extension grants no media type.
    pub(crate) fn grant(&self) -> Result<Grant, InvalidCertificate> {
        let role = self.spiffe_id()?.role;
        let oid = Oid::from(grant::OID).map_err(|_| InvalidCertificate::GrantMalformed)?;
        let extension = self.0.get_extension_unique(&oid).map_err(|_| InvalidCertificate::GrantMalformed)?;
        let media_types = match extension {
            Some(extension) => grant::decode(extension.value)?,
            None => Vec::new(),
        };
        Ok(Grant { role, media_types })
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every other kind of name is no URI, also future ones")]
fn uri_of<'a>(name: &'a GeneralName<'_>) -> Option<&'a str> {
    match name {
        GeneralName::URI(uri) => Some(uri),
        _ => None,
    }
}
