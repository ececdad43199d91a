//! Real servers and the real program, as child processes on free ports with folders of their own.

pub mod clip;
pub mod http;
pub mod mosquitto;
// The store's own tests use it too, and more of it.
#[allow(dead_code)]
#[path = "../../../alerts/src/store/server.rs"]
pub mod postgres;
pub mod program;
pub mod publisher;
pub mod site;
pub mod subscriber;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::{Duration, Instant},
};

/// An address on loopback whose port was free a moment ago.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address")
}

/// Waits until `condition` gives something, checking often; panics with `what` after `limit`.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(25));
    }
}
