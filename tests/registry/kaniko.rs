//! kaniko's command line, as jobs type it.

use std::path::PathBuf;
use std::process::Command;

use rbuild::base::digest::BlobDigest;

use crate::bucket::{KEY_ID, SECRET, TestBucket};
use crate::common::{Answer, TestStore, has_programs, skip};
use crate::git_http::backend;
use crate::image::put_varied_image;
use crate::registry::TestRegistry;
use crate::web::{Reply, serve};

/// `rbuild kaniko` without any settings of the machine.
fn kaniko(store: &TestStore, arguments: &[&str]) -> Command {
    let mut command = store.command(&[&["kaniko"], arguments].concat());
    for name in ["DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "KANIKO_DIR", "GIT_TOKEN", "BUILDKIT_PROGRESS"] {
        command.env_remove(name);
    }
    command.env("HOME", store.work());
    command
}

fn run(store: &TestStore, arguments: &[&str]) -> Answer {
    Answer::of(kaniko(store, arguments))
}

/// A store with a context that needs no RUN.
fn store() -> TestStore {
    let store = TestStore::empty();
    store.write("ctx/Dockerfile", "FROM scratch\nCOPY file /\n");
    store.write("ctx/file", "content");
    store
}

fn read(store: &TestStore, path: &str) -> String {
    std::fs::read_to_string(store.work().join(path)).unwrap()
}

#[test]
fn the_program_called_executor_pushes_to_all_destinations_and_says_what() {
    let (store, registry) = (store(), TestRegistry::start());
    let link = store.work().join("executor");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rbuild"), &link).unwrap();
    let (one, two) = (registry.name("app:1"), registry.name("other:2"));
    let mut command = Command::new(&link);
    command.current_dir(store.work()).env("RBUILD_ROOT", store.root()).env("HOME", store.work());
    command.env_remove("DOCKER_CONFIG").env("BUILDER_OUTPUT", store.work());
    // A job's Docker engine is ignored by kaniko.
    command.env("DOCKER_HOST", "tcp://docker:2375");
    command.args(["--context", "dir://ctx", "--dockerfile=Dockerfile", "-d", &one, "--destination", &two, "--force"]);
    command.args(["--digest-file", "out/digest", "--image-name-with-digest-file=names", "--label", "a=b"]);
    command.args(["--image-name-tag-with-digest-file=tags", "--cleanup", "--cache=false", "--log-format=text"]);
    let answer = Answer::of(command).ok();
    let manifest = registry.manifest("app", "1").unwrap();
    assert_eq!(registry.manifest("other", "2"), Some(manifest.clone()));
    let digest = BlobDigest::of(&manifest).to_string();
    assert_eq!(read(&store, "out/digest"), digest);
    let host = &registry.address;
    assert_eq!(read(&store, "names"), format!("{host}/app@{digest}\n{host}/other@{digest}\n"));
    assert_eq!(read(&store, "tags"), format!("{host}/app:1@{digest}\n{host}/other:2@{digest}\n"));
    let images = format!("{{\"name\":\"{host}/app:1\",\"digest\":\"{digest}\"}}\n");
    assert!(read(&store, "images").starts_with(&images), "{}", read(&store, "images"));
    let said = answer.stderr();
    assert_eq!(said.matches("note: --cleanup, --force have no effect").count(), 1, "{said}");
    let config: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let config = registry.blob("app", config["config"]["digest"].as_str().unwrap()).unwrap();
    assert!(String::from_utf8_lossy(&config).contains(r#""a":"b""#));
    assert_eq!(store.run(&["images", "-q"]).ok().stdout(), "", "the image is where it was sent, and nowhere else");
}

/// The arguments of Tekton's tasks (catalogue, all versions) and of Skaffold's pod.
#[test]
fn tekton_and_skaffold_type_what_is_understood() {
    let (store, registry) = (store(), TestRegistry::start());
    let context = store.work().join("ctx");
    let workspace = format!("--context={}/./", context.display());
    let layout = format!("--oci-layout-path={}/./image-digest", context.display());
    let digest_of = |tag: &str| BlobDigest::of(&registry.manifest("tekton", tag).unwrap()).to_string();
    let read = |path: &str| std::fs::read_to_string(context.join(path)).unwrap();
    // Until 0.3, extra arguments are a single word, which is empty if there are none.
    let versions: [(&str, &[&str]); 3] =
        [("0.3", &["", &layout]), ("0.4", &[&layout]), ("0.7", &["--digest-file=digest"])];
    for (tag, more) in versions {
        let destination = format!("--destination={}", registry.name(&format!("tekton:{tag}")));
        let words = [more, &["--dockerfile=./Dockerfile", &workspace, &destination]].concat();
        let mut command = kaniko(&store, &words);
        command.current_dir(&context);
        Answer::of(command).ok();
        // The following steps read it from there.
        let told = match tag {
            "0.7" => read("digest"),
            _ => {
                let index: serde_json::Value = serde_json::from_str(&read("image-digest/index.json")).unwrap();
                assert_eq!(index["manifests"].as_array().unwrap().len(), 1, "{tag}");
                index["manifests"][0]["digest"].as_str().unwrap().to_owned()
            }
        };
        assert_eq!(told, digest_of(tag), "{tag}");
    }
    let (name, folder) = (registry.name("skaffold:1"), format!("dir://{}", context.display()));
    let skaffold = ["--destination", &name, "--dockerfile", "Dockerfile", "--context", &folder, "--build-arg", "A=b"];
    let more =
        ["--cache", "--cache-dir", "/cache", "--cleanup", "--force", "--digest-file", "/dev/stdout", "--insecure"];
    let more =
        [&more[..], &["--skip-tls-verify", "--skip-tls-verify-registry", &registry.address, "-v", "warn"]].concat();
    let said = run(&store, &[&skaffold[..], &more].concat()).ok().stdout();
    assert!(said.contains("sha256:"), "{said}");
    assert!(registry.manifest("skaffold", "1").is_some());
}

#[test]
fn the_cache_is_a_repository_and_is_used_only_when_it_is_asked_for() {
    let (Some(first), Some(second)) = (TestStore::with_busybox(), TestStore::with_busybox()) else { return };
    let registry = TestRegistry::start();
    let (name, repository) = (registry.name("app:1"), registry.name("steps"));
    let build = |store: &TestStore, arguments: &[&str]| {
        store.write(
            "ctx/Dockerfile",
            "FROM busybox AS one\nRUN echo 1 > /one\nFROM busybox\nCOPY --from=one /one /\nRUN cat /one\n",
        );
        run(store, &[&["-c", "ctx", "--log-format=text"], arguments].concat())
    };
    build(&first, &["-d", &name, "--cache", "--cache-repo", &repository]).ok();
    assert_eq!(registry.tags("steps"), ["rbuild"]);
    let again = build(&second, &["-d", &name, "--cache=true", "--cache-repo", &repository, "--no-push-cache"]).ok();
    assert_eq!(again.executed(), [""; 0], "{}", again.stderr());
    for anew in [&["--no-push"][..], &["-d", &name, "--cache", "--cache-run-layers=false"]] {
        assert_eq!(build(&second, anew).ok().cached(), [""; 0], "{anew:?}");
    }
    // The default location is below the destination.
    build(&second, &["-d", &name, "--cache"]).ok();
    assert_eq!(registry.tags("app/cache"), ["rbuild"]);
    let folder = ["--no-push", "--cache", "--cache-repo=oci:cache"];
    build(&first, &folder).ok();
    assert!(first.work().join("cache/index.json").exists());
    let refused = build(&first, &["--no-push", "--cache"]).fails(1).stderr();
    assert!(refused.contains("specify cache repo with --cache-repo"), "{refused}");
}

#[test]
fn the_image_goes_into_archives_and_layouts_without_a_registry() {
    let store = store();
    let to = ["--tar-path", "a.tar", "--oci-layout-path", "layout", "--digest-file", "digest"];
    let to = [&["-c", "ctx", "--no-push", "--reproducible", "--compression=zstd"][..], &to].concat();
    run(&store, &to).ok();
    let index: serde_json::Value = serde_json::from_str(&read(&store, "layout/index.json")).unwrap();
    assert_eq!(index["manifests"][0]["digest"], read(&store, "digest").as_str());
    let loaded = store.run(&["load", "-i", "a.tar"]).ok().stdout();
    assert!(loaded.contains("unset-repo/unset-image-name:latest"), "{loaded}");
    let mut command = kaniko(&store, &["-c", "ctx", "-d", "r.invalid/a", "--tar-path=b.tar"]);
    command.env("KANIKO_NO_PUSH", "true");
    Answer::of(command).ok();
    assert!(store.run(&["load", "-i", "b.tar"]).ok().stdout().contains("r.invalid/a:latest"));
    let digests = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = digests.clone();
    let server = serve(move |request| {
        seen.lock().unwrap().push((request.method.clone(), String::from_utf8_lossy(&request.body).into_owned()));
        Reply::new(if request.path == "/no" { 403 } else { 200 }, "")
    });
    let put = |path: &str| {
        let file = format!("--digest-file=http://{server}{path}?signature=hunter2");
        run(&store, &["-c", "ctx", "--no-push", "--reproducible", "--compression=zstd", "--oci-layout-path=l", &file])
    };
    put("/d").ok();
    let index: serde_json::Value = serde_json::from_str(&read(&store, "l/index.json")).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
    assert_eq!(digests.lock().unwrap()[0], ("PUT".to_owned(), digest));
    let said = put("/no").fails(1).stderr();
    assert!(said.contains("answered 403") && !said.contains("hunter2"), "{said}");
}

/// A compressed archive of a context.
fn archive(store: &TestStore) -> Vec<u8> {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    archive.append_dir_all("inner", store.work().join("ctx")).unwrap();
    archive.append_dir_all(".", store.work().join("ctx")).unwrap();
    archive.into_inner().unwrap().finish().unwrap()
}

/// The paths in the layer of the result.
fn built(store: &TestStore) -> Vec<String> {
    let listed =
        Command::new("tar").args(["-xOf", "a.tar", "manifest.json"]).current_dir(store.work()).output().unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let layers = manifest[0]["Layers"].as_array().unwrap();
    layers.iter().map(|layer| layer.as_str().unwrap().to_owned()).collect()
}

#[test]
fn contexts_come_from_archives_streams_addresses_and_buckets() {
    let store = store();
    let bytes = archive(&store);
    store.write("context.tar.gz", &bytes);
    let no_push = ["--no-push", "--reproducible", "--tar-path", "a.tar", "--context"];
    let with = |context: &str, more: &[&str]| kaniko(&store, &[&no_push[..], &[context], more].concat());
    Answer::of(with("ctx", &[])).ok();
    let expected = built(&store);
    let check = |command: Command, what: &str| {
        std::fs::remove_file(store.work().join("a.tar")).unwrap();
        Answer::of(command).ok();
        assert_eq!(built(&store), expected, "{what}");
    };
    check(with("dir://.", &["--context-sub-path", "ctx"]), "a folder of a folder");
    check(with("tar://context.tar.gz", &[]), "an archive");
    check(with("tar://context.tar.gz", &["--context-sub-path=inner", "-f", "Dockerfile"]), "a folder of an archive");
    let mut stream = with("tar://stdin", &["--context-sub-path", "/inner/"]);
    stream.stdin(std::fs::File::open(store.work().join("context.tar.gz")).unwrap());
    check(stream, "standard input");
    let text = std::fs::read(store.work().join("ctx/Dockerfile")).unwrap();
    let served = bytes.clone();
    let server = serve(move |request| match request.path.as_str() {
        "/Dockerfile" => Reply::new(200, text.clone()),
        "/context.tar.gz" => Reply::new(200, served.clone()),
        "/computeMetadata/v1/instance/service-accounts/default/token" => {
            Reply::new(200, r#"{"access_token": "of-machine", "expires_in": 3599}"#)
        }
        "/my-bucket/a%20b.tar.gz" if request.header("authorization") == Some("Bearer of-machine") => {
            Reply::new(200, served.clone())
        }
        _ => Reply::new(404, ""),
    });
    check(with(&format!("http://{server}/context.tar.gz"), &["--context-sub-path=inner"]), "an address");
    check(with("ctx", &["--dockerfile", &format!("http://{server}/Dockerfile")]), "a Dockerfile's address");
    let mut google = with("gs://my-bucket/a b.tar.gz", &["--context-sub-path=inner"]);
    google.env("STORAGE_EMULATOR_HOST", format!("http://{server}")).env("GCE_METADATA_HOST", &server);
    google.env_remove("GOOGLE_APPLICATION_CREDENTIALS").env_remove("CLOUDSDK_CONFIG");
    check(google, "Google's storage");
    let missing = Answer::of(with("tar://context.tar.gz", &["--context-sub-path=no/such"])).fails(1).stderr();
    assert!(missing.contains("has no folder `no/such`"), "{missing}");

    let bucket = TestBucket::start();
    bucket.set_gate(move |request| (request.path == "/ci/a/b.tar.gz").then(|| Reply::new(200, bytes.clone())));
    let mut command = with("s3://ci/a/b.tar.gz", &[]);
    let endpoint = bucket.endpoint.clone();
    command.env("S3_ENDPOINT", endpoint).env("S3_FORCE_PATH_STYLE", "true").env_remove("AWS_PROFILE");
    command.env("AWS_ACCESS_KEY_ID", KEY_ID).env("AWS_SECRET_ACCESS_KEY", SECRET);
    check(command, "a bucket");
    let signed =
        bucket.requests()[0].header("authorization").is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256"));
    assert!(signed, "{:?}", bucket.requests());

    for (context, words) in [("ftp://x", "unknown prefix"), ("", "specify a path"), ("s3://only", "names no object")] {
        let said = Answer::of(with(context, &[])).fails(1).stderr();
        assert!(said.contains(words), "{context}: {said}");
    }
}

#[test]
fn a_repository_keeps_its_folder_and_gets_the_token() {
    let store = store();
    if !has_programs(&["git"]) {
        return skip("git is not here");
    }
    let script = "set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t.invalid
export GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t.invalid
git init -q w && cd w && git symbolic-ref HEAD refs/heads/main && mkdir sub
printf 'FROM scratch\\nCOPY .git/HEAD file /\\n' > sub/Dockerfile && echo main > sub/file
cp sub/Dockerfile . && echo top > file
git add -A && git commit -q -m 1 && git checkout -q -b other && echo other > file && git commit -q -am 2
cd .. && git clone -q --bare w repo && git -C repo symbolic-ref HEAD refs/heads/main && git -C repo update-server-info";
    let made = Command::new("sh").args(["-c", script]).current_dir(store.work()).status().unwrap();
    assert!(made.success());
    let root: PathBuf = store.work();
    let users = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = users.clone();
    let server = serve(move |request| {
        let Some(user) = request.header("authorization") else {
            return Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"git\"");
        };
        seen.lock().unwrap().push(user.to_owned());
        backend(&root, request)
    });
    let build = |suffix: &str, more: &[&str]| {
        let context = format!("git://{server}/repo{suffix}");
        let arguments = [&["--no-push", "--tar-path=a.tar", "-c", &context][..], more].concat();
        let mut command = kaniko(&store, &arguments);
        command.env("GIT_PULL_METHOD", "http").env("GIT_TOKEN", "tok");
        Answer::of(command)
    };
    build("", &[]).ok();
    // `tok:` in base64.
    assert!(users.lock().unwrap().iter().all(|user| user == "Basic dG9rOg=="), "{users:?}");
    let main = built(&store);
    build("#refs/heads/other", &[]).ok();
    let other = built(&store);
    assert_ne!(main, other);
    build("", &["--git", "branch=other"]).ok();
    assert_eq!(built(&store), other);
    // A part of a repository has no `.git`.
    let said = build("", &["--context-sub-path", "sub"]).fails(1).stderr();
    assert!(said.contains(".git/HEAD") && !said.contains("tok@"), "{said}");
}

#[test]
fn mirrors_credentials_and_tags_that_stay() {
    let (store, registry) = (store(), TestRegistry::start());
    put_varied_image(&registry, "hub/library/varied", "1");
    store.write("ctx/Dockerfile", "FROM varied:1\nCOPY file /\n");
    let mirror = registry.name("hub");
    let mut command =
        kaniko(&store, &["-c", "ctx", "--no-push", "--registry-map", &format!("index.docker.io={mirror}")]);
    command.env("KANIKO_REGISTRY_MIRROR", "127.0.0.1:1");
    Answer::of(command).ok();
    assert!(registry.count("GET", "/v2/hub/library/varied/blobs/") > 0, "layers come from the mirror, too");
    store.write("ctx/Dockerfile", "FROM other:1\n");
    let alone = ["-c", "ctx", "--no-push", "--registry-mirror", &mirror, "--skip-default-registry-fallback"];
    let said = run(&store, &alone).fails(1).stderr();
    assert!(said.contains("has no image") && !said.contains("docker.io ("), "{said}");

    // `user:hunter2` in base64.
    let auth = format!(r#"{{"auths": {{"{}": {{"auth": "dXNlcjpodW50ZXIy"}}}}}}"#, registry.address);
    store.write("kaniko/.docker/config.json", auth);
    store.write("ctx/Dockerfile", "FROM scratch\nCOPY file /\n");
    registry.set_gate(|request| {
        let is_known = request.header("authorization") == Some("Basic dXNlcjpodW50ZXIy");
        if !is_known {
            return Some(Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"r\""));
        }
        let stays = request.method == "PUT" && request.path.ends_with("/app/manifests/1");
        let why = "The image tag '1' already exists and cannot be overwritten because the repository is immutable.";
        let body = format!(r#"{{"errors": [{{"code": "TAG_INVALID", "message": "{why}"}}]}}"#);
        stays.then(|| Reply::new(400, body))
    });
    let (one, two) = (registry.name("app:1"), registry.name("app:2"));
    let push = |variable: bool, more: &[&str]| {
        let mut command = kaniko(&store, &[&["-c", "ctx", "-d", &one, "-d", &two], more].concat());
        if variable {
            command.env("KANIKO_DIR", store.work().join("kaniko"));
        }
        Answer::of(command)
    };
    assert!(push(false, &[]).fails(1).stderr().contains("is denied"));
    assert!(push(true, &[]).fails(1).stderr().contains("is immutable"));
    push(true, &["--push-ignore-immutable-tag-errors"]).ok();
    push(false, &["--push-ignore-immutable-tag-errors=true", "--kaniko-dir", "kaniko"]).ok();
    assert!(registry.manifest("app", "1").is_none() && registry.manifest("app", "2").is_some());
}

#[test]
fn what_fails_ends_with_kanikos_codes() {
    let store = store();
    for (arguments, words) in [
        (&["-c", "ctx"][..], "you must provide --destination, or use --no-push"),
        (&["-c", "ctx", "--no-push", "--image-name-with-digest-file=x"], "you must provide --destination if setting"),
        (&["-c", "ctx", "--no-push", "--nope"], "unknown flag: --nope"),
        (&["-c", "ctx", "--no-push", "--snapshot-mode=quick"], "quick"),
        (&["-c", "ctx", "--no-push", "--cache-ttl=2"], "cache-ttl"),
        (&["-c", "ctx", "--no-push", "-f", "Nowhere"], "Nowhere"),
        (&["-c", "ctx", "--no-push", "--registry-map=x"], "--registry-map"),
        (&["-c", "ctx", "--no-push", "--custom-platform=a/b/c/d"], "--custom-platform"),
        (&["other"], "unknown command \"other\" for \"executor\""),
    ] {
        let said = run(&store, arguments).stderr();
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert_ne!(run(&store, arguments).code(), Some(0));
    }
    assert!(run(&store, &["version"]).ok().stdout().contains("rbuild"));
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", "FROM busybox\nARG A\nARG B=1\nRUN test -z \"$B\" && exit $A\n");
    let mut command = kaniko(&store, &["-c", "ctx", "--no-push", "--build-arg", "A", "--build-arg=B", "-v", "error"]);
    command.env("A", "42").env_remove("B");
    Answer::of(command).fails(42);
}
