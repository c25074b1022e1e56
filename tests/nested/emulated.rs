//! RUN without any rights (`--isolation emulated`): an ordinary user in a container without capabilities or new
//! namespaces. Layers are the same as on a machine, and programs can't access the surrounding container.

use std::path::Path;

use super::common::{TestStore, busybox_archive, is_root, skip};

/// What kernels refuse without rights, and its later effects.
const DOCKERFILE: &str = r##"FROM busybox
RUN id -u >/id; echo x >/owned && chown 5:6 /owned && chmod 6711 /owned && chown 7 /owned && stat -c '%u %g %a' /owned >/stat
RUN mkdir -m 1751 /d && ln -s d /l && chown -h 8:9 /l && chown 10:11 /l/. && touch /l/in && mknod /null c 1 3 && mkfifo -m 640 /p && chown 3 /p
RUN ls -ln / | awk '$9 == "l" || $9 == "null" || $9 == "p" || $9 == "d" { print $1, $3, $4, $9 }' >/list; echo y >/null; mv /d /e; cat /l || true
RUN ln /owned /again && cat /again >/copy; mv /l /e/l; cp -a /e/l /l2; rm /stat; chmod 0 /copy; cat /copy >/copy2; touch -d @7 /id
RUN umask 077; mkdir -p /a/b; echo "#!/bin/cat" >/a/script; chmod 755 /a /a/script; /a/script >/a/printed; kill -0 $$ && echo lives >/a/lives
USER 1000:1001
RUN touch /tmp/own; id -u >/tmp/id; id -g >>/tmp/id; (echo z >/owned; cat /a/b/none; chown 0 /tmp/own; rm /id; mkdir /new) 2>&1 | wc -l >/tmp/refused; exit 0
USER 0
RUN chmod 700 /a && (cd /a/b && pwd; stat -c "%a %u %g" .. /a/b/..; cat /proc/self/cmdline | tr '\0' ' '; readlink /proc/self/exe; echo e >/dev/stderr) >/seen
"##;

/// Each line prints a word for its result.
const HOSTILE: &str = r#"FROM busybox
RUN kill -9 -1; echo survived
RUN kill -9 $PPID || echo refused; kill -9 1 || echo refused
RUN for p in mem environ root/etc/passwd fd/3; do cat /proc/1/$p 2>/dev/null | head -c 1 | wc -c; done
RUN ls /tmp/store /tmp/canary ../../../../../tmp/canary /proc/1/root/tmp/canary 2>/dev/null | wc -l
RUN ln -s /../../../../tmp/canary /link; cat /link 2>/dev/null || echo nothing
RUN (setsid sh -c 'while true; do sleep 1; done' &) ; setsid sleep 98765 & true
RUN (while true; do date >/late; done &) ; cat /late >/dev/null; true
RUN chroot / /bin/true || echo refused; mount -t tmpfs t /mnt || echo refused; mknod /disk b 8 0 && cat /disk || echo none
RUN rm -rf --no-preserve-root /dev /proc /etc 2>/dev/null; echo gone
"#;

const SCRIPT: &str = r#"
export RBUILD_ROOT=/tmp/store HOME=/tmp SOURCE_DATE_EPOCH=1000; cd /tmp; echo secret >/tmp/canary; mkdir -p c
rbuild() { timeout 300 /rbuild "$@"; }
rbuild load -q -i /busybox.tar >/dev/null || exit 1
echo "image=$(rbuild build -q --reproducible -f /Dockerfile c 2>/tmp/said)"; cat /tmp/said
rbuild build --progress plain --no-cache -f /Hostile c >/tmp/hostile 2>&1; echo "hostile=$?"; grep -v CACHED /tmp/hostile
echo "canary=$(cat /tmp/canary)"; ps | grep -c '[9]8765' | sed 's/^/left=/'
echo "chroot=$(rbuild build -q --no-cache --isolation=chroot -f /Dockerfile c 2>&1 | head -1)"
for program in 'mknod /disk b 8 0 && cat /disk' 'ping -c 1 127.0.0.1' 'nc -l -p 80 -s 127.0.0.1'; do
  printf 'FROM busybox\nRUN %s\n' "$program" >refused
  echo "refused $program: $(rbuild build -q -f refused c 2>&1 | grep '^hint:')"
done
printf 'FROM busybox\nRUN mknod /disk b 8 0; cat /disk; true | false\n' >refused
echo "other=$(rbuild build -q -f refused c 2>&1 | grep -c '^hint: a program')"
printf 'FROM busybox\nRUN ls -l /dev/stdin /dev/fd | sed "s/.*[0-9] //" >/links && ln -s /dev/stdout /out && echo y >/out && ln -s ../proc/self/exe /exe && readlink -f /exe && cat /links\nRUN i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; echo processors $(nproc)\n' >links
echo "processors=$(nproc)"
echo "links=$(rbuild build --progress plain --no-cache -f links c 2>&1 | sed -n 's/^#[0-9]* [0-9.]* //p' | tr '\n' ' ')"
"#;

fn value<'a>(output: &'a str, key: &str) -> &'a str {
    let found = output.lines().find_map(|line| line.strip_prefix(key));
    found.unwrap_or_else(|| panic!("no `{key}` in:\n{output}"))
}

#[test]
fn what_runs_without_rights_is_the_same_and_gets_nowhere() {
    let Some(store) = TestStore::with_busybox() else { return };
    if !is_root() {
        return skip("ordinary users' containers have other rights");
    }
    if !cfg!(target_arch = "x86_64") {
        return skip("programs are emulated on amd64");
    }
    for (name, text) in [("Dockerfile", DOCKERFILE), ("Hostile", HOSTILE), ("script", SCRIPT), ("empty/x", "")] {
        store.write(name, text);
    }
    let build = store
        .command(&["build", "-q", "--reproducible", "-f", "Dockerfile", "empty"])
        .env("SOURCE_DATE_EPOCH", "1000")
        .output();
    let build = build.unwrap();
    let expected = String::from_utf8_lossy(&build.stdout).trim().to_owned();
    assert!(expected.starts_with("sha256:"), "{}", String::from_utf8_lossy(&build.stderr));
    let mount = |from: &Path, to: &str| format!("{}:{to}:ro", from.display());
    let volumes = [
        mount(Path::new(env!("CARGO_BIN_EXE_rbuild")), "/rbuild"),
        mount(&busybox_archive().unwrap(), "/busybox.tar"),
        mount(&store.work().join("script"), "/script"),
        mount(&store.work().join("Dockerfile"), "/Dockerfile"),
        mount(&store.work().join("Hostile"), "/Hostile"),
    ];
    let mut words = vec!["run", "--rm", "--network", "none", "--user", "1000", "--cap-drop", "ALL"];
    words.extend(["--security-opt", "no-new-privileges"]);
    volumes.iter().for_each(|volume| words.extend(["-v", volume]));
    words.extend(["busybox", "sh", "/script"]);
    let answer = store.run(&words);
    let output = answer.stdout();
    assert_eq!(value(&output, "image="), expected, "{output}\n{}", answer.stderr());
    assert_eq!(output.matches("run by emulation, without any rights").count(), 2, "once a build:\n{output}");
    assert_eq!(value(&output, "hostile="), "0", "{output}");
    assert_eq!((value(&output, "canary="), value(&output, "left=")), ("secret", "0"), "{output}");
    assert!(!output.contains(" secret") && output.contains("survived") && output.contains("gone"), "{output}");
    assert!(value(&output, "chroot=").contains("can only be emulated"), "{output}");
    for (program, named) in
        [("mknod /disk b 8 0 && cat /disk", "to open a device"), ("ping -c 1 127.0.0.1", "a raw socket")]
    {
        let said = value(&output, &format!("refused {program}: "));
        assert!(said.contains(named) && said.contains("emulated"), "{program}: {said}");
    }
    assert_eq!(value(&output, "other="), "0", "its programs went on without that:\n{output}");
    let links = value(&output, "links=");
    let processors = format!("processors {} ", value(&output, "processors="));
    assert!(links.contains(&processors), "{links}\n{output}");
    assert!(links.contains("y /bin/") && links.contains("-> /proc/self/fd/0"), "{links}\n{output}");
}
