//! HEALTHCHECK.

use std::time::Duration;

use super::flags::Flags;
use super::{argument_count, command_line};
use crate::base::nanoseconds;
use crate::language::dockerfile::Healthcheck;
use crate::language::dockerfile::error::{Fault, ParseErrorKind, Wanted};
use crate::language::dockerfile::syntax::Node;

const FLAGS: &[&str] = &["interval", "timeout", "start-period", "start-interval", "retries"];

pub(super) fn healthcheck(node: &Node) -> Result<Healthcheck, Fault> {
    let texts = node.texts();
    let Some((written, arguments)) = texts.split_first() else {
        return Err(argument_count(node, Wanted::AtLeastOne));
    };
    let type_place = node.arguments[0].place;
    // NONE accepts any flag and ignores it.
    if written.eq_ignore_ascii_case("NONE") {
        return match node.arguments.get(1) {
            None => Ok(Healthcheck::None),
            Some(piece) => Err(Fault::at(piece.place, ParseErrorKind::HealthcheckNoneArguments)),
        };
    }
    let flags = Flags::read(node, FLAGS)?;
    if !written.eq_ignore_ascii_case("CMD") {
        let kind = ParseErrorKind::HealthcheckType { written: (*written).to_owned() };
        return Err(Fault::at(type_place, kind));
    }
    if arguments.is_empty() {
        return Err(Fault::at(type_place, ParseErrorKind::HealthcheckNoCommand));
    }
    Ok(Healthcheck::Check {
        command: command_line(node.json, arguments),
        interval: interval(&flags, "interval")?,
        timeout: interval(&flags, "timeout")?,
        start_period: interval(&flags, "start-period")?,
        start_interval: interval(&flags, "start-interval")?,
        retries: retries(&flags)?,
    })
}

/// A duration of at least a millisecond; zero is the default, as if the flag were missing.
fn interval(flags: &Flags<'_>, name: &str) -> Result<Option<Duration>, Fault> {
    let Some((value, place)) = flags.places(name).find(|(value, _)| !value.is_empty()) else {
        return Ok(None);
    };
    let flag = || format!("--{name}");
    let nanoseconds = nanoseconds(value)
        .ok_or_else(|| Fault::at(place, ParseErrorKind::InvalidDuration { flag: flag(), value: value.to_owned() }))?;
    match u64::try_from(nanoseconds) {
        Ok(0) => Ok(None),
        Ok(nanoseconds) if nanoseconds >= 1_000_000 => Ok(Some(Duration::from_nanos(nanoseconds))),
        _ => Err(Fault::at(place, ParseErrorKind::DurationTooShort { flag: flag(), value: value.to_owned() })),
    }
}

fn retries(flags: &Flags<'_>) -> Result<Option<u32>, Fault> {
    let Some((value, place)) = flags.places("retries").find(|(value, _)| !value.is_empty()) else {
        return Ok(None);
    };
    match value.parse::<i32>() {
        Ok(0) => Ok(None),
        Ok(number) => u32::try_from(number)
            .map(Some)
            .map_err(|_| Fault::at(place, ParseErrorKind::NegativeRetries { value: number.into() })),
        Err(_) => Err(Fault::at(place, ParseErrorKind::InvalidRetries { value: value.to_owned() })),
    }
}
