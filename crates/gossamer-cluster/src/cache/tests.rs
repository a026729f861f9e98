//! What is stored is what is loaded.

use super::*;

fn directory(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("gossamer-cache-{}-{name}", std::process::id()));
    drop(fs::remove_dir_all(&directory));
    directory
}

#[test]
fn members_survive_a_restart() {
    let directory = directory("survive");
    assert_eq!(load(&directory).unwrap(), Addresses::new());
    let members = Addresses::from([(NodeId::from_bytes([7; 16]), "10.0.0.1:7946".parse().unwrap())]);
    store(&directory, &members).unwrap();
    assert_eq!(load(&directory).unwrap(), members);
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn an_unreadable_file_is_no_reason_not_to_start() {
    let directory = directory("unreadable");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(FILE), "{\"half").unwrap();
    assert_eq!(load(&directory).unwrap(), Addresses::new());
    fs::remove_dir_all(&directory).unwrap();
}
