//! The events that `events` reports, in docker's order and with docker's attributes.

use super::machine::Machine;

/// The events since `since`: type, action and attributes, with IDs as `ID`. Events of volumes and networks are left out
/// unless they are requested.
fn told(machine: &Machine, since: &str, filters: &[&str]) -> Vec<String> {
    let first = ["events", "--since", since, "--until", "0s", "--format", "json"];
    let text = machine.says(&[&first[..], filters].concat());
    let lines = text.lines().map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let attributes = event["Actor"]["Attributes"].as_object().unwrap();
        let shown = attributes.iter().filter(|(key, _)| !["execDuration", "image"].contains(&key.as_str()));
        let shown: Vec<String> = shown
            .map(|(key, value)| {
                let value = value.as_str().unwrap().trim_start_matches("sha256:");
                let is_id = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
                format!("{key}={}", if is_id { "ID" } else { value })
            })
            .collect();
        let text = |field: &str| event[field].as_str().unwrap().to_owned();
        format!("{} {} {}", text("Type"), text("Action"), shown.join(" ")).trim_end().to_owned()
    });
    lines.collect()
}

fn now() -> String {
    format!("{:.9}", std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64())
}

#[test]
fn of_a_container_as_docker_has_them() {
    let Some(machine) = Machine::new() else { return };
    let since = now();
    machine.start("one", &["-l", "a=b", "-v", "evol:/v"], "sleep 1000");
    machine.run(&["exec", "one", "sh", "-c", "exit 3"]).fails(3);
    machine.says(&["exec", "one", "true"]);
    machine.says(&["rename", "one", "two"]);
    machine.says(&["pause", "two"]);
    machine.says(&["unpause", "two"]);
    machine.says(&["restart", "-t", "0", "two"]);
    machine.says(&["commit", "-m", "why", "two", "made"]);
    machine.says(&["stop", "-t", "0", "two"]);
    machine.says(&["start", "two"]);
    machine.says(&["kill", "-s", "USR1", "two"]);
    machine.says(&["kill", "two"]);
    machine.says(&["wait", "two"]);
    machine.says(&["export", "-o", "/dev/null", "two"]);
    machine.0.write("file", "x");
    machine.says(&["cp", "two:/etc/passwd", "copied"]);
    machine.says(&["cp", "file", "two:/file"]);
    machine.run(&["cp", "two:/nothing", "copied"]).fails(1);
    machine.says(&["rm", "two"]);
    let begins = [
        "volume mount container=ID destination=/v driver=local propagation= read/write=true",
        "network connect container=ID name=none type=null",
    ];
    let ends = ["network disconnect container=ID name=none type=null", "volume unmount container=ID driver=local"];
    let mut wanted = vec!["volume create driver=local", "container create a=b name=one"];
    wanted.extend(begins);
    wanted.extend([
        "container start a=b name=one",
        "container exec_create: sh -c exit 3 a=b execID=ID name=one",
        "container exec_start: sh -c exit 3 a=b execID=ID name=one",
        "container exec_die a=b execID=ID exitCode=3 name=one",
        "container exec_create: true  a=b execID=ID name=one",
        "container exec_start: true  a=b execID=ID name=one",
        "container exec_die a=b execID=ID exitCode=0 name=one",
        "container rename a=b name=two oldName=/one",
        "container pause a=b name=two",
        "container unpause a=b name=two",
        "container kill a=b name=two signal=15",
        "container kill a=b name=two signal=9",
    ]);
    wanted.extend(ends);
    wanted.extend(["container stop a=b name=two", "container die a=b exitCode=137 name=two"]);
    wanted.extend(begins);
    wanted.extend([
        "container start a=b name=two",
        "container restart a=b name=two",
        "container pause a=b name=two",
        "container unpause a=b name=two",
        "image create a=b name=ID",
        "image tag a=b name=made:latest",
        "container commit a=b comment=why imageID=ID imageRef=made:latest name=two",
        "container kill a=b name=two signal=15",
        "container kill a=b name=two signal=9",
    ]);
    wanted.extend(ends);
    wanted.extend(["container stop a=b name=two", "container die a=b exitCode=137 name=two"]);
    wanted.extend(begins);
    wanted.extend([
        "container start a=b name=two",
        "container kill a=b name=two signal=10",
        "container kill a=b name=two signal=9",
    ]);
    wanted.extend(ends);
    wanted.extend([
        "container die a=b exitCode=137 name=two",
        "container export a=b name=two",
        "container archive-path a=b name=two",
        "container extract-to-dir a=b name=two",
        "container destroy a=b name=two",
    ]);
    // The monitor resumes the container when it notices that nobody copies its files any longer.
    let without = |lines: Vec<String>| lines.into_iter().filter(|line| !line.contains(" unpause ")).collect::<Vec<_>>();
    let wanted = without(wanted.into_iter().map(str::to_owned).collect());
    assert_eq!(without(told(&machine, &since, &[])), wanted);
    let execs = told(&machine, &since, &["-f", "event=exec_die", "-f", "event=restart", "-f", "container=two"]);
    assert_eq!(execs, ["container restart a=b name=two"]);
    assert_eq!(told(&machine, &since, &["-f", "type=daemon"]), Vec::<String>::new());
    machine.run(&["events", "--until", "0s", "-f", "colour=red"]).fails(1);
}

#[test]
fn of_whoever_looks_on_and_of_removals() {
    let Some(machine) = Machine::new() else { return };
    let since = now();
    machine.says(&["run", "--rm", "--network", "none", "--name", "seen", "busybox", "true"]);
    machine.run(&["run", "--network", "none", "--name", "wrong", "busybox", "no-such-program"]).fails(127);
    machine.start("gone", &[], "sleep 1000");
    machine.says(&["update", "--restart", "no", "gone"]);
    machine.says(&["rm", "-f", "gone"]);
    machine.says(&["container", "prune", "-f"]);
    let wanted = [
        "container create name=seen",
        "container attach name=seen",
        "container start name=seen",
        "container die exitCode=0 name=seen",
        "container destroy name=seen",
        "container create name=wrong",
        "container attach name=wrong",
        "container create name=gone",
        "container start name=gone",
        "container update name=gone",
        "container kill name=gone signal=9",
        "container die exitCode=137 name=gone",
        "container destroy name=gone",
        "container destroy name=wrong",
    ];
    let told_of = told(&machine, &since, &["-f", "type=container"]);
    assert_eq!(told_of[..wanted.len()], wanted);
    assert!(told_of[wanted.len()].starts_with("container prune reclaimed="), "{told_of:?}");
}

#[test]
fn of_images() {
    let Some(machine) = Machine::new() else { return };
    let since = now();
    machine.0.build_text("FROM busybox\nLABEL made=here\n", &["-t", "one:1"]).ok();
    machine.says(&["tag", "one:1", "two:2"]);
    machine.says(&["save", "-o", "/dev/null", "one:1"]);
    machine.says(&["rmi", "one:1", "two:2"]);
    let wanted = [
        "image tag made=here name=one:1",
        "image tag made=here name=two:2",
        "image save made=here name=ID",
        "image untag made=here name=ID",
        "image untag made=here name=ID",
        "image delete name=ID",
    ];
    assert_eq!(told(&machine, &since, &["-f", "type=image"]), wanted);
}
