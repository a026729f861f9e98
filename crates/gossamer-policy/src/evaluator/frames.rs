//! What this process and an evaluator child say to each other: JSON messages behind their length.

use std::io::{self, Read, Write};
use std::time::Duration;

use gossamer_oci::Digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::evaluation::Evaluated;
use crate::facts::Facts;
use crate::{Answer, EvalError, Lookup, PolicySource, Refused};

/// Longest message, in bytes: a manifest of the largest size with room for quoting.
const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of the length before each message, most significant first.
const LENGTH_BYTES: usize = 4;

/// What a child may use. The first message to it, before anything that a stranger wrote.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Limits {
    /// Of address space, the program itself included.
    pub(super) memory_bytes: u64,
    /// Of processor time in the whole life of the child.
    pub(super) cpu: Duration,
    /// Of wall-clock time for one evaluation.
    pub(super) evaluation: Duration,
}

/// From this process to the child.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Command {
    /// Parse and check a policy, and keep it if nothing is wrong with it. Answered by `Report::Loaded`.
    Load { source: PolicySource },
    /// Let go of a policy. Not answered.
    Forget { policy: Digest },
    /// Evaluate a policy that is loaded. Answered by asks, then by `Report::Evaluated`.
    Evaluate { policy: Digest, input: String, explain: bool },
    /// The answer to `Report::Lookup`.
    Answer(Result<Answer, EvalError>),
    /// The answer to `Report::Body`.
    Body(Result<Option<String>, EvalError>),
}

/// From the child to this process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// The limits are in force. The first message of every child.
    Ready,
    Loaded(Result<Facts, Refused>),
    Lookup(Lookup),
    Body,
    Evaluated(Result<Evaluated, EvalError>),
}

fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; LENGTH_BYTES];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - LENGTH_BYTES;
    let length = u32::try_from(length).ok().filter(|_| length <= FRAME_BYTES_MAX).ok_or_else(too_long)?;
    for (slot, byte) in frame.iter_mut().zip(length.to_be_bytes()) {
        *slot = byte;
    }
    Ok(frame)
}

fn length(header: [u8; LENGTH_BYTES]) -> io::Result<usize> {
    let length = usize::try_from(u32::from_be_bytes(header)).map_err(|_| too_long())?;
    if length <= FRAME_BYTES_MAX { Ok(length) } else { Err(too_long()) }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the message is too long")
}

/// Writes one message, blocking.
pub(super) fn write(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    stream.write_all(&encode(message)?)
}

/// Reads one message, blocking.
pub(super) fn read<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<T> {
    let mut header = [0; LENGTH_BYTES];
    stream.read_exact(&mut header)?;
    let mut body = vec![0; length(header)?];
    stream.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

/// Writes one message.
pub(super) async fn send(stream: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> io::Result<()> {
    stream.write_all(&encode(message)?).await
}

/// Reads one message.
pub(super) async fn receive<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<T> {
    let mut header = [0; LENGTH_BYTES];
    stream.read_exact(&mut header).await?;
    let mut body = vec![0; length(header)?];
    stream.read_exact(&mut body).await?;
    Ok(serde_json::from_slice(&body)?)
}

#[cfg(test)]
mod tests;
