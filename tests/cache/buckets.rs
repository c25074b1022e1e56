//! Caches in S3.

use crate::bucket::{KEY_ID, SECRET, TestBucket};
use crate::common::{Answer, TestStore};
use crate::shared::{STEPS, machine, sorted};
use crate::web::Reply;

fn build(store: &TestStore, arguments: &[&str], credentials: Option<(&str, &str)>) -> Answer {
    let all = [&["build", "--progress", "plain", "-t", "app"], arguments, &["ctx"]].concat();
    let mut command = store.command(&all);
    command.env_remove("AWS_PROFILE").env("HOME", store.work());
    if let Some((id, secret)) = credentials {
        command.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret);
    }
    Answer::of(command)
}

#[test]
fn a_bucket_with_credentials_of_the_environment_or_given() {
    let (Some(first), Some(second)) = (machine(), machine()) else { return };
    let bucket = TestBucket::start();
    let place = format!("type=s3,bucket=ci,region=eu-west-1,endpoint_url={},prefix=a b/,name=main", bucket.endpoint);
    let given = format!("{place},access_key_id={KEY_ID},secret_access_key={SECRET}");
    build(&first, &["--cache-to", &format!("{place},mode=max")], Some((KEY_ID, SECRET))).ok();
    assert!(bucket.keys().contains(&"/ci/a%20b/manifests/main".to_owned()), "{:?}", bucket.keys());
    let again = build(&second, &["--cache-from", &given], None).ok();
    assert_eq!(again.executed(), [""; 0], "{}", again.stderr());
    assert_eq!(sorted(again.cached()), sorted(STEPS.to_vec()));
    // The layers are still in the bucket; commands that need them now need their own credentials.
    let run = |environment: bool| {
        let mut command = second.command(&["run", "--rm", "app", "cat", "/app/result"]);
        command.env("HOME", second.work());
        if environment {
            command.env("AWS_ACCESS_KEY_ID", KEY_ID).env("AWS_SECRET_ACCESS_KEY", SECRET);
        }
        Answer::of(command)
    };
    let said = run(false).fails(125).stderr();
    assert!(said.contains("s3://ci/") && said.contains("no credentials"), "{said}");
    assert_eq!(run(true).ok().stdout(), "tool\nsource\n");
}

#[test]
fn a_bucket_that_refuses() {
    let Some(store) = machine() else { return };
    let bucket = TestBucket::start();
    let place = format!("type=s3,bucket=ci,endpoint_url={}", bucket.endpoint);
    let said = build(&store, &["--cache-from", &place], Some((KEY_ID, "wrong"))).ok().stderr();
    assert!(said.contains("warning: the cache") && said.contains("SignatureDoesNotMatch"), "{said}");
    let said = build(&store, &["--cache-to", &place], Some((KEY_ID, "wrong"))).fails(1).stderr();
    assert!(said.contains("cannot export the cache to s3://ci/") && !said.contains("wrong"), "{said}");
    let missing = build(&store, &["--cache-from", &place], Some((KEY_ID, SECRET))).ok().stderr();
    assert!(missing.contains("there is no cache of that name"), "{missing}");
}

/// 20 MiB that can't be compressed.
fn large() -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32
    };
    (0..5 << 20).flat_map(|_| next().to_le_bytes()).collect()
}

#[test]
fn a_large_layer_goes_in_parts_and_a_lost_part_goes_again() {
    let Some(store) = TestStore::loaded() else { return };
    store.write("ctx/large", large());
    store.write("ctx/Dockerfile", "FROM scratch\nCOPY large /\n");
    let bucket = TestBucket::start();
    let place =
        format!("type=s3,bucket=ci,endpoint_url={},access_key_id={KEY_ID},secret_access_key={SECRET}", bucket.endpoint);
    let to = format!("{place},mode=max");
    let parts = || bucket.requests().iter().filter(|request| request.query.contains("partNumber=2&")).count();

    // A part that never arrives: the upload is aborted, and there is no cache.
    bucket.set_gate(|request| request.query.contains("partNumber=2&").then(|| Reply::new(503, "")));
    let said = build(&store, &["--cache-to", &to], None).fails(1).stderr();
    assert!(said.contains("answered 503"), "{said}");
    assert_eq!((parts(), bucket.open_uploads(), bucket.keys()), (4, 0, vec![]));

    // A part that is lost once.
    let is_lost = std::sync::atomic::AtomicBool::new(false);
    bucket.set_gate(move |request| {
        let is_second = request.query.contains("partNumber=2&");
        let lose = is_second && !is_lost.swap(true, std::sync::atomic::Ordering::Relaxed);
        lose.then(|| Reply { reset: true, ..Reply::new(200, "") })
    });
    build(&store, &["--cache-to", &to], None).ok();
    assert_eq!((parts(), bucket.open_uploads()), (4 + 2, 0));
    let other = TestStore::empty();
    other.write("ctx/large", large());
    other.write("ctx/Dockerfile", "FROM scratch\nCOPY large /\n");
    assert_eq!(build(&other, &["--cache-from", &place], None).ok().executed(), [""; 0]);
    let mut save = other.command(&["save", "app", "-o", "app.tar"]);
    save.env("AWS_ACCESS_KEY_ID", KEY_ID).env("AWS_SECRET_ACCESS_KEY", SECRET).env("HOME", other.work());
    Answer::of(save).ok();
    assert!(std::fs::metadata(other.work().join("app.tar")).unwrap().len() > 20 << 20);
}
