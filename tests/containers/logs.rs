//! Logs of containers.

use super::machine::Machine;

#[test]
fn logs_are_kept_by_stream_and_time() {
    let Some(machine) = Machine::new() else { return };
    machine.start("talk", &["--label", "l=1", "--log-opt", "labels=l"], "echo out; echo err >&2; printf end");
    machine.says(&["wait", "talk"]);
    let answer = machine.run(&["logs", "talk"]).ok();
    assert_eq!((answer.stdout().as_str(), answer.stderr().as_str()), ("out\nend", "err\n"));
    assert_eq!(machine.says(&["logs", "-n", "1", "talk"]), "end");
    assert_eq!(machine.says(&["logs", "--tail", "0", "talk"]), "");
    let timed = machine.says(&["logs", "-t", "talk"]);
    assert!(timed.lines().all(|line| line.len() > 31 && &line[29..31] == "Z "), "{timed}");
    assert!(machine.says(&["logs", "--details", "talk"]).starts_with("l=1 out"));
    assert_eq!(machine.says(&["logs", "--since", "2099-01-01T00:00:00Z", "talk"]), "");
    assert_eq!(machine.says(&["logs", "--until", "1h", "talk"]), "");
    machine.says(&["start", "talk"]);
    machine.says(&["wait", "talk"]);
    assert_eq!(machine.says(&["logs", "talk"]).lines().count(), 3);
}

#[test]
fn followers_see_every_line() {
    let Some(machine) = Machine::new() else { return };
    machine.start("count", &[], "i=0; while [ $i -lt 200 ]; do echo $i; i=$((i+1)); done; sleep 0.3; echo last");
    let followers: Vec<_> = (0..3)
        .map(|_| {
            let mut command = machine.0.command(&["logs", "-f", "count"]);
            command.stdout(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let wanted: String = (0..200).map(|number| format!("{number}\n")).chain(["last\n".to_owned()]).collect();
    for follower in followers {
        assert_eq!(String::from_utf8(follower.wait_with_output().unwrap().stdout).unwrap(), wanted);
    }
}

#[test]
fn logs_are_limited_or_none() {
    let Some(machine) = Machine::new() else { return };
    let script = "i=0; while [ $i -lt 2000 ]; do echo line $i of many; i=$((i+1)); done";
    for driver in ["json-file", "local"] {
        let options = ["--log-driver", driver, "--log-opt", "max-size=20k", "--log-opt", "max-file=3"];
        machine.start(driver, &options, script);
        machine.says(&["wait", driver]);
        let text = machine.says(&["logs", driver]);
        assert!(text.ends_with("line 1999 of many") && text.lines().count() < 1500, "{}", text.lines().count());
        let size: u64 = machine
            .0
            .root()
            .join("containers")
            .join(machine.field(driver, "{{.Id}}"))
            .read_dir()
            .unwrap()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().contains("json.log"))
            .map(|entry| entry.metadata().unwrap().len())
            .sum();
        assert!(size < 62_000, "{size}");
    }
    machine.start("silent", &["--log-driver", "none"], "echo x");
    machine.says(&["wait", "silent"]);
    let refused = machine.run(&["logs", "silent"]).fails(1);
    assert!(refused.stderr().contains("does not support reading"), "{}", refused.stderr());
    machine.run(&["run", "--rm", "--log-opt", "nonsense=1", "busybox", "true"]).fails(125);
}
