//! Every command that uses a container's files, while the container exchanges them with links to the host's.

use std::process::Command;

use crate::common::{Answer, wait_for, wait_until};
use crate::fixtures::{Canary, Setting, Tar, ends, everybody, exchange_all_in, with_attacker};
use crate::machine::Machine;

/// How often each command is tried: a walk passes a dozen names that are exchanged.
const TRIES: usize = 3;

/// A script that fills a folder with pairs of names: a folder or file of the container's own, and its replacement.
pub fn pairs(folder: &str, canary: &Canary) -> String {
    let host = canary.path().display();
    format!(
        "mkdir -p {folder}; cd {folder}; for i in 1 2 3 4; do \
         mkdir -p folder$i-a/full folder$i-a/empty-folder; : > folder$i-a/empty; \
         echo decoy | tee folder$i-a/secret > folder$i-a/full/secret; ln -s {host} folder$i-b; \
         echo decoy > file$i-a; ln -s {host}/secret file$i-b; \
         echo decoy > pipe$i-a; mkfifo pipe$i-b; done; cd /"
    )
}

/// Starts a container of the image `attacker`, called `box`, which exchanges all pairs in `/w`.
fn attacked(machine: &Machine, canary: &Canary) {
    let script = format!("{}; : > /ready; sleep 10000", pairs("/w", canary));
    let command = ["run", "-d", "--name", "box", "--network", "none", "attacker", "sh", "-c", &script];
    machine.says(&command);
    machine.until(&["exec", "box", "ls", "/"], |names| names.contains("ready"));
    exchange_all_in(machine, "box", "/w");
}

/// Runs a command that may fail, but has to end, and must not print anything of the host's.
fn answer(machine: &Machine, canary: &Canary, arguments: &[&str]) -> Answer {
    let answer = ends(machine.0.command(arguments));
    canary.assert_not_in(answer.stdout_bytes());
    canary.assert_not_in(answer.stderr());
    canary.assert_untouched_by(&arguments);
    answer
}

#[test]
fn nothing_of_the_host_comes_out() {
    for (_, machine) in everybody() {
        let Some(machine) = with_attacker(machine) else { return };
        let canary = Canary::beside(&machine.0);
        attacked(&machine, &canary);
        let answer = |arguments: &[&str]| answer(&machine, &canary, arguments);
        for number in 0..TRIES {
            answer(&["export", "box"]);
            answer(&["diff", "box"]);
            answer(&["ps", "-as"]);
            answer(&["inspect", "-s", "box"]);
            answer(&["system", "df", "-v"]);
            answer(&["cp", "box:/w", "-"]);
            for (target, source) in
                [("all", "/w"), ("file", "/w/folder1-a/secret"), ("folder", "/w/folder2-a"), ("link", "/w/file3-a")]
            {
                let source = format!("box:{source}");
                for options in [&["cp"][..], &["cp", "-a"], &["cp", "-L"]] {
                    // A new name each time: a link with that name would be followed, because the user gave it.
                    let out = format!("out-{target}-{number}{}", options.concat());
                    answer(&[options, &[&source, &out]].concat());
                }
            }
            let bundle = format!("bundle-{number}");
            answer(&["container", "bundle", "box", &bundle]);
            for folder in ["/w/folder1-a", "/w/folder1-b", "/w/folder2-a/full"] {
                answer(&["exec", "-w", folder, "box", "cat", "secret"]);
            }
            for pause in ["--pause=false", "--pause=true"] {
                answer(&["commit", pause, "box", "taken"]);
                answer(&["save", "taken"]);
            }
        }
        // An ordinary user's store is below this folder: nothing may be exchanged while it is searched.
        machine.says(&["rm", "-f", "-v", "box"]);
        canary.assert_not_below(&machine.0.work());
    }
}

#[test]
fn nothing_goes_to_the_host() {
    for (_, machine) in everybody() {
        let Some(machine) = with_attacker(machine) else { return };
        let canary = Canary::beside(&machine.0);
        attacked(&machine, &canary);
        let store = &machine.0;
        store.write("new/full/secret", "mine");
        store.write("new/empty-folder/x", "mine");
        store.write("secret", "mine");
        let stream =
            Command::new("tar").args(["-C", "new", "-c", "."]).current_dir(store.work()).output().unwrap().stdout;
        for _ in 0..TRIES {
            for target in
                ["/w/folder1-a", "/w/folder1-b/", "/w/folder2-a/full", "/w/file1-a", "/w/pipe1-a", "/w/folder3-a/new"]
            {
                let target = format!("box:{target}");
                for source in ["secret", "new", "new/."] {
                    answer(&machine, &canary, &["cp", source, &target]);
                    answer(&machine, &canary, &["cp", "-a", source, &target]);
                }
                store.run_with_input(&["cp", "-", &target], &stream);
                canary.assert_untouched();
            }
            let script = "touch new; chmod 777 . secret; rm -rf ./*";
            for folder in ["/w/folder1-a", "/w/folder2-b", "/w/folder4-a/full"] {
                answer(&machine, &canary, &["exec", "-w", folder, "box", "sh", "-c", script]);
            }
            answer(&machine, &canary, &["update", "--pids-limit", "100", "box"]);
            answer(&machine, &canary, &["rename", "box", "other"]);
            answer(&machine, &canary, &["rename", "other", "box"]);
            answer(&machine, &canary, &["system", "check"]);
            answer(&machine, &canary, &["system", "check", "--repair"]);
            answer(&machine, &canary, &["system", "prune", "-af", "--volumes"]);
        }
        answer(&machine, &canary, &["rm", "-f", "-v", "box"]).ok();
    }
}

#[test]
fn a_container_that_was_left_with_links_reaches_nothing_when_it_is_used_again() {
    for (_, machine) in everybody() {
        let canary = Canary::beside(&machine.0);
        let host = canary.path().display();
        machine.0.write("file", "mine");
        let file = machine.0.work().join("file").display().to_string();
        // Mount points above which the container puts links: what is created for them exists on the host, too.
        let mounts = [
            "-v".to_owned(),
            "named:/q/empty-folder".to_owned(),
            "-v".to_owned(),
            "/r/empty-folder".to_owned(),
            "--tmpfs".to_owned(),
            "/s/empty-folder".to_owned(),
            "-v".to_owned(),
            format!("{file}:/t/empty"),
            "--mount".to_owned(),
            format!("type=bind,src={file},dst=/u/full/new"),
        ];
        let mounts: Vec<&str> = mounts.iter().map(String::as_str).collect();
        let script = format!("for i in q r s t u; do test -L /$i || {{ mv /$i /m-$i && ln -s {host} /$i; }}; done");
        let first = ["create", "--name", "box", "--network", "none", "-w", "/s"];
        machine.says(&[first.as_slice(), &mounts, &["busybox", "sh", "-c", &script]].concat());
        let answer = |arguments: &[&str]| answer(&machine, &canary, arguments);
        for round in 0..2 {
            answer(&["start", "-a", "box"]);
            let [out, secret, followed] = ["out", "secret", "followed"].map(|name| format!("{name}-{round}"));
            for arguments in [
                &["diff", "box"][..],
                &["commit", "box", "taken"],
                &["export", "box"],
                &["cp", "box:/q", &out],
                &["cp", "box:/q/secret", &secret],
                &["cp", "-L", "box:/q", &followed],
                &["cp", "file", "box:/q/secret"],
                &["cp", "file", "box:/r/"],
                &["run", "--rm", "--network", "none", "-v", "named:/q/empty-folder", "taken", "true"],
                &["run", "--rm", "--network", "none", "--tmpfs", "/q/empty-folder", "-w", "/r", "taken", "touch", "x"],
                &["system", "check", "--repair"],
            ] {
                answer(arguments);
            }
        }
        canary.assert_not_below(&machine.0.work());
        answer(&["rm", "-f", "-v", "box"]).ok();
        answer(&["volume", "rm", "named"]).ok();
    }
}

#[test]
fn what_a_copy_left_on_the_host_leads_no_later_copy_away() {
    for (_, machine) in everybody() {
        let canary = Canary::beside(&machine.0);
        let host = canary.path().display();
        let script = format!(
            "mkdir -p /one /two/way/full /three; ln -s {host} /one/way; ln -s {host}/secret /one/file; \
             echo mine | tee /two/file /two/way/secret > /two/way/full/secret; mkdir /two/way/empty-folder; \
             chmod 777 /two/way /two/way/empty-folder; : > /ready; sleep 10000"
        );
        machine.start("box", &[], &script);
        machine.until(&["exec", "box", "ls", "/"], |names| names.contains("ready"));
        for options in [&["cp"][..], &["cp", "-a"]] {
            answer(&machine, &canary, &[options, &["box:/one/.", "out"]].concat()).ok();
            assert!(machine.0.work().join("out/way").is_symlink());
            answer(&machine, &canary, &[options, &["box:/two/.", "out"]].concat());
            answer(&machine, &canary, &[options, &["box:/two", "out"]].concat());
        }
    }
}

#[test]
fn files_that_are_none_keep_no_command() {
    for (_, machine) in everybody() {
        // The container's files that rbuild reads: its users, its program.
        let script = "rm /etc/passwd /etc/group; mkfifo /etc/passwd /etc/group /bin/program; chmod 755 /bin/program; \
                      echo ready; sleep 10000";
        machine.start("box", &[], script);
        // With such files, a user can't be resolved for `exec`.
        machine.until(&["logs", "box"], |said| said.contains("ready"));
        for arguments in [
            &["exec", "-u", "somebody", "box", "true"][..],
            &["exec", "-u", "0:somebody", "box", "true"],
            &["exec", "box", "program"],
            &["commit", "box", "taken"],
            &["run", "--rm", "--network", "none", "-u", "somebody", "taken", "true"],
            &["run", "--rm", "--network", "none", "taken", "program"],
            &["cp", "box:/etc/passwd", "out"],
            &["export", "box"],
        ] {
            ends(machine.0.command(arguments));
        }
        machine.0.write("ctx/Dockerfile", "FROM taken\nCOPY --chown=somebody Dockerfile /\nUSER somebody\nRUN true\n");
        ends(machine.0.command(&["build", "ctx"]));
        wait_until("it can be removed", || machine.run(&["rm", "-f", "box"]).code() == Some(0));
    }
}

#[test]
fn a_copy_runs_nothing_of_the_container() {
    for (_, machine) in everybody() {
        let script = "for name in tar gzip unpigz gunzip pigz xz unxz zstd bzip2 sh; do \
                      mkdir -p /usr/local/bin; printf '#!/bin/busybox sh\\n: > /executed\\n' > /usr/local/bin/$name; \
                      chmod 755 /usr/local/bin/$name; cp /usr/local/bin/$name /usr/bin/; \
                      test $name = sh || cp /usr/local/bin/$name /bin/; done; : > /ready; sleep 10000";
        machine.start("box", &[], script);
        machine.until(&["exec", "box", "ls", "/"], |names| names.contains("ready"));
        let files = Tar::new().file("f", 0o644, "x").bytes();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, &files).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        std::io::Write::write_all(&mut xz, &files).unwrap();
        for stream in [files, gzip.finish().unwrap(), xz.finish().unwrap()] {
            machine.0.run_with_input(&["cp", "-", "box:/tmp"], &stream);
        }
        for arguments in
            [&["cp", "box:/bin", "out"][..], &["cp", "box:/bin", "-"], &["export", "box"], &["commit", "box", "x"]]
        {
            machine.run(arguments).ok();
        }
        assert!(!machine.says(&["exec", "box", "ls", "/"]).contains("executed"));
    }
}

/// This much memory, in kilobytes of address space, is enough.
const MEMORY: &str = "ulimit -v 3000000";
/// This many open files are enough.
const FILES: &str = "ulimit -n 1000";

/// A command with limits, set by sh(1).
fn limited(command: &Command, limit: &str) -> Command {
    let script = format!("{limit}; exec \"$0\" \"$@\"");
    let mut limited = Command::new("sh");
    limited.arg("-c").arg(script).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited.current_dir(command.get_current_dir().unwrap());
    limited
}

#[test]
fn users_are_looked_up_in_bounds() {
    for (_, machine) in everybody() {
        // Sparse files of ten gigabytes; the second one has more groups than a process can have.
        let script = "echo some:x:5:5::/:/bin/sh > /etc/passwd; seq 0 70000 | sed 's/.*/g&:x:&:some/' > /etc/group; truncate -s 10G /etc/passwd /etc/group; : > /ready; sleep 10000";
        machine.start("box", &[], script);
        machine.until(&["exec", "box", "ls", "/"], |names| names.contains("ready"));
        machine.0.write("ctx/Dockerfile", "FROM taken\nCOPY --chown=some:g7 Dockerfile /\nUSER some\nRUN true\n");
        machine.0.write(
            "ctx-plain/Dockerfile",
            "FROM busybox\nRUN truncate -s 500M /etc/passwd /etc/group\nUSER some\nRUN true\n",
        );
        for arguments in [
            &["exec", "-u", "some", "box", "true"][..],
            &["exec", "-u", "nobody:g9", "box", "true"],
            &["build", "ctx-plain"],
        ] {
            let answer = ends(limited(&machine.0.command(arguments), MEMORY));
            let said = answer.stderr().to_lowercase();
            assert!(
                !said.contains("memory") && answer.code() != Some(101) && answer.code().is_some(),
                "{arguments:?}: {said}"
            );
        }
    }
}

#[test]
fn settings_of_the_host_are_not_the_containers() {
    let setting = Setting::new(Setting::CORE_PATTERN);
    for (_, machine) in everybody() {
        for name in [
            "kernel.core_pattern",
            "kernel/core_pattern",
            "net.core/../../kernel/core_pattern",
            "net/../kernel.core_pattern",
            "net.core.....kernel.core_pattern",
            "/proc/sys/kernel/core_pattern",
            "fs.mqueue.../../kernel/core_pattern",
            "kernel.shm../core_pattern",
        ] {
            let option = format!("{name}=|/tmp/%p");
            assert_ne!(
                machine.run(&["run", "--rm", "--network", "none", "--sysctl", &option, "busybox", "true"]).code(),
                Some(0)
            );
            setting.assert_untouched();
        }
        let name = format!("rbuild-test-{}", std::process::id());
        let script = format!(
            "mkdir /sys/fs/cgroup/{name}; for f in /sys/fs/cgroup/*/; do mkdir $f/{name}; done; \
             echo x > /proc/sys/kernel/core_pattern; echo x > /proc/self/root/proc/sys/kernel/core_pattern; :"
        );
        machine.script(&[], &script);
        machine.script(&["--cgroupns", "host"], &script);
        setting.assert_untouched();
        let groups = walkdir::WalkDir::new("/sys/fs/cgroup").into_iter().flatten();
        assert_eq!(groups.filter(|entry| entry.file_name() == name.as_str()).count(), 0);
    }
}

#[test]
fn trees_without_end_stop_no_command() {
    for (_, machine) in everybody() {
        let Some(machine) = with_attacker(machine) else { return };
        let script = "attacker deep / 3000; attacker deep /v 3000; : > /ready; sleep 10000";
        machine.says(&[
            "run",
            "-d",
            "--name",
            "box",
            "--network",
            "none",
            "-v",
            "vol:/v",
            "attacker",
            "sh",
            "-c",
            script,
        ]);
        machine.until(&["exec", "box", "ls", "/"], |names| names.contains("ready"));
        let stage = "FROM attacker\nRUN attacker deep / 3000\n";
        machine.0.write("ctx/Dockerfile", stage);
        machine.0.write("side-by-side/Dockerfile", side_by_side(3000));
        for arguments in [
            &["diff", "box"][..],
            &["ps", "-as"],
            &["export", "-o", "out.tar", "box"],
            &["system", "df", "-v"],
            &["system", "check"],
            &["commit", "box", "taken"],
            &["cp", "box:/deep", "out"],
            &["cp", "box:/deep", "-"],
            &["build", "-q", "ctx"],
            &["build", "-q", "side-by-side"],
        ] {
            let answer = ends(limited(&machine.0.command(arguments), FILES));
            assert!(
                answer.code().is_some_and(|code| code < 128),
                "{arguments:?}: {:?} {}",
                answer.code(),
                answer.stderr()
            );
        }
        for arguments in [&["rm", "-f", "-v", "box"][..], &["volume", "rm", "vol"], &["system", "prune", "-af"]] {
            ends(limited(&machine.0.command(arguments), FILES)).ok();
        }
        let left = |folder: &str| -> Vec<_> {
            let entries = std::fs::read_dir(machine.0.root().join(folder)).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name()).collect()
        };
        // The background work of a build may still remove something; the rest is removed by the next command.
        wait_for("nothing is left but `by-name`", || {
            machine.run(&["images"]).ok();
            let found = [left("tmp"), left("volumes"), left("containers")].concat();
            if found == ["by-name"] { Ok(()) } else { Err(format!("{found:?}")) }
        });
    }
}

/// Two stages with such a tree, and one that copies it.
fn side_by_side(levels: u32) -> String {
    format!(
        "FROM attacker AS one\nRUN attacker deep / {levels}\nFROM attacker AS two\nRUN attacker deep /tmp {levels}\n\
         FROM attacker\nCOPY --from=one /deep /one\nCOPY --from=two /tmp/deep /two\n"
    )
}

/// Images may contain everything that a path can name.
#[test]
fn trees_as_deep_as_paths_are_long_are_taken() {
    let Some(machine) = Machine::new().and_then(with_attacker) else { return };
    machine.0.write("side-by-side/Dockerfile", side_by_side(2000));
    machine.says(&["build", "-q", "-t", "deep", "side-by-side"]);
    let count = |image: &str, folder: &str| {
        let script = format!("find {folder} | wc -l");
        machine.says(&["run", "--rm", "--network", "none", image, "sh", "-c", &script])
    };
    assert_eq!((count("deep", "/one"), count("deep", "/two")), ("2001".to_owned(), "2001".to_owned()));
    machine.start("box", &[], "sleep 10000");
    std::fs::create_dir(machine.0.work().join("out")).unwrap();
    machine.says(&["run", "--name", "made", "--network", "none", "attacker", "attacker", "deep", "/", "2000"]);
    machine.says(&["commit", "made", "taken"]);
    assert_eq!(count("taken", "/deep"), "2001");
    machine.says(&["cp", "made:/deep", "out"]);
    machine.says(&["cp", "out/deep", "box:/in"]);
    assert_eq!(machine.says(&["exec", "box", "sh", "-c", "find /in | wc -l"]), "2001");
}
