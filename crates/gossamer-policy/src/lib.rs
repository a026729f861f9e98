#![doc = include_str!("../README.md")]

mod checks;
mod clock;
mod decision;
mod difference;
mod engine;
mod error;
mod evaluation;
mod evaluator;
mod explanation;
mod facts;
mod input;
mod lookups;
mod memo;
mod output;
mod overlaps;
mod policies;
mod policy;
mod recorder;
pub mod rollout;
mod source;
mod strikes;
pub mod suite;
mod table;
mod trail;
mod trusted;

pub use decision::Decision;
pub use difference::{Difference, RuleDifference};
pub use error::{EvalError, Refused, StartError};
pub use evaluator::evaluator_main;
pub use explanation::{BodyOutcome, BodyVerdict, Explanation, RuleOutcome, SourceLine};
pub use input::{BODY_BYTES_MAX, Body, Input};
pub use lookups::{
    Answer, ArtifactReference, FoundBlob, FoundManifest, InvalidArtifactReference, Lookup, LookupError,
    Lookups, Selector,
};
pub use overlaps::{Overlap, Party, Side, Witness};
pub use policies::{Config, Policies, Tuning};
pub use policy::Policy;
pub use source::{InvalidSource, PolicySource};
pub use table::{
    Claim, Conflict, Mount, PassedOver, Request, Route, RouteTable, Selected, Selection, WhyNot,
};
pub use trail::{How, Trail};
