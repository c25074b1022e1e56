//! Large loads: long logs, many followers, a full disk, a deleted store, a machine that was switched off.
//! `RBUILD_TEST_LOG_LINES` makes the log longer than is practical every day.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::common::small_disk::Small;
use super::common::{Answer, TestStore, busybox_archive, can_run_containers, has_programs, is_root, skip, wait_until};
use super::machine::Machine;

fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn a_long_log_is_rotated_and_whole_to_its_end() {
    let Some(machine) = Machine::new() else { return };
    let lines = number("RBUILD_TEST_LOG_LINES", 150_000);
    let options = ["--log-opt", "max-size=1m", "--log-opt", "max-file=4"];
    let begun = Instant::now();
    machine.start(
        "long",
        &options,
        &format!("seq -f 'line %.0f of a long log' 1 {lines} 2>/dev/null || seq 1 {lines}"),
    );
    assert_eq!(machine.says(&["wait", "long"]), "0");
    eprintln!("{lines} lines in {:?}", begun.elapsed());
    let folder = machine.0.root().join("containers").join(machine.field("long", "{{.Id}}"));
    let files: Vec<u64> = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains("-json.log"))
        .map(|entry| entry.metadata().unwrap().len())
        .collect();
    assert!(files.len() == 4 && files.iter().all(|size| *size < 1_100_000), "{files:?}");
    // What is there has no gap.
    let text = machine.says(&["logs", "long"]);
    let numbers: Vec<usize> = text.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(*numbers.last().unwrap(), lines);
    assert!(numbers.len() > 10_000 && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
    assert_eq!(machine.says(&["logs", "--tail", "2", "long"]), format!("{}\n{lines}", lines - 1));
}

#[test]
fn ten_followers_and_a_flood_beside_them() {
    let Some(machine) = Machine::new() else { return };
    let options = ["--log-opt", "max-size=1m", "--log-opt", "max-file=2"];
    machine.start("flood", &options, "while true; do cat /bin/busybox | od; done");
    let count = 300;
    let script = format!("i=0; while [ $i -lt {count} ]; do echo $i; i=$((i+1)); done; sleep 0.5; echo last");
    machine.start("count", &[], &script);
    let followers: Vec<_> =
        (0..10).map(|_| machine.0.command(&["logs", "-f", "count"]).stdout(Stdio::piped()).spawn().unwrap()).collect();
    let wanted: String = (0..count).map(|number| format!("{number}\n")).chain(["last\n".to_owned()]).collect();
    for follower in followers {
        assert_eq!(String::from_utf8(follower.wait_with_output().unwrap().stdout).unwrap(), wanted);
    }
    assert_eq!(machine.says(&["ps", "--format", "{{.Names}}"]), "flood");
    machine.says(&["rm", "-f", "flood"]);
}

#[test]
fn a_full_disk_under_a_log_harms_no_container() {
    if !can_run_containers() {
        return;
    }
    let Some(Small { store }) = &Small::new(64) else { return };
    store.run(&["load", "-i", &busybox_archive().unwrap().to_string_lossy()]).ok();
    let machine = Machine(TestStore::borrowed(&store.root(), &store.work()));
    let script = "i=0; while [ $i -lt 4000 ]; do echo line $i; i=$((i+1)); \
                  [ $i = 50 ] && while [ ! -e /dev/shm/full ]; do sleep 0.05; done; done; \
                  echo done > /dev/shm/done; while [ ! -e /dev/shm/go ]; do sleep 0.05; done; echo after; sleep 100";
    machine.start("talk", &[], script);
    machine.until(&["logs", "talk"], |text| text.lines().count() == 50);
    let ballast = store.root().join("ballast");
    // It ends with an error, once there is no space left.
    let _ = std::io::copy(&mut std::io::repeat(0), &mut std::fs::File::create(&ballast).unwrap());
    machine.says(&["exec", "talk", "touch", "/dev/shm/full"]);
    let is_done = || machine.run(&["exec", "talk", "test", "-e", "/dev/shm/done"]).code() == Some(0);
    wait_until("the program is not held up by its log", is_done);
    std::fs::remove_file(&ballast).unwrap();
    machine.says(&["exec", "talk", "touch", "/dev/shm/go"]);
    machine.until(&["logs", "talk"], |text| text.ends_with("after\n"));
    let said = machine.run(&["logs", "talk"]).ok().stderr();
    assert!(said.contains("lines of output are missing here: No space left on device"), "{said}");
    assert_eq!(machine.says(&["ps", "--format", "{{.Names}}"]), "talk");
}

#[test]
fn a_deleted_store_takes_its_containers_along() {
    let Some(machine) = Machine::new() else { return };
    let network = if is_root() { Some(machine.says(&["network", "create", "front"])) } else { None };
    let options: &[&str] = if network.is_some() { &["--network", "front"] } else { &["--network", "none"] };
    machine.says(
        &[&["run", "-d", "--name", "left", "--restart", "always"], options, &["busybox", "sleep", "1000"]].concat(),
    );
    let processes = ["Pid", "MonitorPid"].map(|field| machine.state_number("left", field));
    let bridge = network.map(|id| Path::new("/sys/class/net").join(format!("rb-{}", &id[..12])));
    assert!(bridge.iter().all(|bridge| bridge.exists()));
    machine.0.delete();
    wait_until("the processes are gone", || !processes.iter().any(|pid| Path::new(&format!("/proc/{pid}")).exists()));
    wait_until("the bridge is gone", || !bridge.iter().any(|bridge| bridge.exists()));
}

#[test]
fn bridges_of_a_deleted_store_go_with_the_next_prune() {
    if !is_root() {
        return skip("bridges are root's");
    }
    let (Some(kept), Some(deleted)) = (Machine::new(), Machine::new()) else { return };
    let bridge = |machine: &Machine| {
        let id = machine.says(&["network", "create", "front"]);
        machine.says(&["run", "--rm", "--network", "front", "busybox", "true"]);
        Path::new("/sys/class/net").join(format!("rb-{}", &id[..12]))
    };
    let (own, other) = (bridge(&kept), bridge(&deleted));
    // The filter keeps the network of the existing store.
    let prune = ["network", "prune", "-f", "--filter", "label=none"];
    kept.says(&prune);
    assert!(own.exists() && other.exists());
    deleted.0.delete();
    // A bridge stays while it is in use, and the kernel removes a dead container's interface in the background.
    wait_until("the bridge is gone", || {
        kept.says(&prune);
        !other.exists()
    });
    assert!(own.exists());
    kept.says(&["network", "rm", "front"]);
    assert!(!own.exists());
}

/// /run is empty after a power cycle, and bridges and rules are gone; so everything is in the test's own namespaces.
#[test]
fn after_a_boot_all_can_be_started_again() {
    if !is_root() || !has_programs(&["unshare", "ip"]) {
        return skip("namespaces of one's own need root");
    }
    let Some(machine) = Machine::new() else { return };
    let script = r#"set -e
        mount -t tmpfs tmpfs /run; ip link set lo up
        R=$0
        $R network create front > /dev/null
        $R run -d --name web --network front -p 127.0.0.1:8080:80 -v data:/data busybox \
            sh -c 'echo kept >> /data/file; mkdir -p /www; cp /data/file /www/index.html; exec httpd -f -h /www' > /dev/null
        $R run -d --name other busybox sleep 1000 > /dev/null
        for field in web other; do
            kill -9 $(sed 's/.*"MonitorPid":\([0-9]*\).*/\1/' $RBUILD_ROOT/containers/$($R inspect -f '{{.Id}}' $field)/state.json)
        done
        while [ "$($R ps -q)" ]; do sleep 0.05; done
        umount /run; mount -t tmpfs tmpfs /run
        for link in /sys/class/net/rb*; do ip link del $(basename $link) 2> /dev/null || true; done
        $R ps -a --format '{{.Names}} {{.Status}}' | sed 's/ ago//; s/) .*/)/'
        $R start web other
        $R exec other echo here
        for i in $(seq 2000); do $R exec web wget -q -O- http://web/index.html 2> /dev/null && break; sleep 0.05; done
        $R rm -f web other; $R network rm front
    "#;
    let mut command = Command::new("unshare");
    command.args(["-m", "-n", "sh", "-c", script, env!("CARGO_BIN_EXE_rbuild")]).current_dir(machine.0.work());
    command.env("RBUILD_ROOT", machine.0.root()).stdin(Stdio::null());
    let said = Answer::of(command).ok().stdout();
    let wanted = "other Exited (137)\nweb Exited (137)\nweb\nother\nhere\nkept\nkept\nweb\nother\nfront\n";
    assert_eq!(said, wanted);
}
