//! Caches in S3.

use crate::bucket::{KEY_ID, SECRET, TestBucket};
use crate::common::{Answer, TestStore};
use crate::shared::{STEPS, machine, sorted};

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
    // The layers are in the bucket still; whoever needs them now needs credentials of its own.
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
