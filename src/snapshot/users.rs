//! Users and groups by name, as a root filesystem's own `/etc/passwd` and `/etc/group` give them (passwd(5), group(5)).

use std::io::Read as _;
use std::path::Path;

use super::{SnapshotError, View};
use crate::io_error::AtPath;

/// More than any real file; what is beyond is not looked at.
const MOST_BYTES: u64 = 4 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// A user of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: String,
}

/// The user with that name, or else with that number.
pub fn find_user(view: &View, name_or_uid: &str) -> Result<Option<User>, SnapshotError> {
    let text = read_text(view, "etc/passwd")?;
    let users = || text.lines().filter_map(parse_user);
    if let Some(user) = users().find(|user| user.name == name_or_uid) {
        return Ok(Some(user));
    }
    let Ok(uid) = name_or_uid.parse::<u32>() else { return Ok(None) };
    Ok(users().find(|user| user.uid == uid))
}

/// The owner that `--chown` or `USER` names: `user`, `user:group`, by name or number. A number need not be known, an
/// unknown name is 0, as BuildKit has it; without a group it is the user's own for a name and the user's number else.
pub fn owner_of(view: &View, text: &str) -> Result<Owner, SnapshotError> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let mut owner = Owner::default();
    if let Some(number) = parse_id(user) {
        owner = Owner { uid: number, gid: number };
    } else if let Some(known) = find_user(view, user)? {
        owner = Owner { uid: known.uid, gid: known.gid };
    }
    if let Some(group) = group {
        owner.gid = match parse_id(group) {
            Some(number) => number,
            None => find_group(view, group)?.unwrap_or(0),
        };
    }
    Ok(owner)
}

/// IDs above the largest signed number are taken for names.
fn parse_id(text: &str) -> Option<u32> {
    text.parse::<i32>().ok().and_then(|number| u32::try_from(number).ok())
}

fn find_group(view: &View, name: &str) -> Result<Option<u32>, SnapshotError> {
    let text = read_text(view, "etc/group")?;
    Ok(text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok()).flatten()
    }))
}

fn parse_user(line: &str) -> Option<User> {
    let fields: Vec<&str> = line.split(':').collect();
    Some(User {
        name: fields.first().filter(|name| !name.is_empty())?.to_string(),
        uid: fields.get(2)?.parse().ok()?,
        gid: fields.get(3)?.parse().ok()?,
        home: fields.get(5).copied().unwrap_or("/").to_owned(),
    })
}

fn read_text(view: &View, path: &str) -> Result<String, SnapshotError> {
    let resolved = view.resolve(Path::new(path))?;
    let Some(entry) = view.lstat(&resolved)? else { return Ok(String::new()) };
    let mut bytes = Vec::new();
    view.open_file(&resolved, &entry)?.take(MOST_BYTES).read_to_end(&mut bytes).at("read", &resolved)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
