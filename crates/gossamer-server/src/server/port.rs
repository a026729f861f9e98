//! A port that the kernel chose once and that is kept, so that other nodes find this one again.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;

use tracing::warn;

/// `address`, with the port of the last run where any port will do and that one is free.
pub(super) fn again(path: &Path, address: SocketAddr) -> SocketAddr {
    if address.port() != 0 {
        return address;
    }
    let kept = fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
    let kept = kept.map(|port| SocketAddr::new(address.ip(), port));
    kept.filter(|kept| UdpSocket::bind(kept).is_ok()).unwrap_or(address)
}

/// Remembers the port for the next run. Without it the next run is found through its seeds only.
pub(super) fn keep(path: &Path, port: u16) {
    if let Err(error) = fs::write(path, format!("{port}\n")) {
        warn!(%error, path = %path.display(), "Cannot keep the cluster's port");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_kept_unless_it_is_taken_or_another_is_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("port");
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        assert_eq!(again(&path, any), any);
        let socket = UdpSocket::bind(any).unwrap();
        let bound = socket.local_addr().unwrap();
        keep(&path, bound.port());
        assert_eq!(again(&path, any), any);
        drop(socket);
        assert_eq!(again(&path, any), bound);
        let other: SocketAddr = "127.0.0.1:9".parse().unwrap();
        assert_eq!(again(&path, other), other);
    }
}
