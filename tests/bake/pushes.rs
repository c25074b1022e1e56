//! Several targets that are pushed: either all of them are tagged, or none.

use crate::common::TestStore;
use crate::registry::TestRegistry;
use crate::web::Reply;

/// Two images and an index, each in its own repository.
fn project(registry: &TestRegistry) -> TestStore {
    let store = TestStore::empty();
    let target = |name: &str, more: &str| {
        let tags = format!("tags = [\"{0}:1\", \"{0}:2\"]", registry.name(name));
        let file = format!("dockerfile-inline = \"FROM scratch\\nCOPY docker-bake.hcl /{name}\\n\"");
        format!("target \"{name}\" {{\n  {file}\n  {tags}\n  {more}\n}}\n")
    };
    let group = "group \"default\" { targets = [\"a\", \"b\", \"c\"] }\n";
    let index = "platforms = [\"linux/amd64\", \"linux/arm64\"]";
    store.write("docker-bake.hcl", [group, &target("a", ""), &target("b", ""), &target("c", index)].concat());
    store
}

/// The positions of requests that put manifests: by digest, and by tag.
fn named(registry: &TestRegistry) -> (Vec<usize>, Vec<usize>) {
    let requests = registry.requests();
    let puts = requests.iter().enumerate().filter(|(_, request)| request.method == "PUT");
    let manifests = puts.filter(|(_, request)| request.path.contains("/manifests/"));
    let (by_digest, by_tag): (Vec<_>, Vec<_>) = manifests.partition(|(_, request)| request.path.contains("sha256:"));
    let places = |found: Vec<(usize, _)>| found.into_iter().map(|(place, _)| place).collect();
    (places(by_digest), places(by_tag))
}

#[test]
fn names_come_behind_all_content() {
    for jobs in ["-j1", "-j8"] {
        let registry = TestRegistry::start();
        let store = project(&registry);
        store.run(&["bake", jobs, "--push"]).ok();
        let (by_digest, by_tag) = named(&registry);
        // Two manifests, and an index of two.
        assert_eq!((by_digest.len(), by_tag.len()), (5, 6), "{jobs}");
        assert!(by_digest.iter().max() < by_tag.iter().min(), "{jobs}: {by_digest:?} {by_tag:?}");
        let uploads = registry.requests();
        let last = uploads.iter().rposition(|request| request.path.contains("/blobs/uploads/"));
        assert!(last < by_tag.iter().min().copied(), "{jobs}");
        for name in ["a", "b", "c"] {
            assert_eq!(registry.tags(name), ["1", "2"]);
        }
    }
}

#[test]
fn one_that_can_not_be_pushed_leaves_all_names_as_they_were() {
    for (refused, jobs) in [("/v2/b/blobs", "-j1"), ("/v2/b/blobs", "-j8"), ("/v2/c/manifests/sha256:", "-j8")] {
        let registry = TestRegistry::start();
        let store = project(&registry);
        registry.set_gate(move |request| {
            let is_it = request.path.starts_with(refused) && matches!(request.method.as_str(), "POST" | "PUT");
            is_it.then(|| Reply::new(403, "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"not here\"}]}"))
        });
        let said = store.run(&["bake", jobs, "--push"]).fails(1).stderr();
        assert!(said.contains("not here"), "{said}");
        assert_eq!(named(&registry).1, [0; 0], "{refused} {jobs}");
    }
}

/// A single target, and targets that are written independently, are tagged as soon as they are complete.
#[test]
fn what_does_not_belong_together_is_named_by_itself() {
    let registry = TestRegistry::start();
    let store = project(&registry);
    store.run(&["bake", "a", "--push"]).ok();
    assert_eq!(named(&registry).0, [0; 0], "its manifest comes with its name");
    registry.set_gate(|request| request.path.starts_with("/v2/b/blobs").then(|| Reply::new(403, "{}")));
    store.run(&["bake", "--execution=defer-error", "--push"]).fails(1);
    assert_eq!((registry.tags("c").len(), registry.tags("b").len()), (2, 0));
}
