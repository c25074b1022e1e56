//! The natural logarithm to the last digit that buildx prints: by the method of fdlibm, whose answer is mostly, but not
//! always, the nearest number there is. The standard library's is another one's in some last digits.

/// Of the mantissas that it is taken of, the least is the root of a half.
const ROOT_OF_HALF: f64 = std::f64::consts::FRAC_1_SQRT_2;
/// ln 2 in two parts: the first has few enough digits that whole multiples of it are exact.
const LN_2: [u64; 2] = [0x3FE6_2E42_FEE0_0000, 0x3DEA_39EF_3579_3C76];
/// The polynomial's coefficients for s², s⁴ … s¹⁴.
const COEFFICIENTS: [u64; 7] = [
    0x3FE5_5555_5555_5593,
    0x3FD9_9999_9997_FA04,
    0x3FD2_4924_9422_9359,
    0x3FCC_71C5_1D8E_78AF,
    0x3FC7_4664_96CB_03DE,
    0x3FC3_9A09_D078_C69F,
    0x3FC2_F112_DF3E_5244,
];

pub(super) fn ln(number: f64) -> f64 {
    if !number.is_normal() || number < 0.0 {
        return number.ln();
    }
    let (mantissa, exponent) = parts(number);
    let [high, low] = LN_2.map(f64::from_bits);
    let [c1, c2, c3, c4, c5, c6, c7] = COEFFICIENTS.map(f64::from_bits);
    let f = mantissa - 1.0;
    let s = f / (2.0 + f);
    let squared = s * s;
    let fourth = squared * squared;
    let odd = squared * (c1 + fourth * (c3 + fourth * (c5 + fourth * c7)));
    let even = fourth * (c2 + fourth * (c4 + fourth * c6));
    let half = 0.5 * f * f;
    exponent * high - ((half - (s * (half + (odd + even)) + exponent * low)) - f)
}

/// The number as a mantissa from the root of a half to that of two, and a power of two.
fn parts(number: f64) -> (f64, f64) {
    const MANTISSA: u64 = (1 << 52) - 1;
    const BIAS: i32 = 1022;
    let bits = number.to_bits();
    let exponent = i32::try_from(bits >> 52).expect("eleven bits") - BIAS;
    // From a half to one.
    let mantissa = f64::from_bits((bits & MANTISSA) | (1022 << 52));
    match mantissa < ROOT_OF_HALF {
        true => (mantissa * 2.0, f64::from(exponent - 1)),
        false => (mantissa, f64::from(exponent)),
    }
}
