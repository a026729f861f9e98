//! What a line says, and what it keeps to itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use url::form_urlencoded;

use crate::decisions::Record;

/// Stands for what is not written.
const MASKED: &str = "***";

/// The fields of a record that tell of its path. What a masked path leads to is masked with it.
const TELLING: [&str; 4] = ["detail", "failure", "replicas", "input"];

/// What must not be written.
#[derive(Debug)]
pub(super) struct Mask {
    headers: BTreeSet<String>,
    query: BTreeSet<String>,
    paths: Vec<Pattern>,
}

/// A pattern of paths, in pieces.
#[derive(Debug)]
struct Pattern(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Byte(u8),
    /// `*`: anything without a slash.
    Segment,
    /// `**`: anything.
    Anything,
}

// === impl Mask ===

impl Mask {
    pub(super) fn new(headers: &[String], query: &[String], paths: &[String]) -> Self {
        Self {
            headers: headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
            query: query.iter().map(|name| name.to_ascii_lowercase()).collect(),
            paths: paths.iter().map(|text| Pattern::parse(text)).collect(),
        }
    }

    /// Appends the record's line, with its line break.
    pub(super) fn line(&self, record: &Record, lines: &mut Vec<u8>) {
        // Maps of texts and numbers always serialise; a record that ever did not would not be written.
        let Ok(mut value) = serde_json::to_value(record) else { return };
        let Value::Object(fields) = &mut value else { return };
        fields.insert("outcome".to_owned(), json!(record.outcome()));
        fields.insert("target".to_owned(), Value::String(self.target(&record.target)));
        let path = record
            .input()
            .map_or_else(|| record.target.split('?').next().unwrap_or_default(), |input| input.path.as_str());
        if self.paths.iter().any(|pattern| pattern.matches(path)) {
            let action = record.decision.as_ref().and_then(|decision| serde_json::to_value(decision).ok());
            let action = action.and_then(|decision| decision.get("action").cloned());
            fields.insert(
                "decision".to_owned(),
                action.map_or(Value::Null, |action| json!({ "action": action })),
            );
            fields.insert("target".to_owned(), Value::from(MASKED));
            fields.remove("trail");
            TELLING.iter().for_each(|name| drop(fields.remove(*name)));
        }
        for pointer in ["/trail/input", "/input"] {
            if let Some(input) = value.pointer_mut(pointer) {
                self.input(input);
            }
        }
        if serde_json::to_writer(&mut *lines, &value).is_ok() {
            lines.push(b'\n');
        }
    }

    fn input(&self, input: &mut Value) {
        for (field, names) in [("headers", &self.headers), ("query", &self.query)] {
            let Some(Value::Object(map)) = input.get_mut(field) else { continue };
            let masked = map.iter_mut().filter(|(name, _)| names.contains(&name.to_ascii_lowercase()));
            masked.for_each(|(_, value)| *value = Value::from(MASKED));
        }
    }

    fn target(&self, target: &str) -> String {
        let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
        let parts = query.split('&').map(|part| {
            let name =
                form_urlencoded::parse(part.as_bytes()).next().map(|(name, _)| name.to_ascii_lowercase());
            match (name, part.split_once('=')) {
                (Some(name), Some((written, _))) if self.query.contains(&name) => {
                    format!("{written}={MASKED}")
                }
                (Some(_) | None, _) => part.to_owned(),
            }
        });
        format!("{path}?{}", parts.collect::<Vec<_>>().join("&"))
    }
}

// === impl Pattern ===

impl Pattern {
    fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut bytes = text.bytes().peekable();
        while let Some(byte) = bytes.next() {
            pieces.push(match byte {
                b'*' if bytes.next_if_eq(&b'*').is_some() => Piece::Anything,
                b'*' => Piece::Segment,
                byte => Piece::Byte(byte),
            });
        }
        Self(pieces)
    }

    /// Whether it matches the whole of `path`. Takes time in proportion to both.
    fn matches(&self, path: &str) -> bool {
        // Whether what was read so far can be what the first n pieces stand for.
        let mut reached = vec![false; self.0.len() + 1];
        if let Some(start) = reached.first_mut() {
            *start = true;
        }
        self.skip(&mut reached);
        for byte in path.bytes() {
            let mut next = vec![false; reached.len()];
            for (at, piece) in self.0.iter().enumerate().filter(|(at, _)| reached.get(*at) == Some(&true)) {
                let to = match piece {
                    Piece::Byte(literal) if *literal == byte => at + 1,
                    Piece::Segment if byte != b'/' => at,
                    Piece::Anything => at,
                    Piece::Byte(_) | Piece::Segment => continue,
                };
                if let Some(place) = next.get_mut(to) {
                    *place = true;
                }
            }
            self.skip(&mut next);
            reached = next;
        }
        reached.last() == Some(&true)
    }

    /// Stars may stand for nothing.
    fn skip(&self, reached: &mut [bool]) {
        for (at, piece) in self.0.iter().enumerate() {
            let is_star = matches!(piece, Piece::Segment | Piece::Anything);
            if is_star
                && reached.get(at) == Some(&true)
                && let Some(next) = reached.get_mut(at + 1)
            {
                *next = true;
            }
        }
    }
}
