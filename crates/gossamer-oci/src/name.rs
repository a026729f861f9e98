//! Names of repositories and of plugins.

use std::str::FromStr;

use crate::text::checked_text;

/// Longest repository name, in bytes. Clients cap host, slash and name at 255 together.
const REPOSITORY_NAME_BYTES_MAX: usize = 255;

/// Longest plugin name, in bytes: it is one part of a host name, a certificate URI and a file name.
const PLUGIN_NAME_BYTES_MAX: usize = 40;

/// The first component of every repository that belongs to a plugin.
const PLUGIN_PREFIX: &str = "artifacts/";

checked_text! {
    /// The name of a repository, such as `artifacts/yum/epel/9` (distribution-spec, "Pulling manifests").
    RepositoryName
}

checked_text! {
    /// The name of a plugin: lower-case letters and digits, with hyphens inside.
    PluginName
}

/// Why a text is not a repository name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRepositoryName {
    #[error("a repository name has at most {REPOSITORY_NAME_BYTES_MAX} bytes")]
    TooLong,
    #[error("a repository name is lower-case words joined by '.', '_', '__', '-' or '/'")]
    Malformed,
}

/// The text is not a plugin name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a plugin name has 1 to {PLUGIN_NAME_BYTES_MAX} lower-case letters, digits and inner hyphens")]
pub struct InvalidPluginName;

// === impl RepositoryName ===

impl RepositoryName {
    /// The plugin that owns the repository: the second component under `artifacts/`, if that is a plugin name.
    pub fn plugin(&self) -> Option<PluginName> {
        let rest = self.as_str().strip_prefix(PLUGIN_PREFIX)?;
        let (name, _) = rest.split_once('/').unwrap_or((rest, ""));
        name.parse().ok()
    }
}

impl FromStr for RepositoryName {
    type Err = InvalidRepositoryName;

    fn from_str(text: &str) -> Result<Self, InvalidRepositoryName> {
        if text.len() > REPOSITORY_NAME_BYTES_MAX {
            return Err(InvalidRepositoryName::TooLong);
        }
        if !text.split('/').all(is_component) {
            return Err(InvalidRepositoryName::Malformed);
        }
        Ok(Self(text.into()))
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`: words, and between two of them one separator.
fn is_component(component: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut rest = component;
    loop {
        let after_word = rest.trim_start_matches(is_word);
        if after_word.len() == rest.len() {
            return false;
        }
        if after_word.is_empty() {
            return true;
        }
        rest = after_word.trim_start_matches(|c| !is_word(c));
        let (separator, _) = after_word.split_at(after_word.len() - rest.len());
        if !is_separator(separator) {
            return false;
        }
    }
}

fn is_separator(text: &str) -> bool {
    matches!(text, "." | "_" | "__") || text.bytes().all(|byte| byte == b'-')
}

// === impl PluginName ===

impl FromStr for PluginName {
    type Err = InvalidPluginName;

    fn from_str(text: &str) -> Result<Self, InvalidPluginName> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let valid = (1..=PLUGIN_NAME_BYTES_MAX).contains(&text.len())
            && text.bytes().all(allowed)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if valid { Ok(Self(text.into())) } else { Err(InvalidPluginName) }
    }
}

#[cfg(test)]
mod tests;
