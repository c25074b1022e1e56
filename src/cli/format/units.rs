//! Ages and IDs as docker prints them (github.com/docker/go-units).

/// A point in time as Go prints it, without its zone.
pub(super) const GO_CLOCK: &str = "%Y-%m-%d %H:%M:%S%.f";

/// A time in Go's format: `2006-01-02 15:04:05.999999999 -0700 MST`, without trailing zeros in the fraction.
pub fn go_time(time: jiff::Timestamp) -> String {
    let zoned = time.to_zoned(jiff::tz::TimeZone::system());
    zoned.strftime(&format!("{GO_CLOCK} %z %Z")).to_string()
}

/// The twelve digits of an ID or digest that docker prints.
pub fn truncate_id(id: &str) -> String {
    let hex = id.split_once(':').map_or(id, |(_, hex)| hex);
    hex.chars().take(12).collect()
}
