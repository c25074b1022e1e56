//! `image diff` and `image waste`: what is in images, and what could be saved.

use serde_json::Value;

use crate::common::TestStore;
use crate::common::screen::Screen;

const WASTEFUL: &str = "FROM busybox AS base\nFROM scratch\nCOPY --from=base / /\n\
                        RUN mkdir -p /srv /var/lib/apt/lists /root/.cache/pip && \
                        dd if=/dev/urandom of=/srv/gone bs=1k count=300 && dd if=/dev/urandom of=/srv/owned bs=1k count=200 && \
                        dd if=/dev/urandom of=/srv/again bs=1k count=100\n\
                        RUN rm /srv/gone && chown 7 /srv/owned && dd if=/dev/urandom of=/srv/again bs=1k count=10\n\
                        RUN dd if=/dev/urandom of=/srv/one bs=1k count=50 && cp /srv/one /srv/two && \
                        dd if=/dev/urandom of=/var/lib/apt/lists/x bs=1k count=40\n";

fn finding<'a>(report: &'a Value, kind: &str) -> &'a Value {
    let findings = report["findings"].as_array().expect("there is a list");
    findings.iter().find(|finding| finding["kind"] == kind).unwrap_or_else(|| panic!("{kind}: {report:#}"))
}

#[test]
fn waste_is_found_by_its_kind_with_the_line_to_change() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.build_text(WASTEFUL, &["-t", "wasteful"]).ok();
    let answer = store.run(&["image", "waste", "--format", "json", "wasteful"]).ok();
    let report: Value = serde_json::from_str(&answer.stdout()).unwrap();
    let of = |kind: &str| {
        let found = finding(&report, kind);
        (found["bytes"].as_u64().unwrap(), found["paths"][0].as_str().unwrap(), found["line"].as_u64())
    };
    assert_eq!(of("deleted"), (300 << 10, "/srv/gone", Some(4)));
    assert_eq!(of("re-owned"), (200 << 10, "/srv/owned", Some(4)));
    assert_eq!(of("replaced"), (100 << 10, "/srv/again", Some(4)));
    assert_eq!(of("duplicate").0, 50 << 10);
    assert_eq!(of("package cache"), (40 << 10, "/var/lib/apt/lists/x", Some(6)));
    let total: u64 = report["findings"].as_array().unwrap().iter().map(|one| one["bytes"].as_u64().unwrap()).sum();
    assert_eq!(report["wasted"].as_u64(), Some(total));
    assert!(finding(&report, "deleted")["advice"].as_str().unwrap().contains("line 4: "), "{report:#}");
    let removed = report["layers"][2]["files"].as_array().unwrap().iter().find(|file| file["path"] == "/srv/gone");
    assert_eq!(removed.unwrap()["change"], "removed");
    let text = store.run(&["image", "waste", "wasteful"]).ok().stdout();
    for line in
        ["deleted: 307kB in 1 file of layer 2, hidden by layer 3", "package cache of apt", "  -> delete it at the end"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn a_file_with_another_name_is_no_waste() {
    let Some(store) = TestStore::with_busybox() else { return };
    let random = |name: &str, size: u32| format!("dd if=/dev/urandom of=/srv/{name} bs=1k count={size}");
    let dockerfile = format!(
        "FROM busybox AS base\nFROM scratch\nCOPY --from=base / /\n\
         RUN mkdir -p /srv && {} && ln /srv/a /srv/b && {} && ln /srv/c /srv/d\nRUN rm /srv/a /srv/c\nRUN rm /srv/d\n",
        random("a", 64),
        random("c", 32),
    );
    store.build_text(&dockerfile, &["-t", "linked"]).ok();
    let answer = store.run(&["image", "waste", "--format", "json", "linked"]).ok();
    let report: Value = serde_json::from_str(&answer.stdout()).unwrap();
    assert_eq!(report["wasted"].as_u64(), Some(32 << 10), "{report:#}");
    assert_eq!(finding(&report, "deleted")["paths"], serde_json::json!(["/srv/c"]));
}

#[test]
fn bounds_are_kept_in_ci() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.build_text(WASTEFUL, &["-t", "wasteful"]).ok();
    store.run(&["image", "waste", "--max-waste", "20MB", "--max-size", "200MB", "wasteful"]).ok();
    let answer = store.run(&["image", "waste", "--max-waste", "100kB", "--max-size", "1kB", "wasteful"]).fails(1);
    assert!(answer.stderr().contains("the image wastes ") && answer.stderr().contains("the image has "));
    assert!(answer.stdout().contains("could be spared"), "what is wrong is told, too");
    store.run(&["image", "waste", "none"]).fails(1);
}

#[test]
fn what_comes_from_nowhere_has_nothing_to_spare() {
    let Some(store) = TestStore::loaded() else { return };
    store.write("ctx/a", "a");
    store.build_text("FROM scratch\nCOPY a /\n", &["-t", "lean"]).ok();
    let report: Value =
        serde_json::from_str(&store.run(&["image", "waste", "--format=json", "lean"]).ok().stdout()).unwrap();
    assert_eq!((report["wasted"].as_u64(), report["findings"].as_array().unwrap().len()), (Some(0), 0));
}

#[test]
fn two_images_are_compared_file_by_file() {
    let Some(store) = TestStore::loaded() else { return };
    store.write("ctx/a", "a");
    store.write("ctx/b", "bb");
    store.write("ctx/c", "ccc");
    store.build_text("FROM scratch\nCOPY a b /d/\n", &["-t", "old"]).ok();
    store.write("ctx/b", "bbbbb");
    store.build_text("FROM scratch\nCOPY --chmod=600 a /d/\nCOPY b c /d/\n", &["-t", "new"]).ok();
    let rows = |one: &str, other: &str| -> Vec<Value> {
        let answer = store.run(&["image", "diff", "--format", "json", one, other]).ok();
        answer.stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let shown = |rows: &[Value]| -> Vec<String> {
        rows.iter().map(|row| format!("{} {} {}", row["Change"], row["Path"], row["Bytes"]).replace('"', "")).collect()
    };
    assert_eq!(shown(&rows("old", "new")), ["re-owned /d 0", "re-owned /d/a 0", "changed /d/b 3", "added /d/c 3"]);
    assert_eq!(shown(&rows("new", "old")), ["re-owned /d 0", "re-owned /d/a 0", "changed /d/b -3", "removed /d/c -3"]);
    assert!(rows("old", "old").is_empty());
    let changed = &rows("old", "new")[2];
    assert!(changed["MadeBy"].as_str().unwrap().starts_with("line 3: COPY b c"), "{changed}");
    store.run(&["image", "diff", "old"]).fails(1);
}

#[test]
fn an_image_is_explored_in_a_terminal_of_the_usual_size() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.build_text(WASTEFUL, &["-t", "wasteful"]).ok();
    let mut screen = Screen::new(24, 80);
    let mut child = screen.start(store.command(&["image", "explore", "wasteful"]));
    screen.shows("all layers");
    assert_eq!(screen.seen().len(), 24);
    screen.types("?");
    screen.shows("open or close a folder");
    screen.types("w");
    screen.shows("deleted: /srv/gone");
    screen.shows("delete it at the end of");
    // The third layer deletes, changes owners and rewrites; its folder is opened in the other pane.
    screen.types("wjjj\t\r");
    screen.shows("~ ");
    for line in ["gone", "owned", "again"] {
        screen.shows(line);
    }
    screen.types("\x1b[B");
    screen.shows("/srv/");
    screen.types("q");
    assert_eq!(screen.follow(&mut child), Some(0));
    assert!(screen.bytes.ends_with(b"\x1b[?25h\x1b[?1049l"), "the terminal is as it was");
    let answer = store.run(&["image", "explore", "wasteful"]).fails(1);
    assert!(answer.stderr().contains("no terminal"), "{}", answer.stderr());
}
