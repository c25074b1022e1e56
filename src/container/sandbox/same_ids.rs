//! A user namespace in which all IDs stay the same: for root without `CAP_SYS_ADMIN`, like root of a container, which
//! has it in a namespace of its own.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use super::surroundings::has_capability;
use super::user_namespace::{Helper, IdMapping, Waiting};

/// The capabilities that are needed to map all users (user_namespaces(7)).
const NEEDED: [&str; 3] = ["SETUID", "SETGID", "SETFCAP"];

/// Why this root can't map all users.
pub(super) fn refused() -> Option<String> {
    let missing = NEEDED.iter().filter(|name| !has_capability(name)).map(|name| format!("CAP_{name}"));
    let missing: Vec<String> = missing.collect();
    (!missing.is_empty()).then(|| format!("root lacks {} to map users", missing.join(", ")))
}

/// Starts processes that write the maps from outside once there is a namespace.
pub(super) fn start() -> Result<Waiting, String> {
    let maps = [("users", "uid_map"), ("groups", "gid_map")].map(|(what, file)| Map::of_own(what, file));
    let [users, groups] = maps;
    let (users, groups) = (users?, groups?);
    let counts = IdMapping::Full { users: users.count, groups: groups.count };
    Waiting::start(counts, |start, go| [&users, &groups].into_iter().map(|map| map.start_writing(start, go)).collect())
        .map_err(|error| error.to_string())
}

struct Map {
    what: &'static str,
    path: CString,
    text: Vec<u8>,
    count: u64,
}

impl Map {
    /// Maps each range of this process's own namespace to itself: a range of the new map must not span two of those.
    fn of_own(what: &'static str, file: &str) -> Result<Self, String> {
        let own = std::fs::read_to_string(format!("/proc/self/{file}")).map_err(|error| error.to_string())?;
        let (text, count) = same(&own);
        let path = CString::new(format!("/proc/{}/{file}", std::process::id())).map_err(|error| error.to_string())?;
        Ok(Self { what, path, text: text.into_bytes(), count })
    }

    /// Forks a child that writes it when it gets a byte from `start`, and exits if `go`, the other end, is closed.
    fn start_writing(&self, start: &OwnedFd, go: &OwnedFd) -> io::Result<Helper> {
        let (output, child_output) = io::pipe()?;
        // SAFETY: the child makes system calls only (signal-safety(7)), on data that was prepared before and lives in
        // `self`, of which it has its own copy.
        let pid = unsafe {
            let pid = libc::fork();
            if pid == 0 {
                let mut byte = 0u8;
                libc::close(go.as_raw_fd());
                if libc::read(start.as_raw_fd(), (&raw mut byte).cast(), 1) != 1 {
                    libc::_exit(1);
                }
                let file = libc::open(self.path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
                if file >= 0
                    && libc::write(file, self.text.as_ptr().cast(), self.text.len()) == self.text.len() as isize
                {
                    libc::_exit(0);
                }
                let words = c"the kernel refused the map".to_bytes();
                libc::write(child_output.as_raw_fd(), words.as_ptr().cast(), words.len());
                libc::_exit(1);
            }
            pid
        };
        if pid < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Helper::new(self.what, pid, output.into()))
    }
}

/// The ranges of a map, each mapped to itself, and the number of IDs.
fn same(map: &str) -> (String, u64) {
    let mut text = String::new();
    let mut all = 0;
    for line in map.lines() {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        if let (Some(Ok(first)), _, Some(Ok(count))) = (numbers.next(), numbers.next(), numbers.next()) {
            text.push_str(&format!("{first} {first} {count}\n"));
            all += count;
        }
    }
    (text, all)
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn each_range_is_repeated_by_itself() {
        let outer = "         0       1000          1\n         1     100000      65536\n";
        assert_eq!(same(outer), ("0 0 1\n1 1 65536\n".to_owned(), 65_537));
        assert_eq!(same("0 0 4294967295\n").1, 4_294_967_295);
    }
}
