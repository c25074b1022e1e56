//! Health checks: a program that a container's monitor runs periodically in the container (docker's rules).

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::error::ContainerError;
use super::exec::{self, ExecOptions};
use super::protocol::chain;
use super::record::Record;
use super::state::{Health, HealthResult, HealthStatus};
use crate::base::io_error::AtPath;
use crate::container::sandbox::{Running, Stdio, Stream};
use crate::image::Healthcheck;

const USUAL_INTERVAL: Duration = Duration::from_secs(30);
const USUAL_TIMEOUT: Duration = Duration::from_secs(30);
const USUAL_START_INTERVAL: Duration = Duration::from_secs(5);
const USUAL_RETRIES: u32 = 3;
/// How long a check may keep running after it has closed its output.
const LAST_PATIENCE: Duration = Duration::from_millis(500);
/// The number of results that are kept.
const KEPT_RESULTS: usize = 5;
/// The number of bytes of a check's output that are kept.
const MOST_OUTPUT: usize = 4096;

/// The checks of a running container.
pub(super) struct HealthChecks {
    command: Vec<String>,
    interval: Duration,
    timeout: Duration,
    start_period: Duration,
    start_interval: Duration,
    retries: u32,
    health: Health,
    container_started: Instant,
    next: Instant,
    check: Option<Check>,
}

/// A running check.
struct Check {
    running: Running,
    output: File,
    printed: Vec<u8>,
    start: Timestamp,
    started: Instant,
    kill_at: Instant,
}

impl HealthChecks {
    /// `None` for a container without checks. The first is due after one interval.
    pub(super) fn of(record: &Record) -> Option<Self> {
        let check = record.config.run.healthcheck.as_ref()?;
        let command = command(check, &record.config.run.shell)?;
        let duration = |nanoseconds: i64, usual: Duration| match u64::try_from(nanoseconds) {
            Ok(nanoseconds) if nanoseconds > 0 => Duration::from_nanos(nanoseconds),
            _ => usual,
        };
        let now = Instant::now();
        let mut checks = Self {
            command,
            interval: duration(check.interval, USUAL_INTERVAL),
            timeout: duration(check.timeout, USUAL_TIMEOUT),
            start_period: duration(check.start_period, Duration::ZERO),
            start_interval: duration(check.start_interval, USUAL_START_INTERVAL),
            retries: u32::try_from(check.retries).ok().filter(|retries| *retries > 0).unwrap_or(USUAL_RETRIES),
            health: Health::default(),
            container_started: now,
            next: now,
            check: None,
        };
        checks.next = now + checks.pause(now);
        Some(checks)
    }

    pub(super) fn state(&self) -> Health {
        self.health.clone()
    }

    /// When to start a check, or to end one that takes too long.
    pub(super) fn next_due(&self) -> Instant {
        self.check.as_ref().map_or(self.next, |check| check.kill_at)
    }

    /// Becomes readable when a check prints something or ends.
    pub(super) fn as_pollable(&self) -> Option<BorrowedFd<'_>> {
        self.check.as_ref().map(|check| check.output.as_fd())
    }

    fn pause(&self, now: Instant) -> Duration {
        let starting = self.health.status == HealthStatus::Starting;
        if starting && now.duration_since(self.container_started) < self.start_period {
            self.start_interval
        } else {
            self.interval
        }
    }

    /// Starts a check that is due, or ends one that took too long. Returns whether the health may have changed.
    pub(super) fn look_at_clock(&mut self, record: &Record, folder: &Path, (pid, cgroups): (i32, &[String])) -> bool {
        let now = Instant::now();
        if self.next_due() > now {
            return false;
        }
        if let Some(check) = self.check.take() {
            // Dropping it kills it.
            let text = format!("Health check exceeded timeout ({})", go_duration(self.timeout));
            self.take_result(check.start, -1, text, check.started);
            return true;
        }
        match self.start(record, folder, pid, cgroups) {
            Ok(check) => {
                self.check = Some(check);
                false
            }
            Err(error) => {
                self.take_result(Timestamp::now(), i32::from(error.exit_code()), chain(&error), now);
                true
            }
        }
    }

    fn start(&self, record: &Record, folder: &Path, pid: i32, cgroups: &[String]) -> Result<Check, ContainerError> {
        let (reader, writer) = io::pipe().at("make", "a pipe")?;
        let errors = writer.try_clone().at("copy", "a pipe")?;
        let output = File::from(OwnedFd::from(reader));
        rustix::io::ioctl_fionbio(&output, true).at("set up", "a pipe")?;
        let (stdout, stderr) = (Stream::Fd(writer.into()), Stream::Fd(errors.into()));
        let stdio = Stdio { stdin: Stream::Null, stdout, stderr };
        let options = ExecOptions { command: self.command.clone(), ..ExecOptions::default() };
        let running = exec::start_inside(record, folder, pid, (cgroups, &options), stdio)?;
        let started = Instant::now();
        let kill_at = started + self.timeout;
        Ok(Check { running, output, printed: Vec::new(), start: Timestamp::now(), started, kill_at })
    }

    /// Reads what the check has printed. Returns whether it has ended, so that the health may have changed.
    pub(super) fn read(&mut self) -> bool {
        let Some(check) = &mut self.check else { return false };
        let mut buffer = [0; MOST_OUTPUT];
        loop {
            match check.output.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    check.printed.extend_from_slice(&buffer[..length.min(MOST_OUTPUT + 1 - check.printed.len())])
                }
                Err(_) => return false,
            }
        }
        let Some(check) = self.check.take() else { return false };
        // Some close their output before they end; if one then keeps running, it is killed.
        let code = match check.running.wait_timeout(LAST_PATIENCE) {
            Ok(Ok(outcome)) => i32::from(outcome.status.code()),
            _ => -1,
        };
        let mut text = String::from_utf8_lossy(&check.printed[..check.printed.len().min(MOST_OUTPUT)]).into_owned();
        if check.printed.len() > MOST_OUTPUT {
            text.push_str("...");
        }
        self.take_result(check.start, code, text, check.started);
        true
    }

    fn take_result(&mut self, start: Timestamp, exit_code: i32, output: String, started: Instant) {
        let health = &mut self.health;
        if exit_code == 0 {
            health.failing_streak = 0;
            health.status = HealthStatus::Healthy;
        } else {
            let is_starting = health.status == HealthStatus::Starting
                && started.duration_since(self.container_started) < self.start_period;
            if !is_starting {
                health.failing_streak += 1;
                if health.failing_streak >= self.retries {
                    health.status = HealthStatus::Unhealthy;
                }
            }
        }
        if health.log.len() == KEPT_RESULTS {
            health.log.remove(0);
        }
        health.log.push(HealthResult { start, end: Timestamp::now(), exit_code, output });
        let now = Instant::now();
        self.next = now + self.pause(now);
    }
}

/// The command to run; `None` if the check is disabled or there is none.
fn command(check: &Healthcheck, shell: &[String]) -> Option<Vec<String>> {
    let (kind, words) = check.test.split_first()?;
    match kind.as_str() {
        "CMD" => Some(words.to_vec()),
        "CMD-SHELL" => {
            let usual = ["/bin/sh".to_owned(), "-c".to_owned()];
            let shell = if shell.is_empty() { usual.as_slice() } else { shell };
            Some(shell.iter().chain(words).cloned().collect())
        }
        _ => None,
    }
}

/// `1m30s`, as Go prints durations.
fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        _ if seconds == 0 => format!("{}ms", duration.as_millis()),
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(start_period: Duration) -> HealthChecks {
        let now = Instant::now();
        HealthChecks {
            command: Vec::new(),
            interval: USUAL_INTERVAL,
            timeout: USUAL_TIMEOUT,
            start_period,
            start_interval: Duration::from_secs(1),
            retries: 2,
            health: Health::default(),
            container_started: now,
            next: now,
            check: None,
        }
    }

    #[test]
    fn health_follows_the_results() {
        let mut checks = checks(Duration::ZERO);
        let mut after = |code: i32| {
            checks.take_result(Timestamp::now(), code, String::new(), Instant::now());
            (checks.health.status, checks.health.failing_streak)
        };
        assert_eq!(after(1), (HealthStatus::Starting, 1));
        assert_eq!(after(0), (HealthStatus::Healthy, 0));
        assert_eq!(after(1), (HealthStatus::Healthy, 1));
        assert_eq!(after(-1), (HealthStatus::Unhealthy, 2));
        assert_eq!(after(0), (HealthStatus::Healthy, 0));
        for _ in 0..9 {
            let _ = after(0);
        }
        assert_eq!(checks.health.log.len(), KEPT_RESULTS);
    }

    #[test]
    fn a_failure_while_starting_does_not_count() {
        let mut checks = checks(Duration::from_secs(60));
        for _ in 0..5 {
            checks.take_result(Timestamp::now(), 1, String::new(), Instant::now());
        }
        assert_eq!((checks.health.status, checks.health.failing_streak), (HealthStatus::Starting, 0));
        assert_eq!(checks.pause(Instant::now()), Duration::from_secs(1));
        checks.take_result(Timestamp::now(), 0, String::new(), Instant::now());
        assert_eq!(checks.pause(Instant::now()), USUAL_INTERVAL);
    }

    #[test]
    fn commands() {
        let of = |test: &[&str]| {
            let test = test.iter().map(|word| (*word).to_owned()).collect();
            command(&Healthcheck { test, ..Healthcheck::default() }, &[])
        };
        assert_eq!(of(&["CMD", "a", "b"]).unwrap(), ["a", "b"]);
        assert_eq!(of(&["CMD-SHELL", "a b"]).unwrap(), ["/bin/sh", "-c", "a b"]);
        assert_eq!((of(&["NONE"]), of(&[])), (None, None));
        assert_eq!(go_duration(Duration::from_secs(90)), "1m30s");
    }
}
