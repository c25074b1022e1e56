//! Attacks on the host by Dockerfiles and what their programs leave behind.

use crate::common::TestStore;
use crate::fixtures::{Canary, Tar, ends, everybody, with_attacker};
use crate::machine::Machine;

/// Builds, successfully or not, and checks that neither messages nor results contain anything of the host's.
fn build(machine: &Machine, canary: &Canary, dockerfile: &str, options: &[&str]) {
    machine.0.write("ctx/Dockerfile", dockerfile);
    let out = machine.0.work().join("rootfs");
    let output = format!("type=local,dest={}", out.display());
    let command = [&["build", "--progress", "plain", "--no-cache", "-o", &output], options, &["ctx"]].concat();
    let answer = ends(machine.0.command(&command));
    canary.assert_not_in(answer.stderr());
    canary.assert_not_below(&out);
    canary.assert_untouched_by(&dockerfile);
    let _ = std::process::Command::new("rm").arg("-rf").arg(&out).status();
}

/// An SSH agent's socket with a listener, so that `--ssh` is accepted.
fn agent(store: &TestStore) -> (std::os::unix::net::UnixListener, String) {
    let path = store.work().join("agent.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    (listener, path.display().to_string())
}

#[test]
fn places_for_mounts_are_taken_away_from_the_layer_and_from_nowhere_else() {
    for (_, machine) in everybody() {
        let canary = Canary::beside(&machine.0);
        let host = canary.path().display();
        let (_listener, agent) = agent(&machine.0);
        machine.0.write("value", "hush");
        let ssh = format!("default={agent}");
        let options = ["--secret", "id=s,src=value", "--ssh", &ssh];
        for (mount, name) in [
            ("type=tmpfs", "empty-folder"),
            ("type=cache,id=a", "empty-folder"),
            ("type=cache,id=b,sharing=private", "full/new"),
            ("type=bind,from=busybox,source=/bin,rw", "empty-folder"),
            ("type=bind,from=busybox,source=/etc/passwd", "empty"),
            ("type=bind,rw", "empty-folder"),
            ("type=secret,id=s", "empty"),
            ("type=ssh", "empty"),
            ("type=ssh", "full/new"),
        ] {
            let run = format!("RUN --mount={mount},target=/a/{name} mv /a /m && ln -s {host} /a\n");
            build(&machine, &canary, &format!("FROM busybox\n{run}"), &options);
            // Its parent folder exists already, and the parent's parent.
            build(&machine, &canary, &format!("FROM busybox\nRUN mkdir -p /a/full\n{run}"), &options);
            let deep = format!(
                "RUN --mount={mount},target=/x/a/{name} mv /x/a /x/m; ln -s {host} /x/a; mv /x /y; ln -s /y /x\n"
            );
            build(&machine, &canary, &format!("FROM busybox\n{deep}"), &options);
        }
        build(
            &machine,
            &canary,
            &format!(
                "FROM busybox\nWORKDIR /a/empty-folder\nRUN mv /a /m && cd / && ln -s {host} /a\nRUN true\nWORKDIR /a/full/new\n"
            ),
            &[],
        );
    }
}

#[test]
fn links_of_a_stage_lead_no_step_to_the_host() {
    for (_, machine) in everybody() {
        let canary = Canary::beside(&machine.0);
        let host = canary.path().display();
        machine.0.write("ctx/file", "mine");
        let files = Tar::new().link("t", &canary.at("")).file("t/secret", 0o666, "mine").file("t/new", 0o666, "mine");
        machine.0.write("ctx/d.tar", files.bytes());
        let links = format!(
            "RUN ln -s {host} /l && ln -s {host}/secret /f && mkdir /d && ln -s {host} /d/l && ln -s {host}/empty /d/e\n"
        );
        let first = format!("FROM busybox AS one\n{links}");
        for second in [
            "FROM busybox\nCOPY --from=one /l/secret /f /l/full/secret /out/\n",
            "FROM busybox\nCOPY --from=one /l /out/\nCOPY --from=one /d /d\nCOPY --from=one /f /f\n",
            "FROM busybox\nCOPY --from=one --parents /l/./full/secret /d/*/secret /out/\n",
            "FROM scratch\nCOPY --from=one --link /l/ /f /d/l/secret /\n",
            "FROM one\nCOPY file /l/secret\nCOPY file /f\nCOPY file /d/l/full/new\nADD file /l/\n",
            "FROM one\nCOPY --chmod=777 --chown=1:1 file /l/\nCOPY --chmod=777 <<x /f\nmine\nx\n",
            "FROM one\nCOPY --link file /l/new\nCOPY --link file /d/e\nADD d.tar /\nADD d.tar /l\n",
            "FROM one\nWORKDIR /l\nRUN touch new; chmod 777 . secret; cat secret; rm -rf ./*\nWORKDIR full\nRUN cat secret; touch new\n",
            "FROM one\nVOLUME /l/empty-folder /d/l\nRUN touch /l/new; rm -rf /d/l/*\n",
            "FROM busybox\nRUN --mount=from=one,target=/m cat /m/l/secret /m/f; touch /m/l/new; true\n",
            "FROM busybox\nRUN --mount=from=one,source=/l,target=/m cat /m/secret; true\n",
            "FROM busybox\nRUN --mount=from=one,source=/l,target=/m,rw cat /m/secret; touch /m/new; rm -rf /m/*\n",
            "FROM busybox\nRUN --mount=from=one,source=/f,target=/m cat /m; true\n",
            "FROM busybox\nRUN --mount=type=cache,from=one,source=/l,target=/c cat /c/secret; touch /c/new; rm -rf /c/*\n",
            "FROM one\nRUN --mount=type=cache,target=/l/empty-folder --mount=type=tmpfs,target=/d/l/full touch /l/new /d/l/full/new; rm -rf /l/* /d/l/*\n",
            "FROM one\nRUN --mount=type=tmpfs,target=/l --mount=type=tmpfs,target=/l/full touch /l/new\n",
        ] {
            build(&machine, &canary, &format!("{first}{second}"), &[]);
        }
    }
}

#[test]
fn what_an_output_left_on_the_host_leads_no_later_output_away() {
    for (_, machine) in everybody() {
        let canary = Canary::beside(&machine.0);
        let host = canary.path().display();
        machine.0.write("ctx/file", "mine");
        let one = format!(
            "FROM busybox AS links\nRUN mkdir /o && ln -s {host} /o/way && ln -s {host}/secret /o/file\nFROM scratch\nCOPY --from=links /o /\n"
        );
        let two = "FROM scratch\nCOPY file /way/secret\nCOPY file /way/full/secret\nCOPY file /file\nCOPY --chmod=777 file /way/new\n";
        for text in [&one, two, &one] {
            machine.0.write("ctx/Dockerfile", text);
            ends(machine.0.command(&["build", "-q", "-o", "out", "ctx"]));
            canary.assert_untouched();
        }
    }
}

#[test]
fn caches_that_are_changed_meanwhile_lead_nowhere() {
    for (_, machine) in everybody() {
        let Some(machine) = with_attacker(machine) else { return };
        let canary = Canary::beside(&machine.0);
        let cache = "--mount=type=cache,id=shared,target=/c";
        let text = format!(
            "FROM attacker AS one\nRUN {cache} {} && (attacker exchange-all /c & sleep 4)\n\
             FROM attacker AS two\nRUN {cache} for i in 1 2 3 4 5 6 7 8 9; do test -e /c/file1-a || sleep 1; done\n\
             RUN {cache} --mount=type=tmpfs,target=/c/folder1-a/empty-folder touch /c/folder1-a/empty-folder/x; true\n\
             RUN {cache} --mount=type=tmpfs,target=/c/folder2-a/new/er true; true\n\
             RUN {cache} --mount=type=cache,id=other,target=/c/folder3-a/full true; true\n\
             FROM busybox\nCOPY --from=one /bin/true /1\nCOPY --from=two /bin/true /2\n",
            crate::commands::pairs("/c", &canary)
        );
        build(&machine, &canary, &text, &["--cache-to", "type=local,dest=remote,mode=max"]);
        canary.assert_not_below(&machine.0.work().join("remote"));
        for arguments in [
            &["system", "df", "-v"][..],
            &["builder", "du"],
            &["system", "check", "--repair"],
            &["builder", "prune", "-af"],
        ] {
            ends(machine.0.command(arguments));
            canary.assert_untouched();
        }
    }
}

#[test]
fn names_of_caches_secrets_and_agents_are_no_paths() {
    for (_, machine) in everybody() {
        let canary = Canary::beside(&machine.0);
        let up = format!("{}{}", "../".repeat(20), canary.path().strip_prefix("/").unwrap().display());
        let (_listener, agent) = agent(&machine.0);
        machine.0.write("value", "hush");
        let (secret, ssh) = (format!("id={up}/secret,src=value"), format!("{up}={agent}"));
        let options = ["--secret", &secret, "--ssh", &ssh];
        for mount in [
            format!("type=cache,id={up},target=/m"),
            format!("type=cache,id=/{up},target=/m,sharing=private"),
            format!("type=cache,target={up}"),
            format!("type=secret,id={up}/secret"),
            format!("type=secret,id={up}/secret,target={up}/secret"),
            format!("type=ssh,id={up},target={up}/empty"),
            format!("type=bind,from=busybox,source={up},target=/m"),
            format!("type=bind,source={up},target=/m"),
            format!("type=bind,source={},target=/m,rw", canary.path().display()),
            format!("type=tmpfs,target={up}/empty-folder"),
        ] {
            let host = canary.path().display();
            let script = format!(
                "cat /m/secret {host}/secret; for d in /m {host}; do touch $d/new; chmod 777 $d; rm -rf $d/*; done; :"
            );
            build(&machine, &canary, &format!("FROM busybox\nRUN --mount={mount} {script}\n"), &options);
        }
        build(&machine, &canary, &format!("FROM busybox\nCOPY {up}/secret /x\nADD {up} /y\n"), &[]);
    }
}

#[test]
fn options_of_mounts_are_those_of_the_language() {
    let Some(store) = TestStore::with_busybox() else { return };
    let _canary = Canary::beside(&store);
    for option in [
        "bind-propagation=shared",
        "bind-propagation=rshared,rw",
        "relabel=shared",
        "U=true",
        "z",
        "dev",
        "suid",
        "upperdir=/",
    ] {
        let text = format!("FROM busybox\nRUN --mount=type=bind,from=busybox,target=/m,{option} true\n");
        assert_ne!(store.build_text(&text, &[]).code(), Some(0), "{option}");
    }
    for right in ["--security=insecure", "--network=host"] {
        let text = format!("FROM busybox\nRUN {right} true\n");
        assert_ne!(store.build_text(&text, &[]).code(), Some(0), "{right}");
    }
}
