//! The connections that only read.

use std::sync::{Condvar, Mutex, PoisonError};

use rusqlite::Connection;

use super::fault::Fault;
use crate::Error;

/// Connections that read. Reads are short and mostly from memory, so more would wait for the same cores.
const READERS: usize = 4;

/// A few connections, each lent to one reader at a time.
pub(super) struct Readers {
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
}

/// A connection on loan; dropping it gives it back.
struct Loan<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

// === impl Readers ===

impl Readers {
    pub(super) fn open(connect: impl Fn() -> Result<Connection, Error>) -> Result<Self, Error> {
        let open = || -> Result<Connection, Fault> {
            let connection = connect()?;
            connection.execute_batch("PRAGMA query_only = ON")?;
            Ok(connection)
        };
        let idle = (0..READERS).map(|_| open()).collect::<Result<_, _>>()?;
        Ok(Self { idle: Mutex::new(idle), returned: Condvar::new() })
    }

    /// Runs `read` on the next free connection.
    pub(super) fn with<T, E: Into<Fault>>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, Error> {
        let loan = self.borrow();
        let Some(connection) = &loan.connection else { return Err(Error::Closed) };
        read(connection).map_err(|error| error.into().into())
    }

    fn borrow(&self) -> Loan<'_> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(connection) = idle.pop() {
                return Loan { readers: self, connection: Some(connection) };
            }
            idle = self.returned.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

// === impl Loan ===

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            self.readers.returned.notify_one();
        }
    }
}
