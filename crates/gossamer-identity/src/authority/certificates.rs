//! What stands in each kind of certificate.

use std::time::Duration;

use gossamer_wire::MeshName;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;

use super::IssueError;
use crate::{Grant, SpiffeId, Validity, grant, key};

/// Ten years: a root is rotated on purpose, not by surprise.
const ROOT_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Below a root: the next root, while the two overlap, and below that the intermediate of a further core.
const BELOW_ROOT_MAX: u8 = 2;

/// Below the next root there are intermediates.
const BELOW_CROSSED_MAX: u8 = 1;

/// Below the certificate of an intermediate there are nodes only.
const BELOW_INTERMEDIATE_MAX: u8 = 0;

/// RFC 5280, section 4.1.2.2 wants at most 20 bytes, unique for each issuer; 16 random ones are.
const SERIAL_BYTES: usize = 16;

/// A root, signed by itself.
pub(super) fn root(
    mesh: &MeshName,
    pair: &KeyPair,
    now: OffsetDateTime,
) -> Result<CertificateDer<'static>, rcgen::Error> {
    let validity = Validity::starting(now, ROOT_LIFETIME);
    let root = authority(mesh, named("root", mesh, pair), validity, BELOW_ROOT_MAX)?;
    Ok(root.self_signed(pair)?.into())
}

/// The same root, to be signed by the one before it.
pub(super) fn crossed(
    mesh: &MeshName,
    pair: &KeyPair,
    now: OffsetDateTime,
) -> Result<CertificateParams, IssueError> {
    let validity = Validity::starting(now, ROOT_LIFETIME);
    let mut params = authority(mesh, named("root", mesh, pair), validity, BELOW_CROSSED_MAX)?;
    params.serial_number = Some(serial()?);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// The authority of a further core, to be signed by the root.
pub(super) fn intermediate(
    mesh: &MeshName,
    key: &impl PublicKeyData,
    validity: Validity,
) -> Result<CertificateParams, IssueError> {
    let mut params = authority(mesh, named("core", mesh, key), validity, BELOW_INTERMEDIATE_MAX)?;
    params.serial_number = Some(serial()?);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// SPIFFE X509-SVID, sections 2 and 4: one URI name, no CA, signs handshakes as client and as server.
pub(super) fn leaf(
    id: &SpiffeId,
    grant: &Grant,
    validity: Validity,
) -> Result<CertificateParams, IssueError> {
    if grant.media_types.len() > Grant::MEDIA_TYPES_MAX {
        return Err(IssueError::GrantTooLong);
    }
    let extension = grant::encode(&grant.media_types).ok_or(IssueError::GrantTooLong)?;
    let mut leaf = CertificateParams::default();
    leaf.serial_number = Some(serial()?);
    leaf.not_before = validity.not_before;
    leaf.not_after = validity.not_after;
    leaf.distinguished_name = common_name(&id.node.to_string());
    leaf.subject_alt_names = vec![SanType::URI(id.to_string().try_into()?)];
    leaf.is_ca = IsCa::ExplicitNoCa;
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    leaf.custom_extensions = vec![CustomExtension::from_oid_content(grant::OID, extension)];
    Ok(leaf)
}

/// SPIFFE X509-SVID, section 3.1: an authority carries the id of its trust domain.
fn authority(
    mesh: &MeshName,
    name: DistinguishedName,
    validity: Validity,
    below_max: u8,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.not_before = validity.not_before;
    params.not_after = validity.not_after;
    params.distinguished_name = name;
    params.subject_alt_names = vec![SanType::URI(SpiffeId::of_mesh(mesh).as_str().try_into()?)];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below_max));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// Two authorities of one mesh differ in name, so that a chain leads to one of them only.
fn named(kind: &str, mesh: &MeshName, key: &impl PublicKeyData) -> DistinguishedName {
    let mut name = common_name(&format!("gossamer {kind} {}", key::node_of(key.der_bytes())));
    name.push(DnType::OrganizationName, DnValue::Utf8String(mesh.to_string()));
    name
}

fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, DnValue::Utf8String(text.into()));
    name
}

fn serial() -> Result<SerialNumber, getrandom::Error> {
    let mut bytes = [0; SERIAL_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(SerialNumber::from_slice(&bytes))
}
