//! Whether and when a program that has ended is restarted: docker's rules.

use std::time::Duration;

use crate::container::host_config::RestartPolicy;

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// After running this long, a program is restarted as if for the first time.
const LONG_ENOUGH: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Restarts {
    pub(super) count: u32,
    delay: Duration,
}

impl Restarts {
    /// The delay before the program is restarted; `None` if it is not.
    pub(super) fn after(&mut self, policy: RestartPolicy, exit_code: u8, ran: Duration) -> Option<Duration> {
        if ran >= LONG_ENOUGH {
            self.delay = Duration::ZERO;
        }
        let wanted = match policy {
            RestartPolicy::No => false,
            RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
            RestartPolicy::OnFailure { maximum_retries } => {
                exit_code != 0 && (maximum_retries == 0 || self.count < maximum_retries)
            }
        };
        if !wanted {
            return None;
        }
        self.delay = if self.delay.is_zero() { FIRST_DELAY } else { (self.delay * 2).min(LONGEST_DELAY) };
        self.count += 1;
        Some(self.delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies() {
        use RestartPolicy::{Always, No, OnFailure, UnlessStopped};
        let restarts = |policy, code| Restarts::default().after(policy, code, Duration::ZERO).is_some();
        let on_failure = OnFailure { maximum_retries: 0 };
        assert!(!restarts(No, 1));
        assert_eq!((restarts(Always, 0), restarts(UnlessStopped, 0)), (true, true));
        assert_eq!((restarts(on_failure, 0), restarts(on_failure, 3)), (false, true));
    }

    #[test]
    fn delays_grow_and_retries_end() {
        let mut restarts = Restarts::default();
        let limited = RestartPolicy::OnFailure { maximum_retries: 2 };
        let mut after = |seconds: u64| restarts.after(limited, 1, Duration::from_secs(seconds));
        assert_eq!(after(0), Some(FIRST_DELAY));
        assert_eq!(after(0), Some(FIRST_DELAY * 2));
        assert_eq!(after(0), None);
        let mut restarts = Restarts::default();
        let delays: Vec<_> = (0..12).filter_map(|_| restarts.after(RestartPolicy::Always, 0, Duration::ZERO)).collect();
        assert_eq!(delays[11], LONGEST_DELAY);
        assert_eq!(restarts.after(RestartPolicy::Always, 0, LONG_ENOUGH), Some(FIRST_DELAY));
    }
}
