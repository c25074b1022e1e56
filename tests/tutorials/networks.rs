//! `network`: addresses, isolation, filters, and errors.

use super::host::{Host, await_server, for_everybody, machine_of_root, serve};

#[test]
fn addresses_are_given_out_and_taken_back() {
    for_everybody(give_out_addresses);
}

fn give_out_addresses(machine: &Host) {
    let create =
        ["network", "create", "--subnet", "10.253.7.0/29", "--gateway", "10.253.7.6", "--label", "a=b", "small"];
    machine.says(&create);
    let config = machine.says(&["network", "inspect", "-f", "{{json .IPAM.Config}}", "small"]);
    assert_eq!(config, r#"[{"Subnet":"10.253.7.0/29","Gateway":"10.253.7.6"}]"#);
    let run = |options: &[&str]| {
        let script = "ip -4 addr show eth0 | grep -o '10.253[0-9.]*/'";
        machine.run(&[&["run", "--rm", "--network", "small"], options, &["busybox", "sh", "-c", script]].concat())
    };
    assert_eq!(run(&[]).ok().stdout(), "10.253.7.1/\n");
    assert_eq!(run(&["--ip", "10.253.7.4"]).ok().stdout(), "10.253.7.4/\n");
    assert!(run(&["--ip", "10.253.8.4"]).fails(125).stderr().contains("is in no subnet of network `small`"));
    assert!(run(&["--ip", "10.253.7.6"]).fails(125).stderr().contains("already in use"));
    for number in 0..5 {
        machine.says(&["run", "-d", "--network", "small", "--name", &format!("c{number}"), "busybox", "sleep", "100"]);
    }
    assert!(run(&[]).fails(125).stderr().contains("all addresses of network `small` are in use"));
    // A container whose monitor is killed loses its address, too.
    let monitor = machine.field("c3", "{{.State.Pid}}");
    assert_ne!(monitor, "0");
    machine.says(&["kill", "c3"]);
    machine.until(&["inspect", "-f", "{{.State.Status}}", "c3"], |status| status.trim() == "exited");
    assert_eq!(run(&[]).ok().stdout().lines().count(), 1);
    let members = machine.says(&["network", "inspect", "-f", "{{range .Containers}}{{.Name}} {{end}}", "small"]);
    assert_eq!(members.split_whitespace().count(), 4, "{members}");
    assert!(
        machine
            .run(&["network", "create", "--subnet", "10.253.7.0/28", "other"])
            .fails(1)
            .stderr()
            .contains("overlaps")
    );
}

#[test]
fn a_network_without_a_way_out() {
    for_everybody(stay_inside);
}

fn stay_inside(machine: &Host) {
    machine.says(&["network", "create", "--internal", "inner"]);
    serve(machine, "in", &["--network", "inner"], "inside");
    await_server(machine, "in");
    let script = "ip route; timeout 60 wget -q -O- http://in/index.html";
    let answer = machine.says(&["run", "--rm", "--network", "inner", "busybox", "sh", "-c", script]);
    assert!(answer.ends_with("inside") && !answer.contains("default"), "{answer}");
}

#[test]
fn lists_and_refusals() {
    let Some(machine) = machine_of_root() else { return };
    machine.says(&["network", "create", "--ipv6", "--label", "team=x", "mine"]);
    let names = |filter: &str| machine.says(&["network", "ls", "--filter", filter, "--format", "{{.Name}}"]);
    assert_eq!(names("type=custom"), "mine");
    assert_eq!(names("label=team=x"), "mine");
    assert_eq!(names("type=builtin"), "bridge\nhost\nnone");
    let table = machine.says(&["network", "ls"]);
    assert!(table.starts_with("NETWORK ID     NAME      DRIVER    SCOPE\n"), "{table}");
    assert_eq!(machine.says(&["inspect", "--type", "network", "-f", "{{.EnableIPv6}}", "mine"]), "true");
    let refused = |arguments: &[&str], text: &str| {
        let answer = machine.run(arguments).fails(1).stderr();
        assert!(answer.contains(text), "{arguments:?}: {answer}");
    };
    refused(&["network", "create", "mine"], "network with name mine already exists");
    refused(
        &["network", "create", "-d", "overlay", "x"],
        "there is no driver `overlay`: rbuild has bridge networks only",
    );
    refused(&["network", "create", "--opt", "colour=red", "x"], "has no option `colour`");
    refused(&["network", "create", "--gateway", "10.1.2.3", "x"], "no matching subnet");
    refused(&["network", "rm", "bridge"], "pre-defined network");
    refused(&["network", "rm", "nobody"], "network nobody not found");
    let missing = machine.run(&["run", "--rm", "--network", "nobody", "busybox", "true"]).fails(125);
    assert!(missing.stderr().contains("network nobody not found"));
    assert_eq!(machine.says(&["network", "prune", "-f"]), "Deleted Networks:\nmine");
    assert_eq!(names("type=custom"), "");
}

/// Before either of them has a bridge that the other could see.
#[test]
fn two_stores_choose_different_subnets() {
    let (Some(one), Some(other)) = (machine_of_root(), machine_of_root()) else { return };
    let subnet = |machine: &Host| {
        machine.says(&["network", "create", "n"]);
        machine.says(&["network", "inspect", "-f", "{{range .IPAM.Config}}{{.Subnet}}{{end}}", "n"])
    };
    assert_ne!(subnet(&one), subnet(&other));
}
