//! Registries and proxies with peculiarities that docker accepts.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rbuild::base::digest::BlobDigest;
use rbuild::image::{History, ImageConfig, host_platform};
use serde_json::json;

use crate::common::TestStore;
use crate::image::{OCI, gzip, layer, put_image, put_varied_image};
use crate::registry::TestRegistry;
use crate::web::Reply;

/// Pulls into a new store and returns the image's ID, or the output if that fails.
fn pull(registry: &TestRegistry, name: &str) -> Result<String, String> {
    let store = TestStore::empty();
    let answer = store.run(&["pull", "-q", &registry.name(name)]);
    match answer.code() {
        Some(0) => Ok(store.run(&["images", "-q", "--no-trunc"]).ok().stdout()),
        _ => Err(answer.stderr()),
    }
}

#[test]
fn configs_of_old_images_are_taken_by_any_of_their_names() {
    let registry = TestRegistry::start();
    let stream = layer(1, 1000);
    let mut config = ImageConfig::scratch(&host_platform());
    config.push_layer(BlobDigest::of(&stream).to_string().parse().unwrap(), History::default());
    let config = config.to_bytes();
    let layer = registry.put_blob("a", &stream);
    let digest = registry.put_blob("a", &config);
    let put = |media_type: &str| {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": format!("{OCI}manifest.v1+json"),
            "config": {"mediaType": media_type, "digest": digest, "size": config.len()},
            "layers": [{"mediaType": format!("{OCI}layer.v1.tar"), "digest": layer, "size": stream.len()}],
        });
        registry.put_manifest("a", "1", &format!("{OCI}manifest.v1+json"), manifest.to_string().as_bytes());
    };
    for media_type in ["application/octet-stream", "application/json", "text/html", ""] {
        put(media_type);
        assert_eq!(pull(&registry, "a:1").unwrap(), format!("{digest}\n"), "{media_type}");
    }
    put("application/vnd.oci.empty.v1+json");
    assert!(pull(&registry, "a:1").unwrap_err().contains("is not an image"));
}

#[test]
fn zeros_behind_a_layer_are_padding_and_anything_else_is_not() {
    let registry = TestRegistry::start();
    let stream = layer(1, 10_000);
    let padded = [gzip(&stream), vec![0; 5000]].concat();
    put_image(&registry, "a", "padded", &[("+gzip", padded, stream.clone())]);
    pull(&registry, "a:padded").unwrap();
    let followed = [gzip(&stream), vec![0; 500], b"more".to_vec()].concat();
    put_image(&registry, "a", "followed", &[("+gzip", followed, stream)]);
    let said = pull(&registry, "a:followed").unwrap_err();
    assert!(said.contains("behind the padding"), "{said}");
}

#[test]
fn what_a_proxy_has_encoded_is_decoded() {
    let registry = TestRegistry::start();
    put_varied_image(&registry, "a", "1");
    let expected = pull(&registry, "a:1").unwrap();
    registry.set_fault(|request, mut reply| {
        assert_eq!(request.header("accept-encoding"), Some("identity"));
        if request.method == "GET" && reply.status == 200 {
            reply.body = gzip(&reply.body);
            reply.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
            reply = reply.with("Content-Encoding", "gzip");
        }
        reply
    });
    assert_eq!(pull(&registry, "a:1").as_ref(), Ok(&expected));
    // The header names the layer's own compression, and the layer is sent unchanged.
    registry.set_fault(|request, reply| match request.path.contains("/blobs/") {
        true => reply.with("Content-Encoding", "gzip"),
        false => reply,
    });
    assert_eq!(pull(&registry, "a:1").as_ref(), Ok(&expected));
    registry.set_fault(|_, reply| reply.with("Content-Encoding", "br"));
    let said = pull(&registry, "a:1").unwrap_err();
    assert!(said.contains("encoded as `br`"), "{said}");
}

#[test]
fn a_download_that_a_proxy_encodes_is_taken_up_where_it_broke() {
    let registry = TestRegistry::start();
    let stream = layer(1, 300_000);
    put_image(&registry, "a", "1", &[("", stream.clone(), stream)]);
    let breaks = AtomicU32::new(3);
    registry.set_fault(move |request, mut reply| {
        if request.path.contains("/blobs/") && reply.status == 200 {
            assert_eq!(request.header("range"), None, "a part of what is encoded is of no use");
            reply.body = gzip(&reply.body);
            reply.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
            reply = reply.with("Content-Encoding", "gzip");
            if reply.body.len() > 100_000
                && breaks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            {
                reply.cut = Some(100_000);
            }
        }
        reply
    });
    pull(&registry, "a:1").unwrap();
}

#[test]
fn the_registrys_own_words_are_shown() {
    let registry = TestRegistry::start();
    put_varied_image(&registry, "a", "1");
    let store = TestStore::empty();
    store.run(&["pull", "-q", &registry.name("a:1")]).ok();
    let refused = r#"{"errors":[{"code":"DENIED","message":"tag is immutable"}]}"#;
    registry.set_gate(move |request| (request.method == "PUT").then(|| Reply::new(403, refused)));
    let answer = store.run(&["push", &registry.name("a:1")]).fails(1);
    assert!(answer.stderr().contains("DENIED: tag is immutable"), "{}", answer.stderr());
}

#[test]
fn a_token_that_is_none_is_not_asked_for_again_and_again() {
    let registry = TestRegistry::start();
    put_varied_image(&registry, "a", "1");
    let realm = format!("Bearer\trealm=http://{}/token,service=x", registry.address);
    let asked = Arc::new(AtomicU32::new(0));
    let counted = asked.clone();
    let answer = |body: &'static str, realm: String, counted: Arc<AtomicU32>| {
        registry.set_gate(move |request| {
            if request.path == "/token" {
                counted.fetch_add(1, Ordering::Relaxed);
                return Some(Reply::new(200, body));
            }
            let is_good = request.header("authorization") == Some("Bearer t");
            (!is_good).then(|| Reply::new(401, "").with("WWW-Authenticate", &realm))
        });
    };
    answer(r#"{"token":null,"access_token":"t","expires_in":-1}"#, realm.clone(), counted.clone());
    pull(&registry, "a:1").unwrap();
    asked.store(0, Ordering::Relaxed);
    answer("{\"token\":", realm, counted);
    let said = pull(&registry, "a:1").unwrap_err();
    assert!(said.contains("no token"), "{said}");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn what_speaks_no_http_is_asked_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    let counted = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::Relaxed);
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"220 mail.example ESMTP\r\n\r\n");
        }
    });
    let store = TestStore::empty();
    store.run(&["pull", &format!("{address}/a:1")]).fails(1);
    // Once without TLS and once with it.
    assert!(asked.load(Ordering::Relaxed) <= 3, "{}", asked.load(Ordering::Relaxed));
}
