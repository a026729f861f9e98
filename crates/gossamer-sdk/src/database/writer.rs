//! The one thread that writes: takes what is waiting, commits it as one group, then answers everybody.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use super::DatabaseError;

/// Work that may wait for the writer; beyond it submitters wait, which is the back-pressure on whoever sends us events.
const QUEUE_MAX: usize = 1024;

/// Pieces of work in one commit. One fsync for so many is cheap enough; more only delays the first of them.
const GROUP_MAX: usize = 256;

/// The way to the writer thread, which ends when this is dropped or closed.
#[derive(Debug)]
pub(super) struct Writer {
    orders: mpsc::Sender<Order>,
}

enum Order {
    Work(Box<dyn Work>),
    Close(oneshot::Sender<()>),
}

/// A piece of work on its way through one group: run, then told how the commit went.
trait Work: Send {
    fn run(&mut self, connection: &Connection) -> Result<(), DatabaseError>;
    fn settle(self: Box<Self>, outcome: Result<(), DatabaseError>);
}

struct Submitted<W, T> {
    work: Option<W>,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, DatabaseError>>,
}

// === impl Writer ===

impl Writer {
    pub(super) fn start(connection: Connection) -> Self {
        let (orders, inbound) = mpsc::channel(QUEUE_MAX);
        std::thread::spawn(move || write_until_closed(connection, inbound));
        Self { orders }
    }

    pub(super) async fn submit<T, W>(
        &self,
        work: W,
        reply: oneshot::Sender<Result<T, DatabaseError>>,
    ) -> Result<(), DatabaseError>
    where
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let submitted = Submitted { work: Some(work), value: None, reply };
        self.orders.send(Order::Work(Box::new(submitted))).await.map_err(|_| DatabaseError::Closed)
    }

    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.orders.send(Order::Close(done)).await.is_ok() {
            closed.await.ok(); // a dropped sender means that the thread is gone, which is what was asked for
        }
    }
}

// === the thread ===

fn write_until_closed(mut connection: Connection, mut orders: mpsc::Receiver<Order>) {
    while let Some(order) = orders.blocking_recv() {
        let mut group = Vec::new();
        let mut closing = None;
        let mut next = Some(order);
        while let Some(order) = next {
            match order {
                Order::Work(work) => group.push(work),
                Order::Close(done) => closing = Some(done),
            }
            let full = group.len() >= GROUP_MAX || closing.is_some();
            next = if full { None } else { orders.try_recv().ok() };
        }
        commit(&mut connection, group);
        if let Some(done) = closing {
            drop(orders);
            if let Err((_, error)) = connection.close() {
                error!(%error, "Closing the database failed");
            }
            done.send(()).ok(); // whoever asked may have stopped waiting
            return;
        }
    }
}

/// Runs the group in one transaction, each piece in a savepoint of its own, and settles all of it.
fn commit(connection: &mut Connection, group: Vec<Box<dyn Work>>) {
    if group.is_empty() {
        return;
    }
    let mut done = Vec::with_capacity(group.len());
    let committed = run(connection, group, &mut done).map_err(Arc::new);
    for (work, outcome) in done {
        let outcome = match (&committed, outcome) {
            (_, Err(refused)) => Err(refused),
            (Ok(()), Ok(())) => Ok(()),
            (Err(error), Ok(())) => Err(DatabaseError::Commit(Arc::clone(error))),
        };
        work.settle(outcome);
    }
}

type Done = Vec<(Box<dyn Work>, Result<(), DatabaseError>)>;

fn run(connection: &mut Connection, group: Vec<Box<dyn Work>>, done: &mut Done) -> rusqlite::Result<()> {
    let mut group = group.into_iter();
    let started = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let mut transaction = match started {
        Ok(transaction) => transaction,
        Err(error) => {
            done.extend(group.map(|work| (work, Ok(())))); // settled by the error of the whole group
            return Err(error);
        }
    };
    while let Some(mut work) = group.next() {
        let outcome = match transaction.savepoint() {
            Ok(savepoint) => work.run(&savepoint).and_then(|()| Ok(savepoint.commit()?)),
            Err(error) => Err(error.into()),
        };
        done.push((work, outcome));
        if transaction.is_autocommit() {
            // A full disk rolls back the whole transaction, what ran before in this group included.
            done.extend(group.map(|work| (work, Ok(()))));
            break;
        }
    }
    transaction.commit()
}

// === impl Submitted ===

impl<W, T> Work for Submitted<W, T>
where
    W: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), DatabaseError> {
        let Some(work) = self.work.take() else { return Err(DatabaseError::Closed) };
        match catch_unwind(AssertUnwindSafe(|| work(connection))) {
            Ok(result) => {
                self.value = Some(result?);
                Ok(())
            }
            Err(_) => Err(DatabaseError::Panicked),
        }
    }

    fn settle(self: Box<Self>, outcome: Result<(), DatabaseError>) {
        let answer = match (outcome, self.value) {
            (Ok(()), Some(value)) => Ok(value),
            (Ok(()), None) => Err(DatabaseError::Closed),
            (Err(error), _) => Err(error),
        };
        self.reply.send(answer).ok(); // whoever asked may have gone; the work is done all the same
    }
}
