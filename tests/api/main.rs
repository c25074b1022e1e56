//! Docker's API over its socket, with the real binary.

#[path = "../common/mod.rs"]
mod common;
#[path = "../support/registry.rs"]
mod registry;
#[path = "../support/web.rs"]
mod web;

mod builds;
mod burden;
mod containers;
mod contract;
mod dockers_words;
mod hostile;
mod images;
mod killed;
mod left;
mod life;
mod ordinary;
mod passed;
mod remote;
mod resources;
mod units;

use std::path::{Path, PathBuf};
use std::process::Child;

use serde_json::Value;

use common::support::http::{self, Reply};
use common::{TestStore, wait_until};

/// A service for a store; it ends with the test.
pub struct Served<'a> {
    pub socket: PathBuf,
    pub child: Child,
    _store: &'a TestStore,
}

impl<'a> Served<'a> {
    pub fn of(store: &'a TestStore) -> Self {
        Self::with(store, &[], "api.sock")
    }

    pub fn with(store: &'a TestStore, options: &[&str], name: &str) -> Self {
        let socket = store.work().join(name);
        let address = format!("unix://{}", socket.display());
        let mut words = vec!["system", "service"];
        words.extend(options);
        words.push(&address);
        let child = store.command(&words).spawn().expect("rbuild can be started");
        wait_until("the service listens", || is_listening(&socket));
        Self { socket, child, _store: store }
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, None)
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: Value) -> Reply {
        self.ask("POST", path, Some(&body))
    }

    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        http::ask(&self.socket, method, path, body)
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn is_listening(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}
