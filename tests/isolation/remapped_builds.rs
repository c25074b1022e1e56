//! `build --userns=remap`: the same images, built by programs without rights on the host.

use std::os::unix::fs::PermissionsExt as _;

use super::common::TestStore;
use super::remap::{REMAP, store};

const TEXT: &str = "FROM busybox
COPY tree /tree
COPY --chown=7:8 file /owned
RUN cp -a /tree /copy && chown -R 3:4 /copy && chmod 4755 /copy/a && mkdir /made && ln -s made /link && rm /bin/awk
WORKDIR /w
USER daemon
RUN id -u > /tmp/me && touch /tmp/x
USER root
RUN echo more >> /owned && mv /made /moved
";

fn write_context(store: &TestStore) {
    store.write("ctx/tree/a", "a");
    store.write("ctx/tree/b/c", "c");
    store.write("ctx/file", "file");
}

#[test]
fn images_are_the_same_with_and_without() {
    let Some(store) = store() else { return };
    write_context(&store);
    let build = |mode: &str| {
        store.write("ctx/Dockerfile", TEXT);
        let words = ["build", "-q", "--no-cache", "--network", "none", "--reproducible", mode, "ctx"];
        let mut command = store.command(&words);
        command.env("SOURCE_DATE_EPOCH", "1000000000");
        super::common::Answer::of(command).ok().stdout()
    };
    let plain = build("--userns=host");
    assert_eq!(build(REMAP), plain);
    // Results of either way are hits for the other.
    let again = store.build_text(TEXT, &["--network", "none", REMAP]).ok();
    let other = store.build_text(TEXT, &["--network", "none"]).ok();
    assert_eq!((other.executed(), other.cached()), (Vec::new(), again.executed()));
    assert!(!again.executed().is_empty(), "{}", again.stderr());
}

#[test]
fn programs_of_steps_are_nobody_on_the_host() {
    let Some(store) = store() else { return };
    let said =
        store.build_text("FROM busybox\nRUN echo \"map $(cat /proc/self/uid_map)\"\n", &["--network", "none", REMAP]);
    let said = said.ok().stderr();
    assert!(said.split_whitespace().collect::<Vec<_>>().join(" ").contains("map 0 1231072 65536"), "{said}");
    // The build's network belongs to them as well.
    let said = store.build_text("FROM busybox\nRUN ping -c 1 127.0.0.1 && echo ponged\n", &[REMAP]).ok().stderr();
    assert!(said.contains("ponged"), "{said}");
}

#[test]
fn every_kind_of_mount() {
    let Some(store) = store() else { return };
    write_context(&store);
    let secret = store.write("secret", "hidden");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    let text = "FROM busybox AS one
RUN mkdir /s && echo s > /s/f && chown 5:6 /s/f
FROM busybox
RUN --mount=type=bind,from=one,source=/s,target=/s test $(stat -c %u:%g /s/f) = 5:6
RUN --mount=type=bind,from=one,source=/s,target=/s,rw echo more >> /s/f && touch /s/new && cat /s/f
RUN --mount=type=bind,target=/ctx test $(cat /ctx/tree/a) = a
RUN --mount=type=cache,target=/cache,uid=9,gid=9 test $(stat -c %u /cache) = 9 && echo x >> /cache/x && chown 3 /cache/x
RUN --mount=type=tmpfs,target=/t touch /t/x && test $(stat -c %u /t/x) = 0
RUN --mount=type=secret,id=s,uid=7 test $(stat -c %u:%a /run/secrets/s) = 7:400 && cat /run/secrets/s
RUN --network=none true
";
    let secret = format!("id=s,src={}", secret.display());
    let options = ["--network", "none", "--secret", secret.as_str()];
    store.build_text(text, &[&options[..], &[REMAP]].concat()).ok();
    // The cache is shared with others.
    let look =
        "FROM busybox\nRUN --mount=type=cache,target=/cache,uid=9,gid=9 stat -c owner:%u /cache/x && cat /cache/x\n";
    let said = store.build_text(look, &["--network", "none"]).ok().stderr();
    assert!(said.contains("owner:3"), "{said}");
}

#[test]
fn what_cannot_be_is_refused() {
    let Some(store) = store() else { return };
    let hosts = store.build_text("FROM busybox\nRUN true\n", &["--network", "host", REMAP]).fails(1);
    assert!(hosts.stderr().contains("can't have the host's network"), "{}", hosts.stderr());
    let insecure = ["--network", "none", "--allow", "security.insecure", REMAP];
    let insecure = store.build_text("FROM busybox\nRUN --security=insecure true\n", &insecure).fails(1);
    assert!(insecure.stderr().contains("can't have all rights"), "{}", insecure.stderr());
    store.build_text("FROM busybox\nRUN true\n", &["--userns=remap:0:5"]).fails(1);
}
