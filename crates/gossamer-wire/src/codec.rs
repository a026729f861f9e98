//! What the conversions of all messages share.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use bytes::Bytes;
use gossamer_oci::Digest;
use prost::Message;

use crate::NodeId;
use crate::error::{InvalidMessage, Malformed};
use crate::proto::mesh::v1 as proto;

/// The bytes of a protobuf message. Deterministic: our messages hold no maps.
pub(crate) fn encode(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

/// The protobuf message in `bytes`, refused unread when they are more than `limit`.
pub(crate) fn decode<M: Message + Default>(bytes: &[u8], limit: usize) -> Result<M, InvalidMessage> {
    if bytes.len() > limit {
        let actual = bytes.len();
        return Err(InvalidMessage::TooLarge { limit, actual });
    }
    M::decode(bytes).map_err(|error| InvalidMessage::Malformed(Malformed(error)))
}

pub(crate) fn required<T>(field: &'static str, value: Option<T>) -> Result<T, InvalidMessage> {
    value.ok_or(InvalidMessage::Missing(field))
}

pub(crate) fn parse<T>(field: &'static str, text: &str) -> Result<T, InvalidMessage>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    text.parse().map_err(|error: T::Err| invalid(field, error))
}

/// As [`parse`], where the empty text says that there is none.
pub(crate) fn parse_optional<T>(field: &'static str, text: &str) -> Result<Option<T>, InvalidMessage>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    if text.is_empty() {
        return Ok(None);
    }
    parse(field, text).map(Some)
}

pub(crate) fn invalid(
    field: &'static str,
    source: impl Into<Box<dyn Error + Send + Sync>>,
) -> InvalidMessage {
    let source = source.into();
    InvalidMessage::Field { field, source }
}

/// Refuses a field of more than `limit` bytes or elements.
pub(crate) fn bounded(field: &'static str, length: usize, limit: usize) -> Result<(), InvalidMessage> {
    if length > limit {
        return Err(InvalidMessage::FieldTooLong { field, limit });
    }
    Ok(())
}

// === NodeId ===

pub(crate) fn node_to_wire(node: NodeId) -> Bytes {
    Bytes::copy_from_slice(node.as_bytes())
}

pub(crate) fn node_from_wire(field: &'static str, bytes: &[u8]) -> Result<NodeId, InvalidMessage> {
    NodeId::try_from(bytes).map_err(|error| invalid(field, error))
}

// === Digest: raw bytes, the algorithm follows from their number ===

pub(crate) fn digest_to_wire(digest: &Digest) -> Bytes {
    Bytes::copy_from_slice(digest.as_bytes())
}

pub(crate) fn digest_from_wire(field: &'static str, bytes: &[u8]) -> Result<Digest, InvalidMessage> {
    let algorithm = match bytes.len() {
        0 => return Err(InvalidMessage::Missing(field)),
        64 => "sha512",
        _ => "sha256", // any other number than 32 does not parse
    };
    parse(field, &format!("{algorithm}:{}", hex::encode(bytes)))
}

/// As [`digest_from_wire`], where no bytes say that there is none.
pub(crate) fn digest_from_wire_optional(
    field: &'static str,
    bytes: &[u8],
) -> Result<Option<Digest>, InvalidMessage> {
    if bytes.is_empty() {
        return Ok(None);
    }
    digest_from_wire(field, bytes).map(Some)
}

// === SocketAddr ===

impl From<&SocketAddr> for proto::Address {
    fn from(address: &SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) => Bytes::copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => Bytes::copy_from_slice(&ip.octets()),
        };
        let port = address.port().into();
        Self { ip, port }
    }
}

pub(crate) fn address_from_wire(
    field: &'static str,
    wire: proto::Address,
) -> Result<SocketAddr, InvalidMessage> {
    let proto::Address { ip, port } = wire;
    let port = u16::try_from(port).map_err(|error| invalid(field, error))?;
    let v4 = <[u8; 4]>::try_from(ip.as_ref()).map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
    let v6 = <[u8; 16]>::try_from(ip.as_ref()).map(|octets| IpAddr::V6(Ipv6Addr::from(octets)));
    let ip = v4.or(v6).map_err(|error| invalid(field, error))?;
    Ok(SocketAddr::new(ip, port))
}
