//! The devices in a specification.

use std::path::{Path, PathBuf};

use rustix::fs::{FileType, major, minor};
use serde_json::{Value, json};

use crate::container::sandbox::isolation::Isolation;

/// Entries of `/dev` that every container has its own version of.
const NOT_OF_THE_HOST: [&str; 6] = ["pts", "shm", "mqueue", "console", "fd", ".udev"];

/// What every container may open: type, major and minor number (docker's list).
const USUAL: [(&str, i64, i64); 8] = [
    ("c", 1, 3),
    ("c", 1, 5),
    ("c", 1, 7),
    ("c", 1, 8),
    ("c", 1, 9),
    ("c", 5, 0),
    ("c", 5, 2),
    // All pseudoterminals.
    ("c", 136, -1),
];

/// The nodes in addition to those of every container. If a host device is gone, the runtime reports it.
pub(super) fn nodes(isolation: &Isolation) -> Vec<Value> {
    let mut nodes = Vec::new();
    if isolation.privileged {
        add(Path::new("/dev"), PathBuf::from("/dev"), &mut nodes);
    }
    for device in &isolation.devices {
        add(&device.host, device.path.clone(), &mut nodes);
    }
    nodes
}

fn add(host: &Path, place: PathBuf, nodes: &mut Vec<Value>) {
    let Ok(stat) = rustix::fs::stat(host) else { return };
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            let entries = std::fs::read_dir(host).into_iter().flatten().flatten();
            for name in entries.map(|entry| entry.file_name()) {
                let is_own = NOT_OF_THE_HOST.iter().any(|own| name == *own);
                if !is_own && std::fs::symlink_metadata(host.join(&name)).is_ok_and(|found| !found.is_symlink()) {
                    add(&host.join(&name), place.join(&name), nodes);
                }
            }
            return;
        }
        FileType::CharacterDevice => "c",
        FileType::BlockDevice => "b",
        _ => return,
    };
    nodes.push(json!({
        "path": place.display().to_string(), "type": kind,
        "major": major(stat.st_rdev), "minor": minor(stat.st_rdev),
        "fileMode": stat.st_mode & 0o7777, "uid": stat.st_uid, "gid": stat.st_gid,
    }));
}

/// The device rules.
pub(super) fn rules(isolation: &Isolation, nodes: &[Value]) -> Value {
    if isolation.privileged {
        return json!([{"allow": true, "access": "rwm"}]);
    }
    let mut rules = vec![json!({"allow": false, "access": "rwm"})];
    if !isolation.limits.device_rules.is_empty() {
        rules.extend(isolation.limits.device_rules.iter().filter_map(|rule| parse(rule)));
        return rules.into();
    }
    rules.extend(["c", "b"].map(|kind| json!({"allow": true, "type": kind, "access": "m"})));
    rules.extend(USUAL.map(|(kind, major, minor)| allow(kind, major, minor, "rwm")));
    let number = |node: &Value, key: &str| node[key].as_i64().unwrap_or(-1);
    let of =
        |node: &Value| allow(node["type"].as_str().unwrap_or("a"), number(node, "major"), number(node, "minor"), "rwm");
    rules.extend(nodes.iter().map(of));
    rules.into()
}

/// `c 42:* rwm`
fn parse(rule: &str) -> Option<Value> {
    let mut words = rule.split_whitespace();
    let (kind, numbers, access) = (words.next()?, words.next()?, words.next()?);
    let (major, minor) = numbers.split_once(':')?;
    let number = |text: &str| if text == "*" { Some(-1) } else { text.parse::<i64>().ok() };
    Some(allow(kind, number(major)?, number(minor)?, access))
}

/// A negative number means all.
fn allow(kind: &str, major: i64, minor: i64, access: &str) -> Value {
    let mut rule = json!({"allow": true, "type": kind, "access": access});
    for (key, number) in [("major", major), ("minor", minor)] {
        if number >= 0 {
            rule[key] = json!(number);
        }
    }
    rule
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::sandbox::isolation::DeviceNode;

    #[test]
    fn devices_and_their_rules() {
        let node = DeviceNode { host: "/dev/null".into(), path: "/dev/none".into() };
        let mut isolation = Isolation { devices: vec![node], ..Isolation::default() };
        let found = nodes(&isolation);
        assert_eq!((&found[0]["path"], &found[0]["minor"]), (&json!("/dev/none"), &json!(3)));
        let last = |isolation: &Isolation| rules(isolation, &found).as_array().unwrap().last().unwrap().clone();
        assert_eq!(last(&isolation), json!({"allow": true, "type": "c", "access": "rwm", "major": 1, "minor": 3}));
        isolation.limits.device_rules = vec!["c 42:* r".to_owned()];
        assert_eq!(last(&isolation), json!({"allow": true, "type": "c", "access": "r", "major": 42}));
    }
}
