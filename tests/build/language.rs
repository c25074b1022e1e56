//! Features of the language other than files: owners, times, other platforms, options.

use crate::common::TestStore;

const TIME: &str = "{{.Created}}";

fn inspected(store: &TestStore, name: &str, format: &str) -> String {
    store.run(&["image", "inspect", "-f", format, name]).ok().stdout().trim().to_owned()
}

#[test]
fn a_name_needs_files_that_say_whose_it_is() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/a", "a");
    for dockerfile in [
        "FROM scratch\nCOPY --chown=www a /\n",
        "FROM scratch\nCOPY --chown=0:www a /\n",
        "FROM scratch\nUSER www\nWORKDIR /w\n",
        "FROM busybox\nCOPY --link --chown=root:www a /\n",
    ] {
        let answer = store.build_text(dockerfile, &[]);
        assert!(answer.stderr().contains("names a user or group"), "{dockerfile}: {}", answer.stderr());
    }
    let later =
        store.build_text("FROM busybox\nCOPY --chown=nobodyhere a /b\nRUN stat -c 'OWNER %u:%g' /b\n", &[]).ok();
    assert!(later.stderr().contains("OWNER 0:0"), "{}", later.stderr());
    assert!(later.stderr().contains("nobody in the image is called `nobodyhere`"), "{}", later.stderr());
}

#[test]
fn a_reproducible_build_takes_the_time_that_its_dockerfile_says() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/a", "a");
    store
        .build_text("ARG SOURCE_DATE_EPOCH=1500000001\nFROM scratch\nCOPY a /\n", &["--reproducible", "-t", "own"])
        .ok();
    assert!(inspected(&store, "own", TIME).starts_with("2017-07-14T02:40:01"), "{}", inspected(&store, "own", TIME));
    store.build_text("FROM scratch\nCOPY a /\n", &["--reproducible", "-t", "none"]).ok();
    assert!(inspected(&store, "none", TIME).starts_with("1970-01-01T00:00:00"));
    let named = store.build(&["--reproducible", "--build-arg", "SOURCE_DATE_EPOCH=context"]).ok();
    assert!(named.stderr().contains("the build context has no time"), "{}", named.stderr());
}

#[test]
fn an_image_for_windows_is_one_as_far_as_nothing_has_to_be_run() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/a", "a");
    let dockerfile = "FROM scratch\nWORKDIR C:\\\\app\nCOPY a sub\\\\\nCMD run it\n";
    store.build_text(dockerfile, &["--platform", "windows(10.0.17763.1)/amd64", "-t", "win"]).ok();
    let of = |format: &str| inspected(&store, "win", format);
    assert_eq!(of("{{json .Config.Cmd}}"), r#"["cmd","/S","/C","run it"]"#);
    assert_eq!(of("{{.Config.WorkingDir}}"), r"\app");
    assert!(of("{{json .Config.Env}}").contains("System32"), "{}", of("{{json .Config.Env}}"));
    assert_eq!(of("{{.OsVersion}}"), "10.0.17763.1");
}

#[test]
fn triggers_can_be_left_out_and_a_context_can_be_nothing() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.build_text("FROM busybox\nONBUILD RUN exit 7\n", &["-t", "triggers"]).ok();
    let dockerfile = "FROM triggers\nLABEL a=b\n";
    store.build_text(dockerfile, &["--build-arg", "BUILDKIT_DISABLE_ONBUILD=1"]).ok();
    store.build(&[]).fails(1);
    store.write("ctx/a", "a");
    store
        .build_text(
            "FROM base\nCOPY a /a\n",
            &["--build-context", "base=docker-image://scratch", "--build-arg", "BUILDKIT_SYNTAX=dockerfile.v0"],
        )
        .ok();
}

#[test]
fn an_image_without_layers_has_empty_lists() {
    let store = TestStore::empty();
    for kind in ["oci", "docker"] {
        let archive = store.work().join(format!("{kind}.tar"));
        let output = format!("type={kind},dest={}", archive.display());
        store.build_text("FROM scratch\nLABEL a=b\n", &["-o", &output]).ok();
        let mut all = String::new();
        let mut opened = tar::Archive::new(std::fs::File::open(&archive).unwrap());
        for entry in opened.entries().unwrap() {
            std::io::Read::read_to_string(&mut entry.unwrap(), &mut all).unwrap();
        }
        let all: String = all.split_whitespace().collect();
        assert!(all.contains(r#""layers":[]"#) && all.contains(r#""diff_ids":[]"#), "{kind}: {all}");
        assert!(!all.contains("null") || kind == "docker", "{all}");
    }
}

#[test]
fn no_build_begins_with_a_flag_of_an_instruction_that_has_none() {
    let store = TestStore::empty();
    for (dockerfile, place) in [
        ("FROM scratch\nARG --a=1 b\n", "Dockerfile:2:5: unknown flag --a for ARG"),
        ("ARG --a b\nFROM scratch\n", "Dockerfile:1:5: unknown flag --a for ARG"),
        ("FROM scratch AS a\nSTOPSIGNAL --a 9\nFROM scratch\n", "Dockerfile:2:12: unknown flag --a for STOPSIGNAL"),
    ] {
        for arguments in [&[][..], &["--check"], &["--call=outline"], &["--call=targets"]] {
            let stderr = store.build_text(dockerfile, arguments).fails(1).stderr();
            assert!(stderr.contains(place), "{dockerfile} {arguments:?}: {stderr}");
        }
    }
}
