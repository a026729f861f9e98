//! Work that is finished even if nobody waits for it any more.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// Runs where it is awaited; what is left when it is dropped runs on in a task of its own.
///
/// A task from the start would do the same and cost every caller two turns of the scheduler.
pub(super) struct Finished<T: Send + 'static> {
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    abandoned: TaskTracker,
}

// === impl Finished ===

impl<T: Send + 'static> Finished<T> {
    pub(super) fn new(work: impl Future<Output = T> + Send + 'static, abandoned: &TaskTracker) -> Self {
        Self { work: Some(Box::pin(work)), abandoned: abandoned.clone() }
    }
}

impl<T: Send + 'static> Future for Finished<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        // Polled after its end, which no `await` does, it waits for ever.
        let Some(work) = &mut self.work else { return Poll::Pending };
        let done = ready!(work.as_mut().poll(context));
        self.work = None;
        Poll::Ready(done)
    }
}

impl<T: Send + 'static> Drop for Finished<T> {
    fn drop(&mut self) {
        // Without a runtime there is nobody left to finish it, and nothing left that needs it finished.
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            drop(self.abandoned.spawn_on(work, &runtime));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_is_dropped_half_way_is_finished() {
        let (tasks, done) = (TaskTracker::new(), Arc::new(AtomicBool::new(false)));
        let seen = Arc::clone(&done);
        let mut work = Box::pin(Finished::new(
            async move {
                tokio::task::yield_now().await;
                seen.store(true, Ordering::SeqCst);
            },
            &tasks,
        ));
        let first = std::future::poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
        assert!(first.is_pending());
        drop(work);
        tasks.close();
        tasks.wait().await;
        assert!(done.load(Ordering::SeqCst));
    }
}
