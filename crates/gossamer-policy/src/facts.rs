//! What the static checks learnt about a policy.

use std::collections::{BTreeMap, BTreeSet};

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::Input;

/// Everything about a policy that does not need it to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) package: String,
    pub(crate) reads: Reads,
    /// Whether `request.body` is called anywhere.
    pub(crate) reads_body: bool,
    /// The longest chain of rules that need each other: how deep an evaluation goes on its stack.
    pub(crate) depth: usize,
    pub(crate) rules: Vec<RuleSpan>,
    /// Texts in the module and in its data, from which requests can be made that the policy tells apart.
    pub(crate) literals: Vec<String>,
}

/// Where a rule that is not a function first appears.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RuleSpan {
    /// Its path inside the package, dotted.
    pub(crate) name: String,
    pub(crate) line: u32,
}

/// The input fields that a policy reads. It is shown no others, so that they are all that its decision depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reads(BTreeMap<Field, Keys>);

/// The fields of [`Input`], in the order of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Field {
    Accept,
    Headers,
    Host,
    MediaType,
    Method,
    Path,
    Principal,
    Query,
}

/// Which entries of a field that is a map are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Keys {
    All,
    Only(BTreeSet<String>),
}

const FIELDS: [Field; 8] = [
    Field::Accept,
    Field::Headers,
    Field::Host,
    Field::MediaType,
    Field::Method,
    Field::Path,
    Field::Principal,
    Field::Query,
];

// === impl Facts ===

impl Facts {
    /// What is evaluated: `data.router.output` for a router.
    pub(crate) fn entry(&self) -> String {
        format!("data.{}.output", self.package)
    }
}

// === impl Reads ===

impl Reads {
    /// The input is used in a way that hides which fields matter.
    pub(crate) fn everything() -> Self {
        Self(FIELDS.into_iter().map(|field| (field, Keys::All)).collect())
    }

    /// `input.<path..>` is read. An empty path is the whole input; an unknown field is never there.
    pub(crate) fn note<'a>(&mut self, path: impl IntoIterator<Item = &'a str>) {
        let mut path = path.into_iter();
        let Some(name) = path.next() else {
            *self = Self::everything();
            return;
        };
        let Some(field) = Field::named(name) else { return };
        let keys = self.0.entry(field).or_insert_with(|| Keys::Only(BTreeSet::new()));
        match (keys, path.next().filter(|_| field.is_map())) {
            (Keys::All, _) => {}
            (Keys::Only(only), Some(key)) => drop(only.insert(key.to_owned())),
            (keys @ Keys::Only(_), None) => *keys = Keys::All,
        }
    }

    /// The JSON text of those parts of `input`: what the policy is shown, and what a remembered decision is keyed by.
    pub(crate) fn project(&self, input: &Input) -> String {
        // Strings and maps of strings always serialise; were that ever to change, nothing would be shown.
        serde_json::to_string(&Projection { input, reads: self }).unwrap_or_else(|_| "{}".to_owned())
    }
}

impl Field {
    fn named(name: &str) -> Option<Self> {
        FIELDS.into_iter().find(|field| field.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Headers => "headers",
            Self::Host => "host",
            Self::MediaType => "media_type",
            Self::Method => "method",
            Self::Path => "path",
            Self::Principal => "principal",
            Self::Query => "query",
        }
    }

    fn is_map(self) -> bool {
        match self {
            Self::Headers | Self::Query => true,
            Self::Accept | Self::Host | Self::MediaType | Self::Method | Self::Path | Self::Principal => {
                false
            }
        }
    }
}

struct Projection<'a> {
    input: &'a Input,
    reads: &'a Reads,
}

impl Serialize for Projection<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { input, reads } = self;
        let mut map = serializer.serialize_map(None)?;
        for (field, keys) in &reads.0 {
            let name = field.name();
            match field {
                Field::Accept => map.serialize_entry(name, &input.accept)?,
                Field::Headers => map.serialize_entry(name, &Picked { map: input.headers(), keys })?,
                Field::Host => map.serialize_entry(name, &input.host)?,
                Field::MediaType => {
                    if let Some(media_type) = &input.media_type {
                        map.serialize_entry(name, media_type)?;
                    }
                }
                Field::Method => map.serialize_entry(name, &input.method)?,
                Field::Path => map.serialize_entry(name, &input.path)?,
                Field::Principal => map.serialize_entry(name, &input.principal)?,
                Field::Query => map.serialize_entry(name, &Picked { map: &input.query, keys })?,
            }
        }
        map.end()
    }
}

struct Picked<'a, V> {
    map: &'a BTreeMap<String, V>,
    keys: &'a Keys,
}

impl<V: Serialize> Serialize for Picked<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.keys {
            Keys::All => self.map.serialize(serializer),
            Keys::Only(keys) => {
                serializer.collect_map(keys.iter().filter_map(|key| self.map.get_key_value(key)))
            }
        }
    }
}
