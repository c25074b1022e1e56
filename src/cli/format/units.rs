//! Ages and IDs as docker prints them (github.com/docker/go-units).

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

/// A time as Go prints one: `2006-01-02 15:04:05.999999999 -0700 MST`, without zeros at the fraction's end.
pub fn go_time(time: jiff::Timestamp) -> String {
    let zoned = time.to_zoned(jiff::tz::TimeZone::system());
    zoned.strftime("%Y-%m-%d %H:%M:%S%.f %z %Z").to_string()
}

/// The twelve digits docker shows of an ID or digest.
pub fn truncate_id(id: &str) -> String {
    let hex = id.split_once(':').map_or(id, |(_, hex)| hex);
    hex.chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
