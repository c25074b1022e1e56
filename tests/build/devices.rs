//! `RUN --device`: devices from the host's CDI specifications reach the program if they are allowed.

use crate::common::{Answer, TestStore};

const DESCRIPTION: &str = r#"{"cdiVersion": "0.6.0", "kind": "vendor1.com/device", "devices": [
    {"name": "foo", "containerEdits": {
        "env": ["FOO=injected", "PATH=/bin"],
        "mounts": [{"hostPath": "MOUNTED", "containerPath": "/opt/vendor/file", "options": ["ro", "nosuid"]}],
        "deviceNodes": [{"path": "/dev/vendor0", "hostPath": "/dev/null"}]}},
    {"name": "auto", "annotations": {"org.mobyproject.buildkit.device.autoallow": "true"},
     "containerEdits": {"env": ["AUTO=yes"]}},
    {"name": "hooked", "containerEdits": {"hooks": [{"hookName": "createRuntime", "path": "/bin/hook"}]}}]}"#;

fn store() -> Option<TestStore> {
    let store = TestStore::with_busybox()?;
    let mounted = store.write("mounted", "from the host");
    store.write("cdi/vendor.json", DESCRIPTION.replace("MOUNTED", &mounted.display().to_string()));
    Some(store)
}

fn build(store: &TestStore, dockerfile: &str, arguments: &[&str]) -> Answer {
    store.write("ctx/Dockerfile", dockerfile);
    let mut command = store.command(&[&["build", "--progress", "plain"], arguments, &["ctx"]].concat());
    command.env("CDI_SPEC_DIRS", store.work().join("cdi"));
    Answer::of(command)
}

#[test]
fn a_device_brings_its_variables_nodes_and_files() {
    let Some(store) = store() else { return };
    let text = "FROM busybox\nRUN --device=vendor1.com/device=foo \\\n\
        echo $FOO; cat /opt/vendor/file; test -c /dev/vendor0 && echo x > /dev/vendor0 && echo node\n\
        RUN test -z \"$FOO\" && test ! -e /dev/vendor0\n";
    let said = build(&store, text, &["--allow", "device"]).ok().stderr();
    for word in ["injected", "from the host", "node"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn only_what_is_allowed_is_given() {
    let Some(store) = store() else { return };
    let text = "FROM busybox\nRUN --device=vendor1.com/device=foo true\n";
    let refused = build(&store, text, &[]).fails(1).stderr();
    assert!(refused.contains("the device `vendor1.com/device=foo` is not allowed"), "{refused}");
    assert!(refused.contains("pass --allow device=vendor1.com/device=foo"), "{refused}");
    build(&store, text, &["--allow", "device=vendor1.com/device=auto"]).fails(1);
    build(&store, text, &["--allow", "device=vendor1.com/device=foo"]).ok();
    build(&store, text, &["--no-cache", "--allow", "device=vendor1.com/device"]).ok();
    let auto = build(&store, "FROM busybox\nRUN --device=vendor1.com/device=auto test $AUTO = yes\n", &[]);
    auto.ok();
    build(&store, text, &["--allow", "nonsense"]).fails(1);
}

#[test]
fn a_device_that_is_not_there_stops_only_who_requires_it() {
    let Some(store) = store() else { return };
    let said = build(&store, "FROM busybox\nRUN --device=vendor1.com/device=none true\n", &[]).ok().stderr();
    assert!(said.contains("warning: there is no device `vendor1.com/device=none`"), "{said}");
    let text = "FROM busybox\nRUN --device=vendor1.com/device=none,required true\n";
    let said = build(&store, text, &[]).fails(1).stderr();
    assert!(said.contains("there are: vendor1.com/device=auto"), "{said}");
    let hooked = "FROM busybox\nRUN --device=vendor1.com/device=hooked true\n";
    let said = build(&store, hooked, &["--allow", "device"]).fails(1).stderr();
    assert!(said.contains("needs the createRuntime hook `/bin/hook`, which rbuild does not support"), "{said}");
}
