//! One run of a policy: what it is given and what it gives.

use crate::Explanation;
use crate::output::Output;
use crate::recorder::Recorder;

/// What a policy is run on.
pub(crate) struct Evaluation {
    /// The JSON text of the input that it is shown.
    pub(crate) input: String,
    pub(crate) host: Recorder,
    /// Whether to say what went on inside.
    pub(crate) explain: bool,
}

/// The output, and on request what went on inside.
pub(crate) type Evaluated = (Output, Option<Explanation>);
