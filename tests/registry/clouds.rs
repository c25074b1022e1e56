//! Registries of clouds, which accept the cloud's identities.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::common::{Answer, TestStore, has_programs, is_root, skip};
use crate::registry::TestRegistry;
use crate::web::{Reply, serve};

const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

#[test]
fn amazons_registry_gets_the_password_that_the_pods_identity_is_given() {
    if !is_root() || !has_programs(&["unshare", "mount"]) {
        return skip("only root can let a name lead here for one command");
    }
    let registry = TestRegistry::start();
    let password = format!("Basic {}", STANDARD.encode("AWS:secret-password"));
    registry.set_gate(move |request| {
        let is_known = request.header("authorization") == Some(password.as_str());
        (!is_known).then(|| Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"ecr\""))
    });
    let amazon = serve(|request| match request.path.as_str() {
        "/v1/credentials" if request.header("authorization") == Some("pod") => Reply::new(
            200,
            r#"{"AccessKeyId":"POD","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}"#,
        ),
        "/v1/credentials" => Reply::new(403, r#"{"message":"no such pod"}"#),
        _ if request.header("authorization").is_some_and(|signed| signed.contains("Credential=POD/")) => {
            let token = STANDARD.encode("AWS:secret-password");
            Reply::new(200, format!(r#"{{"authorizationData":[{{"authorizationToken":"{token}"}}]}}"#))
        }
        _ => Reply::new(400, r#"{"__type":"UnrecognizedClientException"}"#),
    });
    let store = TestStore::empty();
    store.write("ctx/Dockerfile", "FROM scratch\nCOPY file /\n");
    store.write("ctx/file", "content");
    store.write("hosts", format!("127.0.0.1 localhost {HOST}\n"));
    let port = registry.address.rsplit(':').next().unwrap();
    let name = format!("{HOST}:{port}/app:1");
    let push = |token: &str| {
        let script = r#"mount --bind hosts /etc/hosts && exec "$@""#;
        let mut command = Command::new("unshare");
        command.args([
            "-m",
            "sh",
            "-c",
            script,
            "sh",
            env!("CARGO_BIN_EXE_rbuild"),
            "kaniko",
            "-c",
            "ctx",
            "-d",
            &name,
        ]);
        command.args(["--insecure", "--log-format=text"]).current_dir(store.work());
        command.env("RBUILD_ROOT", store.root()).env("RBUILD_REGISTRY_PAUSE_MS", "1").env("HOME", store.work());
        for unset in ["DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "KANIKO_DIR", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"] {
            command.env_remove(unset);
        }
        command.env("AWS_ENDPOINT_URL", format!("http://{amazon}"));
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{amazon}/v1/credentials"));
        command.env("AWS_CONTAINER_AUTHORIZATION_TOKEN", token);
        Answer::of(command)
    };
    push("pod").ok();
    assert!(registry.manifest("app", "1").is_some());
    let refused = push("other").fails(1).stderr();
    assert!(refused.contains("is denied") && !refused.contains("secret-password"), "{refused}");
    // Credentials in docker's file take precedence over the identity.
    let auth = STANDARD.encode("AWS:old");
    store.write(".docker/config.json", format!(r#"{{"auths":{{"{HOST}:{port}":{{"auth":"{auth}"}}}}}}"#));
    push("pod").fails(1);
}
