//! Small facts about containers, volumes and networks.

use super::machine::Machine;

#[test]
fn events_of_networks_and_volumes() {
    let Some(machine) = Machine::new() else { return };
    let network = machine.says(&["network", "create", "net1"]);
    machine.says(&["volume", "create", "vol1"]);
    let arguments =
        ["run", "--rm", "--name", "box", "--network", "none", "-v", "vol1:/d:ro", "-v", "/e", "busybox", "true"];
    machine.says(&arguments);
    machine.says(&["network", "rm", "net1"]);
    machine.says(&["volume", "rm", "vol1"]);
    machine.says(&["volume", "prune", "-f"]);
    machine.says(&["network", "prune", "-f"]);
    let all = ["events", "--since", "1h", "--until", "0s", "--format"];
    let told = machine.says(&[all.as_slice(), &["{{.Type}} {{.Action}}"]].concat());
    let wanted = "network create,volume create,volume create,container create,container attach,volume mount,volume mount,\
                  network connect,container start,network disconnect,volume unmount,volume unmount,container die,volume destroy,\
                  container destroy,network destroy,volume destroy,volume prune,network prune";
    let of_images = |line: &&str| !line.starts_with("image ");
    assert_eq!(told.lines().filter(of_images).collect::<Vec<_>>().join(","), wanted);
    let of = |filters: &[&str]| {
        let filters: Vec<&str> = filters.iter().flat_map(|filter| ["--filter", filter]).collect();
        machine.says(&[all.as_slice(), &["{{.Actor.ID}} {{json .Actor.Attributes}}"], &filters].concat())
    };
    assert_eq!(of(&["network=net1", "event=create"]), format!("{network} {{\"name\":\"net1\",\"type\":\"bridge\"}}"));
    assert_eq!(of(&["volume=vol1", "event=create"]), "vol1 {\"driver\":\"local\"}");
    let mounted = of(&["volume=vol1", "event=mount"]);
    for part in ["\"container\":\"", "\"destination\":\"/d\"", "\"read/write\":\"false\"", "\"driver\":\"local\""] {
        assert!(mounted.contains(part), "{part} in {mounted}");
    }
    assert!(of(&["type=network", "event=connect"]).contains("\"name\":\"none\",\"type\":\"null\""));
    assert_eq!(of(&["type=network", "event=prune"]), " {\"reclaimed\":\"0\"}");
}

#[test]
fn labels_one_by_one() {
    let Some(machine) = Machine::new() else { return };
    machine.start("box", &["--label", "com.example.role=db", "--label", "b=x,y=z"], "sleep 100");
    let ps = |format: &str| machine.says(&["ps", "--format", format]);
    assert_eq!(ps(r#"{{.Names}} {{.Label "com.example.role"}}|{{.Label "b"}}|{{.Label "none"}}"#), "box db|x,y=z|");
    assert_eq!(ps(r#"table {{.Label "com.example.role"}}"#), "role\ndb");
    let json: serde_json::Value = serde_json::from_str(&ps("json")).unwrap();
    assert!(json.get("Label").is_none() && json["Labels"].as_str().unwrap().contains("com.example.role=db"));
    machine.says(&["volume", "create", "--label", "a=1", "vol1"]);
    assert_eq!(machine.says(&["volume", "ls", "--format", r#"{{.Label "a"}}"#]), "1");
    machine.says(&["network", "create", "--label", "a=2", "net1"]);
    assert_eq!(machine.says(&["network", "ls", "-f", "name=net1", "--format", r#"{{.Label "a"}}"#]), "2");
    machine.says(&["network", "rm", "net1"]);
}

#[test]
fn programs_that_were_added_are_listed() {
    let Some(machine) = Machine::new() else { return };
    machine.start("box", &[], "sleep 100");
    assert_eq!(machine.field("box", "{{json .ExecIDs}}"), "null");
    machine.says(&["exec", "-d", "box", "sleep", "100"]);
    let ids = machine.field("box", "{{join .ExecIDs \",\"}}");
    assert!(ids.len() == 64 && ids.bytes().all(|byte| byte.is_ascii_hexdigit()), "{ids}");
    machine.says(&["exec", "box", "true"]);
    assert_eq!(machine.field("box", "{{len .ExecIDs}}"), "1");
    machine.says(&["exec", "box", "sh", "-c", "kill $(ps | grep '[s]leep 100' | tail -1 | awk '{print $1}')"]);
    machine.until(&["inspect", "-f", "{{json .ExecIDs}}", "box"], |text| text == "null\n");
}

#[test]
fn a_volume_in_memory_is_one_for_all() {
    let Some(machine) = Machine::new() else { return };
    machine.says(&["volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m", "memory"]);
    machine.start("first", &["-v", "memory:/m"], "echo here > /m/file; sleep 100");
    machine.until(&["exec", "first", "ls", "/m"], |text| text == "file\n");
    machine.start("second", &["-v", "memory:/other/place"], "sleep 100");
    assert_eq!(machine.says(&["exec", "second", "cat", "/other/place/file"]), "here");
    machine.says(&["rm", "-f", "first"]);
    machine.says(&["exec", "second", "sh", "-c", "echo still >> /other/place/file"]);
    let (_, text) = machine.script(&["-v", "memory:/m:ro"], "cat /m/file; touch /m/x 2>/dev/null || echo kept");
    assert_eq!(text, "here\nstill\nkept\n");
    machine.says(&["rm", "-f", "second"]);
    let (_, text) = machine.script(&["-v", "memory:/m"], "ls /m");
    assert_eq!(text, "");
}

/// What was created only as a mount point is removed again, whether the program fails or the network.
#[test]
fn a_container_that_did_not_start_has_changed_nothing() {
    let Some(machine) = Machine::new() else { return };
    let failing = |name: &str, options: &[&str], program: &str| {
        let answer = machine.run(
            &[&["run", "-d", "--name", name, "-v", "/new/volume"], options, &["busybox", program, "100"]].concat(),
        );
        assert_ne!(answer.code(), Some(0));
        let upper = machine.0.root().join("containers").join(machine.field(name, "{{.Id}}")).join("upper");
        let files = walkdir::WalkDir::new(&upper).into_iter().flatten().filter(|entry| !entry.file_type().is_dir());
        let mut files: Vec<_> = files.map(|entry| entry.into_path().strip_prefix(&upper).unwrap().to_owned()).collect();
        files.sort();
        // The standard files of every container, and its volume's mount point.
        assert_eq!(files, [".dockerenv", "etc/mtab"].map(std::path::PathBuf::from));
        assert_eq!(machine.says(&["diff", name]), "A /new\nA /new/volume");
        answer.stderr()
    };
    assert!(failing("wrong", &["--network", "none"], "no-such-program").contains("no-such-program"));
    if super::common::is_root() {
        machine.says(&["network", "create", "--subnet", "10.199.77.0/24", "front"]);
        let place = ["--network", "front", "--ip", "10.199.77.9"];
        machine.says(&[&["run", "-d", "--name", "first"], &place[..], &["busybox", "sleep", "100"]].concat());
        let said = failing("second", &place, "sleep");
        assert!(said.contains("10.199.77.9"), "{said}");
        machine.says(&["rm", "-f", "first"]);
        machine.says(&["start", "second"]);
        assert_eq!(machine.says(&["exec", "second", "hostname", "-i"]), "10.199.77.9");
        machine.says(&["rm", "-f", "second"]);
        machine.says(&["network", "rm", "front"]);
    }
}

/// Fields that scripts query, as in docker's Go types.
#[test]
fn templates_know_the_types_of_dockers_fields() {
    let Some(machine) = Machine::new() else { return };
    machine.says(&["create", "--name", "box", "--network", "none", "busybox", "true"]);
    for (template, expected) in [
        ("{{len .HostConfig.Binds}} {{.HostConfig.Binds}} {{json .HostConfig.Binds}}", "0 [] null"),
        ("{{.HostConfig.NetworkMode.IsNone}} {{.HostConfig.NetworkMode.IsHost}}", "true false"),
        ("{{.Config.Labels}} {{.Config.Healthcheck}} {{.HostConfig.Tmpfs}}", "map[] <nil> map[]"),
        ("{{.HostConfig.RestartPolicy.IsNone}} {{.State.Status}} {{.Config.StopTimeout}}", "true created <nil>"),
    ] {
        assert_eq!(machine.field("box", template), expected, "{template}");
    }
    machine.run(&["inspect", "-f", "{{.NoSuchField}}", "box"]).fails(1);
    let info = |template: &str| machine.says(&["info", "-f", template]);
    assert!(info("{{.NCPU}}").parse::<u32>().is_ok_and(|count| count > 0));
    assert!(info("{{.MemTotal}}").parse::<u64>().is_ok_and(|bytes| bytes > 1 << 20));
    let driver = machine.field("box", "{{.Driver}}");
    assert_eq!(
        info("{{.Driver}} {{.Swarm.LocalNodeState}} {{.LoggingDriver}}"),
        format!("{driver} inactive json-file")
    );
    assert_eq!(info("{{.CgroupDriver}} {{.Plugins.Volume}} {{.OSType}}"), "cgroupfs [local] linux");
}
