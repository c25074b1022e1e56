//! The `created_by` text of history entries, in BuildKit's words, so that `docker history` shows the same.

use std::time::Duration;

use crate::language::dockerfile::{Healthcheck, KeyValue};

/// The arguments as Go prints a list of strings with `%q`: `["a" "b"]`.
pub(super) fn quoted_list(arguments: &[String]) -> String {
    let quoted: Vec<String> = arguments.iter().map(|argument| quoted(argument)).collect();
    format!("[{}]", quoted.join(" "))
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => out.push_str(&format!("\\x{:02x}", control as u32)),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// `KEY=value`, even if a blank was written.
pub(super) fn key_value(pair: &KeyValue) -> String {
    format!("{}={}", pair.key, pair.value)
}

/// The command of `RUN`, preceded by the build arguments that its process sees.
pub(super) fn run(arguments: &[String], build_args: &[(String, String)]) -> String {
    let mut words = Vec::new();
    if !build_args.is_empty() {
        words.push(format!("|{}", build_args.len()));
        words.extend(build_args.iter().map(|(name, value)| format!("{name}={value}")));
    }
    words.extend(arguments.iter().cloned());
    format!("RUN {} # buildkit", words.join(" "))
}

pub(super) fn healthcheck(test: &[String], check: &Healthcheck) -> String {
    let zero = (Duration::ZERO, Duration::ZERO, Duration::ZERO, Duration::ZERO, 0);
    let (interval, timeout, start_period, start_interval, retries) = match check {
        Healthcheck::None => zero,
        Healthcheck::Check { interval, timeout, start_period, start_interval, retries, .. } => (
            interval.unwrap_or_default(),
            timeout.unwrap_or_default(),
            start_period.unwrap_or_default(),
            start_interval.unwrap_or_default(),
            retries.unwrap_or_default(),
        ),
    };
    format!(
        "HEALTHCHECK {{Test:[{}] Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{retries}}}",
        test.join(" "),
        go_duration(interval),
        go_duration(timeout),
        go_duration(start_period),
        go_duration(start_interval),
    )
}

/// A duration as Go prints it: `1h5m0s`, `1.5s`, `250ms`.
fn go_duration(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    if nanoseconds == 0 {
        return "0s".to_owned();
    }
    for (unit, size) in [("ns", 1), ("µs", 1_000), ("ms", 1_000_000)] {
        if nanoseconds < size * 1000 {
            return format!("{}{unit}", nanoseconds as f64 / size as f64);
        }
    }
    let (minutes, rest) = (nanoseconds / 60_000_000_000, nanoseconds % 60_000_000_000);
    let seconds = rest as f64 / 1e9;
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_as_go_prints_them() {
        for (milliseconds, text) in
            [(0, "0s"), (250, "250ms"), (1500, "1.5s"), (300_000, "5m0s"), (3_900_000, "1h5m0s"), (61_000, "1m1s")]
        {
            assert_eq!(go_duration(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn build_arguments_come_before_the_command() {
        let command = ["/bin/sh".to_owned(), "-c".to_owned(), "make".to_owned()];
        assert_eq!(run(&command, &[]), "RUN /bin/sh -c make # buildkit");
        assert_eq!(run(&command, &[("A".into(), "1".into())]), "RUN |1 A=1 /bin/sh -c make # buildkit");
    }
}
