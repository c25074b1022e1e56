//! Caches in Microsoft's and Google's object storage.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::common::{Answer, TestStore};
use crate::shared::{STEPS, machine, sorted};
use crate::web::{Reply, Request, serve};

const KEY: &str = "c2VjcmV0LWtleQ==";

type Objects = Arc<Mutex<HashMap<String, Vec<u8>>>>;

/// Storage for clients that `is_known` accepts; with containers, if `makes_containers`.
fn storage(makes_containers: bool, is_known: impl Fn(&Request) -> bool + Send + Sync + 'static) -> (String, Objects) {
    let objects: Objects = Arc::default();
    let shared = objects.clone();
    let address = serve(move |request| {
        let mut objects = shared.lock().unwrap();
        let token = |token: &str| Reply::new(200, format!(r#"{{"access_token":"{token}","expires_in":"3599"}}"#));
        match request.path.as_str() {
            "/computeMetadata/v1/instance/service-accounts/default/token" => {
                return Reply::new(200, r#"{"access_token":"google","expires_in":3599}"#);
            }
            "/metadata/identity/oauth2/token" if request.query.contains("storage.azure.com") => return token("azure"),
            _ => {}
        }
        if !is_known(request) {
            return Reply::new(403, "<Error><Code>AuthorizationFailure</Code><Message>who?</Message></Error>");
        }
        let container = request.path.split('/').nth(1).unwrap_or_default().to_owned();
        match (request.method.as_str(), request.query.as_str()) {
            ("PUT", "restype=container") => drop(objects.insert(container, Vec::new())),
            ("PUT", _) if makes_containers && !objects.contains_key(&container) => {
                return Reply::new(404, "<Error><Code>ContainerNotFound</Code><Message>none</Message></Error>");
            }
            ("PUT", _) => drop(objects.insert(request.path.clone(), request.body.clone())),
            ("GET" | "HEAD", _) => match objects.get(&request.path) {
                Some(content) => return Reply::new(200, content.clone()),
                None => return Reply::new(404, "<Error><Code>BlobNotFound</Code></Error>"),
            },
            _ => return Reply::new(400, ""),
        }
        Reply::new(201, "")
    });
    (format!("http://{address}"), objects)
}

fn build(store: &TestStore, server: &str, arguments: &[&str]) -> Answer {
    let all = [&["build", "--progress", "plain", "-t", "app"], arguments, &["ctx"]].concat();
    let mut command = store.command(&all);
    for name in ["AZURE_CLIENT_ID", "IDENTITY_ENDPOINT", "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG"] {
        command.env_remove(name);
    }
    command.env("HOME", store.work()).env("STORAGE_EMULATOR_HOST", server);
    command.env("GCE_METADATA_HOST", server.trim_start_matches("http://"));
    command.env("AZURE_POD_IDENTITY_AUTHORITY_HOST", server);
    Answer::of(command)
}

fn assert_shared(server: &str, place: &str) {
    let (Some(first), Some(second)) = (machine(), machine()) else { return };
    build(&first, server, &["--cache-to", &format!("{place},mode=max")]).ok();
    let again = build(&second, server, &["--cache-from", place]).ok();
    assert_eq!(again.executed(), [""; 0], "{}", again.stderr());
    assert_eq!(sorted(again.cached()), sorted(STEPS.to_vec()));
}

#[test]
fn googles_storage_by_the_machines_identity() {
    let (server, objects) = storage(false, |request| request.header("authorization") == Some("Bearer google"));
    assert_shared(&server, "type=gcs,bucket=my-bucket,prefix=ci,name=main");
    assert!(objects.lock().unwrap().contains_key("/my-bucket/ci/manifests/main"));
}

#[test]
fn azures_storage_by_the_machines_identity_and_by_a_key() {
    let (server, objects) = storage(true, |request| {
        request.header("authorization") == Some("Bearer azure") && request.header("x-ms-version").is_some()
    });
    assert_shared(&server, &format!("type=azblob,account_url={server},account_name=me,container=cache"));
    assert!(objects.lock().unwrap().contains_key("/cache/manifests/buildkit"));
    let (server, _) = storage(true, |request| {
        let length = request.header("content-length").filter(|length| *length != "0").unwrap_or_default();
        let ms: Vec<String> = ["x-ms-blob-type", "x-ms-date", "x-ms-version"]
            .iter()
            .filter_map(|name| Some(format!("{name}:{}\n", request.header(name)?)))
            .collect();
        let query = if request.query.is_empty() { "" } else { "\nrestype:container" };
        let text =
            format!("{}\n\n\n{length}\n\n\n\n\n\n\n\n\n{}/me{}{query}", request.method, ms.concat(), request.path);
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret-key");
        let signature = STANDARD.encode(hmac::sign(&key, text.as_bytes()));
        request.header("authorization") == Some(&format!("SharedKey me:{signature}"))
    });
    let place = format!("type=azblob,account_url={server},account_name=me");
    assert_shared(&server, &format!("{place},secret_access_key={KEY}"));
    let Some(store) = machine() else { return };
    let refused =
        build(&store, &server, &["--cache-to", &format!("{place},secret_access_key=b3RoZXI=")]).fails(1).stderr();
    assert!(refused.contains("AuthorizationFailure") && !refused.contains("b3RoZXI"), "{refused}");
    let nonsense =
        build(&store, &server, &["--cache-to", &format!("{place},secret_access_key=hunter2%")]).fails(1).stderr();
    assert!(nonsense.contains("is not valid base64") && !nonsense.contains("hunter2"), "{nonsense}");
}
