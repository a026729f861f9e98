//! Requests made from the texts in a policy: its paths, and paths that its patterns match.

use std::collections::BTreeSet;

use gossamer_oci::PluginName;

use crate::Input;

/// What routers tell apart: a read, a write, a removal.
const METHODS: [&str; 3] = ["GET", "PUT", "DELETE"];

/// Groups in groups that are followed. Deeper ones end the sample.
const DEPTH_MAX: usize = 16;

/// Longest sample, in bytes.
const SAMPLE_BYTES_MAX: usize = 512;

/// Requests below `/artifacts/<plugin>/`.
pub(super) fn own(literals: &[String], plugin: &PluginName) -> Vec<Input> {
    let home = format!("/artifacts/{plugin}/");
    requests(paths(literals).into_iter().filter(|path| path.starts_with(&home)).chain([home.clone()]))
}

/// Requests below `/artifacts/-/`: those that the policy names, and those that it names below its own place.
pub(super) fn shared(literals: &[String], plugin: &PluginName) -> Vec<Input> {
    let (home, shared) = (format!("/artifacts/{plugin}/"), "/artifacts/-/");
    let moved = paths(literals).into_iter().filter_map(|path| {
        let rest = path.strip_prefix(&home).or_else(|| path.strip_prefix(shared))?;
        Some(format!("{shared}{rest}"))
    });
    requests(moved.chain([format!("{shared}probe")]))
}

fn requests(paths: impl Iterator<Item = String>) -> Vec<Input> {
    let paths: BTreeSet<String> = paths.collect();
    paths.into_iter().flat_map(|path| METHODS.map(|method| Input::new(method, path.clone()))).collect()
}

/// Every path that a text is, begins, or matches as a pattern.
fn paths(literals: &[String]) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for literal in literals {
        if literal.starts_with('/') {
            paths.insert(literal.clone());
            paths.insert(format!("{}/probe", literal.trim_end_matches('/')));
        }
        paths.extend(sample(literal).filter(|path| path.starts_with('/')));
    }
    paths
}

/// A text that the regular expression matches, as far as this understands it: first alternatives, one repetition.
/// A wrong sample costs an evaluation and finds nothing.
fn sample(pattern: &str) -> Option<String> {
    let mut sampler = Sampler { rest: pattern.chars().collect::<Vec<_>>().into_iter().peekable() };
    sampler.alternatives(0).filter(|text| text.len() <= SAMPLE_BYTES_MAX)
}

struct Sampler {
    rest: std::iter::Peekable<std::vec::IntoIter<char>>,
}

impl Sampler {
    /// Up to the end of the group: the first alternative counts.
    fn alternatives(&mut self, depth: usize) -> Option<String> {
        let first = self.sequence(depth)?;
        while self.rest.next_if_eq(&'|').is_some() {
            self.sequence(depth)?;
        }
        Some(first)
    }

    fn sequence(&mut self, depth: usize) -> Option<String> {
        let mut text = String::new();
        while let Some(next) = self.rest.next_if(|next| !matches!(next, '|' | ')')) {
            let atom = match next {
                '^' | '$' => continue,
                '(' => self.group(depth)?,
                '[' => self.class()?,
                '.' => "x".to_owned(),
                '\\' => escaped(self.rest.next()?).to_string(),
                other => other.to_string(),
            };
            text.push_str(&self.repeated(&atom)?);
            if text.len() > SAMPLE_BYTES_MAX {
                return None;
            }
        }
        Some(text)
    }

    fn group(&mut self, depth: usize) -> Option<String> {
        if depth >= DEPTH_MAX {
            return None;
        }
        if self.rest.next_if_eq(&'?').is_some() {
            // `?:`, `?i:` or `?P<name>`; what is left of it ends in one of these.
            self.rest.find(|next| matches!(next, ':' | '>'))?;
        }
        let text = self.alternatives(depth + 1)?;
        self.rest.next_if_eq(&')').map(|_| text)
    }

    /// A member of the class; of one that is told by what it lacks, a letter.
    fn class(&mut self) -> Option<String> {
        let is_negated = self.rest.next_if_eq(&'^').is_some();
        let first = match self.rest.next()? {
            '\\' => escaped(self.rest.next()?),
            other => other,
        };
        while self.rest.next()? != ']' {}
        Some(if is_negated { "p".to_owned() } else { first.to_string() })
    }

    fn repeated(&mut self, atom: &str) -> Option<String> {
        let times = match self.rest.peek() {
            Some('?') => 0,
            Some('{') => {
                let bounds: String = self.rest.by_ref().take_while(|next| *next != '}').collect();
                let least = bounds.trim_start_matches('{').split(',').next()?.parse().ok()?;
                return Some(atom.repeat(usize::min(least, SAMPLE_BYTES_MAX)));
            }
            Some('*' | '+') => 1,
            Some(_) | None => return Some(atom.to_owned()),
        };
        self.rest.next();
        self.rest.next_if_eq(&'?'); // not greedy
        Some(atom.repeat(times))
    }
}

/// The character that an escape stands for, or one of those.
fn escaped(letter: char) -> char {
    match letter {
        'd' => '1',
        'w' => 'w',
        's' => ' ',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_routers_are_sampled() {
        let cases = [
            (
                "^/(artifacts/static/[a-z0-9]+(?:[/._-][a-z0-9]+)*)/file/([^/]+)$",
                "/artifacts/static/a/a/file/p",
            ),
            (r"^/artifacts/yum/(.+)/repo/repodata/repomd\.xml$", "/artifacts/yum/x/repo/repodata/repomd.xml"),
            ("^/a/(b|c)/d?e{2}$", "/a/b/ee"),
            (r"^/x/\d{3}/(?P<name>\w+)$", "/x/111/w"),
        ];
        for (pattern, path) in cases {
            assert_eq!(sample(pattern).as_deref(), Some(path), "{pattern}");
        }
        for hostile in ["(".repeat(10_000), "a{99999999}".repeat(99), "[".to_owned(), "\\".to_owned()] {
            assert!(sample(&hostile).is_none_or(|text| text.len() <= SAMPLE_BYTES_MAX));
        }
    }

    #[test]
    fn requests_stay_in_their_place() {
        let literals =
            vec!["/artifacts/yum/api/".to_owned(), "^/artifacts/deb/(x)$".to_owned(), "GET".to_owned()];
        let plugin = "yum".parse().unwrap();
        let paths: BTreeSet<_> = own(&literals, &plugin).into_iter().map(|input| input.path).collect();
        let expected = ["/artifacts/yum/", "/artifacts/yum/api/", "/artifacts/yum/api/probe"];
        assert_eq!(paths.iter().map(String::as_str).collect::<Vec<_>>(), expected);
        assert!(shared(&literals, &plugin).iter().all(|input| input.path.starts_with("/artifacts/-/")));
    }
}
