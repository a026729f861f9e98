//! Events as a core posts them to a plugin: Beskar's `EventPayload` and our fields after it.

use bytes::Bytes;
use gossamer_events::{Action, Event, LogId, Origin, Sequence};
use gossamer_oci::MediaType;
use time::OffsetDateTime;

use crate::codec::{self, invalid, parse, parse_optional, required};
use crate::error::InvalidMessage;
use crate::proto::event::v1 as proto;

/// The largest manifest that the registry takes, and 64 KiB for all that is beside it.
pub const BYTES_MAX: usize = 4 * 1024 * 1024 + 64 * 1024;

/// The event, and the log that its sequence counts in.
pub fn encode(log: LogId, event: &Event) -> Bytes {
    codec::encode(&payload(log, event))
}

/// The event in `bytes`, with its time in UTC, and the log that its sequence counts in.
pub fn decode(bytes: &[u8]) -> Result<(LogId, Event), InvalidMessage> {
    let mut wire = codec::decode::<proto::EventPayload>(bytes, BYTES_MAX)?;
    let log = std::mem::take(&mut wire.log);
    let log = if log.is_empty() { Ok(LogId::UNNAMED) } else { LogId::try_from(log.as_ref()) };
    Ok((log.map_err(|error| invalid("log", error))?, wire.try_into()?))
}

// === impl EventPayload ===

fn payload(log: LogId, event: &Event) -> proto::EventPayload {
    let Event { sequence, repository, digest, tag, media_type, payload, action, origin, time, traceparent } =
        event;
    let (action, kind) = action_to_wire(*action);
    let (origin, origin_name) = match origin {
        Origin::External { principal } => (proto::Origin::External, principal.clone()),
        Origin::Plugin { name } => (proto::Origin::Plugin, name.to_string()),
    };
    proto::EventPayload {
        repository: repository.to_string(),
        digest: digest.to_string(),
        mediatype: media_type.as_ref().map(MediaType::to_string).unwrap_or_default(),
        payload: payload.clone(),
        action: action.into(),
        origin: origin.into(),
        sequence: sequence.get(),
        tag: tag.as_ref().map(ToString::to_string).unwrap_or_default(),
        time: Some(proto::Time { seconds: time.unix_timestamp(), nanoseconds: time.nanosecond() }),
        traceparent: traceparent.clone(),
        origin_name,
        kind: kind.into(),
        log: if log == LogId::UNNAMED { Bytes::new() } else { Bytes::copy_from_slice(log.as_bytes()) },
    }
}

impl TryFrom<proto::EventPayload> for Event {
    type Error = InvalidMessage;

    fn try_from(wire: proto::EventPayload) -> Result<Self, InvalidMessage> {
        let proto::EventPayload {
            repository,
            digest,
            mediatype,
            payload,
            action,
            origin,
            sequence,
            tag,
            time,
            traceparent,
            origin_name,
            kind,
            log: _, // read by `decode`
        } = wire;
        Ok(Self {
            sequence: Sequence::new(sequence),
            repository: parse("repository", &repository)?,
            digest: parse("digest", &digest)?,
            tag: parse_optional("tag", &tag)?,
            media_type: parse_optional("mediatype", &mediatype)?,
            payload,
            action: action_from_wire(action, kind)?,
            origin: origin_from_wire(origin, origin_name)?,
            time: time_from_wire(required("time", time)?)?,
            traceparent,
        })
    }
}

fn action_to_wire(action: Action) -> (proto::Action, proto::Kind) {
    match action {
        Action::ManifestPut => (proto::Action::Put, proto::Kind::Manifest),
        Action::ManifestDelete => (proto::Action::Delete, proto::Kind::Manifest),
        Action::TagPut => (proto::Action::Put, proto::Kind::Tag),
        Action::TagDelete => (proto::Action::Delete, proto::Kind::Tag),
        Action::RepositoryDelete => (proto::Action::Delete, proto::Kind::Repository),
    }
}

fn action_from_wire(action: i32, kind: i32) -> Result<Action, InvalidMessage> {
    let action = proto::Action::try_from(action).map_err(|error| invalid("action", error))?;
    let kind = proto::Kind::try_from(kind).map_err(|error| invalid("kind", error))?;
    Action::ALL
        .into_iter()
        .find(|known| action_to_wire(*known) == (action, kind))
        .ok_or_else(|| invalid("action", "not what an event can be"))
}

fn origin_from_wire(origin: i32, name: String) -> Result<Origin, InvalidMessage> {
    let origin = proto::Origin::try_from(origin).map_err(|error| invalid("origin", error))?;
    match origin {
        proto::Origin::Unspecified => Err(InvalidMessage::Missing("origin")),
        proto::Origin::External => Ok(Origin::External { principal: name }),
        proto::Origin::Plugin => Ok(Origin::Plugin { name: parse("origin_name", &name)? }),
    }
}

fn time_from_wire(wire: proto::Time) -> Result<OffsetDateTime, InvalidMessage> {
    let proto::Time { seconds, nanoseconds } = wire;
    OffsetDateTime::from_unix_timestamp(seconds)
        .and_then(|time| time.replace_nanosecond(nanoseconds))
        .map_err(|error| invalid("time", error))
}
