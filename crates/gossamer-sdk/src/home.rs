//! The data directory of a plugin process: who uses it, which life of it this is, and where things are in it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use gossamer_identity::JoinToken;
use gossamer_wire::Generation;

use crate::{Options, Plugin};

/// Held by the process that uses the directory; the kernel lets go of it, whichever way the process ends.
const LOCK: &str = "lock";

/// The count of lives.
const GENERATION: &str = "generation";

/// The data directory, for as long as this process uses it.
#[derive(Debug)]
pub(crate) struct Home {
    directory: PathBuf,
    generation: Generation,
    _lock: File,
}

/// Where the process listens: TCP for requests, UDP for the cluster.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) listen: SocketAddr,
    pub(crate) bind: SocketAddr,
}

/// Why the data directory, or what it holds, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    #[error("cannot use {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("another process uses {}", .0.display())]
    InUse(PathBuf),
    #[error("{} does not hold a number", .0.display())]
    Malformed(PathBuf),
    #[error("the join token cannot be read")]
    Token(#[from] gossamer_identity::InvalidJoinToken),
}

// === impl Home ===

impl Home {
    /// Makes the directory if need be, takes it for this process, and begins its next life.
    pub(crate) fn open<P: Plugin>(options: &Options) -> Result<Self, HomeError> {
        let directory = options.data.clone().unwrap_or_else(|| format!("gossamer-{}", P::NAME).into());
        fs::create_dir_all(&directory).map_err(at(&directory))?;
        let path = directory.join(LOCK);
        let lock = File::create(&path).map_err(at(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(HomeError::InUse(directory)),
            Err(TryLockError::Error(source)) => return Err(HomeError::File { path, source }),
        }
        let generation = next_generation(&directory)?;
        Ok(Self { directory, generation, _lock: lock })
    }

    /// Which life of this directory it is; on disk already.
    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    pub(crate) fn identity(&self) -> PathBuf {
        self.directory.join("identity")
    }

    pub(crate) fn cluster(&self) -> PathBuf {
        self.directory.join("cluster")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.directory.join("plugin.db")
    }

    /// The plugin's own directory, which is made if it is missing.
    pub(crate) fn plugin(&self) -> Result<PathBuf, HomeError> {
        let directory = self.directory.join("plugin");
        fs::create_dir_all(&directory).map_err(at(&directory))?;
        Ok(directory)
    }

    /// The join token that the options name, if they do.
    ///
    /// A token file that is gone is no error: it may be removed once it has served.
    pub(crate) fn token(&self, options: &Options) -> Result<Option<JoinToken>, HomeError> {
        let text = match (&options.join, &options.join_file) {
            (Some(text), _) => Some(text.clone()),
            (None, Some(path)) => read(path)?,
            (None, None) => None,
        };
        Ok(text.map(|text| text.trim().parse()).transpose()?)
    }
}

// === impl Addresses ===

impl Addresses {
    /// As the options say, else free ports of the address that leads to the cores.
    pub(crate) fn new(options: &Options, cores: &[SocketAddr]) -> Self {
        let free = SocketAddr::new(cores.iter().find_map(outward).unwrap_or(Ipv4Addr::LOCALHOST.into()), 0);
        let listen = match options.listen {
            // What is announced must be an address that others can dial.
            Some(listen) if listen.ip().is_unspecified() => SocketAddr::new(free.ip(), listen.port()),
            Some(listen) => listen,
            None => free,
        };
        Self { listen, bind: options.bind.unwrap_or(free) }
    }
}

/// Our own address on the way to `core`. Connecting a UDP socket sends nothing.
fn outward(core: &SocketAddr) -> Option<IpAddr> {
    let any = if core.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(core).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Reads the count, adds one, and has it on disk before it is used.
fn next_generation(directory: &Path) -> Result<Generation, HomeError> {
    let path = directory.join(GENERATION);
    let last = match read(&path)? {
        Some(text) => text.trim().parse().map_err(|_| HomeError::Malformed(path))?,
        None => 0,
    };
    let generation = Generation::new(last).next();
    replace(directory, GENERATION, &format!("{generation}\n"))?;
    Ok(generation)
}

fn read(path: &Path) -> Result<Option<String>, HomeError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(HomeError::File { path: path.to_owned(), source }),
    }
}

/// Writes a file whole, or not at all: beside it, synced, then renamed.
fn replace(directory: &Path, name: &str, text: &str) -> Result<(), HomeError> {
    let path = directory.join(name);
    let draft = path.with_extension("new");
    let write = || {
        let mut file = File::create(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(at(&path))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> HomeError {
    let path = path.to_owned();
    |source| HomeError::File { path, source }
}

#[cfg(test)]
mod tests;
