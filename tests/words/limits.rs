//! Limits of RUN steps are enforced, and not part of any key.

use super::common::{TestStore, is_root, skip};

/// The values of the step's cgroup, in either version.
const SHOW: &str = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null > /limits; \
                    grep Cpus_allowed_list /proc/self/status >> /limits; true";

#[test]
fn a_step_runs_under_the_limits_and_its_key_does_not_know_them() {
    if !is_root() {
        return skip("needs root");
    }
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", format!("FROM busybox\nRUN {SHOW}\n"));
    let build = |options: &[&str]| {
        let words = [&["build", "--progress", "plain", "-t", "made"], options, &["ctx"]].concat();
        super::run(&store, &words, &[])
    };
    let first = build(&["-m", "64m", "--cpuset-cpus", "0", "--memory-swap=-1", "-c", "512"]);
    if first.code() != Some(0) && first.stderr().contains("cgroup") {
        return skip(&format!("the kernel gives no cgroup to limit with: {}", first.stderr()));
    }
    first.ok();
    let limits =
        || super::run(&store, &["run", "--rm", "--network", "none", "made", "cat", "/limits"], &[]).ok().stdout();
    let said = limits();
    assert!(said.contains("67108864\n") && said.contains("Cpus_allowed_list:\t0\n"), "{said}");
    assert_eq!(build(&["--resource", "memory=32m"]).ok().executed(), [""; 0], "limits are in no key");
    build(&[
        "--no-cache",
        "--resource",
        "memory=32m",
        "--resource",
        "cpu-quota=50000",
        "--resource",
        "cpu-period=100000",
    ])
    .ok();
    assert!(limits().contains("33554432\n"));
}
