//! Containers without any rights (`--isolation emulated`): an ordinary user's, in a container that has no capability and may
//! make no namespace. They live, are entered and end as those by chroot do.

use std::path::Path;

use super::common::{TestStore, busybox_archive, is_root, skip};

/// Each value is of one line. The user is 1000, and root in the containers.
const SCRIPT: &str = r#"
export RBUILD_ROOT=/tmp/store HOME=/tmp; cd /tmp
rbuild() { timeout 300 /rbuild "$@" 2>>/tmp/said; }
line() { tr '\n' ' '; echo; }
until_is() { for i in $(seq 600); do [ "$(eval "$1")" = "$2" ] && return; sleep 0.2; done; echo "never: $1"; }
rbuild load -q -i /busybox.tar >/dev/null || exit 1
echo "ran=$(rbuild run --rm busybox sh -c 'id -u; echo x >/f; chown 5:6 /f; stat -c %u:%g /f; exit 0' | line)"
rbuild run --name one busybox sh -c 'echo y >/kept; chown 7:8 /kept; ln -s t /link; chown -h 9:9 /link; rm /bin/vi; exit 3'
echo "code=$? $(rbuild inspect -f '{{.HostConfig.Isolation}}' one)"
echo "diff=$(rbuild diff one | line)"
rbuild commit one kept >/dev/null
echo "kept=$(rbuild run --rm -u 1000:1001 -w /tmp kept sh -c 'id -u; id -g; pwd; stat -c %u:%g /kept /link; touch /no 2>/dev/null || echo refused' | line)"
rbuild run -d --name two busybox sh -c 'trap "echo told; exit 5" TERM; echo begun; (sleep 98766 &); while true; do sleep 0.1; done' >/dev/null
until_is 'rbuild logs two' begun
echo "exec=$(rbuild exec two sh -c 'id -u; touch /by-exec; ln -s x /tmp/l; chown -h 3:4 /tmp/l; echo in' | line)"
echo "user=$(rbuild exec -u 1000 -e A=b two sh -c 'id -u; echo $A; rm /by-exec 2>/dev/null || echo refused' | line)"
echo "fails=$(rbuild exec two nothing >/dev/null; echo $?)"
rbuild exec -d two sh -c 'touch /left; sleep 98766'
until_is 'rbuild exec two ls /left' /left
echo "status=$(rbuild inspect -f '{{.State.Status}}' two)"
rbuild stop two >/dev/null
echo "ended=$(rbuild wait two) $(rbuild logs two | line)"
echo "after=$(rbuild diff two | line)"
ps -o args | grep -c '^sleep 98766' | sed 's/^/left=/'
echo "owner=$(rbuild commit two third >/dev/null; rbuild run --rm third stat -c %u:%g /tmp/l)"
echo "again=$(rbuild start -a one >/dev/null; echo $?)"
echo "cp=$(rbuild cp one:/kept - | tar -tvf - | awk '{print $2, $6}')"
echo put >/tmp/put; rbuild cp /tmp/put one:/put && rbuild start one >/dev/null; until_is 'rbuild wait one' 3
echo "tty=$(rbuild run --rm -t busybox sh -c 'test -t 0 && echo tty; echo w >/dev/tty' | tr -d '\r' | line)"
echo "none=$(rbuild run --rm --network none busybox sh -c 'nc 127.0.0.1 1 2>&1' | line)"
for words in '-v /tmp:/m' '--privileged' '--cap-add SYS_ADMIN' '--hostname h' '--isolation chroot' '--isolation full'; do
  /rbuild run --rm $words busybox true 2>/tmp/refused; echo "refused $words: $? $(head -1 /tmp/refused)"
done
printf 'FROM busybox\nRUN echo a >/a; chown 5 /a\nRUN exit 4\n' >Dockerfile
rbuild build -q . >/dev/null; echo "build=$?"
echo "debug=$(rbuild debug -- sh -c 'stat -c %u /a; echo b >/b; chown 6 /b' | line)"
echo "more=$(rbuild debug -- stat -c %u /b)"
rbuild rm -f one two >/dev/null
echo "rest=$(rbuild ps -aq | wc -l)"
grep -c 'run by emulation, without any rights' /tmp/said | sed 's/^/warned=/'
sed 's/^/said: /' /tmp/said
"#;

#[test]
fn containers_without_rights_live_as_others_do() {
    let Some(store) = TestStore::with_busybox() else { return };
    if !is_root() {
        return skip("ordinary users' containers have other rights");
    }
    if !cfg!(target_arch = "x86_64") {
        return skip("programs are emulated on amd64");
    }
    store.write("script", SCRIPT);
    let mount = |from: &Path, to: &str| format!("{}:{to}:ro", from.display());
    let volumes = [
        mount(Path::new(env!("CARGO_BIN_EXE_rbuild")), "/rbuild"),
        mount(&busybox_archive().unwrap(), "/busybox.tar"),
        mount(&store.work().join("script"), "/script"),
    ];
    let mut words = vec!["run", "--rm", "--network", "none", "--user", "1000", "--cap-drop", "ALL"];
    words.extend(["--security-opt", "no-new-privileges"]);
    volumes.iter().for_each(|volume| words.extend(["-v", volume]));
    words.extend(["busybox", "sh", "/script"]);
    let answer = store.run(&words);
    let output = answer.stdout();
    let is = |key: &str, wanted: &str| {
        let found = output.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        assert_eq!(found.map(str::trim), Some(wanted), "{key} in:\n{output}\n{}", answer.stderr());
    };
    is("ran", "0 5:6");
    is("code", "3 emulated");
    is("diff", "C /bin D /bin/vi A /kept A /link");
    is("kept", "1000 1001 /tmp 7:8 9:9 refused");
    is("exec", "0 in");
    is("user", "1000 b refused");
    is("fails", "127");
    is("status", "running");
    is("ended", "5 begun told");
    is("after", "A /by-exec A /left C /tmp A /tmp/l");
    is("left", "0");
    is("owner", "3:4");
    is("again", "3");
    is("cp", "7/8 kept");
    is("tty", "tty w");
    assert!(!output.contains("never: "), "{output}");
    for (words, code, said) in [
        ("-v /tmp:/m", 125, "nothing can be mounted"),
        ("--privileged", 125, "--privileged"),
        ("--cap-add SYS_ADMIN", 125, "CAP_SYS_ADMIN"),
        ("--hostname h", 125, "--hostname"),
        ("--isolation chroot", 125, "can only be emulated"),
        ("--isolation full", 125, "can only be emulated"),
    ] {
        let start = format!("refused {words}: {code} ");
        let line = output.lines().find(|line| line.starts_with(&start));
        assert!(line.is_some_and(|line| line.contains(said)), "{words} in:\n{output}");
    }
    is("build", "1");
    is("debug", "5");
    is("more", "6");
    is("rest", "0");
}
