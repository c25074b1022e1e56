//! Users and groups by name, from a root filesystem's own `/etc/passwd` and `/etc/group` (passwd(5), group(5)).

use std::path::Path;

use super::{Owner, SnapshotError, View};
use crate::image::layer::FileKind;

/// Larger than any real file; the rest is ignored.
const MOST_BYTES: u64 = 4 << 20;

/// A user of `/etc/passwd`.
struct User {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

/// The user that a process runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessUser {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups, the user's own first: without it among them, a program could drop a group for which access
    /// is denied.
    pub groups: Vec<u32>,
    pub home: String,
}

/// The user that `USER` or `--user` means: `user`, `user:group`, by name or number; empty for root. As in runc, what
/// looks like a number is one, whatever names there are, and need not be defined; a name must be. The groups that list
/// the user are added unless a group is given; whatever follows a second colon is ignored.
pub fn process_user(view: &View, text: &str) -> Result<ProcessUser, SnapshotError> {
    let mut fields = text.splitn(2, ':');
    let user = fields.next().filter(|user| !user.is_empty()).unwrap_or("0");
    let group = fields.next().filter(|group| !group.is_empty());
    let uid = process_id(user, group.is_some())?;
    let known = match uid {
        Some(uid) => find_user(view, |user| user.uid == uid)?,
        None => find_user(view, |known| known.name == user)?,
    };
    let (uid, own_gid, home) = match (&known, uid) {
        (Some(known), _) => (known.uid, known.gid, known.home.clone()),
        (None, Some(uid)) => (uid, 0, "/".to_owned()),
        (None, None) => return Err(SnapshotError::UnknownUser { name: user.to_owned() }),
    };
    let gid = match group {
        Some(group) => match process_id(group, true)? {
            Some(gid) => gid,
            None => find_group(view, group)?.ok_or_else(|| SnapshotError::UnknownGroup { name: group.to_owned() })?,
        },
        None => own_gid,
    };
    let mut groups = vec![gid];
    if let (Some(known), None) = (&known, group) {
        groups.extend(groups_of(view, &known.name)?.into_iter().filter(|group| *group != gid));
    }
    Ok(ProcessUser { uid, gid, groups, home })
}

/// `text` as a number, if it is one. runc accepts the largest unsigned numbers only if both user and group are given.
fn process_id(text: &str, with_group: bool) -> Result<Option<u32>, SnapshotError> {
    let Ok(number) = text.parse::<i64>() else { return Ok(None) };
    let most = if with_group { i64::from(u32::MAX) } else { i64::from(i32::MAX) };
    match u32::try_from(number) {
        Ok(id) if number <= most => Ok(Some(id)),
        _ => Err(SnapshotError::IdOutOfRange { number: text.to_owned() }),
    }
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

fn find_user(view: &View, is_meant: impl Fn(&User) -> bool) -> Result<Option<User>, SnapshotError> {
    let text = read_text(view, "etc/passwd")?;
    Ok(text.lines().filter_map(parse_user).find(is_meant))
}

/// The owner that `--chown` or `USER` means: `user`, `user:group`, by name or number. A number need not be defined, and
/// an unknown user is 0, as in BuildKit. Without a known group, it is the user's own for a name and the user's number
/// otherwise.
pub fn owner_of(view: &View, text: &str) -> Result<Owner, SnapshotError> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let mut owner = Owner::default();
    if let Some(number) = parse_id(user) {
        owner = Owner { uid: number, gid: number };
    } else if let Some(known) = find_user(view, |known| known.name == user)? {
        owner = Owner { uid: known.uid, gid: known.gid };
    }
    if let Some(group) = group {
        owner.gid = match parse_id(group) {
            Some(number) => number,
            // As if there were no colon.
            None if group.is_empty() => owner.gid,
            None => find_group(view, group)?.unwrap_or(owner.gid),
        };
    }
    Ok(owner)
}

/// The first of the user and the group that `--chown` or `USER` names which the root filesystem does not define.
pub fn unknown_owner(view: &View, text: &str) -> Result<Option<String>, SnapshotError> {
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    if is_name(user) && find_user(view, |known| known.name == user)?.is_none() {
        return Ok(Some(user.to_owned()));
    }
    if is_name(group) && find_group(view, group)?.is_none() {
        return Ok(Some(group.to_owned()));
    }
    Ok(None)
}

/// Neither a number nor root, which need not be defined in a file.
fn is_name(text: &str) -> bool {
    !text.is_empty() && parse_id(text).is_none()
}

/// IDs above the largest signed number count as names.
fn parse_id(text: &str) -> Option<u32> {
    if text == "root" {
        return Some(0);
    }
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

/// Anything but a file defines no users, so that a step of root continues whatever an earlier one has put there.
fn read_text(view: &View, path: &str) -> Result<String, SnapshotError> {
    let resolved = view.resolve(Path::new(""), Path::new(path))?;
    let Some(entry) = view.lstat(&resolved)?.filter(|entry| entry.kind == FileKind::Regular) else {
        return Ok(String::new());
    };
    Ok(String::from_utf8_lossy(&view.read_file(&resolved, &entry, MOST_BYTES)?).into_owned())
}
