//! How a call looks on a stream: the method and the request one way, a status and the answer the other.

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::{Refusal, RefusalKind};

/// The longest name of a method, in bytes: its length travels as one byte.
const METHOD_BYTES_MAX: usize = u8::MAX as usize;

/// The longest reason of a refusal, in bytes.
const REASON_BYTES_MAX: usize = 1_024;

/// Everything beside the request or answer itself, in bytes.
pub(super) const OVERHEAD_BYTES_MAX: usize = 1 + METHOD_BYTES_MAX;

const ANSWERED: u8 = 0;
const UNKNOWN_METHOD: u8 = 1;
const FORBIDDEN: u8 = 2;
const INVALID: u8 = 3;
const UNAVAILABLE: u8 = 4;

/// The bytes of a request; `None` if the method is too long to be one.
pub(super) fn encode_request(method: &str, request: &[u8]) -> Option<Bytes> {
    let length = u8::try_from(method.len()).ok()?;
    let mut bytes = BytesMut::with_capacity(1 + method.len() + request.len());
    bytes.put_u8(length);
    bytes.put_slice(method.as_bytes());
    bytes.put_slice(request);
    Some(bytes.freeze())
}

/// The method and the request in the bytes, if they are a request.
pub(super) fn decode_request(mut bytes: Bytes) -> Option<(String, Bytes)> {
    let length = usize::from(*bytes.first()?);
    let end = 1 + length;
    let method = std::str::from_utf8(bytes.get(1..end)?).ok()?.to_owned();
    Some((method, bytes.split_off(end)))
}

pub(super) fn encode_answer(answer: &Result<Bytes, Refusal>) -> Bytes {
    let (status, body) = match answer {
        Ok(body) => (ANSWERED, body.as_ref()),
        Err(refusal) => (status(refusal.kind), brief(&refusal.reason)),
    };
    let mut bytes = BytesMut::with_capacity(1 + body.len());
    bytes.put_u8(status);
    bytes.put_slice(body);
    bytes.freeze()
}

/// The answer in the bytes, if they are one.
pub(super) fn decode_answer(mut bytes: Bytes) -> Option<Result<Bytes, Refusal>> {
    let status = *bytes.first()?;
    let body = bytes.split_off(1);
    let kind = match status {
        ANSWERED => return Some(Ok(body)),
        UNKNOWN_METHOD => RefusalKind::UnknownMethod,
        FORBIDDEN => RefusalKind::Forbidden,
        INVALID => RefusalKind::Invalid,
        UNAVAILABLE => RefusalKind::Unavailable,
        _ => return None,
    };
    Some(Err(Refusal::new(kind, String::from_utf8_lossy(brief_bytes(&body)))))
}

fn status(kind: RefusalKind) -> u8 {
    match kind {
        RefusalKind::UnknownMethod => UNKNOWN_METHOD,
        RefusalKind::Forbidden => FORBIDDEN,
        RefusalKind::Invalid => INVALID,
        RefusalKind::Unavailable => UNAVAILABLE,
    }
}

fn brief(reason: &str) -> &[u8] {
    brief_bytes(reason.as_bytes())
}

fn brief_bytes(reason: &[u8]) -> &[u8] {
    reason.get(..REASON_BYTES_MAX).unwrap_or(reason)
}

#[cfg(test)]
mod tests;
