//! How a plugin process is told where to join and what to listen on.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// How a plugin process is told where to join and what to listen on.
#[derive(Clone, Default)]
pub struct Options {
    /// The join token, needed once: afterwards the data directory holds the certificate.
    pub join: Option<String>,
    /// A file that holds the join token; looked at if `join` is not there.
    pub join_file: Option<PathBuf>,
    /// Where key, certificate, inbox and the plugin's own state are kept; else `gossamer-{plugin}` right here.
    pub data: Option<PathBuf>,
    /// Where cores reach the plugin, TCP; else a free port of the address that leads to the cores.
    pub listen: Option<SocketAddr>,
    /// The end point of the cluster, UDP; else a free port of the address that leads to the cores.
    pub bind: Option<SocketAddr>,
    /// What is logged, such as `info` or `gossamer_sdk=debug,warn`; else `info`.
    pub log: Option<String>,
}

/// A variable of the environment does not say what it should.
#[derive(Debug, thiserror::Error)]
#[error("{variable} is not {expected}")]
pub struct InvalidOptions {
    variable: &'static str,
    expected: &'static str,
}

// === impl Options ===

impl Options {
    /// `GOSSAMER_JOIN`, `GOSSAMER_JOIN_FILE`, `GOSSAMER_DATA`, `GOSSAMER_LISTEN`, `GOSSAMER_BIND`, `GOSSAMER_LOG`.
    pub fn from_environment() -> Result<Self, InvalidOptions> {
        Self::from_variables(|name| env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn from_variables(variable: impl Fn(&'static str) -> Option<OsString>) -> Result<Self, InvalidOptions> {
        let text = |name| match variable(name).map(OsString::into_string) {
            Some(Ok(text)) => Ok(Some(text)),
            Some(Err(_)) => Err(InvalidOptions { variable: name, expected: "text" }),
            None => Ok(None),
        };
        let address = |name| match text(name)?.map(|text| text.parse()) {
            Some(Ok(address)) => Ok(Some(address)),
            Some(Err(_)) => Err(InvalidOptions { variable: name, expected: "an address and a port" }),
            None => Ok(None),
        };
        Ok(Self {
            join: text("GOSSAMER_JOIN")?,
            join_file: variable("GOSSAMER_JOIN_FILE").map(PathBuf::from),
            data: variable("GOSSAMER_DATA").map(PathBuf::from),
            listen: address("GOSSAMER_LISTEN")?,
            bind: address("GOSSAMER_BIND")?,
            log: text("GOSSAMER_LOG")?,
        })
    }

    /// The same, except for what is given here.
    pub fn with(self, join_file: Option<PathBuf>, data: Option<PathBuf>) -> Self {
        Self { join_file: join_file.or(self.join_file), data: data.or(self.data), ..self }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { join: _, join_file, data, listen, bind, log } = self; // the token is a secret
        f.debug_struct("Options")
            .field("join_file", join_file)
            .field("data", data)
            .field("listen", listen)
            .field("bind", bind)
            .field("log", log)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
