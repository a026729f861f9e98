//! Work that blocks, on threads that may.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use crate::Error;

/// Runs `work` on a thread that may block.
pub(crate) async fn run<T, F>(work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Error> + Send + 'static,
{
    joined(spawn_blocking(work)).await
}

pub(crate) async fn joined<T>(task: JoinHandle<Result<T, Error>>) -> Result<T, Error> {
    task.await.map_err(lost)?
}

pub(crate) fn poll<T>(
    task: &mut JoinHandle<Result<T, Error>>,
    context: &mut Context<'_>,
) -> Poll<Result<T, Error>> {
    Poll::Ready(ready!(Pin::new(task).poll(context)).map_err(lost).flatten())
}

/// The runtime is shutting down, or the work panicked, which the panic hook has told.
fn lost(_: JoinError) -> Error {
    Error::Closed
}
