//! Tests of the attacks' own tools: tools that notice nothing would prove nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::common::{TestStore, wait_until};
use crate::fixtures::{
    Canary, Exchanger, Stranger, Tar, add_image, everybody, exchange_in, import_image, load_image, with_attacker,
};

#[test]
fn a_canary_notices_each_kind_of_change() {
    use std::os::unix::fs::PermissionsExt as _;
    let store = TestStore::empty();
    type Change = fn(&Canary);
    let changes: [Change; 7] = [
        |canary| std::fs::write(canary.path().join("secret"), "x").unwrap(),
        |canary| std::fs::write(canary.path().join("new"), "x").unwrap(),
        |canary| std::fs::remove_file(canary.path().join("empty")).unwrap(),
        |canary| std::fs::remove_dir(canary.path().join("empty-folder")).unwrap(),
        |canary| std::fs::hard_link(canary.path().join("secret"), canary.path().join("full/other")).unwrap(),
        |canary| {
            std::fs::set_permissions(canary.path().join("full"), std::fs::Permissions::from_mode(0o4777)).unwrap();
        },
        |canary| {
            std::fs::write(canary.path().join("full/moment"), "x").unwrap();
            std::fs::remove_file(canary.path().join("full/moment")).unwrap();
        },
    ];
    for change in changes {
        let canary = Canary::beside(&store);
        canary.assert_untouched();
        change(&canary);
        assert!(catch_unwind(AssertUnwindSafe(|| canary.assert_untouched())).is_err());
        let _ = catch_unwind(AssertUnwindSafe(|| drop(canary)));
    }
}

#[test]
fn names_are_exchanged_on_the_host_and_in_containers() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("one")).unwrap();
    std::fs::write(folder.path().join("other"), "").unwrap();
    let exchanger = Exchanger::of(folder.path(), "one", "other");
    for is_folder in [false, true, false] {
        wait_until("they change places", || folder.path().join("one").is_dir() == is_folder);
    }
    drop(exchanger);
    for (name, machine) in everybody() {
        let Some(machine) = with_attacker(machine) else { return };
        let script = "mkdir /one; ln -s /etc /other; sleep 1000";
        machine.says(&["run", "-d", "--name", "box", "--network", "none", "attacker", "sh", "-c", script]);
        machine.until(&["exec", "box", "ls", "/"], |names| names.contains("other"));
        exchange_in(&machine, "box", "/one", "/other");
        for kind in ["directory", "symbolic link", "directory"] {
            machine.until(&["exec", "box", "stat", "-c", "%F", "/one"], |answer| answer.trim() == kind);
        }
        println!("{name}");
    }
}

#[test]
fn images_are_made_in_each_way() {
    let Some(store) = TestStore::loaded() else { return };
    let long = "n".repeat(150);
    let files = || Tar::new().folder("a/", 0o755).link("a/b", "../etc").file(&format!("a/{long}"), 0o644, "x");
    add_image(&store, "added", files(), "VOLUME /a");
    import_image(&store, "imported", files(), &["VOLUME /a"]);
    load_image(&store, "loaded", &[files().bytes()], serde_json::json!({"Volumes": {"/a": {}}})).ok();
    for image in ["added", "imported", "loaded"] {
        assert_eq!(store.run(&["inspect", "-f", "{{json .Config.Volumes}}", image]).ok().stdout(), "{\"/a\":{}}\n");
        store.run(&["create", "--name", image, image, "true"]).ok();
        let exported = store.run(&["export", image]).ok();
        assert!(memchr::memmem::find(exported.stdout_bytes(), long.as_bytes()).is_some(), "{image}");
    }
}

#[test]
fn a_stranger_is_nobody() {
    let Some(stranger) = Stranger::new() else { return };
    assert!(stranger.can("test $(id -u) -gt 1000 && cat /etc/passwd"));
    let canary = Canary::of((0, 0));
    assert!(
        !stranger.can(&format!("cat {}", canary.at("secret")))
            && stranger.can(&format!("cat {}", canary.at("full/secret")))
    );
}
