//! RSA private keys (PKCS #1, in PEM), only for `rsadecrypt`.
//!
//! The arithmetic is not constant-time: anyone who can measure it runs as the same user on the same machine.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigUint;

pub(super) struct PrivateKey {
    modulus: BigUint,
    exponent: BigUint,
}

/// Larger keys would take minutes.
const MAX_BITS: u64 = 16_384;

impl PrivateKey {
    pub(super) fn from_pem(pem: &str) -> Result<Self, &'static str> {
        const NO_KEY: &str = "failed to parse key: no key found";
        let (_, rest) = pem.split_once("-----BEGIN ").ok_or(NO_KEY)?;
        let (_, rest) = rest.split_once("-----").ok_or(NO_KEY)?;
        let (body, _) = rest.split_once("-----END ").ok_or(NO_KEY)?;
        // Buildx's error: a function can't ask for the password.
        if body.contains("Proc-Type") {
            return Err(
                "failed to parse key: password protected keys are not supported. Please decrypt the key prior to use",
            );
        }
        let encoded: String = body.chars().filter(|letter| !letter.is_whitespace()).collect();
        let der = STANDARD.decode(encoded).map_err(|_| NO_KEY)?;
        Self::from_der(&der).ok_or("failed to parse private key (PKCS #1 is supported)")
    }

    /// RFC 8017, appendix A.1.2: a sequence of version, n, e, d and more.
    fn from_der(der: &[u8]) -> Option<Self> {
        let (sequence, _) = element(der, 0x30)?;
        let (_version, rest) = element(sequence, 0x02)?;
        let (modulus, rest) = element(rest, 0x02)?;
        let (_public, rest) = element(rest, 0x02)?;
        let (exponent, _) = element(rest, 0x02)?;
        let key = Self { modulus: BigUint::from_bytes_be(modulus), exponent: BigUint::from_bytes_be(exponent) };
        (key.modulus.bits() > 88 && key.modulus.bits() <= MAX_BITS).then_some(key)
    }

    /// RFC 8017, section 7.2.2: 0, 2, at least eight bytes that are not zero, 0, the message.
    pub(super) fn decrypt(&self, secret: &[u8]) -> Option<Vec<u8>> {
        let length = usize::try_from(self.modulus.bits().div_ceil(8)).ok()?;
        let number = BigUint::from_bytes_be(secret);
        if secret.len() > length || number >= self.modulus {
            return None;
        }
        let plain = number.modpow(&self.exponent, &self.modulus).to_bytes_be();
        // The number lacks the leading zero.
        if plain.len() + 1 != length || plain.first() != Some(&2) {
            return None;
        }
        let separator = plain.iter().skip(1).position(|byte| *byte == 0)?;
        (separator >= 8).then(|| plain[separator + 2..].to_vec())
    }
}

/// The content of a DER element with that tag, and the rest.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        let bytes = rest.get(..count).filter(|_| count <= 4)?;
        (bytes.iter().fold(0usize, |length, byte| (length << 8) | usize::from(*byte)), &rest[count..])
    };
    rest.split_at_checked(length)
}
