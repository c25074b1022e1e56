//! Attacks by another user of the machine: they can't read, execute, lock or change anything in a store, and their
//! stores are not trusted.

use std::io::BufRead as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::small_disk::Small;
use crate::common::{Answer, TestStore, has_programs, must_run, skip, wait_until};
use crate::fixtures::{Canary, Stranger, everybody};
use crate::machine::Machine;

/// A user ID that nobody has.
const SOMEBODY: u32 = 64_322;

/// Runs a command whose umask lets everybody write its files, or nobody read them.
fn with_umask(store: &TestStore, umask: &str, arguments: &[&str]) -> Answer {
    let usual = store.command(arguments);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]).arg(usual.get_program());
    command.args(usual.get_args()).current_dir(store.work());
    for (name, value) in usual.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Answer::of(command)
}

fn mode_of(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).mode() & 0o7777
}

fn container_folder(machine: &Machine, name: &str) -> PathBuf {
    machine.0.root().join("containers").join(machine.field(name, "{{.Id}}"))
}

/// Everything that others can access, except containers' files: layers, changes, volumes.
fn open_to_others(root: &Path) -> Vec<PathBuf> {
    let kept = ["layers", "upper", "_data", "data-0", "files"];
    let is_own = |entry: &walkdir::DirEntry| !kept.iter().any(|name| entry.file_name() == *name);
    let entries = walkdir::WalkDir::new(root).into_iter().filter_entry(is_own).flatten();
    // These are the container's; nobody else gets into their folder.
    let shown = ["hosts", "hostname", "resolv.conf"];
    let open = entries.filter(|entry| !entry.file_type().is_symlink() && mode_of(entry.path()) & 0o077 != 0);
    open.filter(|entry| !shown.iter().any(|name| entry.file_name() == *name)).map(|entry| entry.into_path()).collect()
}

#[test]
fn nothing_in_a_store_is_anybody_elses_whatever_the_umask() {
    for (name, machine) in everybody() {
        let store = &machine.0;
        let options = ["-d", "--name", "box", "--network", "none", "-e", "PASSWORD=secret", "-v", "vol:/v", "-u", "0"];
        let script =
            "cp /bin/busybox /v/root; chmod 4755 /v/root; chmod 777 /v; cp /v/root /root-here; echo ready; sleep 1000";
        with_umask(store, "000", &[&["run"], &options[..], &["busybox", "sh", "-c", script]].concat()).ok();
        machine.until(&["logs", "box"], |text| text.contains("ready"));
        with_umask(store, "000", &["tag", "busybox", "other"]).ok();
        store.write("ctx/Dockerfile", "FROM busybox\nRUN --mount=type=cache,target=/c touch /c/f\nCOPY f /\n");
        store.write("ctx/f", "f");
        with_umask(store, "000", &["build", "-q", "-t", "made", "ctx"]).ok();
        assert_eq!(mode_of(&store.root()), 0o700, "{name}");
        let open = open_to_others(&store.root());
        assert!(open.is_empty(), "{name}: {open:#?}");
        let Some(stranger) = Stranger::new() else { continue };
        let folder = container_folder(&machine, "box");
        let (root, id) = (store.root().display().to_string(), folder.display());
        let volume = store.root().join("volumes/vol/_data");
        assert!(volume.join("root").exists() && folder.join("config.json").exists() && folder.join("lock").exists());
        for attack in [
            format!("ls {root}"),
            format!("grep -q secret {id}/config.json"),
            format!("{id}/upper/root-here id"),
            format!("{}/root id", volume.display()),
            format!("touch {}/planted", volume.display()),
            format!("flock -n {id}/lock true"),
            format!("test -S {id}/monitor.sock"),
            format!("ls {root}/tmp"),
            format!("cat {root}/store.db"),
        ] {
            assert!(!stranger.can(&attack), "{name}: {attack}");
        }
        println!("{name}");
    }
}

/// The container's program can use what it was given, whatever its user, although nobody else gets into the store.
#[test]
fn programs_of_all_users_have_what_is_theirs() {
    for (name, machine) in everybody() {
        let script = "cat /etc/hosts /etc/resolv.conf >/dev/null && ls /v / >/dev/null && echo ok";
        let (code, said) = machine.script(&["-u", "7:8", "-v", "vol:/v", "-v", "/n"], script);
        assert_eq!((code, said.as_str()), (0, "ok\n"), "{name}");
        // Programs look up their limits there, whatever their user.
        let limits = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null";
        let limited =
            machine.run(&["run", "--rm", "--network", "none", "-u", "7", "-m", "64m", "busybox", "sh", "-c", limits]);
        if limited.code() != Some(125) {
            assert_eq!(limited.stdout(), "67108864\n", "{name}: {}", limited.stderr());
        }
        let (mode, _) = (mode_of(&machine.0.root().join("volumes/vol/_data")), ());
        assert_eq!(mode, 0o755, "{name}");
        let source = machine.0.work().join("new/source");
        machine.script(&["-v", &format!("{}:/s", source.display())], "true");
        assert_eq!(mode_of(&source), 0o755, "{name}");
        machine.0.write(
            "ctx/Dockerfile",
            "FROM busybox\nUSER 7:8\nRUN --mount=type=cache,target=/c,uid=7,mode=0700 touch /c/f && cat /etc/hosts\n\
             RUN --mount=type=secret,id=s,uid=7 cat /run/secrets/s\n",
        );
        machine.0.write("secret", "secret");
        machine.says(&["build", "-q", "--secret", "id=s,src=secret", "ctx"]);
        machine.says(&["create", "--name", "never", "busybox"]);
        machine.says(&["commit", "never", "committed"]);
        let shown =
            machine.says(&["run", "--rm", "--network", "none", "-u", "7", "committed", "stat", "-c", "%a", "/"]);
        assert_eq!(shown, "755", "{name}");
    }
}

#[test]
fn an_older_store_is_closed_when_it_is_opened() {
    let Some(store) = TestStore::loaded() else { return };
    let set = |path: &str, mode| {
        std::fs::set_permissions(store.root().join(path), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for command in [
        &["images"][..],
        &["ps"],
        &["volume", "ls"],
        &["network", "ls"],
        &["system", "df"],
        &["events", "--until", "0s"],
    ] {
        set("", 0o755);
        set("tmp", 0o777);
        set("store.db", 0o644);
        store.run(command).ok();
        let modes = ["", "tmp", "store.db"].map(|path| mode_of(&store.root().join(path)));
        assert_eq!(modes, [0o700, 0o700, 0o600], "{command:?}");
    }
    // Links that others could leave in it lead to nothing of the host's.
    let canary = Canary::beside(&store);
    for (place, target) in [("link", ""), ("link-to-file", "secret"), ("tmp/link", ""), ("tmp/link-to-file", "secret")]
    {
        std::os::unix::fs::symlink(canary.path().join(target), store.root().join(place)).unwrap();
    }
    set("", 0o755);
    store.run(&["images"]).ok();
    canary.assert_untouched();
}

/// Other users of the machine can't reach an agent's keys while a build uses them.
#[test]
fn the_agent_of_a_build_answers_nobody_else() {
    if !has_programs(&["ssh-keygen", "ssh-agent", "ssh-add"]) {
        return;
    }
    let (Some(stranger), Some(machine)) = (Stranger::new(), Machine::new()) else { return };
    let store = &machine.0;
    let key = store.work().join("key").display().to_string();
    must_run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key]);
    store.write("ctx/Dockerfile", "FROM busybox\nRUN --mount=type=ssh,mode=0777 echo has agent; sleep 1000\n");
    let mut command = store.command(&["build", "--progress", "plain", "--ssh", &format!("default={key}"), "ctx"]);
    let mut build = command.env("TMPDIR", store.work()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = std::io::BufReader::new(build.stderr.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.ends_with("has agent")), "the step begins");
    let (root, work) = (store.root().display().to_string(), store.work().display().to_string());
    let table = std::fs::read_to_string("/proc/net/unix").unwrap();
    let paths = table.lines().filter_map(|line| line.split_whitespace().nth(7));
    let sockets: Vec<&str> = paths.filter(|path| path.starts_with(&root) || path.starts_with(&work)).collect();
    assert!(sockets.len() >= 2, "the agent's own, and the mount's: {sockets:?}");
    for socket in sockets {
        assert!(Path::new(socket).exists(), "{socket}");
        assert!(!stranger.can(&format!("test -S {socket}")), "{socket}");
    }
    build.kill().unwrap();
    build.wait().unwrap();
}

#[test]
fn a_folder_of_other_things_is_neither_closed_nor_used() {
    let store = TestStore::empty();
    let folder = store.work().join("mine");
    store.write("mine/thesis.txt", "x");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let said = store.run(&["--root", "mine", "images"]).fails(1).stderr();
    assert!(said.contains("more than a store") && said.contains("--root"), "{said}");
    assert_eq!((mode_of(&folder), std::fs::read_dir(&folder).unwrap().count()), (0o755, 1));
}

/// A separate disk: its filesystem's own files, and files that reserve space, don't prevent a store. Folders do: it may
/// be the root of others' programs or homes.
#[test]
fn a_mounted_filesystem_becomes_a_store_but_for_folders_of_other_things() {
    for (things, is_used) in [
        (&[][..], true),
        (&["lost+found/"], true),
        (&["lost+found/", "aquota.user", "ballast"], true),
        (&["home/"], false),
        (&["ballast", "lost+found/", "home/"], false),
    ] {
        let Some(Small { store }) = &Small::new(8) else { return };
        for thing in things {
            match thing.strip_suffix('/') {
                Some(folder) => std::fs::create_dir(store.root().join(folder)).unwrap(),
                None => std::fs::write(store.root().join(thing), "x").unwrap(),
            }
        }
        std::fs::set_permissions(store.root(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let answer = store.run(&["images"]);
        assert_eq!(answer.code(), Some(if is_used { 0 } else { 1 }), "{things:?}: {}", answer.stderr());
        assert_eq!(mode_of(&store.root()), if is_used { 0o700 } else { 0o755 }, "{things:?}");
        assert!(things.iter().all(|thing| store.root().join(thing).exists()), "{things:?}");
    }
}

#[test]
fn a_store_that_somebody_else_made_is_not_believed() {
    let Some(machine) = Machine::new() else { return };
    if Stranger::new().is_none() {
        return;
    }
    let store = &machine.0;
    let canary = Canary::beside(store);
    let volume = format!("{}:/host", canary.path().display());
    machine.says(&["create", "--name", "box", "-v", &volume, "busybox", "sh", "-c", "echo x > /host/new"]);
    // As if everything belonged to another user.
    for entry in walkdir::WalkDir::new(store.root()).into_iter().flatten() {
        lchown(entry.path(), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    }
    let root = store.root();
    let give = |path: &Path, owner: u32| lchown(path, Some(owner), None).unwrap();
    for command in [
        &["start", "-a", "box"][..],
        &["ps", "-a"],
        &["images"],
        &["run", "--rm", "busybox", "true"],
        &["build", "ctx"],
        &["inspect", "box"],
        &["volume", "ls"],
        &["system", "check", "--repair"],
        &["logs", "box"],
        &["load", "-i", "x"],
    ] {
        let answer = store.run(command);
        assert_ne!(answer.code(), Some(0), "{command:?}");
        let said = answer.stderr();
        assert!(
            said.contains(&format!("belongs to user {SOMEBODY}")) && said.contains("--root"),
            "{command:?}: {said}"
        );
    }
    // A link to the user's own store that somebody else has created, for example in /tmp, and can redirect at any time.
    let link = store.work().join("link");
    symlink(&root, &link).unwrap();
    for (linked, owner) in [(SOMEBODY, 0), (0, SOMEBODY)] {
        give(&link, linked);
        give(&root, owner);
        let said = store.run(&["--root", &link.display().to_string(), "images"]).fails(1).stderr();
        assert!(said.contains(&format!("user {SOMEBODY}")), "{said}");
    }
    for entry in walkdir::WalkDir::new(&root).into_iter().flatten() {
        lchown(entry.path(), Some(0), Some(0)).unwrap();
    }
    give(&link, 0);
    store.run(&["--root", &link.display().to_string(), "images"]).ok();
    // A user who may rename it can replace it.
    std::fs::create_dir(store.work().join("theirs")).unwrap();
    give(&store.work().join("theirs"), SOMEBODY);
    let said = store.run(&["--root", "theirs/store", "images"]).ok().stderr();
    assert!(said.contains(&format!("warning: user {SOMEBODY} can put another store")), "{said}");
    assert_eq!(mode_of(&store.work().join("theirs/store")), 0o700);
}

/// A path that the caller gave is trusted.
#[test]
fn what_is_handed_out_has_the_callers_rights() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", "FROM busybox\n");
    for (umask, file, folder) in [("022", 0o644, 0o755), ("077", 0o600, 0o700), ("000", 0o666, 0o777)] {
        let at = |name: &str| format!("out-{umask}/{name}");
        std::fs::create_dir(store.work().join(at(""))).unwrap();
        let run = |arguments: &[&str]| with_umask(&store, umask, arguments).ok();
        run(&["save", "-o", &at("save"), "busybox"]);
        let (tar, local, oci) = (at("tar"), at("local"), at("oci"));
        let outputs =
            [format!("type=tar,dest={tar}"), format!("type=local,dest={local}"), format!("type=oci,dest={oci}")];
        for output in &outputs {
            run(&["build", "-q", "-o", output, "--iidfile", &at("iid"), "--metadata-file", &at("metadata"), "ctx"]);
        }
        let cache = format!("type=local,dest={}", at("cache"));
        run(&["build", "-q", "--cache-to", &cache, "ctx"]);
        run(&["run", "--rm", "--network", "none", "--cidfile", &at("cid"), "busybox", "true"]);
        run(&["create", "--name", &format!("c{umask}"), "busybox"]);
        run(&["export", "-o", &at("export"), &format!("c{umask}")]);
        for name in ["save", "tar", "oci", "iid", "metadata", "cid", "export"] {
            assert_eq!(mode_of(&store.work().join(at(name))), file, "{umask} {name}");
        }
        for name in ["local", "cache"] {
            assert_eq!(mode_of(&store.work().join(at(name))), folder, "{umask} {name}");
        }
    }
    if !crate::common::is_root() {
        skip("of an ordinary user's files it is the same");
    }
}

/// A user who can open a file can lock it, and block all others.
#[test]
fn nobody_else_locks_the_networks_even_of_an_older_version() {
    if !has_programs(&["unshare", "setpriv"]) || Stranger::new().is_none() {
        return skip("somebody else and a mount namespace are needed");
    }
    let Some(machine) = Machine::new() else { return };
    // As an older version has left it, in a namespace where no other test is.
    let script = "mkdir -p /run/rbuild && mount -t tmpfs -o mode=755 older /run/rbuild || exit 90
        cd /run/rbuild && mkdir -p networks/n owners && touch networks/lock networks/n/lock
        chmod 755 networks networks/n owners && chmod 644 networks/lock networks/n/lock
        other() { setpriv --reuid=64322 --regid=64322 --clear-groups -- sh -c \"$1\"; }
        other 'exec 9</run/rbuild/networks/lock' || exit 91
        \"$@\" || exit 92
        for file in $(find networks owners -type f); do other \"exec 9</run/rbuild/$file\" 2>/dev/null && exit 93; done
        other 'ls networks owners' 2>/dev/null && exit 94
        exit 0";
    let usual = machine.0.command(&["network", "create", "--subnet", "10.247.13.0/24", "made"]);
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", script, "sh"]).arg(usual.get_program());
    command.args(usual.get_args()).current_dir(machine.0.work());
    for (name, value) in usual.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let answer = Answer::of(command);
    assert_eq!(answer.code(), Some(0), "{}{}", answer.stdout(), answer.stderr());
}

/// The user with a container program's ID may look into its root (ptrace(2)), bypassing the store's closed folders.
#[test]
fn setuid_programs_of_a_step_give_no_rights_to_who_gets_at_its_root() {
    if Stranger::new().is_none() {
        return;
    }
    let Some(machine) = Machine::new() else { return };
    let store = &machine.0;
    let id = ["/usr/bin/id", "/bin/id"].into_iter().find(|file| Path::new(file).is_file()).expect("coreutils");
    std::fs::create_dir(store.work().join("ctx")).unwrap();
    std::fs::copy(id, store.work().join("ctx/id")).unwrap();
    for isolation in ["chroot", "full"] {
        // The program is dynamically linked, and finds its libraries in the stranger's root.
        let text = format!(
            "FROM busybox\nCOPY --chmod=4755 id /suid-id\nUSER {SOMEBODY}:{SOMEBODY}\n\
             RUN echo begun-{isolation} > /tmp/begun; until [ -e /tmp/seen ] || [ $((i+=1)) -gt 900 ]; do sleep 0.1; done\n"
        );
        store.write("ctx/Dockerfile", &text);
        let mut build = store.command(&["build", "--no-cache", "-q", "--isolation", isolation, "ctx"]);
        let mut build = build.stdout(Stdio::null()).spawn().unwrap();
        // Run as the stranger: the kernel decides whether they get in, but rbuild what the program can do for them.
        let script = format!(
            "for root in /proc/[0-9]*/root; do
                grep -qs begun-{isolation} $root/tmp/begun || continue
                $root/suid-id -u; : > $root/tmp/seen; exit 0
            done; exit 1"
        );
        let mut said = String::new();
        wait_until("the stranger has been in the step's root", || {
            let answer = Stranger.command("sh").args(["-c", &script]).output().unwrap();
            said = String::from_utf8_lossy(&answer.stdout).into_owned();
            answer.status.success() || build.try_wait().unwrap().is_some()
        });
        assert_eq!(said.trim(), SOMEBODY.to_string(), "{isolation}");
        assert!(build.wait().unwrap().success(), "{isolation}");
    }
}
