//! The files in `docs/integrations`: what they run in rbuild's own image is run here, with their users, capabilities,
//! seccomp settings and volumes. The tools that normally run them are not available here.

use std::fs::Permissions;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Value, json};

use super::common::{Answer, TestStore};
use super::image;
use super::registry::TestRegistry;

const WITH_RUN: &str = "FROM registry.example/base:1\nCOPY --chown=5:6 file /\nRUN cat /file >/copy && chown 7 /copy\n";
const BY_CHROOT: &str = "isolated by chroot alone";

/// The block of a page with this name in its first line.
fn block(page: &str, name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/integrations").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text.split("\n```").filter_map(|block| block.split_once('\n'));
    let found =
        blocks.map(|(_, block)| block).find(|block| block.lines().next().is_some_and(|line| line.contains(name)));
    found.unwrap_or_else(|| panic!("{page} has no {name}")).to_owned()
}

fn yaml(text: &str) -> Value {
    fn value(node: &Yaml<'_>) -> Value {
        match node {
            Yaml::Value(Scalar::Boolean(truth)) => json!(truth),
            Yaml::Value(Scalar::Integer(number)) => json!(number),
            Yaml::Value(Scalar::String(text)) => json!(text),
            Yaml::Sequence(items) => items.iter().map(value).collect(),
            Yaml::Mapping(pairs) => {
                pairs.iter().map(|(key, item)| (value(key).as_str().unwrap().to_owned(), value(item))).collect()
            }
            other => panic!("no file has {other:?}"),
        }
    }
    value(&Yaml::load_from_str(text).unwrap()[0])
}

fn words(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// A port that forwards to that address, also for other machines and containers.
fn forward(address: &str) -> u16 {
    let (listener, address) = (TcpListener::bind("0.0.0.0:0").unwrap(), address.to_owned());
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(&address).unwrap();
            let ways = [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)];
            for (mut from, mut to) in ways {
                std::thread::spawn(move || {
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    port
}

/// A machine with rbuild's image, sources in `workspace/app`, and a registry called `registry.example` in containers.
struct Place {
    store: TestStore,
    registry: TestRegistry,
}

impl Place {
    fn new() -> Option<Self> {
        let (store, registry) = (image::images()?, TestRegistry::start());
        let base = registry.name("base:1");
        store.run(&["tag", "busybox", &base]).ok();
        store.run(&["push", "-q", &base]).ok();
        let port = forward(&registry.address);
        let entry =
            |name| format!("[[registry]]\nprefix = \"{name}\"\nlocation = \"gateway:{port}\"\ninsecure = true\n");
        store.write("registries.toml", entry("registry.example") + &entry("ghcr.io"));
        store.write("secret/config.json", "{}");
        store.write("workspace/app/file", "content\n");
        Some(Self { store, registry })
    }

    fn write_dockerfile(&self, text: &str) {
        self.store.write("workspace/app/Dockerfile", text);
    }

    /// A folder that everybody may use, like a pod's `emptyDir`.
    fn folder(&self, name: &str) -> String {
        let path = self.store.work().join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        path.display().to_string()
    }

    fn run(&self, options: &[String], image: &str, words: &[String]) -> Answer {
        let own = if image.ends_with(":debug") { "own:debug" } else { "own" };
        let settings =
            format!("{}:/etc/rbuild/registries.toml:ro", self.store.work().join("registries.toml").display());
        let mut line = vec!["run", "--rm", "--add-host", "gateway:host-gateway", "-v", &settings];
        line.extend(options.iter().map(String::as_str));
        line.push(own);
        line.extend(words.iter().map(String::as_str));
        self.store.run(&line)
    }

    /// Runs a script in the image with a shell and the sources, as root unless `options` say otherwise.
    fn script(&self, script: &str, options: &[&str], variables: &[(&str, &str)]) -> Answer {
        let workspace = format!("{}:/workspace", self.folder("workspace"));
        let mut all = vec!["-v".to_owned(), workspace, "-w".to_owned(), "/workspace/app".to_owned()];
        all.extend(["--entrypoint".to_owned(), "sh".to_owned()]);
        all.extend(options.iter().map(|&option| option.to_owned()));
        all.extend(variables.iter().flat_map(|(name, value)| ["-e".to_owned(), format!("{name}={value}")]));
        self.run(&all, "rbuild:debug", &["-euc".to_owned(), script.to_owned()])
    }

    /// Runs the container `build` of a pod.
    fn pod(&self, pod: &Value) -> Answer {
        let spec = &pod["spec"];
        let container = spec["containers"].as_array().unwrap().iter().find(|found| found["name"] == "build").unwrap();
        let (own, whole) = (&container["securityContext"], &spec["securityContext"]);
        let setting = |name: &str| if own[name].is_null() { &whole[name] } else { &own[name] };
        let mut options = Vec::new();
        let mut option = |name: &str, value: String| options.extend([format!("--{name}"), value]);
        if let Some(user) = setting("runAsUser").as_u64() {
            option("user", format!("{user}:{}", setting("runAsGroup").as_u64().unwrap_or(0)));
        }
        if setting("allowPrivilegeEscalation") == &json!(false) {
            option("security-opt", "no-new-privileges".to_owned());
        }
        if setting("seccompProfile")["type"] != "RuntimeDefault" {
            option("security-opt", "seccomp=unconfined".to_owned());
        }
        words(&own["capabilities"]["drop"]).into_iter().for_each(|name| option("cap-drop", name));
        if spec["hostUsers"] == false {
            option("userns", "remap:100000:65536".to_owned());
        }
        for mount in container["volumeMounts"].as_array().unwrap() {
            let volume =
                spec["volumes"].as_array().unwrap().iter().find(|found| found["name"] == mount["name"]).unwrap();
            let name = if volume["secret"].is_null() { mount["name"].as_str().unwrap() } else { "secret" };
            let rights = if mount["readOnly"] == true { ":ro" } else { "" };
            option("volume", format!("{}:{}{rights}", self.folder(name), mount["mountPath"].as_str().unwrap()));
        }
        if setting("readOnlyRootFilesystem") == &json!(true) {
            options.push("--read-only".to_owned());
        }
        self.run(&options, container["image"].as_str().unwrap(), &words(&container["args"]))
    }

    fn has(&self, repository: &str, tag: &str) -> bool {
        self.registry.manifest(repository, tag).is_some()
    }
}

#[test]
fn kubernetes_restricted_builds_by_emulation() {
    let Some(place) = Place::new() else { return };
    let pod = yaml(&block("kubernetes.md", "restricted.yaml"));
    place.write_dockerfile(WITH_RUN);
    let said = place.pod(&pod).ok().stderr();
    assert!(place.has("app", "1") && said.contains("steps are run by emulation"), "{said}");
}

#[test]
fn kubernetes_by_default_builds_with_namespaces() {
    let Some(place) = Place::new() else { return };
    place.write_dockerfile(WITH_RUN);
    let mut pod = yaml(&block("kubernetes.md", "default.yaml"));
    let said = place.pod(&pod).ok().stderr();
    assert!(place.has("app", "1") && !said.contains(BY_CHROOT), "{said}");
    pod["spec"]["securityContext"] = json!({"seccompProfile": {"type": "RuntimeDefault"}});
    place.write_dockerfile(&format!("{WITH_RUN}RUN true\n"));
    let said = place.pod(&pod).ok().stderr();
    assert!(said.contains(BY_CHROOT), "{said}");
}

#[test]
fn kubernetes_with_users_of_its_own_builds_with_namespaces() {
    let Some(place) = Place::new() else { return };
    place.write_dockerfile(WITH_RUN);
    let mut pod = yaml(&block("kubernetes.md", "own-users.yaml"));
    place.pod(&pod).ok();
    assert!(place.has("app", "1"));
    pod["spec"]["securityContext"] = json!({"seccompProfile": {"type": "RuntimeDefault"}});
    place.write_dockerfile(&format!("{WITH_RUN}RUN true\n"));
    let said = place.pod(&pod).fails(1).stderr();
    assert!(said.contains("a seccomp filter forbids it"), "{said}");
}

#[test]
fn gitlabs_job_builds_by_chroot_and_the_next_one_executes_nothing() {
    let Some(place) = Place::new() else { return };
    place.write_dockerfile(WITH_RUN);
    let job = yaml(&block("gitlab-ci.md", ".gitlab-ci.yml"));
    let script = words(&job["build"]["script"]).join("\n");
    let variables = [
        ("CI_REGISTRY", "registry.example"),
        ("CI_REGISTRY_USER", "ci"),
        ("CI_REGISTRY_PASSWORD", "secret"),
        ("CI_REGISTRY_IMAGE", "registry.example/group/app"),
        ("CI_COMMIT_SHORT_SHA", "abc"),
        ("CI_PROJECT_DIR", "/workspace/app"),
    ];
    let first = place.script(&script, &[], &variables).ok();
    assert!(first.stderr().contains(BY_CHROOT), "{}", first.stderr());
    assert!(place.has("group/app", "abc") && place.has("group/app", "latest"));
    let second = place.script(&script, &[], &variables).ok();
    assert_eq!(second.executed(), [""; 0], "{}", second.stderr());
    assert!(!second.cached().is_empty(), "{}", second.stderr());
}

#[test]
fn tektons_task_gives_its_results() {
    let Some(place) = Place::new() else { return };
    place.write_dockerfile(WITH_RUN);
    let task = block("tekton.md", "rbuild-task.yaml");
    let task = [
        ("$(params.BUILDER_IMAGE)", "registry.example/rbuild:debug"),
        ("$(params.IMAGE)", "registry.example/app:1"),
        ("$(params.DOCKERFILE)", "Dockerfile"),
        ("$(params.CONTEXT)", "."),
        ("$(workspaces.source.path)", "/workspace/app"),
        ("$(results.IMAGE_DIGEST.path)", "/tekton/results/IMAGE_DIGEST"),
        ("$(results.IMAGE_URL.path)", "/tekton/results/IMAGE_URL"),
    ]
    .iter()
    .fold(task, |text, (name, value)| text.replace(name, value));
    let task = yaml(&task);
    let run = yaml(&block("tekton.md", "rbuild-run.yaml"));
    let extra = run["spec"]["params"].as_array().unwrap().iter().find(|found| found["name"] == "EXTRA_ARGS").unwrap();
    let results = place.folder("results");
    for step in task["spec"]["steps"].as_array().unwrap() {
        let mut options = ["-v", &format!("{results}:/tekton/results"), "-v"].map(str::to_owned).to_vec();
        options.push(format!("{}:/workspace", place.folder("workspace")));
        options.extend(["--user", "0", "--security-opt", "seccomp=unconfined", "--entrypoint"].map(str::to_owned));
        let command = words(&step["command"]);
        options.push(command[0].clone());
        let mut all = command[1..].to_vec();
        for word in words(&step["args"]) {
            match word.as_str() {
                "$(params.EXTRA_ARGS[*])" => all.extend(words(&extra["value"])),
                _ => all.push(word),
            }
        }
        place.run(&options, step["image"].as_str().unwrap(), &all).ok();
    }
    let result = |name: &str| std::fs::read_to_string(Path::new(&results).join(name)).unwrap();
    assert_eq!(result("IMAGE_URL"), "registry.example/app:1");
    let manifest = place.registry.manifest("app", "1").unwrap();
    assert_eq!(result("IMAGE_DIGEST"), rbuild::base::digest::BlobDigest::of(&manifest).to_string());
    assert_eq!(place.registry.tags("app/cache"), ["rbuild"]);
}

#[test]
fn jenkins_types_two_commands() {
    let Some(place) = Place::new() else { return };
    place.write_dockerfile(WITH_RUN);
    let file = block("jenkins.md", "Jenkinsfile");
    let commands = file.lines().filter_map(|line| line.trim().strip_prefix("sh '")?.strip_suffix('\''));
    let script = commands.collect::<Vec<_>>().join("\n");
    assert_eq!(script.lines().count(), 2, "{script}");
    let variables = [("NAME", "ci"), ("PASSWORD", "secret"), ("BUILD_NUMBER", "7")];
    let said = place.script(&script, &["--security-opt", "seccomp=unconfined"], &variables).ok().stderr();
    assert!(place.has("app", "7") && !said.contains(BY_CHROOT), "{said}");
}

#[test]
fn github_builds_in_a_container() {
    let Some(place) = Place::new() else { return };
    place.write_dockerfile(WITH_RUN);
    let workflow = yaml(&block("github-actions.md", "in-container.yaml"));
    let job = &workflow["jobs"]["image"];
    let step = job["steps"].as_array().unwrap().iter().find(|step| step["name"] == "Build").unwrap();
    let script = step["run"].as_str().unwrap();
    let options: Vec<&str> = job["container"]["options"].as_str().unwrap().split(' ').collect();
    let variables = [("TOKEN", "t"), ("GITHUB_ACTOR", "me"), ("GITHUB_REPOSITORY", "me/app"), ("GITHUB_SHA", "abc")];
    let said = place.script(script, &options, &variables).ok().stderr();
    assert!(place.has("me/app", "abc") && !said.contains(BY_CHROOT), "{said}");
    let said = place.script(script, &[], &variables).ok().stderr();
    assert!(said.contains(BY_CHROOT), "{said}");
}
