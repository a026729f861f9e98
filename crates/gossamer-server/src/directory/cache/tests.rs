//! Tests of what survives a restart.

use gossamer_wire::{Generation, NodeId, Policy};

use super::*;

fn kept(plugin: &str) -> Kept {
    let announcement = Arc::new(Announcement {
        node: NodeId::from_bytes([1; 16]),
        generation: Generation::new(1),
        plugin: plugin.parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        media_types: Vec::new(),
        kinds: Vec::new(),
        service: "127.0.0.1:1".parse().unwrap(),
        policy: Policy { module: "package router".to_owned(), data: "{}".to_owned() },
    });
    Kept { since: Since::from_millis(7), announcement }
}

fn cache(directory: &Path) -> Cache {
    Cache::open(directory.to_owned(), Seal::new([1; 64])).unwrap()
}

fn only_file(directory: &Path) -> PathBuf {
    fs::read_dir(directory).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn what_is_kept_is_loaded_and_nothing_else_stays() {
    let directory = tempfile::tempdir().unwrap();
    let cache = cache(&directory.path().join("announcements"));
    let (yum, files) = (kept("yum"), kept("static"));
    cache.keep(&[yum.clone(), files]).unwrap();
    assert_eq!(cache.load().unwrap().len(), 2);
    cache.keep(std::slice::from_ref(&yum)).unwrap();
    assert_eq!(cache.load().unwrap(), std::slice::from_ref(&yum));
    let later = Kept { since: Since::from_millis(8), ..yum };
    cache.keep(std::slice::from_ref(&later)).unwrap();
    assert_eq!(cache.load().unwrap(), [later]);
}

#[test]
fn a_damaged_file_is_left_out_and_mended() {
    let directory = tempfile::tempdir().unwrap();
    let cache = cache(directory.path());
    cache.keep(&[kept("yum")]).unwrap();
    let whole = fs::read(only_file(directory.path())).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(only_file(directory.path()), &damaged).unwrap();
        assert_eq!(cache.load().unwrap(), [], "a flipped bit in byte {at}");
    }
    for length in 0..whole.len() {
        fs::write(only_file(directory.path()), &whole[..length]).unwrap();
        assert_eq!(cache.load().unwrap(), [], "cut to {length} bytes");
    }
    cache.keep(&[kept("yum")]).unwrap();
    assert_eq!(cache.load().unwrap(), [kept("yum")]);
}

#[test]
fn an_announcement_that_this_node_did_not_keep_is_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let forger = Cache::open(directory.path().to_owned(), Seal::new([2; 64])).unwrap();
    forger.keep(&[kept("yum")]).unwrap();
    assert_eq!(forger.load().unwrap().len(), 1);
    assert_eq!(cache(directory.path()).load().unwrap(), []);
    // Nor may it be renewed by whoever knows the time of an old one but not the secret.
    let path = only_file(directory.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes[SEAL_BYTES + SINCE_BYTES - 1] += 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(forger.load().unwrap(), []);
}
