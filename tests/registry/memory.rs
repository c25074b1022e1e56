//! The memory that a large layer needs: of RBUILD_TEST_LAYER_MIB, by default 96 MiB, more than rbuild may ever use.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::TestStore;
use crate::image::{layer, put_image};
use crate::registry::TestRegistry;

/// KiB.
const MOST: u64 = 60 << 10;

/// The peak memory of the command in KiB. It has to succeed.
fn peak(mut command: Command) -> u64 {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let path = format!("/proc/{}/status", child.id());
    let mut most = 0;
    let status = loop {
        let status = std::fs::read_to_string(&path).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let here = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        most = most.max(here.unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(status.success(), "{status}");
    most
}

#[test]
fn a_large_layer_takes_little_memory() {
    let mib = std::env::var("RBUILD_TEST_LAYER_MIB").ok().and_then(|text| text.parse().ok()).unwrap_or(96);
    let registry = TestRegistry::start();
    let stream = layer(1, mib << 20);
    put_image(&registry, "large", "1", &[("", stream.clone(), stream)]);
    registry.forget();
    let store = TestStore::empty();
    let name = registry.name("large:1");
    store.write("ctx/Dockerfile", format!("FROM {name}\nCOPY Dockerfile /\n"));
    let place = format!("docker://{name}");
    let pushed = registry.name("pushed:1");
    let cache = format!("type=registry,ref={},mode=max", registry.name("cache"));
    for words in [
        vec!["pull", "-q", &name],
        vec!["copy", "-q", &place, "oci:layout:1"],
        // Unpacked, and compressed with gzip on the fly.
        vec!["build", "-q", "-t", &pushed, "-o", "type=registry,force-compression=true", "--cache-to", &cache, "ctx"],
    ] {
        let most = peak(store.command(&words));
        println!("{mib} MiB, {}: {} MiB", words[0], most >> 10);
        assert!(most < MOST, "{words:?} took {most} KiB");
    }
    assert!(registry.manifest("pushed", "1").is_some());
}
