//! The same inputs give the same digest: in other stores, folders, umasks and filesystems, with other numbers of CPUs,
//! from the cache and without it, for root and for others.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::user::somebody_with_subordinate_ids;
use crate::common::{Answer, TestStore, busybox_archive, clear, has_programs, is_root, skip};

const DOCKERFILE: &str = "\
FROM busybox AS made
RUN mkdir -p /o/deep && for i in 1 2 3 4 5 6 7 8; do echo $i > /o/deep/f$i; done && ln -s f1 /o/deep/l && ln /o/deep/f2 /o/deep/h
FROM busybox
WORKDIR /work/deep
COPY --from=made /o /o
COPY tree /tree
COPY --chown=70:70 --chmod=640 tree/a /owned/
RUN date > /dev/null && touch /touched && chown 12:34 /touched && mkdir /empty
ADD --link tree/b /linked/
CMD [\"true\"]
";

fn write_context(folder: &Path) {
    std::fs::create_dir_all(folder.join("tree/sub")).unwrap();
    std::fs::write(folder.join("Dockerfile"), DOCKERFILE).unwrap();
    for (name, content) in [("a", "alpha"), ("b", "bravo"), ("sub/c", "charlie")] {
        std::fs::write(folder.join("tree").join(name), content).unwrap();
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(folder.join("tree").join(name), mode).unwrap();
    }
    for name in ["tree", "tree/sub"] {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// A way and a place to build.
struct Variant {
    name: &'static str,
    /// The command line before rbuild.
    wrapper: Vec<String>,
    folder: tempfile::TempDir,
    arguments: Vec<&'static str>,
    owner: Option<(String, String)>,
}

impl Variant {
    fn new(name: &'static str, wrapper: &[&str], within: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("rbuild-digest-").tempdir_in(within).unwrap();
        let wrapper = wrapper.iter().map(|word| (*word).to_owned()).collect();
        Self { name, wrapper, folder, arguments: Vec::new(), owner: None }
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        let program = self.folder.path().join("rbuild");
        let mut words = self.wrapper.clone();
        words.push(program.display().to_string());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(arguments).current_dir(self.folder.path());
        command.env("RBUILD_ROOT", self.folder.path().join("store")).env("HOME", self.folder.path());
        command.env_remove("SOURCE_DATE_EPOCH").env_remove("XDG_RUNTIME_DIR");
        Answer::of(command)
    }

    /// The same steps with the current times.
    fn build_plain(&self, context: &str) {
        self.prepare(context);
        self.run(&["build", "-q", context]).ok();
        self.run(&["build", "-q", "--no-cache", "--build-arg", "SOURCE_DATE_EPOCH=1234567890", context]).ok();
    }

    /// The image's ID, and the digest of what would be pushed.
    fn build(&self, context: &str) -> (String, Vec<u8>) {
        self.prepare(context);
        let mut words = vec!["build", "-q", "--reproducible"];
        words.extend(&self.arguments);
        words.push(context);
        let id = self.run(&words).ok().stdout();
        let mut words = vec!["build", "-q", "--reproducible", "-o", "type=oci,dest=out.tar"];
        words.push(context);
        self.run(&words).ok();
        (id, std::fs::read(self.folder.path().join("out.tar")).unwrap())
    }

    fn prepare(&self, context: &str) {
        write_context(&self.folder.path().join(context));
        if self.folder.path().join("rbuild").exists() {
            return;
        }
        // Copied by another process: a descriptor inherited by a fork of this one would make it "busy" (ETXTBSY).
        crate::common::must_run("cp", &[env!("CARGO_BIN_EXE_rbuild"), &self.folder.path().display().to_string()]);
        std::fs::copy(busybox_archive().unwrap(), self.folder.path().join("busybox.tar")).unwrap();
        if let Some((user, group)) = &self.owner {
            let owner = format!("{user}:{group}");
            crate::common::must_run("chown", &["-R", &owner, &self.folder.path().display().to_string()]);
            crate::common::must_run("chmod", &["755", &self.folder.path().display().to_string()]);
        }
        self.run(&["load", "-i", "busybox.tar"]).ok();
    }
}

fn variants() -> Vec<Variant> {
    let temporary = std::env::temp_dir();
    let mut uncached = Variant::new("no cache", &["env"], &temporary);
    uncached.arguments.push("--no-cache");
    let mut variants = vec![
        Variant::new("usual", &["env"], &temporary),
        Variant::new("one processor", &["taskset", "0x1"], &temporary),
        Variant::new("umask 077", &["sh", "-c", "umask 077; exec \"$0\" \"$@\""], &temporary),
        Variant::new("umask 000", &["sh", "-c", "umask 000; exec \"$0\" \"$@\""], &temporary),
        uncached,
    ];
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        variants.push(Variant::new("tmpfs", &["env"], &memory));
    }
    if is_root()
        && let Some((user, group)) = somebody_with_subordinate_ids()
    {
        let words = ["setpriv", &format!("--reuid={user}"), &format!("--regid={group}"), "--clear-groups"];
        let mut ordinary = Variant::new("ordinary user", &words, &temporary);
        ordinary.owner = Some((user, group));
        variants.push(ordinary);
    }
    variants
}

impl Drop for Variant {
    fn drop(&mut self) {
        clear(self.folder.path());
    }
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    if TestStore::with_busybox().is_none() || !has_programs(&["taskset", "setpriv", "env"]) {
        return skip("containers or programs are missing");
    }
    let variants = variants();
    let (id, archive) = variants[0].build("ctx");
    // From the cache, later, from another folder.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(variants[0].build("elsewhere"), (id.clone(), archive.clone()), "from the cache");
    // A store that knows the same steps with other times: their results are not used.
    let mixed = Variant::new("after a build with other times", &["env"], &std::env::temp_dir());
    mixed.build_plain("ctx");
    assert_eq!(mixed.build("another"), (id.clone(), archive.clone()), "{}", mixed.name);
    for variant in &variants[1..] {
        let (other, bytes) = variant.build("another/context");
        assert_eq!(other, id, "{}", variant.name);
        assert!(bytes == archive, "{}: the archive has other bytes", variant.name);
    }
}
