//! Users and groups by name, as a root filesystem's own `/etc/passwd` and `/etc/group` give them (passwd(5), group(5)).

use std::path::Path;

use super::{SnapshotError, View};

/// More than any real file; what is beyond is not looked at.
const MOST_BYTES: u64 = 4 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// A user of `/etc/passwd`.
struct User {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

/// Whom a process runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessUser {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    pub home: String,
}

/// Whom `USER` or `--user` means: `user`, `user:group`, by name or number; empty for root. As with runc, a number need
/// not be known, a name must be; the groups that list the user come along unless a group is given.
pub fn process_user(view: &View, text: &str) -> Result<ProcessUser, SnapshotError> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (text, None),
    };
    let known = find_user(view, if user.is_empty() { "0" } else { user })?;
    let mut process = match (&known, user.parse::<u32>()) {
        (Some(known), _) => {
            ProcessUser { uid: known.uid, gid: known.gid, groups: Vec::new(), home: known.home.clone() }
        }
        (None, Ok(uid)) => ProcessUser { uid, gid: 0, groups: Vec::new(), home: "/".to_owned() },
        (None, Err(_)) if user.is_empty() => ProcessUser { uid: 0, gid: 0, groups: Vec::new(), home: "/".to_owned() },
        (None, Err(_)) => return Err(SnapshotError::UnknownUser { name: user.to_owned() }),
    };
    match group {
        Some(group) => {
            let found = find_group(view, group)?.or_else(|| group.parse().ok());
            process.gid = found.ok_or_else(|| SnapshotError::UnknownGroup { name: group.to_owned() })?;
        }
        None => {
            if let Some(known) = &known {
                process.groups = groups_of(view, &known.name)?;
            }
        }
    }
    Ok(process)
}

/// The groups that list the user as a member.
fn groups_of(view: &View, user: &str) -> Result<Vec<u32>, SnapshotError> {
    let text = read_text(view, "etc/group")?;
    let group = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let is_member = fields.get(3)?.split(',').any(|member| member == user);
        is_member.then(|| fields.get(2)?.parse().ok()).flatten()
    };
    Ok(text.lines().filter_map(group).collect())
}

/// The user with that name, or else with that number.
fn find_user(view: &View, name_or_uid: &str) -> Result<Option<User>, SnapshotError> {
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
    let resolved = view.resolve(Path::new(""), Path::new(path))?;
    let Some(entry) = view.lstat(&resolved)? else { return Ok(String::new()) };
    Ok(String::from_utf8_lossy(&view.read_file(&resolved, &entry, MOST_BYTES)?).into_owned())
}
