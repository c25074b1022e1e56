//! Numbers as text, with Go's verbs.

use super::number::{Decimal, Number};

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// `123.45`
    Fixed,
    /// `1.2345e+02`
    Exponent,
    /// The shorter of the two.
    General,
}

impl Number {
    /// With the fewest digits, and without an exponent.
    pub fn text(&self) -> String {
        self.formatted(Notation::Fixed, None)
    }

    /// With this many digits after the point or, in general notation, in all; `None` for the fewest.
    pub fn formatted(&self, notation: Notation, digits: Option<usize>) -> String {
        let sign = if self.is_negative() { "-" } else { "" };
        if self.is_infinite() {
            return format!("{}Inf", if self.is_negative() { "-" } else { "+" });
        }
        let decimal = match digits {
            None => self.shortest(),
            Some(digits) => {
                let exact = self.decimal();
                let whole = usize::try_from(exact.exponent.max(0)).unwrap_or_default();
                match notation {
                    Notation::Fixed if exact.exponent < 0 => {
                        let lost = usize::try_from(-exact.exponent).unwrap_or(usize::MAX);
                        if lost > digits { Decimal::default() } else { exact.rounded(digits - lost) }
                    }
                    Notation::Fixed => exact.rounded(digits + whole),
                    Notation::Exponent => exact.rounded(digits + 1),
                    Notation::General => exact.rounded(digits.max(1)),
                }
            }
        };
        let body = match notation {
            Notation::Fixed => fixed(&decimal, digits),
            Notation::Exponent => exponential(&decimal, digits),
            Notation::General => general(&decimal, digits),
        };
        format!("{sign}{body}")
    }
}

fn fixed(decimal: &Decimal, digits: Option<usize>) -> String {
    let digit = |index: i64| {
        let index = usize::try_from(index).ok();
        char::from(index.and_then(|index| decimal.digits.get(index)).copied().unwrap_or(b'0'))
    };
    let mut text = String::new();
    if decimal.exponent > 0 {
        text.extend((0..decimal.exponent).map(digit));
    } else {
        text.push('0');
    }
    let length = i64::try_from(decimal.digits.len()).unwrap_or_default();
    let behind = digits.map_or((length - decimal.exponent).max(0), |digits| i64::try_from(digits).unwrap_or(i64::MAX));
    if behind > 0 {
        text.push('.');
        text.extend((0..behind).map(|index| digit(decimal.exponent + index)));
    }
    text
}

fn exponential(decimal: &Decimal, digits: Option<usize>) -> String {
    let first = char::from(decimal.digits.first().copied().unwrap_or(b'0'));
    let mut text = first.to_string();
    let behind = digits.unwrap_or(decimal.digits.len().saturating_sub(1));
    if behind > 0 {
        text.push('.');
        let rest = decimal.digits.iter().skip(1).copied().chain(std::iter::repeat(b'0'));
        text.extend(rest.take(behind).map(char::from));
    }
    let exponent = if decimal.digits.is_empty() { 0 } else { decimal.exponent - 1 };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{text}e{sign}{:02}", exponent.unsigned_abs())
}

fn general(decimal: &Decimal, digits: Option<usize>) -> String {
    let length = decimal.digits.len();
    let limit = match digits {
        None => 6,
        Some(digits) => {
            let is_long = i64::try_from(length).unwrap_or_default() >= decimal.exponent;
            if digits > length && is_long { length } else { digits.max(1) }
        }
    };
    let exponent = decimal.exponent - 1;
    if !decimal.digits.is_empty() && (exponent < -4 || exponent >= i64::try_from(limit).unwrap_or(i64::MAX)) {
        return exponential(decimal, Some(length.saturating_sub(1)));
    }
    let behind =
        usize::try_from((i64::try_from(length).unwrap_or_default() - decimal.exponent).max(0)).unwrap_or_default();
    fixed(decimal, Some(behind))
}
