//! Sources that require credentials, and servers whose certificates are signed by the user's own authority.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{TestStore, has_programs, must_run, skip};
use crate::git_http::backend;
use crate::web::{Reply, serve};

const TOKEN: &str = "sesame-4711";

/// A repository behind a password; returns its URL.
fn guarded(root: PathBuf) -> Option<String> {
    let script = r#"set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t.invalid GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t.invalid
mkdir w && cd w && git init -q . && git symbolic-ref HEAD refs/heads/main
echo hidden > file && printf 'FROM scratch\nCOPY file /\n' > Dockerfile && git add -A && git commit -q -m 1
printf '*.big filter=lfs\n' > .gitattributes
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 12\n' 1 > x.big
git add -A && git commit -q -m 2 && git tag large && git checkout -q -b branch HEAD~1 && git branch -q -f main branch
cd .. && git clone -q --bare w r.git && git -C r.git symbolic-ref HEAD refs/heads/main"#;
    let made = Command::new("sh").args(["-c", script]).current_dir(&root).output().ok()?;
    if !made.status.success() {
        return None;
    }
    // `x-access-token:sesame-4711`
    let expected = "basic eC1hY2Nlc3MtdG9rZW46c2VzYW1lLTQ3MTE=";
    Some(serve(move |request| match request.header("authorization") {
        Some(value) if value == expected || value == "Custom open" => backend(&root, request),
        _ => Reply::new(401, "who is it?").with("WWW-Authenticate", "Basic realm=\"git\""),
    }))
}

#[test]
fn a_git_server_is_told_who_asks() {
    let Some(store) = TestStore::with_busybox() else { return };
    if !has_programs(&["git"]) {
        return skip("git is not here");
    }
    let root = store.work().join("git");
    std::fs::create_dir(&root).unwrap();
    let Some(address) = guarded(root) else { return skip("git cannot make a repository here") };
    let url = format!("http://{address}/r.git");
    let token = store.write("token", format!("{TOKEN}\n"));
    let wrong = store.write("wrong", "nonsense");
    let header = store.write("header", "Custom open");
    let secret = |id: &str, path: &Path| format!("id={id},src={}", path.display());
    let dockerfile = format!("FROM scratch\nADD {url} /\n");

    let refused = store.build_text(&dockerfile, &[]).fails(1);
    assert!(refused.stderr().contains("r.git"), "{}", refused.stderr());
    let of_host = secret(&format!("GIT_AUTH_TOKEN.{address}"), &token);
    let of_all = secret("GIT_AUTH_TOKEN", &wrong);
    let built = store.build(&["--secret", &of_all, "--secret", &of_host]).ok();
    assert!(!built.stderr().contains(TOKEN));
    let refused = store.build(&["--no-cache", "--secret", &of_all]).fails(1);
    assert!(!refused.stderr().contains("nonsense"), "{}", refused.stderr());
    store.build(&["--no-cache", "--secret", &secret("GIT_AUTH_HEADER", &header)]).ok();
    // Also as a context.
    let context = ["build", "--secret", &of_host, &url];
    store.run(&context).ok();
    let large = store.build_text(&format!("FROM scratch\nADD {url}#large /\n"), &["--secret", &of_host]).fails(1);
    assert!(large.stderr().contains("git LFS") && large.stderr().contains("x.big"), "{}", large.stderr());
}

#[test]
fn a_download_says_who_asks() {
    let Some(store) = TestStore::with_busybox() else { return };
    let address = serve(|request| match request.header("authorization") {
        Some("Bearer sesame-4711" | "Custom open") => Reply::new(200, "hidden"),
        _ => Reply::new(401, "who is it?"),
    });
    let token = store.write("token", TOKEN);
    let header = store.write("header", "Custom open\n");
    store.build_text(&format!("FROM busybox\nADD http://{address}/file /\nRUN cat /file\n"), &[]).fails(1);
    for (id, path) in [("HTTP_AUTH_TOKEN_127.0.0.1", &token), ("HTTP_AUTH_HEADER_127.0.0.1", &header)] {
        store.build(&["--no-cache", "--secret", &format!("id={id},src={}", path.display())]).ok();
    }
}

#[test]
fn an_authority_is_trusted_and_leaves_nothing_behind() {
    let Some(store) = TestStore::with_busybox() else { return };
    if !has_programs(&["openssl"]) {
        return skip("openssl is not here");
    }
    let (pem, key) = (store.work().join("ca.pem"), store.work().join("ca.key"));
    let subject = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=own"];
    let files = ["-out", pem.to_str().unwrap(), "-keyout", key.to_str().unwrap()];
    must_run("openssl", &[&subject[..], &files[..]].concat());
    let own = std::fs::read_to_string(&pem).unwrap();
    let line = own.lines().nth(3).unwrap();
    let dockerfile = format!(
        "FROM busybox\n\
         RUN mkdir -p /etc/ssl/certs /etc/pki/tls/certs && echo public > /etc/ssl/certs/ca-certificates.crt && \
         ln -s /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt\n\
         ENV CURL_CA_BUNDLE=/mine\n\
         RUN head -n 1 /etc/pki/tls/certs/ca-bundle.crt && echo IN: $(grep -c '{line}' /etc/ssl/certs/ca-certificates.crt \
         $SSL_CERT_FILE $NODE_EXTRA_CA_CERTS | cut -d: -f2) $CURL_CA_BUNDLE; touch /done\n"
    );
    let own_path = pem.to_str().unwrap();
    let first = store.build_text(&dockerfile, &["--ca-cert", own_path, "-t", "trusting"]).ok();
    assert!(first.stderr().contains("public\n") && first.stderr().contains("IN: 1 1 1 /mine"), "{}", first.stderr());
    // The credentials are in no cache key, file or setting.
    let second = store.build(&[]).ok();
    assert_eq!(second.executed(), [""; 0]);
    let folder = store.root_filesystem(&[]);
    let bundle = std::fs::read_to_string(folder.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert_eq!(bundle, "public\n");
    assert!(!folder.join("run/rbuild").exists());
    let config = store.run(&["image", "inspect", "trusting"]).ok().stdout();
    assert!(!config.contains("SSL_CERT_FILE"), "{config}");
    store.build(&["--ca-cert", key.to_str().unwrap()]).fails(1);
}
