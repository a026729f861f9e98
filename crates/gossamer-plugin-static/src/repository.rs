//! The names of this plugin's repositories and files.

use std::fmt;
use std::str::FromStr;

use gossamer_sdk::{RepositoryName, Tag};
use md5::{Digest as _, Md5};

/// What every name of a repository of ours begins with, in the API and in the registry.
const PREFIX: &str = "artifacts/static/";

/// Where in a repository the registry keeps the files.
const FILES: &str = "/files";

/// Not a repository: its path is that of the API.
const RESERVED: &str = "api";

/// Longest file name, in bytes; that of most file systems, on which the files will end up.
const FILE_NAME_BYTES_MAX: usize = 255;

/// A repository as the API names it, such as `artifacts/static/docs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repository {
    files: RepositoryName,
}

/// The name of a file: one component of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileName(String);

/// The text is not `artifacts/static/` and a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a repository is {PREFIX} and lower-case words joined by one of / . _ -; {RESERVED:?} is reserved")]
pub(crate) struct InvalidRepository;

/// The text is not one component of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a file name has 1 to {FILE_NAME_BYTES_MAX} bytes, no slash and no control characters")]
pub(crate) struct InvalidFileName;

// === impl Repository ===

impl Repository {
    /// The repository whose files are in this repository of the registry.
    pub(crate) fn of_files(files: &RepositoryName) -> Option<Self> {
        files.as_str().strip_suffix(FILES)?.parse().ok()
    }

    /// The name without the prefix, as in a URL.
    pub(crate) fn from_path(path: &str) -> Result<Self, InvalidRepository> {
        format!("{PREFIX}{path}").parse()
    }

    /// The repository of the registry that holds the files.
    pub(crate) fn files(&self) -> &RepositoryName {
        &self.files
    }

    pub(crate) fn as_str(&self) -> &str {
        let files = self.files.as_str();
        files.strip_suffix(FILES).unwrap_or(files)
    }
}

impl FromStr for Repository {
    type Err = InvalidRepository;

    fn from_str(text: &str) -> Result<Self, InvalidRepository> {
        let name = text.strip_prefix(PREFIX).ok_or(InvalidRepository)?;
        let (first, _) = name.split_once('/').unwrap_or((name, ""));
        // The registry allows `__` and `--` too, but no policy routes them.
        if first == RESERVED || name.contains("__") || name.contains("--") {
            return Err(InvalidRepository);
        }
        let files = format!("{text}{FILES}").parse().map_err(|_| InvalidRepository)?;
        Ok(Self { files })
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl FileName ===

impl FileName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The md5 of the name, in hex: how the registry knows the file.
    pub(crate) fn tag(&self) -> Option<Tag> {
        hex::encode(Md5::digest(self.0.as_bytes())).parse().ok()
    }
}

impl FromStr for FileName {
    type Err = InvalidFileName;

    fn from_str(text: &str) -> Result<Self, InvalidFileName> {
        let valid = (1..=FILE_NAME_BYTES_MAX).contains(&text.len())
            && !text.contains('/')
            && !text.contains(char::is_control)
            && !matches!(text, "." | "..");
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidFileName) }
    }
}

#[cfg(test)]
mod tests;
