//! Bad networks: every fifth request is lost, stalls, is cut short, or gets an error.
#![allow(dead_code, reason = "not every test binary needs all of it")]

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::registry::TestRegistry;
use crate::web::{Reply, Request};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    None,
    Reset,
    Stall,
    Cut,
    TooMany,
    Broken,
    /// Half of what is sent arrives.
    HalfSent,
}

/// What happens to the nth request of its kind, determined by the seed alone.
pub fn choose(seed: u64, key: &str, count: u64) -> Kind {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in key.bytes().chain(count.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let hash = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33;
    if !hash.is_multiple_of(5) {
        return Kind::None;
    }
    [Kind::Reset, Kind::Stall, Kind::Cut, Kind::TooMany, Kind::Broken, Kind::HalfSent][(hash / 5 % 6) as usize]
}

/// Without what differs between runs.
pub fn key(request: &Request) -> String {
    let path = request.path.split("/uploads/").next().unwrap_or_default();
    format!("{} {path}", request.method)
}

pub fn misbehave(registry: &TestRegistry, seed: u64) {
    let counts: Mutex<HashMap<String, u64>> = Mutex::default();
    registry.set_gate(move |request| {
        let key = key(request);
        let mut counts = counts.lock().unwrap();
        let count = counts.entry(key.clone()).or_default();
        *count += 1;
        let kind = choose(seed, &key, *count);
        request.headers.push(("x-fault".to_owned(), format!("{kind:?}")));
        match kind {
            Kind::HalfSent => request.body.truncate(request.body.len() / 2),
            Kind::TooMany => return Some(Reply::new(429, "slow down").with("Retry-After", "0")),
            Kind::Broken => return Some(Reply::new(500, "oh")),
            _ => {}
        }
        None
    });
    registry.set_fault(|request, mut reply| {
        match request.header("x-fault") {
            Some("Reset" | "HalfSent") => reply.reset = true,
            Some("Stall") => reply.delay = Duration::from_millis(900),
            Some("Cut") if reply.body.len() > 1 => reply.cut = Some(reply.body.len() / 2),
            Some("Cut") => reply.reset = true,
            _ => {}
        }
        reply
    });
}
