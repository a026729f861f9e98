//! Answers a policy from the registry and the request, and keeps the record that a trail is made of.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::Host;
use crate::{Answer, BODY_BYTES_MAX, Body, EvalError, Lookup, LookupError, Lookups};

/// Most lookups of one evaluation. A router makes one or two.
const LOOKUPS_MAX: usize = 64;

/// The host of one evaluation, in this process. Clones share one record.
#[derive(Clone)]
pub(crate) struct Recorder {
    lookups: Arc<dyn Lookups>,
    body: Body,
    record: Arc<Mutex<Record>>,
}

#[derive(Default)]
struct Record {
    lookups: Vec<(Lookup, Answer)>,
    body_read: bool,
}

/// Answers from a record, for replays: exactly what was asked then, and nothing else.
pub(crate) struct Recorded(pub(crate) Arc<[(Lookup, Answer)]>);

// === impl Recorder ===

impl Recorder {
    pub(crate) fn new(lookups: Arc<dyn Lookups>, body: Body) -> Self {
        Self { lookups, body, record: Arc::default() }
    }

    /// What was asked and answered, and whether the body was.
    pub(crate) fn finish(self) -> (Arc<[(Lookup, Answer)]>, bool) {
        let record = std::mem::take(&mut *self.record());
        (record.lookups.into(), record.body_read)
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host for Recorder {
    /// A question that is repeated gets the first answer: one evaluation sees one state of the registry.
    fn lookup(&mut self, lookup: &Lookup) -> Result<Answer, EvalError> {
        let mut record = self.record();
        if let Some((_, answer)) = record.lookups.iter().find(|(asked, _)| asked == lookup) {
            return Ok(answer.clone());
        }
        if record.lookups.len() >= LOOKUPS_MAX {
            return Err(EvalError::Exceeded(format!("more than {LOOKUPS_MAX} lookups")));
        }
        let answer = self.lookups.answer(lookup).map_err(|error| EvalError::Lookup(error.to_string()))?;
        record.lookups.push((lookup.clone(), answer.clone()));
        Ok(answer)
    }

    fn body(&mut self) -> Result<Option<String>, EvalError> {
        self.record().body_read = true;
        match &self.body {
            Body::Absent => Ok(None),
            Body::Unread => Err(EvalError::BodyWanted),
            Body::TooLarge => Err(EvalError::BodyTooLarge),
            Body::Whole(bytes) if bytes.is_empty() => Ok(None),
            Body::Whole(bytes) if bytes.len() > BODY_BYTES_MAX => Err(EvalError::BodyTooLarge),
            Body::Whole(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Some(text.to_owned())),
                Err(error) => Err(EvalError::BodyInvalid(error.to_string())),
            },
        }
    }
}

impl Lookups for Recorded {
    fn answer(&self, lookup: &Lookup) -> Result<Answer, LookupError> {
        let answer = self.0.iter().find(|(asked, _)| asked == lookup);
        answer.map(|(_, answer)| answer.clone()).ok_or(LookupError::NotRecorded)
    }
}
