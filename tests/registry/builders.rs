//! Registries in `buildx create --buildkitd-config`: for builds with that builder, and for no others.

use std::net::IpAddr;

use crate::common::{Answer, TestStore, skip};
use crate::image::put_varied_image;
use crate::registry::TestRegistry;
use crate::tls::{Authority, own_address, without_tls};

/// The configuration of a builder decides where images are found.
#[test]
fn builds_go_by_the_registries_of_their_builder() {
    let registry = TestRegistry::start();
    put_varied_image(&registry, "hub/a", "1");
    let store = TestStore::empty();
    let run = |words: &[&str]| {
        let mut command = store.command(words);
        command.env("DOCKER_CONFIG", store.work().join("docker")).env_remove("BUILDX_BUILDER");
        Answer::of(command)
    };
    let address = &registry.address;
    let settings = format!("[registry.\"r.invalid\"]\nmirrors = [\"{address}/hub\"]\n");
    store.write("settings.toml", &settings);
    let create = ["buildx", "create", "--name", "there", "--buildkitd-config", "settings.toml"];
    let said = run(&create).ok().stderr();
    assert!(!said.contains("without effect"), "{said}");
    store.write("ctx/Dockerfile", "FROM r.invalid/a:1\nCOPY Dockerfile /\n");
    run(&["buildx", "build", "--builder", "there", "-o", "type=cacheonly", "ctx"]).ok();
    let shown = run(&["buildx", "imagetools", "inspect", "--builder", "there", "r.invalid/a:1"]).ok().stdout();
    assert!(shown.contains("r.invalid/a:1"), "{shown}");
    store.write("docker-bake.hcl", "target \"default\" {\n  context = \"ctx\"\n  no-cache = true\n}\n");
    run(&["buildx", "bake", "--builder", "there", "--pull", "--set", "*.output=type=cacheonly"]).ok();
    run(&["buildx", "imagetools", "inspect", "r.invalid/a:1"]).fails(1);
    // What is not supported is reported at once, and creates no builder.
    for (text, words) in [
        ("[registry.a]\nca = [\"ca.pem\"]\n", "whole paths"),
        ("[registry.a]\nca = [\"/no/such.pem\"]\n", "/no/such.pem"),
        ("[registry.a]\nhttp = 1\n", "invalid type"),
    ] {
        store.write("settings.toml", text);
        let said = run(&["buildx", "create", "--name", "other", "--buildkitd-config", "settings.toml"]).fails(1);
        assert!(said.stderr().contains(words), "{}", said.stderr());
        run(&["buildx", "inspect", "other"]).fails(1);
    }
    store.write("settings.toml", format!("debug = true\n{settings}"));
    let said = run(&["buildx", "create", "--name", "more", "--buildkitd-config", "settings.toml"]).ok().stderr();
    assert!(said.contains("what else than registries is in --buildkitd-config"), "{said}");
}

/// A store with builders, and this machine by an address at which nothing is trusted.
struct Elsewhere {
    store: TestStore,
    registry: TestRegistry,
    host: IpAddr,
    authority: Authority,
}

impl Elsewhere {
    fn new() -> Option<Self> {
        let store = TestStore::empty();
        let Some(host) = own_address() else {
            skip("this machine has no address but its own");
            return None;
        };
        let Some(authority) = Authority::new(&store.work(), &[host]) else {
            skip("openssl is not here");
            return None;
        };
        let registry = TestRegistry::start();
        put_varied_image(&registry, "hub/a", "1");
        Some(Self { store, registry, host, authority })
    }

    fn run(&self, words: &[&str]) -> Answer {
        let mut command = self.store.command(words);
        command.env("DOCKER_CONFIG", self.store.work().join("docker")).env_remove("BUILDX_BUILDER");
        Answer::of(command)
    }

    /// Builds from that image: without a builder, which has to fail, and with one with these settings.
    fn build(&self, image: &str, settings: &str) -> Answer {
        self.store.write("ctx/Dockerfile", format!("FROM {image}\nCOPY Dockerfile /\n"));
        let plain = ["buildx", "build", "--pull", "--no-cache", "-o", "type=cacheonly", "ctx"];
        self.run(&plain).fails(1);
        self.store.write("settings.toml", settings);
        self.run(&["buildx", "rm", "-f", "it"]);
        self.run(&["buildx", "create", "--name", "it", "--buildkitd-config", "settings.toml"]).ok();
        self.run(&[&plain[..], &["--builder", "it"]].concat())
    }
}

#[test]
fn a_builder_may_speak_plain_http() {
    let Some(at) = Elsewhere::new() else { return };
    let place = format!("{}:{}", at.host, without_tls(&at.registry.address));
    let http = format!("[registry.\"{place}\"]\nhttp = true\n");
    at.build(&format!("{place}/hub/a:1"), &http).ok();
    // It may push there, too.
    let pushed = format!("{place}/made:1");
    at.run(&["buildx", "build", "--push", "-t", &pushed, "ctx"]).fails(1);
    at.run(&["buildx", "build", "--builder", "it", "--push", "-t", &pushed, "ctx"]).ok();
    assert!(at.registry.manifest("made", "1").is_some());
    // As a mirror, it is accessed in its own way.
    let mirror = format!("{http}[registry.\"r.invalid\"]\nmirrors = [\"{place}/hub\"]\n");
    at.build("r.invalid/a:1", &mirror).ok();
    // The settings of one registry don't apply to another.
    let other = format!("{}:{}/hub/a:1", at.host, without_tls(&at.registry.address));
    at.build(&other, &http).fails(1);
}

#[test]
fn a_builder_may_trust_certificates_that_others_do_not() {
    let Some(at) = Elsewhere::new() else { return };
    let place = format!("{}:{}", at.host, at.authority.in_front_of(&at.registry.address));
    let (image, authority) = (format!("{place}/hub/a:1"), at.authority.certificate.display().to_string());
    let of_place = |lines: &str| format!("[registry.\"{place}\"]\n{lines}\n");
    at.build(&image, &of_place(&format!("ca = [\"{authority}\"]"))).ok();
    at.build(&image, &of_place("insecure = true")).ok();
    let folder = at.store.work().join("certificates");
    std::fs::create_dir(&folder).unwrap();
    let in_folder = of_place(&format!("tlsconfigdir = [\"{}\"]", folder.display()));
    at.build(&image, &in_folder).fails(1);
    std::fs::copy(&authority, folder.join("ca.crt")).unwrap();
    at.build(&image, &in_folder).ok();
    // Another authority is not trusted.
    let others = at.store.work().join("others");
    std::fs::create_dir(&others).unwrap();
    let Some(other) = Authority::new(&others, &[at.host]) else { return };
    let said = at.build(&image, &of_place(&format!("ca = [\"{}\"]", other.certificate.display()))).fails(1).stderr();
    assert!(said.contains("certificate"), "{said}");
}

#[test]
fn a_builder_may_be_a_client_with_a_certificate() {
    let Some(at) = Elsewhere::new() else { return };
    let place = format!("{}:{}", at.host, at.authority.for_clients_in_front_of(&at.registry.address));
    let (image, authority) = (format!("{place}/hub/a:1"), at.authority.certificate.display().to_string());
    let trusting = format!("[registry.\"{place}\"]\nca = [\"{authority}\"]\n");
    at.build(&image, &trusting).fails(1);
    let (client, key) = (at.authority.client.display(), at.authority.client_key.display());
    let pair = format!("[[registry.\"{place}\".keypair]]\ncert = \"{client}\"\nkey = \"{key}\"\n");
    at.build(&image, &format!("{trusting}{pair}")).ok();
    // A folder with all of them.
    let folder = at.store.work().join("certificates");
    std::fs::create_dir(&folder).unwrap();
    for (from, to) in [
        (&at.authority.certificate, "ca.crt"),
        (&at.authority.client, "client.cert"),
        (&at.authority.client_key, "client.key"),
    ] {
        std::fs::copy(from, folder.join(to)).unwrap();
    }
    at.build(&image, &format!("[registry.\"{place}\"]\ntlsconfigdir = [\"{}\"]\n", folder.display())).ok();
    // One that was removed since is named.
    at.build(&image, &format!("{trusting}{pair}")).ok();
    std::fs::remove_file(&at.authority.client_key).unwrap();
    let words = ["buildx", "build", "--builder", "it", "--pull", "-o", "type=cacheonly", "ctx"];
    let said = at.run(&words).fails(1).stderr();
    assert!(said.contains("client.key"), "{said}");
}
