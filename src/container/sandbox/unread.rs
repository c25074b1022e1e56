//! Whether the peer of a connection has read what was sent to it.

use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;

/// Whether something that was sent is still waiting to be read. False if the kernel does not say.
pub fn is_unread(stream: &UnixStream) -> bool {
    let mut waiting: libc::c_int = 0;
    // SAFETY: the descriptor is open, and SIOCOUTQ (which is TIOCOUTQ) writes one int to its argument. (unix(7))
    let asked = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut waiting) };
    asked == 0 && waiting > 0
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn what_was_read_waits_no_more() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        assert!(!is_unread(&ours));
        ours.write_all(b"head").unwrap();
        assert!(is_unread(&ours));
        theirs.read_exact(&mut [0; 3]).unwrap();
        assert!(is_unread(&ours));
        theirs.read_exact(&mut [0; 1]).unwrap();
        assert!(!is_unread(&ours));
        ours.write_all(b"more").unwrap();
        drop(theirs);
        assert!(!is_unread(&ours), "nobody is left to read it");
    }
}
