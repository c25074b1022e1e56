//! The commands for images, as a user runs them.

mod support;

use std::path::Path;
use std::process::{Command, Output};

/// A store with the base image of `fixtures/`.
struct Rbuild {
    root: tempfile::TempDir,
}

impl Rbuild {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn with_base() -> Self {
        let rbuild = Self::new();
        let base = format!("fixtures/busybox-{}.tar.gz", std::env::consts::ARCH);
        assert_eq!(rbuild.ok(&["load", "-i", &base]), "Loaded image: busybox:latest\n");
        rbuild
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_rbuild"))
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("RBUILD_ROOT", self.root.path())
            .env("TZ", "UTC")
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap()
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The error of a command that has to fail with exit code 1.
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn id(&self) -> String {
        self.ok(&["images", "-q", "--no-trunc"]).lines().next().unwrap().to_owned()
    }
}

#[test]
fn images_are_listed_as_docker_lists_them() {
    let rbuild = Rbuild::with_base();
    let table = rbuild.ok(&["images"]);
    assert!(table.starts_with("REPOSITORY   TAG       IMAGE ID       CREATED"), "{table}");
    assert!(table.lines().nth(1).unwrap().starts_with("busybox      latest    "), "{table}");
    assert_eq!(rbuild.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"]), "busybox:latest\n");
    assert_eq!(rbuild.ok(&["image", "ls", "--format", "table {{.Tag}}"]), "TAG\nlatest\n");
    assert_eq!(rbuild.ok(&["images", "-q", "--filter", "dangling=true"]), "");
    assert_eq!(rbuild.ok(&["images", "-q", "nothing"]), "");
    assert!(rbuild.fails(&["images", "--filter", "colour=red"]).contains("invalid filter 'colour'"));
    assert!(rbuild.fails(&["images", "--format", "{{.Nope}}"]).contains("Nope"));
}

#[test]
fn names_come_and_go_and_the_last_takes_the_image_with_it() {
    let rbuild = Rbuild::with_base();
    let id = rbuild.id();
    rbuild.ok(&["tag", &id["sha256:".len()..][..8], "other/name:2"]);
    rbuild.ok(&["tag", "busybox", "busybox:3"]);
    assert!(rbuild.fails(&["rmi", &id]).contains("multiple repositories"));
    assert_eq!(rbuild.ok(&["rmi", "other/name:2"]), "Untagged: other/name:2\n");
    let removed = rbuild.ok(&["rmi", &id]);
    assert!(removed.starts_with("Untagged: busybox:3\nUntagged: busybox:latest\nDeleted: sha256:"), "{removed}");
    assert_eq!(rbuild.ok(&["images", "-q"]), "");
    let left = std::fs::read_dir(rbuild.root.path().join("blobs/sha256")).unwrap().count();
    assert_eq!(left, 0, "the layer went with its last image");
    assert!(rbuild.fails(&["rmi", "busybox"]).contains("no such image: busybox:latest"));
    rbuild.ok(&["rmi", "-f", "busybox"]);
}

#[test]
fn a_layer_that_another_image_uses_stays() {
    let rbuild = Rbuild::with_base();
    rbuild.ok(&["import", "fixtures/busybox.tar.gz", "odd:1"]);
    let before = rbuild.ok(&["history", "busybox", "--format", "{{.Size}}"]);
    rbuild.ok(&["rmi", "odd:1"]);
    assert_eq!(rbuild.ok(&["history", "busybox", "--format", "{{.Size}}"]), before);
    assert_ne!(before, "0B\n");
}

#[test]
fn inspect_has_dockers_fields() {
    let rbuild = Rbuild::with_base();
    let all: serde_json::Value = serde_json::from_str(&rbuild.ok(&["inspect", "busybox", "busybox:latest"])).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!(all[0]["RepoTags"][0], "busybox:latest");
    assert_eq!(all[0]["Config"]["Cmd"][0], "sh");
    let format = "{{.Architecture}} {{index .Config.Cmd 0}} {{if .Config.Healthcheck}}x{{else}}-{{end}}";
    assert_eq!(rbuild.ok(&["inspect", "-f", format, "busybox"]), "amd64 sh -\n");
    let output = rbuild.run(&["image", "inspect", "nope", "busybox"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no such image: nope"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("busybox:latest"), "what is found is shown");
}

#[test]
fn a_saved_image_is_the_same_in_another_store() {
    let rbuild = Rbuild::with_base();
    rbuild.ok(&["tag", "busybox", "busybox:two"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("images.tar");
    rbuild.ok(&["save", "-o", file.to_str().unwrap(), "busybox"]);
    let other = Rbuild::new();
    let loaded = other.ok(&["load", "-i", file.to_str().unwrap()]);
    assert_eq!(loaded, "Loaded image: busybox:latest\nLoaded image: busybox:two\n");
    assert_eq!(other.id(), rbuild.id());
    let by_pipe = rbuild.run(&["save", "busybox:two"]).stdout;
    assert!(Path::new(&file).metadata().unwrap().len() > 1 << 20 && by_pipe.len() > 1 << 20);
    assert!(rbuild.fails(&["save", "-o", file.to_str().unwrap(), "nope"]).contains("no such image"));
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["images.tar"], "nothing is left beside it");
}

#[test]
fn an_import_takes_changes() {
    let rbuild = Rbuild::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.tar");
    std::fs::write(&file, [0; 1024]).unwrap();
    let file = file.to_str().unwrap();
    let id = rbuild.ok(&["import", "-c", "ENV A=1", "-c", "EXPOSE 80", "-m", "by hand", file, "made:1"]);
    assert!(id.starts_with("sha256:"));
    let format = "{{.Config.Env}} {{.Config.ExposedPorts}} {{.Comment}}";
    assert_eq!(rbuild.ok(&["inspect", "-f", format, "made:1"]), "[A=1] map[80/tcp:{}] by hand\n");
    assert!(rbuild.fails(&["import", "-c", "RUN true", file]).contains("invalid change `RUN true`"));
    assert!(rbuild.fails(&["import", "Cargo.toml"]).contains("is not a layer"));
}

#[test]
fn nothing_to_load_is_an_error() {
    let rbuild = Rbuild::new();
    assert!(rbuild.fails(&["load"]).contains("no manifest.json"), "standard input is empty");
    assert!(rbuild.fails(&["load", "-i", "/nonexistent"]).contains("cannot open `/nonexistent`"));
    assert!(rbuild.fails(&["load", "-i", "Cargo.toml"]).contains("archive"));
}

#[test]
fn an_image_in_use_stays_and_its_container_is_exported() {
    let rbuild = Rbuild::with_base();
    let run = rbuild.run(&[
        "run",
        "--network",
        "none",
        "--name",
        "user",
        "busybox",
        "sh",
        "-c",
        "echo hi > /new; rm /etc/shadow",
    ]);
    if !run.status.success() {
        return support::skip(&format!("no containers here: {}", String::from_utf8_lossy(&run.stderr)));
    }
    let conflict = rbuild.fails(&["rmi", "busybox"]);
    assert!(conflict.contains("must force") && conflict.contains("is using its referenced image"), "{conflict}");
    let id = rbuild.id();
    assert!(rbuild.fails(&["rmi", &id]).contains("being used by stopped container"));
    let format = "{{.State.ExitCode}} {{.Name}} {{index .Config.Cmd 0}}";
    assert_eq!(rbuild.ok(&["inspect", "-f", format, "user"]), "0 /user sh\n");
    rbuild.ok(&["rmi", "-f", "busybox"]);
    let exported = rbuild.run(&["export", "user"]).stdout;
    let mut archive = tar::Archive::new(exported.as_slice());
    let names: Vec<String> =
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().to_string_lossy().into_owned()).collect();
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    assert!(has("new") && has("bin/busybox") && !has("etc/shadow"), "the layers outlive the image: {names:?}");
}
