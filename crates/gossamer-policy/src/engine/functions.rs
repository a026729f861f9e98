//! The functions that a policy may call: the builtins of the closed list, and ours.
//!
//! No network, no files, no clock and no chance: a decision depends on the input and on recorded answers only.

use std::collections::BTreeMap;

use gossamer_oci::{Digest, Reference};
use md5::{Digest as _, Md5};
use regorus::Value;

use super::Host;
use super::growth::BOUNDED;
use crate::{Answer, ArtifactReference, EvalError, Lookup, Selector};

/// A function of ours. A wrong argument is undefined, as with any builtin; an error ends the evaluation.
pub(super) type Function = fn(&mut dyn Host, &[Value]) -> Result<Value, EvalError>;

pub(crate) const REQUEST_BODY: &str = "request.body";

/// Name, number of arguments, function.
pub(super) const OURS: &[(&str, u8, Function)] = &[
    ("oci.blob_digest", 3, blob_digest),
    ("oci.manifest", 1, manifest),
    ("oci.tags", 1, tags),
    (REQUEST_BODY, 0, body),
    ("crypto.md5", 1, md5),
    ("crypto.sha256", 1, sha256),
    ("strings.count", 2, count),
];

/// Builtins of the interpreter that are taken as they are: their output is no larger than what went in, or nearly so.
const PLAIN: &[&str] = &[
    "abs",
    "array.reverse",
    "array.slice",
    "base64.decode",
    "base64.encode",
    "base64.is_valid",
    "base64url.decode",
    "base64url.encode",
    "base64url.encode_no_pad",
    "bits.and",
    "bits.negate",
    "bits.or",
    "bits.rsh",
    "bits.xor",
    "ceil",
    "contains",
    "count",
    "endswith",
    "floor",
    "format_int",
    "glob.match",
    "glob.quote_meta",
    "graph.reachable",
    "hex.decode",
    "hex.encode",
    "indexof",
    "indexof_n",
    "intersection",
    "is_array",
    "is_boolean",
    "is_null",
    "is_number",
    "is_object",
    "is_set",
    "is_string",
    "json.filter",
    "json.is_valid",
    "json.marshal",
    "json.remove",
    "json.unmarshal",
    "lower",
    "max",
    "min",
    "net.cidr_contains",
    "net.cidr_is_valid",
    "object.filter",
    "object.get",
    "object.keys",
    "object.remove",
    "object.subset",
    "object.union",
    "object.union_n",
    "print",
    "product",
    "regex.find_all_string_submatch_n",
    "regex.find_n",
    "regex.is_valid",
    "regex.match",
    "regex.split",
    "regex.template_match",
    "round",
    "semver.compare",
    "semver.is_valid",
    "sort",
    "startswith",
    "strings.any_prefix_match",
    "strings.any_suffix_match",
    "strings.reverse",
    "substring",
    "sum",
    "to_number",
    "trace",
    "trim",
    "trim_left",
    "trim_prefix",
    "trim_right",
    "trim_space",
    "trim_suffix",
    "type_name",
    "union",
    "units.parse",
    "units.parse_bytes",
    "upper",
    "urlquery.decode",
    "urlquery.decode_object",
    "urlquery.encode",
    "urlquery.encode_object",
    "walk",
];

#[cfg(test)]
pub(crate) fn plain() -> &'static [&'static str] {
    PLAIN
}

/// Whether a policy may call the function of this name.
pub(crate) fn is_allowed(name: &str) -> bool {
    PLAIN.binary_search(&name).is_ok()
        || OURS.iter().any(|(ours, _, _)| *ours == name)
        || BOUNDED.iter().any(|(bounded, _, _)| *bounded == name)
}

// === the registry ===

/// `oci.blob_digest(ref, "mediatype" | "annotation", value)`: the hex of the layer's digest, `""` if there is none.
fn blob_digest(host: &mut dyn Host, arguments: &[Value]) -> Result<Value, EvalError> {
    let [Value::String(reference), Value::String(kind), Value::String(value)] = arguments else {
        return Ok(Value::Undefined);
    };
    let reference = artifact(reference)?;
    if !matches!(reference.reference, Reference::Tag(_)) {
        return Err(EvalError::Policy(format!("oci.blob_digest wants a tag, not {reference}")));
    }
    let selector = match &**kind {
        "mediatype" => Selector::MediaType(value.to_string()),
        "annotation" => annotation(value)?,
        _ => return Ok(Value::from("")),
    };
    match host.lookup(&Lookup::BlobDigest { reference, selector })? {
        Answer::BlobDigest(found) => Ok(Value::from(found.map_or(String::new(), |found| found.digest.hex()))),
        Answer::Manifest(_) | Answer::Tags(_) => Err(mismatched()),
    }
}

fn annotation(text: &str) -> Result<Selector, EvalError> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| EvalError::Policy("oci.blob_digest wants an annotation as key=value".to_owned()))?;
    Ok(Selector::Annotation { key: key.to_owned(), value: value.to_owned() })
}

/// `oci.manifest(ref)`: `{digest, media_type, content}`, or null.
fn manifest(host: &mut dyn Host, arguments: &[Value]) -> Result<Value, EvalError> {
    let [Value::String(reference)] = arguments else { return Ok(Value::Undefined) };
    match host.lookup(&Lookup::Manifest { reference: artifact(reference)? })? {
        Answer::Manifest(None) => Ok(Value::Null),
        Answer::Manifest(Some(found)) => Ok(Value::from(BTreeMap::from([
            (Value::from("digest"), Value::from(found.digest.to_string())),
            (Value::from("media_type"), Value::from(found.media_type.as_str())),
            (Value::from("content"), Value::from(found.content.clone())),
        ]))),
        Answer::BlobDigest(_) | Answer::Tags(_) => Err(mismatched()),
    }
}

/// `oci.tags(name)`: the tags of a repository, in lexical order.
fn tags(host: &mut dyn Host, arguments: &[Value]) -> Result<Value, EvalError> {
    let [Value::String(name)] = arguments else { return Ok(Value::Undefined) };
    let repository = name.parse().map_err(|error| EvalError::Policy(format!("oci.tags: {error}")))?;
    match host.lookup(&Lookup::Tags { repository })? {
        Answer::Tags(tags) => {
            Ok(Value::from(tags.iter().map(|tag| Value::from(tag.as_str())).collect::<Vec<_>>()))
        }
        Answer::BlobDigest(_) | Answer::Manifest(_) => Err(mismatched()),
    }
}

fn artifact(text: &str) -> Result<ArtifactReference, EvalError> {
    text.parse().map_err(|error: crate::InvalidArtifactReference| EvalError::Policy(error.to_string()))
}

fn mismatched() -> EvalError {
    EvalError::Lookup("the answer is of another kind than the question".to_owned())
}

// === the request ===

/// `request.body()`: the body as JSON, null without one.
fn body(host: &mut dyn Host, _: &[Value]) -> Result<Value, EvalError> {
    match host.body()? {
        None => Ok(Value::Null),
        Some(text) => Value::from_json_str(&text)
            .map_err(|error| EvalError::BodyInvalid(super::shorten(error.to_string()))),
    }
}

// === hashes and texts ===

/// `crypto.md5(text)` in lower-case hex: how files become tags.
fn md5(_: &mut dyn Host, arguments: &[Value]) -> Result<Value, EvalError> {
    let [Value::String(text)] = arguments else { return Ok(Value::Undefined) };
    Ok(Value::from(hex::encode(Md5::digest(text.as_bytes()))))
}

fn sha256(_: &mut dyn Host, arguments: &[Value]) -> Result<Value, EvalError> {
    let [Value::String(text)] = arguments else { return Ok(Value::Undefined) };
    Ok(Value::from(Digest::sha256(text.as_bytes()).hex()))
}

/// `strings.count(text, part)` as OPA counts; the interpreter's own panics on an empty part.
fn count(_: &mut dyn Host, arguments: &[Value]) -> Result<Value, EvalError> {
    let [Value::String(text), Value::String(part)] = arguments else { return Ok(Value::Undefined) };
    Ok(Value::from(text.matches(&**part).count()))
}
