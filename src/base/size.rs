//! Sizes as docker's `go-units` reads them: `64m`, `1.5GiB`, `512 kb`, `1048576`. All units are powers of 1024.

/// The number of bytes; the error has docker's words.
pub fn bytes(text: &str) -> Result<u64, String> {
    let invalid = || format!("invalid size: '{text}'");
    // The unit is everything after the last character that a number may end with; one blank may separate them.
    let end = text.rfind(|letter: char| letter.is_ascii_digit() || matches!(letter, '.' | ' ')).ok_or_else(invalid)?;
    let unit = &text[end + 1..];
    let number = text[..=end].strip_suffix(' ').unwrap_or(&text[..=end]);
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let number: f64 = if is_number { number.parse().map_err(|_| invalid())? } else { return Err(invalid()) };
    if number < 0.0 {
        return Err(invalid());
    }
    let power = power(&unit.to_ascii_lowercase()).ok_or_else(|| format!("invalid suffix: '{unit}'"))?;
    // Saturates; no machine has that much memory.
    Ok((number * 1024f64.powi(power)) as u64)
}

/// The power of 1024 that a unit stands for: a letter, optionally followed by `b` or `ib`.
fn power(unit: &str) -> Option<i32> {
    let (first, rest) = unit.split_at_checked(1).unwrap_or(("", ""));
    let power = match first {
        "" => return Some(0),
        "b" => return rest.is_empty().then_some(0),
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    matches!(rest, "" | "b" | "ib").then_some(power)
}

/// `1.09MB`: powers of a thousand, with this many significant digits. Docker shows three for images, usually four
/// elsewhere.
pub fn human_size(bytes: u64, digits: usize) -> String {
    const UNITS: &[&str] = &["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    format!("{}{}", significant(size, digits), UNITS[unit])
}

/// Go's `%.4g`, for numbers below a thousand: without trailing zeros.
fn significant(value: f64, digits: usize) -> String {
    let whole = if value < 1.0 { 1 } else { value.log10().floor() as usize + 1 };
    let text = format!("{value:.*}", digits.saturating_sub(whole));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::{bytes, human_size};

    #[test]
    fn sizes() {
        for (text, wanted) in [
            ("1048576", 1 << 20),
            ("0", 0),
            ("64m", 64 << 20),
            ("1.5g", 3 << 29),
            (".5k", 512),
            ("5.", 5),
            ("512kb", 512 << 10),
            ("2GiB", 2 << 30),
            ("7b", 7),
            ("1 m", 1 << 20),
            ("3 ", 3),
            ("1e3", 1000),
            ("+4k", 4096),
            ("1T", 1 << 40),
            ("1pb", 1 << 50),
            ("99999999999p", u64::MAX),
        ] {
            assert_eq!(bytes(text), Ok(wanted), "{text}");
        }
        for text in [
            "", "m", "x", "-1", "-5m", "4q", "1mm", "1kbi", "1bb", "1kibi", "1  m", " 1", "1.2.3", "inf", "nan",
            "0x10", "1,5m", "1_000",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_four_digits() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (1_092_000, "1.092MB"),
            (2_030_000, "2.03MB"),
            (12_345_678, "12.35MB"),
            (123_456_789, "123.5MB"),
            (5_000_000_000, "5GB"),
        ] {
            assert_eq!(human_size(bytes, 4), text);
        }
    }

    #[test]
    fn images_show_three_digits() {
        assert_eq!(human_size(2_026_539, 3), "2.03MB");
        assert_eq!(human_size(123_456_789, 3), "123MB");
    }
}
