//! Options for stopping a container, and whether its program would notice.

use super::record::Record;
use super::state::State;
use crate::base::signal;

const SIGTERM: i32 = 15;

/// How a container is to be stopped.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stop {
    /// Overrides the container's own.
    pub signal: Option<i32>,
    /// Seconds until it is killed; never, if negative. By default, the container's own.
    pub timeout: Option<i64>,
    /// It will be started again: one created with `--rm` is not removed.
    pub keep: bool,
    /// It is removed afterwards: no stop event is reported.
    pub is_removal: bool,
}

impl Record {
    /// The signal that asks its program to end.
    pub fn stop_signal(&self) -> i32 {
        signal::number(&self.config.run.stop_signal).unwrap_or(SIGTERM)
    }
}

impl State {
    /// Whether the program handles that signal. The kernel discards signals to the first process of a PID namespace for
    /// which it has no handler.
    pub fn notices(&self, signal: i32) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        notices(&status, signal)
    }
}

/// Whether the process catches or blocks the signal.
fn notices(status: &str, number: i32) -> bool {
    let has = |mask: &str| {
        let bits = status.lines().find_map(|line| line.strip_prefix(mask)?.strip_prefix(':'));
        let bits = bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or_default();
        (1..=64).contains(&number) && bits >> (number - 1) & 1 == 1
    };
    has("SigCgt") || has("SigBlk")
}

#[cfg(test)]
mod tests {
    use super::notices;

    #[test]
    fn a_signal_is_noticed_that_is_caught_or_held_back() {
        let status = "Name:\tx\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000000001\nSigCgt:\t0000000000004000\n";
        let noticed: Vec<i32> = (-1..70).filter(|number| notices(status, *number)).collect();
        assert_eq!(noticed, [2, 15]);
        assert!(!notices("", 15));
    }
}
