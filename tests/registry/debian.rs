//! Debian's docker-registry on loopback: plain, and with TLS and htpasswd.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::common::{Answer, TestStore, free_port, has_programs, must_run, wait_until};
use crate::image::put_varied_image;
use crate::registry::TestRegistry;

struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a registry whose configuration ends with `more`; `None` if there is none on this machine.
fn start(folder: &Path, more: &str) -> Option<Server> {
    if !has_programs(&["docker-registry"]) {
        return None;
    }
    let address = format!("127.0.0.1:{}", free_port());
    let storage = folder.join("registry");
    let text = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
         http:\n  addr: \"{address}\"\n{more}",
        storage.display()
    );
    let path = folder.join("registry.yml");
    std::fs::write(&path, text).unwrap();
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
    let server = Server { child: command.spawn().unwrap(), address };
    wait_until("the registry listens", || TcpStream::connect(&server.address).is_ok());
    Some(server)
}

/// A store with an image with several kinds of layers, with this name.
fn store_with_image(name: &str) -> TestStore {
    let source = TestRegistry::start();
    put_varied_image(&source, "varied", "1");
    let store = TestStore::empty();
    store.run(&["pull", &source.name("varied:1")]).ok();
    store.run(&["tag", &source.name("varied:1"), name]).ok();
    store
}

#[test]
fn images_go_there_and_back_with_their_digests() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = start(folder.path(), "") else { return };
    let name = format!("{}/a/varied:1", server.address);
    let store = store_with_image(&name);
    let pushed = store.run(&["push", &name]).ok().stdout();
    let digest = pushed.lines().last().unwrap().split(' ').nth(2).unwrap().to_owned();
    let other = TestStore::empty();
    let pulled = other.run(&["pull", &name]).ok().stdout();
    assert!(pulled.contains(&format!("Digest: {digest}\n")), "{pulled}");
    let again = format!("{}/b/varied:2", server.address);
    other.run(&["tag", &name, &again]).ok();
    let mounted = other.run(&["push", &again]).ok().stdout();
    assert!(mounted.contains("Mounted from a/varied") && mounted.contains(&digest), "{mounted}");
    let missing = other.run(&["pull", &format!("{}/b/varied:3", server.address)]).fails(1).stderr();
    assert!(missing.contains("the nearest tags are 2"), "{missing}");
    if has_programs(&["skopeo"]) {
        let reference = format!("docker://{again}");
        let output = Command::new("skopeo").args(["inspect", "--tls-verify=false", &reference]).output().unwrap();
        let seen: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(seen["Digest"], digest.as_str());
        assert_eq!(seen["Layers"].as_array().unwrap().len(), 4);
    }
}

/// A certificate for 127.0.0.1, and the configuration of a registry that uses it and requires `user` with `pa:ss/word`.
fn tls_and_password(folder: &Path) -> String {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    let (key, certificate) = (path("key.pem"), path("cert.pem"));
    let names = ["-keyout", &key, "-out", &certificate, "-subj", "/CN=r", "-addext", "subjectAltName=IP:127.0.0.1"];
    must_run("openssl", &[&request[..], &names[..]].concat());
    // docker-registry only accepts bcrypt.
    let hash = "$2b$04$abcdefghijklmnopqrstuuQZNfUJekXYNmgq10X0.S.ORBB/72t3S";
    std::fs::write(path("htpasswd"), format!("user:{hash}\n")).unwrap();
    let file = path("htpasswd");
    format!("  tls: {{certificate: {certificate}, key: {key}}}\nauth: {{htpasswd: {{realm: r, path: {file}}}}}\n")
}

#[test]
fn tls_and_passwords_are_as_docker_has_them() {
    if !has_programs(&["openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let more = tls_and_password(folder.path());
    let Some(server) = start(folder.path(), &more) else { return };
    let name = format!("{}/a:1", server.address);
    let store = store_with_image(&name);
    let configuration = store.work().join("config");
    let run = |arguments: &[&str]| {
        let mut command = store.command(arguments);
        command.env("HOME", store.work()).env("XDG_CONFIG_HOME", &configuration).env_remove("DOCKER_CONFIG");
        Answer::of(command)
    };
    // With a folder for the host, its certificate is checked, on loopback too.
    let certificates = configuration.join("rbuild/certs.d").join(&server.address);
    std::fs::create_dir_all(&certificates).unwrap();
    let other = certificates.join("other.crt");
    std::fs::create_dir(folder.path().join("other")).unwrap();
    tls_and_password(&folder.path().join("other"));
    std::fs::copy(folder.path().join("other/cert.pem"), &other).unwrap();
    let untrusted = run(&["push", &name]).fails(1).stderr();
    assert!(untrusted.contains("is not trusted") && untrusted.contains("certs.d"), "{untrusted}");
    std::fs::remove_file(&other).unwrap();
    std::fs::copy(folder.path().join("cert.pem"), certificates.join("ca.crt")).unwrap();
    let anonymous = run(&["push", &name]).fails(1).stderr();
    assert!(anonymous.contains("is denied") && anonymous.contains("rbuild login"), "{anonymous}");
    run(&["login", "-u", "user", "-p", "wrong", &server.address]).fails(1);
    run(&["login", "-u", "user", "-p", "pa:ss/word", &server.address]).ok();
    run(&["push", &name]).ok();
    run(&["rmi", "-f", &name]).ok();
    run(&["pull", &name]).ok();
    // Without the folder, loopback is trusted, as in docker.
    std::fs::remove_dir_all(&certificates).unwrap();
    run(&["pull", &name]).ok();
}
