//! Plain COPY onto a base that is not local: its outline suffices, and the result is the same.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::bucket::{self, TestBucket};
use crate::common::{Answer, TestStore};
use crate::registry::TestRegistry;

/// Depends on the base: links to folders, user names, folders with special modes, obstacles.
const DOCKERFILE: &str = "\
WORKDIR /lib64/work
COPY --chown=app:staff source dir/
COPY source /lib64/
COPY source etc/hostname /etc/
USER app
COPY --chown=1234 tree /
ADD source /data/x/y/
COPY --chmod=700 source /alias
";

/// A registry with the image `team/base:1`, and the digests of its layers.
fn with_base(passwd_is_a_link: bool) -> Option<(TestRegistry, Vec<String>)> {
    let maker = TestStore::loaded()?;
    maker.write("ctx/tree/usr/lib64/libc", "c");
    maker.write("ctx/tree/data/x/old", "old");
    maker.write("ctx/tree/etc/group", "root:x:0:\nstaff:x:50:\n");
    let passwd = if passwd_is_a_link { "usr/passwd" } else { "etc/passwd" };
    maker.write(&format!("ctx/tree/{passwd}"), "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/app:/bin/sh\n");
    let tree = maker.work().join("ctx/tree");
    if passwd_is_a_link {
        symlink("../usr/passwd", tree.join("etc/passwd")).unwrap();
    }
    symlink("usr/lib64", tree.join("lib64")).unwrap();
    symlink("data/x/old", tree.join("alias")).unwrap();
    std::fs::set_permissions(tree.join("data"), std::fs::Permissions::from_mode(0o2750)).unwrap();
    std::fs::set_permissions(tree.join("usr/lib64"), std::fs::Permissions::from_mode(0o1777)).unwrap();
    maker.build_text("FROM busybox\nCOPY tree /\n", &["-o", "type=oci,tar=false,dest=base"]).ok();
    let registry = TestRegistry::start();
    registry.load_layout(&maker.work().join("base"), "team/base", "1");
    let manifest: serde_json::Value = serde_json::from_slice(&registry.manifest("team/base", "1").unwrap()).unwrap();
    let layers = manifest["layers"].as_array().unwrap().iter();
    Some((registry, layers.map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()))
}

/// A machine with only a build context, in which `source` has this content.
fn machine(registry: &TestRegistry, source: &str) -> TestStore {
    let store = TestStore::empty();
    store.write("ctx/source", source);
    store.write("ctx/etc/hostname", "host\n");
    store.write("ctx/tree/data/x/new", "new");
    store.write("ctx/Dockerfile", format!("FROM {}\n{DOCKERFILE}", registry.name("team/base:1")));
    store
}

fn build(store: &TestStore, arguments: &[&str]) -> Answer {
    store.build(&[&["--reproducible", "-t", "app"], arguments].concat()).ok()
}

fn id(store: &TestStore) -> String {
    store.run(&["inspect", "--format", "{{.Id}}", "app"]).ok().stdout()
}

fn fetched(registry: &TestRegistry, layers: &[String]) -> usize {
    layers.iter().map(|layer| registry.count("GET", layer)).sum()
}

/// The result of building `source` on a machine with the base and without a cache.
fn expected(registry: &TestRegistry, source: &str) -> String {
    let store = machine(registry, source);
    store.run(&["pull", "-q", &registry.name("team/base:1")]).ok();
    build(&store, &[]);
    id(&store)
}

/// A machine with an empty store builds a changed context, and pushes it, without fetching the base's layers.
fn assert_base_stays(to: &str, from: &str, registry: &TestRegistry, layers: &[String]) {
    let expected = expected(registry, "changed");
    build(&machine(registry, "source"), &["--cache-to", to]);
    registry.forget();
    let second = machine(registry, "changed");
    let tag = registry.name("team/app:1");
    let said = second.build(&["--reproducible", "--cache-from", from, "-t", &tag, "--push"]).ok();
    second.run(&["tag", &tag, "app"]).ok();
    assert!(said.executed().len() >= 4, "{}", said.stderr());
    assert_eq!(fetched(registry, layers), 0, "{from}\n{}", said.stderr());
    assert_eq!(id(&second), expected);
    assert!(layers.iter().all(|layer| registry.has_blob("team/app", layer)), "they were mounted");
}

#[test]
fn a_copy_needs_no_base_whose_outline_is_in_a_cache() {
    let Some((registry, layers)) = with_base(false) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache").display().to_string();
    let name = registry.name("team/cache");
    let bucket = TestBucket::start();
    let s3 = format!(
        "type=s3,bucket=b,region=r,use_path_style=true,endpoint_url={},access_key_id={},secret_access_key={}",
        bucket.endpoint,
        bucket::KEY_ID,
        bucket::SECRET
    );
    for (to, from) in [
        (format!("type=registry,ref={name},mode=max"), name),
        (format!("type=local,dest={path}"), format!("type=local,src={path}")),
        (format!("{s3},mode=max"), s3),
    ] {
        assert_base_stays(&to, &from, &registry, &layers);
    }
}

#[test]
fn an_outline_that_is_gone_or_wrong_costs_a_download_and_nothing_else() {
    let Some((registry, layers)) = with_base(false) else { return };
    let expected = expected(&registry, "changed");
    let folder = tempfile::tempdir().unwrap();
    let to = format!("type=local,dest={}", folder.path().display());
    let from = format!("type=local,src={}", folder.path().display());
    build(&machine(&registry, "source"), &["--cache-to", &to]);
    let blobs = folder.path().join("blobs/sha256");
    let is_outline = |path: &std::path::Path| std::fs::read(path).unwrap().starts_with(b"rbuild outline");
    let outlines: Vec<_> =
        std::fs::read_dir(blobs).unwrap().map(|entry| entry.unwrap().path()).filter(|path| is_outline(path)).collect();
    assert_eq!(outlines.len(), layers.len());
    let damages: [fn(&std::path::Path); 2] =
        [|path| std::fs::write(path, b"rbuild outline 1\nother").unwrap(), |path| std::fs::remove_file(path).unwrap()];
    for damage in damages {
        damage(&outlines[0]);
        registry.forget();
        let store = machine(&registry, "changed");
        let said = build(&store, &["--cache-from", &from]).stderr();
        assert!(said.contains("the outline of layer sha256:") && said.contains("is not used"), "{said}");
        assert_eq!(fetched(&registry, &layers), 1, "{said}");
        assert_eq!(id(&store), expected);
    }
}

#[test]
fn users_that_are_elsewhere_are_looked_up_in_the_layers() {
    let Some((registry, layers)) = with_base(true) else { return };
    let expected = expected(&registry, "changed");
    let name = registry.name("team/cache");
    build(&machine(&registry, "source"), &["--cache-to", &format!("type=registry,ref={name}")]);
    registry.forget();
    let store = machine(&registry, "changed");
    build(&store, &["--cache-from", &name]);
    assert_eq!(fetched(&registry, &layers), layers.len());
    assert_eq!(id(&store), expected);
}

#[test]
fn a_store_remembers_the_outline_of_a_base_that_it_removed() {
    let Some((registry, layers)) = with_base(false) else { return };
    let expected = expected(&registry, "changed");
    let store = machine(&registry, "source");
    build(&store, &[]);
    store.run(&["rmi", "app", &registry.name("team/base:1")]).ok();
    store.run(&["image", "prune", "-a", "-f"]).ok();
    registry.forget();
    store.write("ctx/source", "changed");
    let said = build(&store, &[]);
    assert_eq!(fetched(&registry, &layers), 0, "{}", said.stderr());
    assert_eq!(id(&store), expected);
    assert!(store.run(&["system", "check"]).ok().stderr().is_empty());
}
