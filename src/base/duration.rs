//! Durations as docker writes them: `1h30m`, `1.5s`, `300ms`, `-1s`, `0`.

/// The duration in nanoseconds; `None` if the text is not a duration or is too long.
pub fn nanoseconds(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, after) = rest.split_at(number_end);
        let unit_end =
            after.find(|character: char| character.is_ascii_digit() || character == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        total = total.checked_add(scaled(number, unit_in_nanoseconds(unit)?)?)?;
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

fn scaled(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<i128>().ok() };
    // Anything below a thousandth of a nanosecond is ignored.
    let fraction = &fraction[..fraction.len().min(18)];
    let scale = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    digits(whole)?.checked_mul(unit)?.checked_add(digits(fraction)?.checked_mul(unit)? / scale)
}

fn unit_in_nanoseconds(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::nanoseconds;

    #[test]
    fn forms() {
        assert_eq!(nanoseconds("1h30m1.5s"), Some(5_401_500_000_000));
        assert_eq!(nanoseconds("-1us"), Some(-1000));
        assert_eq!(nanoseconds("+.5ms"), Some(500_000));
        for wrong in ["", "1", "s", ".s", "1.2.3s", "1 s", "1d", "99999999999h", "-", "5.s."] {
            assert_eq!(nanoseconds(wrong), None, "{wrong}");
        }
    }
}
