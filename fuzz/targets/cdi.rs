//! CDI device specifications, in JSON and in YAML, and what a container needs to use all their devices.

use rbuild::container::cdi::Registry;

pub const PIECES: super::Pieces = &[
    b"&a ",
    b"*a",
    b"[*a,*a,*a,*a,*a,*a,*a,*a]",
    b": ",
    b"- ",
    b"\n",
    b"  ",
    b"{}",
    b"[]",
    b"null",
    b"~",
    b"!!",
    b"|",
    b"<<: ",
    b"---\n",
    b"? ",
    b"\"cdiVersion\":\"0.6.0\"",
    b"a.b/c",
    b"0o777",
    b"-1",
    b".inf",
];

pub fn run(bytes: &[u8]) -> String {
    let folder = super::folder();
    for name in ["a.json", "b.yaml"] {
        std::fs::write(folder.path().join(name), bytes).expect("a file can be written");
    }
    let registry = Registry::read_folders(&[folder.path()]).expect("files that are wrong are passed over");
    match registry.find("a.b/c=*") {
        Ok(devices) => match Registry::edits(&devices) {
            Ok(edits) => format!("{} devices {} {}", devices.len(), edits.env.len(), edits.mounts.len()),
            Err(error) => super::chain(&error),
        },
        Err(error) => {
            let text = error.hint().unwrap_or_default().replace(&folder.path().display().to_string(), "");
            format!("{error} {text}")
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    super::texts(&[
        r#"{"cdiVersion": "0.6.0", "kind": "a.b/c", "annotations": {"x": "y"},
            "containerEdits": {"env": ["ALL=1"], "mounts": [{"hostPath": "/lib/x", "containerPath": "/usr/lib/x", "options": ["ro"]}]},
            "devices": [{"name": "0", "containerEdits": {"deviceNodes": [{"path": "/dev/g", "hostPath": "/dev/null", "fileMode": 384}],
            "additionalGids": [7], "hooks": [], "netDevices": []}}]}"#,
        "cdiVersion: 0.6.0\nkind: a.b/c\ndevices:\n- name: '0'\n  containerEdits:\n    env: [A=1, B=2]\n    deviceNodes:\n    - {path: /dev/x, major: 195}\n",
        "base: &a [x, y]\ncdiVersion: &v 0.6.0\nkind: a.b/c\ndevices: [{name: *v, containerEdits: {env: *a}}]\n",
    ])
}
