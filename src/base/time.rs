//! Points in time as docker's `--since`, `--until` and `until=` take them.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::duration::nanoseconds;

/// Docker's error for a text that is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "failed to parse value as time or duration: \"{text}\"; write a duration such as 24h or 10m30s, a time such as \
     2006-01-02T15:04:05Z or 2006-01-02, or seconds since 1970"
)]
pub struct InvalidTime {
    text: String,
}

/// A date and time (RFC 3339, also shortened and without a zone), seconds since 1970 with a fraction, or a duration back
/// from now, as in `1h30m`.
///
/// # Errors
/// If the text is none of these.
pub fn point_in_time(text: &str) -> Result<Timestamp, InvalidTime> {
    parse(text, Timestamp::now()).ok_or_else(|| InvalidTime { text: text.to_owned() })
}

fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    // As in docker, `0` is a time.
    if let Some(ago) = nanoseconds(text).filter(|_| text != "0") {
        return now.checked_sub(SignedDuration::from_nanos(ago)).ok();
    }
    match text.contains('-') {
        true => date(text),
        false => seconds(text),
    }
}

/// Without a zone, this machine's zone is used.
fn date(text: &str) -> Option<Timestamp> {
    let (text, zone) = match zone(text) {
        Some((rest, offset)) => (rest, TimeZone::fixed(offset)),
        None => (text, TimeZone::system()),
    };
    let time = match text.split_once('T') {
        Some((date, time)) => DateTime::from_parts(date.parse::<Date>().ok()?, time_of_day(time)?),
        None if text.len() == "2006-01-02".len() => text.parse::<Date>().ok()?.at(0, 0, 0, 0),
        None => return None,
    };
    time.to_zoned(zone).ok().map(|zoned| zoned.timestamp())
}

/// The zone that ends a time, and what stands before it: `Z`, `+02:00`, `-02:00`.
fn zone(text: &str) -> Option<(&str, Offset)> {
    if let Some(rest) = text.strip_suffix('Z') {
        return Some((rest, Offset::UTC));
    }
    let at = text.len().checked_sub("+00:00".len())?;
    let (rest, offset) = text.split_at_checked(at)?;
    let (sign, offset) = match offset.split_at_checked(1)? {
        ("+", offset) => (1, offset),
        ("-", offset) => (-1, offset),
        _ => return None,
    };
    let (hours, minutes) = offset.split_once(':')?;
    let seconds = (digits(hours, 23)? * 60 + digits(minutes, 59)?) * 60;
    Some((rest, Offset::from_seconds(sign * seconds).ok()?))
}

/// `15`, `15:04`, `15:04:05`, `15:04:05.999`
fn time_of_day(text: &str) -> Option<Time> {
    let (text, fraction) = text.split_once('.').map_or((text, None), |(text, fraction)| (text, Some(fraction)));
    let parts: Vec<&str> = text.split(':').collect();
    let (hour, minute, second) = match parts[..] {
        [hour] if fraction.is_none() => (hour, "00", "00"),
        [hour, minute] if fraction.is_none() => (hour, minute, "00"),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    // Go accepts a single digit for the hour only.
    let hour = if hour.len() == 1 { format!("0{hour}") } else { hour.to_owned() };
    let small = |text: &str, most| digits(text, most).and_then(|number| i8::try_from(number).ok());
    let nanosecond = fraction.map_or(Some(0), fraction_of_a_second)?;
    Time::new(small(&hour, 23)?, small(minute, 59)?, small(second, 59)?, nanosecond).ok()
}

/// Two digits.
fn digits(text: &str, most: i32) -> Option<i32> {
    let is_right = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_right && *number <= most)
}

/// Digits after a point, as nanoseconds.
fn fraction_of_a_second(digits: &str) -> Option<i32> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.chars().chain("000000000".chars()).take(9).collect::<String>().parse().ok()
}

/// `1700000000`, `1700000000.25`
fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').map_or((text, "0"), |(whole, fraction)| (whole, fraction));
    let whole: i64 = whole.parse().ok()?;
    Timestamp::new(whole, fraction_of_a_second(fraction)?).ok()
}

/// To the second, in this machine's zone: `2006-01-02T15:04:05+01:00`, or with `Z`.
pub fn rfc3339(time: jiff::Timestamp) -> String {
    let zoned = time.to_zoned(jiff::tz::TimeZone::system());
    let zone = if zoned.offset().is_zero() { "Z" } else { "%:z" };
    zoned.strftime(&format!("%Y-%m-%dT%H:%M:%S{zone}")).to_string()
}

/// `2 weeks`: how long ago something was, in words.
pub fn human_duration(seconds: i64) -> String {
    let hours = (seconds as f64 / 3600.0).round() as i64;
    match seconds {
        i64::MIN..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{} minutes", seconds / 60),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// `2 weeks ago`, or `N/A` when the time is not known.
pub fn ago(then: Option<jiff::Timestamp>, now: jiff::Timestamp) -> String {
    match then {
        Some(then) if then.as_second() > -62_135_596_800 => {
            format!("{} ago", human_duration(now.as_second() - then.as_second()))
        }
        _ => "N/A".to_owned(),
    }
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
            ("-1h", "2026-01-01T13:00:00Z"),
            ("1767268800", "2026-01-01T12:00:00Z"),
            ("1767268800.25", "2026-01-01T12:00:00.25Z"),
            ("0", "1970-01-01T00:00:00Z"),
            ("+5", "1970-01-01T00:00:05Z"),
            ("2013-01-02T13:23:37Z", "2013-01-02T13:23:37Z"),
            ("2013-01-02T13:23:37.5+02:00", "2013-01-02T11:23:37.5Z"),
            ("2013-01-02T13:23:37-02:00", "2013-01-02T15:23:37Z"),
            ("2013-01-02T13:23Z", "2013-01-02T13:23:00Z"),
            ("2013-01-02T13+01:00", "2013-01-02T12:00:00Z"),
            ("2013-01-02Z", "2013-01-02T00:00:00Z"),
            ("2013-01-02+02:00", "2013-01-01T22:00:00Z"),
            ("2013-01-02T1Z", "2013-01-02T01:00:00Z"),
        ] {
            assert_eq!(parse(text, now), Some(wanted.parse().unwrap()), "{text}");
        }
        for text in ["2013-01-02", "2013-01-02T13", "2013-01-02T13:23", "2013-01-02T13:23:37", "2013-01-02T13:23:37.25"]
        {
            let local = format!("{text}{}", &"T00:00:00"[(text.len().max(10) - 10).min(9)..]);
            let wanted: DateTime = local.parse().unwrap();
            let wanted = wanted.to_zoned(TimeZone::system()).unwrap().timestamp();
            assert_eq!(parse(text, now), Some(wanted), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "5x",
            "1d",
            "2020-13-01",
            "2020-01-32",
            "2020-1-1",
            "-5",
            "1700000000.x",
            "1.2.3",
            "2020-01-01 10:00:00",
            "2020-01-01T25:00",
            "2020-01-01T10:0",
            "2020-01-01T10.5",
            "2020-01-01T10:00:00+2",
            "2020-01-01T10:00:00+02:0",
            "12:00",
            "2020-01-01T",
            "T10:00",
            "2020",
        ] {
            // A year alone is a number of seconds.
            assert_eq!(parse(text, now).is_some(), text == "2020", "{text}");
        }
    }

    #[test]
    fn durations_are_words() {
        for (seconds, text) in [
            (0, "Less than a second"),
            (45, "45 seconds"),
            (90, "About a minute"),
            (600, "10 minutes"),
            (3600, "About an hour"),
            (3 * 3600, "3 hours"),
            (3 * 86400, "3 days"),
            (20 * 86400, "2 weeks"),
            (100 * 86400, "3 months"),
            (800 * 86400, "2 years"),
        ] {
            assert_eq!(human_duration(seconds), text, "{seconds}");
        }
    }
}
