//! Points in time as docker's `--since` and `--until` take them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A date and time (RFC 3339, also shortened and without a zone), seconds since 1970 with a fraction, or a duration back
/// from now, as in `1h30m`.
pub fn point_in_time(text: &str) -> Result<Timestamp, String> {
    parse(text, Timestamp::now())
        .ok_or_else(|| format!("`{text}` is no time: it is like 2013-01-02T13:23:37Z, 1700000000 or 42m"))
}

fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(duration) = go_duration(text) {
        return now.checked_sub(duration).ok();
    }
    if let Some(seconds) = seconds(text) {
        return Some(seconds);
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp);
    }
    let local = |time: DateTime| time.to_zoned(TimeZone::system()).ok().map(|zoned| zoned.timestamp());
    if let Some(utc) = text.strip_suffix('Z') {
        let time = date_time(utc)?;
        return time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    }
    local(date_time(text)?)
}

/// With as many parts as were written.
fn date_time(text: &str) -> Option<DateTime> {
    if let Ok(time) = text.parse::<DateTime>() {
        return Some(time);
    }
    let (date, rest) = text.split_once('T')?;
    let date: Date = date.parse().ok()?;
    let mut parts = rest.split(':').map(|part| part.parse::<i8>().ok());
    let (hour, minute) = (parts.next()??, parts.next().unwrap_or(Some(0))?);
    Some(date.at(hour, minute, 0, 0))
}

fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let nanoseconds: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    Timestamp::new(whole.parse().ok()?, nanoseconds.parse().ok()?).ok()
}

/// `1h2m3.5s`, as Go writes durations.
pub fn go_duration(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let units = [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
        let (unit, factor) = units.into_iter().find(|(unit, _)| rest.starts_with(unit))?;
        total += number * factor;
        rest = &rest[unit.len()..];
    }
    SignedDuration::try_from_secs_f64(if negative { -total } else { total }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        for (text, wanted) in [
            ("90m", "2026-01-01T10:30:00Z"),
            ("1h0m1.5s", "2026-01-01T10:59:58.5Z"),
            ("1767268800", "2026-01-01T12:00:00Z"),
            ("1767268800.25", "2026-01-01T12:00:00.25Z"),
            ("2013-01-02T13:23:37Z", "2013-01-02T13:23:37Z"),
            ("2013-01-02T13:23:37.5+02:00", "2013-01-02T11:23:37.5Z"),
            ("2013-01-02T13:23Z", "2013-01-02T13:23:00Z"),
        ] {
            assert_eq!(parse(text, now).unwrap(), wanted.parse().unwrap(), "{text}");
        }
        assert!(parse("2013-01-02", now).is_some() && parse("2013-01-02T13:23", now).is_some());
        assert!(parse("", now).is_none() && parse("yesterday", now).is_none() && parse("5x", now).is_none());
    }
}
