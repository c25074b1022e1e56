//! Volumes in which names are exchanged while others use them.

use crate::commands::pairs;
use crate::common::Answer;
use crate::fixtures::{Canary, Exchanger, ends, everybody, exchange_all_in, with_attacker};
use crate::machine::Machine;

const TRIES: usize = 10;

fn answer(machine: &Machine, canary: &Canary, arguments: &[&str]) -> Answer {
    let answer = ends(machine.0.command(arguments));
    canary.assert_not_in(answer.stdout_bytes());
    canary.assert_untouched_by(&arguments);
    answer
}

/// Starts a container with the volume `vol`, in which pairs of names are exchanged.
fn attacked(machine: &Machine, canary: &Canary) {
    let script = format!("{}; : > /ready; sleep 10000", pairs("/v", canary));
    machine.says(&["run", "-d", "--name", "box", "--network", "none", "-v", "vol:/v", "attacker", "sh", "-c", &script]);
    machine.until(&["exec", "box", "ls", "/"], |names| names.contains("ready"));
    exchange_all_in(machine, "box", "/v");
}

#[test]
fn a_part_of_a_volume_is_the_volumes() {
    for (_, machine) in everybody() {
        let Some(machine) = with_attacker(machine) else { return };
        let canary = Canary::beside(&machine.0);
        attacked(&machine, &canary);
        let script = "cat /m/secret /m/full/secret /m; touch /m/new; chmod 777 /m /m/secret; rm -rf /m/*; :";
        for number in 0..TRIES {
            for part in ["folder1-a", "folder2-b", "folder3-a/full", "file1-a"] {
                let mount = format!("type=volume,src=vol,dst=/m,volume-subpath={part}");
                let other = if number % 2 == 0 { &["--rm"][..] } else { &["--rm", "-w", "/m"] };
                let command =
                    [&["run", "--network", "none"], other, &["--mount", &mount, "busybox", "sh", "-c", script]];
                answer(&machine, &canary, &command.concat());
            }
        }
        machine.says(&["rm", "-f", "box"]);
    }
}

#[test]
fn volumes_are_measured_filled_and_removed_where_they_are() {
    for (_, machine) in everybody() {
        let Some(machine) = with_attacker(machine) else { return };
        let canary = Canary::beside(&machine.0);
        machine.0.write(
            "ctx/Dockerfile",
            "FROM busybox\nRUN mkdir -p /v/folder1-a/full && echo mine | tee /v/folder1-a/secret > /v/folder1-a/full/secret && chmod -R 777 /v\n",
        );
        machine.says(&["build", "-q", "-t", "filled", "ctx"]);
        attacked(&machine, &canary);
        for _ in 0..3 {
            answer(&machine, &canary, &["system", "df", "-v"]);
            answer(&machine, &canary, &["run", "--rm", "--network", "none", "-v", "vol:/v", "filled", "true"]);
            let other =
                ["run", "--rm", "--network", "none", "--volumes-from", "box", "-w", "/v/folder1-a", "filled", "true"];
            answer(&machine, &canary, &other);
            answer(&machine, &canary, &["volume", "prune", "-af"]);
            answer(&machine, &canary, &["volume", "inspect", "vol"]).ok();
            answer(&machine, &canary, &["system", "check", "--repair"]);
        }
        machine.says(&["rm", "-f", "box"]);
        // A process that still has the folder open continues.
        let data = machine.says(&["volume", "inspect", "-f", "{{.Mountpoint}}", "vol"]);
        let data = std::path::Path::new(&data);
        let exchangers: Vec<_> = (1..=4)
            .map(|number| Exchanger::of(data, &format!("folder{number}-a"), &format!("folder{number}-b")))
            .collect();
        answer(&machine, &canary, &["system", "df", "-v"]);
        answer(&machine, &canary, &["volume", "rm", "vol"]);
        drop(exchangers);
        answer(&machine, &canary, &["volume", "prune", "-af"]).ok();
    }
}

#[test]
fn links_in_an_image_lead_its_volumes_nowhere() {
    for (_, machine) in everybody() {
        let canary = Canary::beside(&machine.0);
        let host = canary.path().display();
        let text = format!(
            "FROM busybox\nRUN ln -s {host} /v && mkdir /d && ln -s {host} /d/away && ln -s {host}/secret /d/file\n\
             VOLUME /v /d /v/full /v/empty-folder\nWORKDIR /v/full\n"
        );
        machine.0.write("ctx/Dockerfile", text);
        machine.says(&["build", "-q", "-t", "linked", "ctx"]);
        for options in [&[][..], &["-v", "named:/v"], &["-v", "other:/d"], &["--tmpfs", "/v"], &["-w", "/d/away"]] {
            let script = "cat /v/secret /d/file /d/away/secret secret; touch x /v/x /d/away/x; chmod 777 . /v /d/away; rm -rf ./* /v/* /d/away/*";
            let command = [&["run", "--rm", "--network", "none"], options, &["linked", "sh", "-c", script]].concat();
            answer(&machine, &canary, &command);
            answer(&machine, &canary, &["volume", "prune", "-af"]);
        }
    }
}
