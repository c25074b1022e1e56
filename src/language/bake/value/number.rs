//! Numbers as in go-cty: binary floating point of up to 512 bits, rounded to the nearest even.
//!
//! Each number has its own precision, as in Go's `big.Float`: literals have 512 bits, counts have 64, and a result has
//! that of its more precise operand. The precision decides how many digits are printed.

use std::cmp::Ordering;

use num_bigint::{BigInt, BigUint, Sign};
use num_traits::{One, ToPrimitive, Zero};

/// The precision of literals in a file, in bits.
pub const WRITTEN: u64 = 512;
/// The precision of counts.
const COUNTED: u64 = 64;
/// The precision of results of machine floating point.
const MACHINE: u64 = 53;
/// The largest power of ten in a literal. Larger ones would only fill memory with zeros.
const MAX_DECIMAL_EXPONENT: i64 = 20_000;
/// The largest power of two in a result; anything larger is infinity.
const MAX_BINARY_EXPONENT: i64 = 200_000;

/// A number: zero, finite or infinite, with its sign.
#[derive(Debug, Clone)]
pub struct Number {
    negative: bool,
    magnitude: Magnitude,
    precision: u64,
}

#[derive(Debug, Clone, PartialEq)]
enum Magnitude {
    Zero,
    /// `mantissa` × 2^`exponent`; the mantissa is odd.
    Finite {
        mantissa: BigUint,
        exponent: i64,
    },
    Infinite,
}

/// An operation without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotANumber;

impl Number {
    /// A count.
    pub fn count(value: usize) -> Self {
        Self::integer(&BigInt::from(value)).with_precision(COUNTED)
    }

    pub fn small(value: i64) -> Self {
        Self::integer(&BigInt::from(value)).with_precision(COUNTED)
    }

    /// An integer with as many bits as it needs, at least 64.
    pub fn integer(value: &BigInt) -> Self {
        let precision = value.bits().max(COUNTED);
        Self::of(value.sign() == Sign::Minus, value.magnitude().clone(), 0, precision)
    }

    /// The result of a computation in machine floating point.
    pub fn machine(value: f64) -> Result<Self, NotANumber> {
        if value.is_nan() {
            return Err(NotANumber);
        }
        if value.is_infinite() {
            return Ok(Self { precision: MACHINE, ..Self::infinite(value < 0.0) });
        }
        let bits = value.to_bits();
        let raw = i64::try_from((bits >> 52) & 0x7ff).unwrap_or_default();
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, exponent) = if raw == 0 { (fraction, -1074) } else { (fraction | (1 << 52), raw - 1075) };
        Ok(Self::of(value.is_sign_negative(), BigUint::from(mantissa), exponent, MACHINE))
    }

    pub fn infinite(negative: bool) -> Self {
        Self { negative, magnitude: Magnitude::Infinite, precision: WRITTEN }
    }

    /// Parses decimal text; `None` if it is not a number, or too large to be represented.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        if matches!(rest, "Inf" | "inf") {
            return Some(Self::infinite(negative));
        }
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => (&rest[..at], rest[at + 1..].parse::<i64>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        let value: BigUint = digits.parse().ok()?;
        let digits = i64::try_from(digits.len()).ok()?;
        if digits > MAX_DECIMAL_EXPONENT || exponent.abs() > MAX_DECIMAL_EXPONENT {
            return None;
        }
        let power = BigUint::from(10u8).pow(u32::try_from(exponent.unsigned_abs()).ok()?);
        Some(if exponent >= 0 {
            Self::of(negative, value * power, 0, WRITTEN)
        } else {
            Self::quotient(negative, &value, &power, 0, WRITTEN)
        })
    }

    /// Rounds, and removes trailing zeros.
    fn of(negative: bool, mantissa: BigUint, exponent: i64, precision: u64) -> Self {
        let (mantissa, exponent) = round(mantissa, exponent, precision);
        let Some(zeros) = mantissa.trailing_zeros() else {
            return Self { negative, magnitude: Magnitude::Zero, precision };
        };
        let exponent = exponent + i64::try_from(zeros).unwrap_or_default();
        let mantissa = mantissa >> zeros;
        let magnitude = if exponent > MAX_BINARY_EXPONENT {
            Magnitude::Infinite
        } else if exponent < -MAX_BINARY_EXPONENT {
            Magnitude::Zero
        } else {
            Magnitude::Finite { mantissa, exponent }
        };
        Self { negative, magnitude, precision }
    }

    fn quotient(negative: bool, left: &BigUint, right: &BigUint, exponent: i64, precision: u64) -> Self {
        let wanted = precision + 2 + right.bits();
        let shift = wanted.saturating_sub(left.bits());
        let numerator = left << shift;
        let whole = &numerator / right;
        let is_inexact = &whole * right != numerator;
        // The lowest bit records that there is more, so that the value is not mistaken for an exact half.
        let mantissa = (whole << 1u8) | BigUint::from(u8::from(is_inexact));
        Self::of(negative, mantissa, exponent - i64::try_from(shift).unwrap_or_default() - 1, precision)
    }

    fn with_precision(self, precision: u64) -> Self {
        match self.magnitude {
            Magnitude::Finite { mantissa, exponent } => Self::of(self.negative, mantissa, exponent, precision),
            magnitude => Self { magnitude, precision, ..self },
        }
    }

    pub fn is_zero(&self) -> bool {
        self.magnitude == Magnitude::Zero
    }

    pub fn is_infinite(&self) -> bool {
        self.magnitude == Magnitude::Infinite
    }

    pub fn is_negative(&self) -> bool {
        self.negative
    }

    pub fn negate(&self) -> Self {
        Self { negative: !self.negative, ..self.clone() }
    }

    pub fn absolute(&self) -> Self {
        Self { negative: false, ..self.clone() }
    }

    pub fn add(&self, other: &Self) -> Result<Self, NotANumber> {
        let precision = self.precision.max(other.precision);
        self.add_exactly(other, precision)
    }

    fn add_exactly(&self, other: &Self, precision: u64) -> Result<Self, NotANumber> {
        match (&self.magnitude, &other.magnitude) {
            (Magnitude::Infinite, Magnitude::Infinite) if self.negative != other.negative => Err(NotANumber),
            (Magnitude::Infinite, _) => Ok(self.clone()),
            (_, Magnitude::Infinite) => Ok(other.clone()),
            (Magnitude::Zero, Magnitude::Zero) => {
                let negative = self.negative && other.negative;
                Ok(Self { negative, magnitude: Magnitude::Zero, precision })
            }
            (Magnitude::Zero, _) => Ok(other.clone().with_precision(precision)),
            (_, Magnitude::Zero) => Ok(self.clone().with_precision(precision)),
            (
                Magnitude::Finite { mantissa: left, exponent: left_exponent },
                Magnitude::Finite { mantissa: right, exponent: right_exponent },
            ) => {
                let exponent = *left_exponent.min(right_exponent);
                let left = signed(self.negative, left << shift(*left_exponent, exponent));
                let right = signed(other.negative, right << shift(*right_exponent, exponent));
                let sum = left + right;
                Ok(Self::of(sum.sign() == Sign::Minus, sum.magnitude().clone(), exponent, precision))
            }
        }
    }

    pub fn subtract(&self, other: &Self) -> Result<Self, NotANumber> {
        self.add(&other.negate())
    }

    pub fn multiply(&self, other: &Self) -> Result<Self, NotANumber> {
        let negative = self.negative != other.negative;
        let precision = self.precision.max(other.precision);
        match (&self.magnitude, &other.magnitude) {
            (Magnitude::Infinite, Magnitude::Zero) | (Magnitude::Zero, Magnitude::Infinite) => Err(NotANumber),
            (Magnitude::Infinite, _) | (_, Magnitude::Infinite) => Ok(Self::infinite(negative)),
            (Magnitude::Zero, _) | (_, Magnitude::Zero) => Ok(Self { negative, magnitude: Magnitude::Zero, precision }),
            (
                Magnitude::Finite { mantissa: left, exponent: left_exponent },
                Magnitude::Finite { mantissa: right, exponent: right_exponent },
            ) => {
                let mut product = Self::of(negative, left * right, left_exponent + right_exponent, WRITTEN);
                if let Magnitude::Finite { mantissa, .. } = &product.magnitude {
                    product.precision = precision.max(mantissa.bits());
                }
                Ok(product)
            }
        }
    }

    pub fn divide(&self, other: &Self) -> Result<Self, NotANumber> {
        let negative = self.negative != other.negative;
        let precision = self.precision.max(other.precision);
        match (&self.magnitude, &other.magnitude) {
            (Magnitude::Infinite, Magnitude::Infinite) | (Magnitude::Zero, Magnitude::Zero) => Err(NotANumber),
            (Magnitude::Infinite, _) | (_, Magnitude::Zero) => Ok(Self::infinite(negative)),
            (Magnitude::Zero, _) | (_, Magnitude::Infinite) => {
                Ok(Self { negative, magnitude: Magnitude::Zero, precision })
            }
            (
                Magnitude::Finite { mantissa: left, exponent: left_exponent },
                Magnitude::Finite { mantissa: right, exponent: right_exponent },
            ) => Ok(Self::quotient(negative, left, right, left_exponent - right_exponent, precision)),
        }
    }

    /// The remainder of a division rounded towards zero. Dividing by zero returns the dividend.
    pub fn modulo(&self, other: &Self) -> Result<Self, NotANumber> {
        if self.is_infinite() || other.is_infinite() {
            return self.multiply(other);
        }
        if other.is_zero() {
            return Ok(self.clone());
        }
        let whole = Self::integer(&self.divide(other)?.truncate()).with_precision(self.precision);
        let precision = self.precision.max(other.precision);
        self.add_exactly(&other.multiply(&whole)?.negate().with_precision(precision), self.precision)
    }

    /// The integer part, rounded towards zero. That of infinity is zero.
    pub fn truncate(&self) -> BigInt {
        let Magnitude::Finite { mantissa, exponent } = &self.magnitude else { return BigInt::zero() };
        let magnitude =
            if *exponent >= 0 { mantissa << shift(*exponent, 0) } else { mantissa >> exponent.unsigned_abs() };
        signed(self.negative, magnitude)
    }

    pub fn floor(&self) -> Self {
        self.rounded(self.negative, -BigInt::one())
    }

    pub fn ceil(&self) -> Self {
        self.rounded(!self.negative, BigInt::one())
    }

    fn rounded(&self, is_away: bool, step: BigInt) -> Self {
        if self.is_infinite() {
            return self.clone();
        }
        let whole = self.truncate();
        let whole = if is_away && !self.is_integer() { whole + step } else { whole };
        Self::integer(&whole).with_precision(self.precision)
    }

    pub fn is_integer(&self) -> bool {
        match &self.magnitude {
            Magnitude::Zero => true,
            Magnitude::Finite { exponent, .. } => *exponent >= 0,
            Magnitude::Infinite => false,
        }
    }

    /// The value as a 64-bit integer, if it is one.
    pub fn to_i64(&self) -> Option<i64> {
        if self.is_integer() { self.truncate().to_i64() } else { None }
    }

    pub fn to_f64(&self) -> f64 {
        match &self.magnitude {
            Magnitude::Zero if self.negative => -0.0,
            Magnitude::Zero => 0.0,
            Magnitude::Infinite if self.negative => f64::NEG_INFINITY,
            Magnitude::Infinite => f64::INFINITY,
            // The text is exact enough to be rounded once.
            Magnitude::Finite { .. } => self.clone().with_precision(WRITTEN).text().parse().unwrap_or(f64::INFINITY),
        }
    }

    pub fn compare(&self, other: &Self) -> Ordering {
        match (&self.magnitude, &other.magnitude) {
            (Magnitude::Zero, Magnitude::Zero) => Ordering::Equal,
            (Magnitude::Infinite, Magnitude::Infinite) => other.negative.cmp(&self.negative),
            (Magnitude::Infinite, _) => {
                if self.negative {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (_, Magnitude::Infinite) => {
                if other.negative {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            _ => match self.add_exactly(&other.negate(), WRITTEN) {
                Ok(difference) if difference.is_zero() => Ordering::Equal,
                Ok(difference) if difference.negative => Ordering::Less,
                _ => Ordering::Greater,
            },
        }
    }

    /// All decimal digits, exactly.
    pub(super) fn decimal(&self) -> Decimal {
        match &self.magnitude {
            Magnitude::Finite { mantissa, exponent } => Decimal::exact(mantissa, *exponent),
            _ => Decimal::default(),
        }
    }

    /// The fewest decimal digits that parse to the same number.
    pub(super) fn shortest(&self) -> Decimal {
        let Magnitude::Finite { mantissa, exponent } = &self.magnitude else { return Decimal::default() };
        // One bit more than the precision: its lowest bit is half a unit in the last place.
        let missing =
            i64::try_from(self.precision + 1).unwrap_or(i64::MAX) - i64::try_from(mantissa.bits()).unwrap_or_default();
        let (mantissa, exponent) = if missing >= 0 {
            (mantissa << missing.unsigned_abs(), exponent - missing)
        } else {
            (mantissa.clone(), *exponent)
        };
        let is_even = !mantissa.bit(1);
        let lower = Decimal::exact(&(&mantissa - BigUint::one()), exponent);
        let upper = Decimal::exact(&(&mantissa + BigUint::one()), exponent);
        Decimal::exact(&mantissa, exponent).between(&lower, &upper, is_even)
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.compare(other) == Ordering::Equal
    }
}

fn shift(exponent: i64, base: i64) -> u64 {
    (exponent - base).unsigned_abs()
}

fn signed(negative: bool, magnitude: BigUint) -> BigInt {
    BigInt::from_biguint(if negative { Sign::Minus } else { Sign::Plus }, magnitude)
}

/// Rounds to the nearest value with that many bits; a half rounds to even.
fn round(mantissa: BigUint, exponent: i64, precision: u64) -> (BigUint, i64) {
    let bits = mantissa.bits();
    if bits <= precision {
        return (mantissa, exponent);
    }
    let cut = bits - precision;
    let half = mantissa.bit(cut - 1);
    let is_exact_half = half && mantissa.trailing_zeros() == Some(cut - 1);
    let kept = &mantissa >> cut;
    let goes_up = half && (!is_exact_half || kept.bit(0));
    let kept = if goes_up { kept + BigUint::one() } else { kept };
    (kept, exponent + i64::try_from(cut).unwrap_or_default())
}

/// Decimal digits: 0.`digits` × 10^`exponent`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) digits: Vec<u8>,
    pub(super) exponent: i64,
}

impl Decimal {
    fn exact(mantissa: &BigUint, exponent: i64) -> Self {
        let (number, fraction) = if exponent >= 0 {
            (mantissa << exponent.unsigned_abs(), 0)
        } else {
            let power = u32::try_from(exponent.unsigned_abs()).unwrap_or(u32::MAX);
            (mantissa * BigUint::from(5u8).pow(power), -exponent)
        };
        let digits = number.to_string().into_bytes();
        let exponent = i64::try_from(digits.len()).unwrap_or_default() - fraction;
        Self { digits, exponent }.trimmed()
    }

    fn trimmed(mut self) -> Self {
        let kept = self.digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        self.digits.truncate(kept);
        if self.digits.is_empty() {
            self.exponent = 0;
        }
        self
    }

    /// The shortest decimal between the two.
    fn between(self, lower: &Self, upper: &Self, with_bounds: bool) -> Self {
        let at = |decimal: &Self, index: usize| decimal.digits.get(index).copied().unwrap_or(b'0');
        for (index, digit) in self.digits.iter().copied().enumerate() {
            let (low, high) = (at(lower, index), at(upper, index));
            let may_go_down = low != digit || (with_bounds && index + 1 == lower.digits.len());
            let may_go_up = digit != high && (with_bounds || digit + 1 < high || index + 1 < upper.digits.len());
            match (may_go_down, may_go_up) {
                (true, true) => return self.rounded(index + 1),
                (true, false) => return self.cut(index + 1),
                (false, true) => return self.raised(index + 1),
                (false, false) => {}
            }
        }
        self
    }

    /// Rounds to that many digits; a half rounds to the even digit.
    pub(super) fn rounded(self, count: usize) -> Self {
        let Some(next) = self.digits.get(count).copied() else { return self };
        let is_half = next == b'5' && count + 1 == self.digits.len();
        let goes_up = if is_half {
            count > 0 && self.digits.get(count - 1).is_some_and(|digit| (digit - b'0') % 2 == 1)
        } else {
            next >= b'5'
        };
        if goes_up { self.raised(count) } else { self.cut(count) }
    }

    fn cut(mut self, count: usize) -> Self {
        self.digits.truncate(count);
        self.trimmed()
    }

    fn raised(mut self, count: usize) -> Self {
        self.digits.truncate(count);
        while let Some(last) = self.digits.pop() {
            if last < b'9' {
                self.digits.push(last + 1);
                return self;
            }
        }
        self.digits.push(b'1');
        self.exponent += 1;
        self
    }
}
