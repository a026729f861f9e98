//! A directory serves one process at a time, and counts its lives.

use std::net::SocketAddr;

use gossamer_wire::{Generation, Policy};

use super::{Addresses, Home, HomeError};
use crate::plugin::PluginError;
use crate::{Context, Options, Plugin};

struct Nothing;

impl Plugin for Nothing {
    const NAME: &'static str = "nothing";
    const VERSION: &'static str = "1.0.0";

    fn policy() -> Policy {
        Policy { module: String::new(), data: "{}".to_owned() }
    }

    async fn start(_context: Context) -> Result<Self, PluginError> {
        Ok(Self)
    }

    fn router(self: std::sync::Arc<Self>) -> axum::Router {
        axum::Router::new()
    }
}

fn options(directory: &tempfile::TempDir) -> Options {
    Options { data: Some(directory.path().join("data")), ..Options::default() }
}

#[test]
fn each_start_is_a_new_generation() {
    let directory = tempfile::tempdir().unwrap();
    for life in 1..4 {
        let home = Home::open::<Nothing>(&options(&directory)).unwrap();
        assert_eq!(home.generation(), Generation::new(life));
    }
}

#[test]
fn two_processes_cannot_share_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let first = Home::open::<Nothing>(&options(&directory)).unwrap();
    assert!(matches!(Home::open::<Nothing>(&options(&directory)), Err(HomeError::InUse(_))));
    drop(first);
    Home::open::<Nothing>(&options(&directory)).unwrap();
}

#[test]
fn by_default_it_listens_where_the_cores_can_see_it() {
    let cores: [SocketAddr; 1] = ["127.0.0.1:4100".parse().unwrap()];
    let free = "127.0.0.1:0".parse().unwrap();
    assert_eq!(Addresses::new(&Options::default(), &cores), Addresses { listen: free, bind: free });
    let options = Options { listen: Some("0.0.0.0:7000".parse().unwrap()), ..Options::default() };
    assert_eq!(Addresses::new(&options, &cores).listen, "127.0.0.1:7000".parse().unwrap());
}

#[test]
fn a_token_file_that_is_gone_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { join_file: Some(directory.path().join("gone")), ..options(&directory) };
    let home = Home::open::<Nothing>(&options).unwrap();
    assert!(home.token(&options).unwrap().is_none());
}
