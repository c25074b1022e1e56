//! `--ca-cert`: downloads over TLS from servers whose certificates are signed by the user's own authority.

use crate::common::{TestStore, has_programs, skip};
use crate::git_http::backend;
use crate::registry::TestRegistry;
use crate::tls::{Authority, own_address};
use crate::web::{Reply, serve};

#[test]
fn git_downloads_and_registries_trust_an_authority_that_was_named() {
    let Some(store) = TestStore::with_busybox() else { return };
    // This machine by an address other than loopback: no registry there is trusted without a certificate.
    let Some(host) = own_address() else { return skip("this machine has no address but its own") };
    let Some(authority) = Authority::new(&store.work(), &[host]) else { return skip("openssl is not here") };
    let trusting = |text: &str| {
        let certificate = authority.certificate.to_str().unwrap().to_owned();
        store.build_text(text, &[]).fails(1);
        store.build_text(text, &["--ca-cert", &certificate]).ok()
    };

    let port = authority.in_front_of(&serve(|_| Reply::new(200, "downloaded\n")));
    let answer = trusting(&format!("FROM busybox\nADD https://{host}:{port}/file /\nRUN cat /file\n"));
    assert!(answer.stderr().contains("downloaded"), "{}", answer.stderr());

    let registry = TestRegistry::start();
    let name = registry.name("base:1");
    store.run(&["tag", "busybox", &name]).ok();
    store.run(&["push", &name]).ok();
    let port = authority.in_front_of(name.split('/').next().unwrap());
    let answer = trusting(&format!("FROM {host}:{port}/base:1\nRUN echo from a registry\n"));
    assert!(answer.stderr().contains("from a registry"), "{}", answer.stderr());

    if !has_programs(&["git"]) {
        return skip("git is not here");
    }
    let root = store.work().join("git");
    std::fs::create_dir(&root).unwrap();
    let script = "export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t.invalid GIT_COMMITTER_NAME=t \
                  GIT_COMMITTER_EMAIL=t@t.invalid; git init -q w && cd w && git symbolic-ref HEAD refs/heads/main && \
                  echo in git > file && git add -A && git commit -q -m 1 && cd .. && git clone -q --bare w r.git";
    crate::common::must_run("sh", &["-c", &format!("cd {} && {script}", root.display())]);
    let port = authority.in_front_of(&serve(move |request| backend(&root, request)));
    let answer = trusting(&format!("FROM busybox\nADD https://{host}:{port}/r.git /r/\nRUN cat /r/file\n"));
    assert!(answer.stderr().contains("in git"), "{}", answer.stderr());
}
