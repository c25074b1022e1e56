//! Retries and the pauses between them.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::Failure;
use crate::transport::registry::{Limits, RegistryError};

/// Counts the tries of one request, or of one transfer.
pub struct Tries {
    limits: Limits,
    allowed: u32,
    made: u32,
}

impl Tries {
    pub fn new(limits: &Limits, allowed: u32) -> Self {
        Self { limits: *limits, allowed, made: 0 }
    }

    /// The transfer has progressed: earlier failures no longer count.
    pub fn start_anew(&mut self) {
        self.made = 0;
    }

    /// Counts a failed try. Returns the pause before the next one, or the error if there is none.
    pub fn failed(&mut self, failure: Failure) -> Result<Duration, RegistryError> {
        let (error, after) = match failure {
            Failure::Final(error) => return Err(error),
            Failure::Passing { error, after } => (error, after),
        };
        self.made += 1;
        if self.made >= self.allowed {
            return Err(RegistryError::GaveUp { tries: self.made, source: Box::new(error) });
        }
        let pause = pause(&self.limits, self.made, chance());
        match after {
            Some(after) if after > self.limits.longest_pause => Err(too_busy(error, after)),
            Some(after) => Ok(pause.max(after)),
            None => Ok(pause),
        }
    }
}

fn too_busy(error: RegistryError, after: Duration) -> RegistryError {
    match error {
        RegistryError::Status { method, url, message, .. } => {
            let host = url.split('/').nth(2).unwrap_or_default().to_owned();
            RegistryError::TooBusy { host, method, url, seconds: after.as_secs(), message }
        }
        other => other,
    }
}

/// `chance` is between 0 and 1.
fn pause(limits: &Limits, failed: u32, chance: f64) -> Duration {
    let doubled = limits.pause.saturating_mul(1 << (failed - 1).min(16)).min(limits.longest_pause);
    doubled.mul_f64(0.5 + chance / 2.0)
}

fn chance() -> f64 {
    let mut bytes = [0; 4];
    // Without random numbers, all clients retry at the same time; nothing worse.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::NONBLOCK);
    f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
}

/// `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3).
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(date.as_second()).ok()?);
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passing(after: Option<u64>) -> Failure {
        let error =
            RegistryError::Status { method: "GET", url: "http://r/v2/".into(), status: 503, message: "".into() };
        Failure::Passing { error, after: after.map(Duration::from_secs) }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let limits = Limits::default();
        let of = |failed| pause(&limits, failed, 1.0).as_millis();
        assert_eq!([of(1), of(2), of(3), of(20)], [300, 600, 1200, 60_000]);
        assert_eq!(pause(&limits, 1, 0.0).as_millis(), 150);
    }

    #[test]
    fn after_the_last_try_the_error_says_how_many_there_were() {
        let limits = Limits::default();
        let mut tries = Tries::new(&limits, 3);
        assert!(tries.failed(passing(None)).is_ok());
        assert!(tries.failed(passing(None)).is_ok());
        let message = tries.failed(passing(None)).unwrap_err().to_string();
        assert!(message.starts_with("gave up after 3 tries: the registry answered 503"), "{message}");
    }

    #[test]
    fn a_registry_may_ask_for_time_but_not_for_hours() {
        let limits = Limits::default();
        let mut tries = Tries::new(&limits, 6);
        assert_eq!(tries.failed(passing(Some(7))).unwrap(), Duration::from_secs(7));
        let message = tries.failed(passing(Some(3600))).unwrap_err().to_string();
        assert!(message.contains("retry in 3600 s"), "{message}");
    }

    #[test]
    fn retry_after_is_a_number_or_a_date() {
        let of = |text: &str| {
            let headers = [(RETRY_AFTER, text.parse().unwrap())].into_iter().collect();
            retry_after(&headers)
        };
        assert_eq!(of("12"), Some(Duration::from_secs(12)));
        assert_eq!(of("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(of("soon"), None);
    }
}
