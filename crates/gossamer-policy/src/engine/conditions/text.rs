//! The whole text of a statement: the parser's spans may end before the last quote or bracket.

use regorus::unstable::Span;

/// The text from the start of `span` to the end of its line, statement or block, whichever is first behind its end.
pub(super) fn whole(span: &Span) -> &str {
    let (Ok(start), Ok(end)) = (usize::try_from(span.start), usize::try_from(span.end)) else { return "" };
    let rest = span.source.contents().get(start..).unwrap_or_default();
    let length = length(rest, end.saturating_sub(start));
    rest.get(..length).unwrap_or_default().trim_end()
}

/// Bytes of the statement at the start of `rest`, which has at least `least`.
fn length(rest: &str, least: usize) -> usize {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut characters = rest.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (Some('"'), '\\') => drop(characters.next()),
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '`') => quote = Some(character),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') if depth == 0 => return at,
            (None, ')' | ']' | '}') => depth -= 1,
            (None, '#') if depth == 0 && at >= least => return at,
            (None, '#') => while characters.next_if(|(_, character)| *character != '\n').is_some() {},
            (None, '\n' | ';') if depth == 0 && at >= least => return at,
            (None, ' ' | '\t') if depth == 0 && at >= least && goes_on_elsewhere(rest, at) => return at,
            (None, _) => {}
        }
    }
    rest.len()
}

/// Whether the next word belongs to the rule and not to the statement.
fn goes_on_elsewhere(rest: &str, at: usize) -> bool {
    let next = rest.get(at..).unwrap_or_default().trim_start();
    next.starts_with('{') || ["else", "if"].iter().any(|word| is_word(next, word))
}

fn is_word(text: &str, word: &str) -> bool {
    text.strip_prefix(word)
        .is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
}
