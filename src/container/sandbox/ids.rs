//! `--userns=remap`: the host IDs of a container's users and groups.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::Unsupported;
use super::user_namespace;

/// The owners in `/etc/subuid` and `/etc/subgid`: the first one with any ranges counts. The second is docker's.
const USERS: [&str; 2] = ["rbuild", "dockremap"];

/// A range of IDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRange {
    /// On the host.
    pub first: u32,
    pub count: u32,
}

/// A value of `--userns`: which users a container has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UsersMode {
    /// Unset: the host's.
    #[default]
    Usual,
    Host,
    /// Subordinate users: those of this machine's ranges, or of a given range.
    Remap(Option<IdRange>),
}

impl UsersMode {
    /// Whether it needs a user namespace.
    pub fn is_remap(self) -> bool {
        matches!(self, Self::Remap(_))
    }

    /// The host IDs that it uses; `None` if the container has the host's users.
    pub fn ranges(self) -> Result<Option<IdRanges>, Unsupported> {
        let Self::Remap(range) = self else { return Ok(None) };
        if user_namespace::entered().is_some() || !rustix::process::geteuid().is_root() {
            return Err(Unsupported {
                what: format!("--userns={self}: containers of an ordinary user are in a user namespace already"),
                hint: Some("leave out `--userns`; it is for root".to_owned()),
            });
        }
        let own = |range| Ok(IdRanges { users: vec![range], groups: vec![range] });
        let of_machine = || IdRanges::of_machine(Path::new("/etc/subuid"), Path::new("/etc/subgid"));
        range.map_or_else(of_machine, own).map(Some)
    }
}

impl FromStr for UsersMode {
    type Err = Unsupported;

    fn from_str(word: &str) -> Result<Self, Unsupported> {
        let Some(range) = word.strip_prefix("remap:") else {
            return match word {
                "" => Ok(Self::Usual),
                "host" => Ok(Self::Host),
                "remap" => Ok(Self::Remap(None)),
                _ => Err(Unsupported {
                    what: "--userns: invalid USERNS mode".to_owned(),
                    hint: Some("it is host, remap or remap:FIRST:COUNT".to_owned()),
                }),
            };
        };
        let numbers = range.split_once(':').and_then(|(first, count)| Some((first.parse().ok()?, count.parse().ok()?)));
        let range = numbers.map(|(first, count)| IdRange { first, count }).filter(|range| range.is_right());
        range.map(|range| Self::Remap(Some(range))).ok_or_else(|| Unsupported {
            what: format!("--userns={word}: it is remap:FIRST:COUNT, with IDs of the host from 1 on"),
            hint: Some("such as --userns=remap:231072:65536".to_owned()),
        })
    }
}

impl fmt::Display for UsersMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual => Ok(()),
            Self::Host => formatter.write_str("host"),
            Self::Remap(None) => formatter.write_str("remap"),
            Self::Remap(Some(IdRange { first, count })) => write!(formatter, "remap:{first}:{count}"),
        }
    }
}

/// A container's IDs, from 0 on, are the host's IDs in these ranges, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRanges {
    pub users: Vec<IdRange>,
    pub groups: Vec<IdRange>,
}

impl IdRanges {
    fn of_machine(users: &Path, groups: &Path) -> Result<Self, Unsupported> {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        let (user_text, group_text) = (read(users), read(groups));
        let ranges = |text: &str, name: &str| -> Vec<IdRange> {
            let found = user_namespace::parse_ranges(text, name, u32::MAX).into_iter();
            let ranges = found.filter_map(|(first, count)| {
                Some(IdRange { first: first.try_into().ok()?, count: count.try_into().ok()? })
            });
            ranges.filter(IdRange::is_right).collect()
        };
        let of = |name: &&str| Self { users: ranges(&user_text, name), groups: ranges(&group_text, name) };
        let found = USERS.iter().map(of).find(|found| !found.users.is_empty() && !found.groups.is_empty());
        found.ok_or_else(|| Unsupported {
            what: format!(
                "--userns=remap: neither rbuild nor dockremap has subordinate IDs in `{}` and `{}`",
                users.display(),
                groups.display()
            ),
            hint: Some(
                "write a line such as `rbuild:231072:65536` into both, or name them: --userns=remap:231072:65536"
                    .to_owned(),
            ),
        })
    }

    /// Parses a process's ID maps (user_namespaces(7)), as read from outside of its user namespace.
    pub(super) fn of_maps(users: &str, groups: &str) -> Option<Self> {
        let parse = |text: &str| -> Option<Vec<IdRange>> {
            let mut next = 0;
            let lines = text.lines().map(|line| {
                let mut numbers = line.split_whitespace().map(|word| word.parse::<u32>().ok());
                let (inside, first, count) = (numbers.next()??, numbers.next()??, numbers.next()??);
                let follows = inside == next;
                next = inside.checked_add(count)?;
                follows.then_some(IdRange { first, count })
            });
            lines.collect()
        };
        Some(Self { users: parse(users)?, groups: parse(groups)? })
    }

    /// The host's ID of a container's user; `None` if it is not mapped.
    pub fn host_user(&self, user: u32) -> Option<u32> {
        host_id(&self.users, user)
    }

    pub fn host_group(&self, group: u32) -> Option<u32> {
        host_id(&self.groups, group)
    }

    /// `uid_map` and `gid_map`, as they are written.
    pub(super) fn maps(&self) -> (String, String) {
        (map(&self.users), map(&self.groups))
    }
}

impl IdRange {
    /// The host's root is no subordinate user, and the last number is not an ID.
    fn is_right(&self) -> bool {
        self.first > 0 && self.count > 0 && self.first.checked_add(self.count).is_some_and(|end| end < u32::MAX)
    }
}

fn host_id(ranges: &[IdRange], id: u32) -> Option<u32> {
    let mut left = id;
    for range in ranges {
        match left.checked_sub(range.count) {
            None => return Some(range.first + left),
            Some(rest) => left = rest,
        }
    }
    None
}

fn map(ranges: &[IdRange]) -> String {
    let mut inside = 0u32;
    ranges
        .iter()
        .map(|range| {
            let line = format!("{inside} {} {}\n", range.first, range.count);
            inside = inside.saturating_add(range.count);
            line
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_ranges() {
        let range = |first, count| IdRange { first, count };
        let ids = IdRanges { users: vec![range(1000, 10), range(5000, 100)], groups: vec![range(7, 1)] };
        let users = [0, 9, 10, 109, 110].map(|user| ids.host_user(user));
        assert_eq!(users, [Some(1000), Some(1009), Some(5000), Some(5099), None]);
        assert_eq!((ids.host_group(0), ids.host_group(1)), (Some(7), None));
        let (users, groups) = ids.maps();
        assert_eq!((users.as_str(), groups.as_str()), ("0 1000 10\n10 5000 100\n", "0 7 1\n"));
        assert_eq!(IdRanges::of_maps(&users, &groups), Some(ids));
        assert_eq!(IdRanges::of_maps("5 1 1\n", "0 1 1\n"), None);
    }

    #[test]
    fn ranges_that_are_named() {
        let parse = |text: &str| format!("remap:{text}").parse::<UsersMode>();
        let range = IdRange { first: 231072, count: 65536 };
        assert_eq!(parse("231072:65536").unwrap(), UsersMode::Remap(Some(range)));
        for wrong in ["", "1", "0:10", "5:0", "4294967290:10", "x:1", "1:2:3", "-1:5"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ranges_of_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let (users, groups) = (folder.path().join("subuid"), folder.path().join("subgid"));
        let of = |user_text: &str, group_text: &str| {
            std::fs::write(&users, user_text).unwrap();
            std::fs::write(&groups, group_text).unwrap();
            IdRanges::of_machine(&users, &groups)
        };
        assert!(of("ann:1:2\n", "ann:1:2\n").unwrap_err().hint.is_some());
        assert!(of("rbuild:100:20\n", "ann:1:2\n").is_err());
        let docker = of("dockremap:100:20\n", "dockremap:300:20\n").unwrap();
        assert_eq!((docker.host_user(0), docker.host_group(0)), (Some(100), Some(300)));
        let own = of("dockremap:100:20\nrbuild:0:5\nrbuild:500:5\n", "dockremap:1:2\nrbuild:600:5\n").unwrap();
        assert_eq!(own.host_user(0), Some(500));
    }
}
