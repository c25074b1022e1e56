//! One script in each environment. The messages differ, but not the images.

use std::path::Path;
use std::process::Command;

use super::common::{TestStore, busybox_archive, skip};

/// Builds with and without RUN, and prints the images' IDs and the messages.
const SCRIPT: &str = r#"
export RBUILD_ROOT=/tmp/store HOME=/tmp SOURCE_DATE_EPOCH=1000; cd /tmp
timeout 60 /rbuild load -i /busybox.tar >/dev/null || exit 1
mkdir -p c/d; echo hi >c/a; echo x >c/d/y; ln -s a c/d/l; chmod 644 c/a c/d/y; chmod 755 c/d
printf 'FROM busybox\nCOPY --chown=5:6 --chmod=4755 a /a\nCOPY --chown=7:8 d /d\nUSER 9\nWORKDIR /w/x\n' >c/copy
printf '%s\n' 'FROM busybox' 'RUN echo x >/x; chmod 600 /x; rm /bin/vi; rm -r /home; mkdir -p /home /n/m' \
  'RUN mv /etc/passwd /n; ln -s m /n/l; mkfifo /n/f; echo y >>/x' 'COPY a /n/m/' 'RUN rm /n/m/a; ln /x /z' >c/run
echo "copy=$(timeout 60 /rbuild build -q --reproducible -f c/copy c 2>&1)"
echo "run=$(timeout 60 /rbuild build -q --reproducible -f c/run c 2>/tmp/said)"
cat /tmp/said
echo "full=$(timeout 60 /rbuild build -q --no-cache --isolation=full -f c/run c 2>&1 >/dev/null | head -1)"
echo "ran=$(timeout 60 /rbuild run --rm --network none busybox sh -c 'id -u; echo x >/f' 2>/tmp/said)"
cat /tmp/said
timeout 60 /rbuild info | grep ^Isolation
"#;

/// The name, docker's options, and the start of the isolation in `info`.
const SURROUNDINGS: [(&str, &[&str], &str); 7] = [
    ("default", &[], "chroot:"),
    ("no MKNOD", &["--cap-drop", "MKNOD"], "none:"),
    ("restricted", &["--user", "1000", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"], "emulated:"),
    ("privileged", &["--privileged"], "root:"),
    ("SYS_ADMIN", &["--cap-add", "SYS_ADMIN"], "root:"),
    ("no seccomp", &["--security-opt", "seccomp=unconfined"], "rootless:"),
    ("SYS_ADMIN, no seccomp", &["--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined"], "root:"),
];

/// The same with rbuild's own options, which Docker's engine does not have.
const OWN_SURROUNDINGS: [(&str, &[&str], &str); 2] = [
    ("users of its own", &["--userns=remap:100000:65536"], "none:"),
    (
        "users of its own, no seccomp",
        &["--userns=remap:100000:65536", "--security-opt", "seccomp=unconfined"],
        "rootless:",
    ),
];

fn value<'a>(output: &'a str, key: &str) -> &'a str {
    let found = output.lines().find_map(|line| line.strip_prefix(key));
    found.unwrap_or_else(|| panic!("no `{key}` in:\n{output}"))
}

/// The images as built on the machine itself.
fn expected(store: &TestStore) -> (String, String) {
    let script = SCRIPT.replace("/tmp", &store.work().display().to_string());
    let script = script.replace("/rbuild ", &format!("{} ", env!("CARGO_BIN_EXE_rbuild")));
    let script = script.replace("/busybox.tar", &busybox_archive().unwrap().display().to_string());
    let output = Command::new("sh").arg("-c").arg(script).env_remove("DOCKER_HOST").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (value(&text, "copy=").to_owned(), value(&text, "run=").to_owned())
}

fn check(name: &str, isolation: &str, output: &str, (copy, run): &(String, String)) {
    assert_eq!(value(output, "copy="), copy, "{name}:\n{output}");
    let found = value(output, "Isolation: ");
    assert!(found.starts_with(isolation), "{name}: {found}");
    if isolation == "emulated:" {
        assert_eq!((value(output, "run="), value(output, "ran=")), (run.as_str(), "0"), "{name}:\n{output}");
        assert!(output.contains("seccomp"), "{name} has no cause:\n{output}");
        assert_eq!(output.matches("the container is run by emulation").count(), 1, "{name}:\n{output}");
        assert_eq!(output.matches("steps are run by emulation, without any rights").count(), 1, "{name}:\n{output}");
    } else if isolation == "none:" {
        assert_eq!((value(output, "run="), value(output, "ran=")), ("", ""), "{name}");
        assert!(output.contains("seccomp") && output.contains("hint: "), "{name} has no cause and no help:\n{output}");
    } else {
        assert_eq!((value(output, "run="), value(output, "ran=")), (run.as_str(), "0"), "{name}:\n{output}");
    }
    let said = output.matches("is isolated by chroot alone, without namespaces").count();
    assert_eq!(said, usize::from(isolation == "chroot:"), "{name}:\n{output}");
    let is_full = matches!(isolation, "root:" | "rootless:");
    assert_eq!(value(output, "full=").starts_with("error"), !is_full, "{name}:\n{output}");
}

#[test]
fn in_containers_of_its_own() {
    let Some(store) = TestStore::with_busybox() else { return };
    if !super::common::is_root() {
        return skip("ordinary users' containers have other rights");
    }
    let expected = expected(&store);
    store.write("script", SCRIPT);
    let mount = |from: &Path, to: &str| format!("{}:{to}:ro", from.display());
    let volumes = [
        mount(Path::new(env!("CARGO_BIN_EXE_rbuild")), "/rbuild"),
        mount(&busybox_archive().unwrap(), "/busybox.tar"),
        mount(&store.work().join("script"), "/script"),
    ];
    for (name, options, isolation) in SURROUNDINGS.into_iter().chain(OWN_SURROUNDINGS) {
        let mut words = vec!["run", "--rm", "--network", "none"];
        words.extend(options);
        volumes.iter().for_each(|volume| words.extend(["-v", volume]));
        words.extend(["busybox", "sh", "/script"]);
        let answer = store.run(&words);
        check(name, isolation, &answer.stdout(), &expected);
    }
}

#[test]
#[ignore = "wants Docker's engine: .ci/docker-cli runs it"]
fn in_containers_of_docker() {
    let docker = |words: &[&str]| Command::new("docker").args(words).output();
    if !docker(&["version"]).is_ok_and(|output| output.status.success()) {
        return skip("`docker` reaches no engine");
    }
    let Some(store) = TestStore::with_busybox() else { return };
    let expected = expected(&store);
    let script = store.write("script", SCRIPT);
    let image = format!("rbuild-nested-test-{}", std::process::id());
    store.run(&["tag", "busybox", &image]).ok();
    store.run(&["save", "-o", "image.tar", &image]).ok();
    let done = |words: &[&str]| {
        let output = docker(words).unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        text
    };
    done(&["load", "-q", "-i", &store.work().join("image.tar").display().to_string()]);
    for (name, options, isolation) in SURROUNDINGS {
        let mut words = vec!["create", "--network", "none"];
        words.extend(options);
        words.extend([image.as_str(), "sh", "/script"]);
        let container = done(&words).trim().to_owned();
        let copy = |from: &Path, to: &str| done(&["cp", &from.display().to_string(), &format!("{container}:{to}")]);
        copy(Path::new(env!("CARGO_BIN_EXE_rbuild")), "/rbuild");
        // The archive itself: `docker cp` copies a link as a link.
        copy(&busybox_archive().unwrap().canonicalize().unwrap(), "/busybox.tar");
        copy(&script, "/script");
        let output = docker(&["start", "-a", &container]).unwrap();
        done(&["rm", "-f", &container]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("copy="), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        check(name, isolation, &text, &expected);
    }
    done(&["rmi", &image]);
}
