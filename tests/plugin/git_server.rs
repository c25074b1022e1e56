//! A repository `owner/project` that can only be read with a token.

use std::process::Command;

use base64::Engine as _;

use crate::common::{TestStore, skip};
use crate::git_http::backend;
use crate::web::{Reply, serve};

pub struct GitServer {
    /// The part before `/owner/project.git`.
    pub url: String,
    pub commit: String,
}

impl GitServer {
    /// Skips, with a reason, if git can't create repositories.
    pub fn start(store: &TestStore, token: &str) -> Option<Self> {
        let root = store.work().join("git");
        std::fs::create_dir_all(root.join("owner")).unwrap();
        let script = r#"set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t.invalid GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t.invalid
mkdir w && cd w && git init -q . && git symbolic-ref HEAD refs/heads/main && mkdir sub
printf 'FROM scratch\nCOPY . /\n' | tee Dockerfile >sub/Dockerfile
git add -A && git commit -q -m 1 && cd .. && git clone -q --bare w owner/project.git
git -C owner/project.git config uploadpack.allowAnySHA1InWant true && git -C w rev-parse HEAD"#;
        let made = Command::new("sh").args(["-c", script]).current_dir(&root).output().ok();
        let Some(made) = made.filter(|made| made.status.success()) else {
            skip("git cannot make a repository here");
            return None;
        };
        let name = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{token}"));
        let expected = format!("basic {name}");
        let address = serve(move |request| match request.header("authorization") {
            Some(value) if value == expected => backend(&root, request),
            _ => Reply::new(401, "who is it?").with("WWW-Authenticate", "Basic realm=\"git\""),
        });
        Some(Self {
            url: format!("http://{address}"),
            commit: String::from_utf8(made.stdout).unwrap().trim().to_owned(),
        })
    }
}
