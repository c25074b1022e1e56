//! Dates and times.

use std::fmt::Write as _;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::{Failure, Function, Outcome, Wanted, function, number_of, parameter, text, text_of};
use crate::language::bake::value::{Number, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    function("formatdate", &[parameter("format", Wanted::Text), parameter("time", Wanted::Text)], |all| {
        text(format(text_of(all, 0), &time(text_of(all, 1)).map_err(|error| at(1, error))?)?)
    }),
    function("formattimestamp", &[parameter("format", Wanted::Text), parameter("time", Wanted::Any)], format_timestamp),
    function("timeadd", &[parameter("timestamp", Wanted::Text), parameter("duration", Wanted::Text)], time_add),
    function("timestamp", &[], |_| text(rfc3339(&utc(Timestamp::now())))),
    function("unixtimestampparse", &[parameter("unix_timestamp", Wanted::Number)], parse_unix),
];

fn at(index: usize, failure: Failure) -> Failure {
    Failure::argument(index, failure.message)
}

fn utc(timestamp: Timestamp) -> Zoned {
    timestamp.to_zoned(Offset::UTC.to_time_zone())
}

/// An RFC 3339 timestamp, parsed strictly.
fn time(text: &str) -> Result<Zoned, Failure> {
    let wrong = |what: &str| Failure::new(format!("not a valid RFC3339 timestamp: {what}"));
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>, what: &str| {
        let part = text.get(range).filter(|part| part.bytes().all(|digit| digit.is_ascii_digit()));
        part.and_then(|part| part.parse::<i64>().ok())
            .ok_or_else(|| wrong(&format!("end of string before {what}, or {what} is not a number")))
    };
    let sign = |index: usize, expected: u8| match bytes.get(index) {
        Some(found) if *found == expected => Ok(()),
        Some(found) => {
            Err(wrong(&format!("found {:?} where {:?} is expected", char::from(*found), char::from(expected))))
        }
        None => Err(wrong(&format!("end of string where {:?} is expected", char::from(expected)))),
    };
    let year = digits(0..4, "year")?;
    sign(4, b'-')?;
    let month = digits(5..7, "month")?;
    sign(7, b'-')?;
    let day = digits(8..10, "day of month")?;
    if bytes.get(10) != Some(&b'T') {
        return Err(wrong("missing required time introducer 'T'"));
    }
    let hour = digits(11..13, "hour")?;
    sign(13, b':')?;
    let minute = digits(14..16, "minute")?;
    sign(16, b':')?;
    let second = digits(17..19, "second")?;
    let mut rest = text.get(19..).unwrap_or_default();
    let mut nanosecond = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = fraction.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(fraction.len());
        if end == 0 {
            return Err(wrong("no digits behind the point"));
        }
        nanosecond = format!("{:0<9}", &fraction[..end.min(9)]).parse().unwrap_or(0);
        rest = &fraction[end..];
    }
    let offset = offset(rest).ok_or_else(|| wrong(&format!("cannot use {rest:?} as UTC offset")))?;
    let narrow = |value: i64| i8::try_from(value).unwrap_or(-1);
    let date = DateTime::new(
        i16::try_from(year).unwrap_or(-1),
        narrow(month),
        narrow(day),
        narrow(hour),
        narrow(minute),
        narrow(second),
        nanosecond,
    );
    let date = date.map_err(|error| wrong(&error.to_string()))?;
    date.to_zoned(offset.to_time_zone()).map_err(|error| wrong(&error.to_string()))
}

fn offset(text: &str) -> Option<Offset> {
    if text == "Z" {
        return Some(Offset::UTC);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text[1..].split_once(':')?;
    let two = |part: &str| if part.len() == 2 { part.parse::<i32>().ok().filter(|_| part.is_ascii()) } else { None };
    let (hours, minutes) = (two(hours).filter(|hours| *hours < 24)?, two(minutes).filter(|minutes| *minutes < 60)?);
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

fn numeric_offset(time: &Zoned, colon: &str) -> String {
    let seconds = time.offset().seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
}

fn zulu_offset(time: &Zoned) -> String {
    if time.offset().seconds() == 0 { "Z".to_owned() } else { numeric_offset(time, ":") }
}

fn rfc3339(time: &Zoned) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        zulu_offset(time)
    )
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

fn month_name(time: &Zoned) -> &'static str {
    usize::try_from(time.month() - 1).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"")
}

fn weekday(time: &Zoned) -> usize {
    usize::try_from(time.weekday().to_sunday_zero_offset()).unwrap_or_default()
}

fn format(pattern: &str, time: &Zoned) -> Result<String, Failure> {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            rest = literal(rest, &mut out)?;
        } else if first.is_ascii_alphabetic() {
            let length = rest.find(|letter| letter != first).unwrap_or(rest.len());
            verb(&rest[..length], time, &mut out)?;
            rest = &rest[length..];
        } else {
            let length = rest.find(|letter: char| letter == '\'' || letter.is_ascii_alphabetic()).unwrap_or(rest.len());
            out.push_str(&rest[..length]);
            rest = &rest[length..];
        }
    }
    Ok(out)
}

/// Quoted text; two quotes are one.
fn literal<'a>(rest: &'a str, out: &mut String) -> Result<&'a str, Failure> {
    if let Some(behind) = rest.strip_prefix("''") {
        out.push('\'');
        return Ok(behind);
    }
    let mut inside = &rest[1..];
    loop {
        let Some(end) = inside.find('\'') else {
            return Err(Failure::argument(0, "unterminated literal '"));
        };
        out.push_str(&inside[..end]);
        inside = &inside[end + 1..];
        match inside.strip_prefix('\'') {
            Some(behind) => {
                out.push('\'');
                inside = behind;
            }
            None => return Ok(inside),
        }
    }
}

fn verb(verb: &str, time: &Zoned, out: &mut String) -> Result<(), Failure> {
    let wrong = |what: &str| {
        let what = if what.is_empty() { String::new() } else { format!(": {what}") };
        Failure::argument(0, format!("invalid date format verb {verb:?}{what}"))
    };
    let length = verb.len();
    let mut number = |value: i8, what: &str| {
        match length {
            1 => _ = write!(out, "{value}"),
            2 => _ = write!(out, "{value:02}"),
            _ => return Err(wrong(what)),
        }
        Ok(())
    };
    match verb.as_bytes()[0] {
        b'Y' => match length {
            2 => _ = write!(out, "{:02}", time.year() % 100),
            4 => _ = write!(out, "{:04}", time.year()),
            _ => return Err(wrong("year must either be \"YY\" or \"YYYY\"")),
        },
        b'M' => match length {
            1 | 2 => number(time.month(), "")?,
            3 => out.push_str(&month_name(time)[..3]),
            4 => out.push_str(month_name(time)),
            _ => return Err(wrong("month must be \"M\", \"MM\", \"MMM\", or \"MMMM\"")),
        },
        b'D' => number(time.day(), "day of month must either be \"D\" or \"DD\"")?,
        b'E' => match length {
            3 => out.push_str(&WEEKDAYS[weekday(time)][..3]),
            4 => out.push_str(WEEKDAYS[weekday(time)]),
            _ => return Err(wrong("day of week must either be \"EEE\" or \"EEEE\"")),
        },
        b'h' => number(time.hour(), "24-hour must either be \"h\" or \"hh\"")?,
        b'H' => {
            let hour = if time.hour() % 12 == 0 { 12 } else { time.hour() % 12 };
            number(hour, "12-hour must either be \"H\" or \"HH\"")?;
        }
        letter @ (b'a' | b'A') => {
            if length != 2 {
                let letter = char::from(letter);
                return Err(wrong(&format!("must be \"{letter}{letter}\"")));
            }
            let half = if time.hour() < 12 { "am" } else { "pm" };
            out.push_str(&if letter == b'A' { half.to_uppercase() } else { half.to_owned() });
        }
        b'm' => number(time.minute(), "minute must either be \"m\" or \"mm\"")?,
        b's' => number(time.second(), "second must either be \"s\" or \"ss\"")?,
        b'Z' => match length {
            1 => out.push_str(&zulu_offset(time)),
            3 if time.offset().seconds() == 0 => out.push_str("UTC"),
            3 | 4 => out.push_str(&numeric_offset(time, "")),
            5 => out.push_str(&numeric_offset(time, ":")),
            _ => return Err(wrong("timezone must be Z, ZZZZ, or ZZZZZ")),
        },
        _ => return Err(wrong("")),
    }
    Ok(())
}

fn unix(number: &Number) -> Result<Zoned, Failure> {
    let seconds = number.to_i64().ok_or_else(|| Failure::argument(0, "unix timestamp must be an integer"))?;
    let timestamp = Timestamp::from_second(seconds);
    timestamp.map(utc).map_err(|_| Failure::argument(0, "unix timestamp is out of range"))
}

fn format_timestamp(all: &[Value]) -> Outcome {
    let moment = match &all[1] {
        Value::String(moment) => time(moment).map_err(|error| at(1, error))?,
        Value::Number(number) => unix(number).map_err(|error| at(1, error))?,
        _ => return Err(Failure::argument(1, "must be a string timestamp or a unix timestamp number")),
    };
    if text_of(all, 0) == "X" {
        return text(moment.timestamp().as_second().to_string());
    }
    text(format(text_of(all, 0), &moment)?)
}

fn time_add(all: &[Value]) -> Outcome {
    let moment = time(text_of(all, 0))?;
    let duration = duration(text_of(all, 1))?;
    let sum = moment.checked_add(duration).map_err(|_| Failure::new("the result is out of range"))?;
    text(rfc3339(&sum))
}

/// A duration in Go's notation, such as `-1h30m` or `1.5s`.
fn duration(text: &str) -> Result<SignedDuration, Failure> {
    let invalid = || Failure::new(format!("time: invalid duration {text:?}"));
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(SignedDuration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0i128;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
        let (number, behind) = rest.split_at(end);
        let unit_end = behind.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_end);
        let worth: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "" => return Err(Failure::new(format!("time: missing unit in duration {text:?}"))),
            _ => return Err(Failure::new(format!("time: unknown unit {unit:?} in duration {text:?}"))),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || number.len() > 18 {
            return Err(invalid());
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        total += whole * worth;
        if !fraction.is_empty() {
            let scale = 10i128.pow(u32::try_from(fraction.len()).unwrap_or(0));
            total += fraction.parse::<i128>().map_err(|_| invalid())? * worth / scale;
        }
        if total > i128::from(i64::MAX) {
            return Err(invalid());
        }
        rest = behind;
    }
    let nanoseconds = i64::try_from(if is_negative { -total } else { total }).map_err(|_| invalid())?;
    Ok(SignedDuration::from_nanos(nanoseconds))
}

fn parse_unix(all: &[Value]) -> Outcome {
    let time = unix(&number_of(all, 0))?;
    let week = time.date().iso_week_date();
    let number = |value: i64| Value::Number(Number::small(value));
    let entries = [
        ("year", number(time.year().into())),
        ("year_day", number(time.day_of_year().into())),
        ("day", number(time.day().into())),
        ("month", number(time.month().into())),
        ("month_name", Value::text(month_name(&time))),
        ("weekday", number(i64::try_from(weekday(&time)).unwrap_or_default())),
        ("weekday_name", Value::text(WEEKDAYS[weekday(&time)])),
        ("hour", number(time.hour().into())),
        ("minute", number(time.minute().into())),
        ("second", number(time.second().into())),
        ("rfc3339", Value::text(rfc3339(&time))),
        ("iso_year", number(week.year().into())),
        ("iso_week", number(week.week().into())),
    ];
    Ok(Value::Object(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}
