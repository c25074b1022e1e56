//! Java's list of certificates (`cacerts`): a key store, in Java's own format (JKS) or as PKCS #12 without a password.
//! New lists are written as JKS, which every Java reads whatever the file is called.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

const MAGIC: [u8; 4] = [0xFE, 0xED, 0xFE, 0xED];
const VERSION: u32 = 2;
const CERTIFICATE: u32 = 2;
/// The usual password of `cacerts`; it only protects against corruption.
const PASSWORD: &str = "changeit";
const SALT: &[u8] = b"Mighty Aphrodite";
/// PKCS #12's object identifier of an X.509 certificate, and the tags up to the certificate's length.
const X509: [u8; 12] = [0x06, 0x0A, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x16, 0x01];

/// The list with more certificates; `None` if it can't be parsed.
pub(super) fn with(list: &[u8], more: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut certificates = if list.starts_with(&MAGIC) { of_jks(list)? } else { of_pkcs12(list) };
    if certificates.is_empty() {
        return None;
    }
    certificates.extend(more.iter().cloned());
    Some(jks(&certificates))
}

fn jks(certificates: &[Vec<u8>]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(VERSION.to_be_bytes());
    out.extend((certificates.len() as u32).to_be_bytes());
    for (number, certificate) in certificates.iter().enumerate() {
        out.extend(CERTIFICATE.to_be_bytes());
        text(&mut out, &format!("certificate-{number}"));
        // The creation date, left at zero.
        out.extend(0_u64.to_be_bytes());
        text(&mut out, "X.509");
        out.extend((certificate.len() as u32).to_be_bytes());
        out.extend(certificate);
    }
    let mut digest = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    PASSWORD.encode_utf16().for_each(|unit| digest.update(&unit.to_be_bytes()));
    digest.update(SALT);
    digest.update(&out);
    out.extend(digest.finish().as_ref());
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text.as_bytes());
}

/// A list contains only certificates; one with keys is not parsed.
fn of_jks(list: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = &list[8..];
    let count = number(&mut rest)?;
    let mut certificates = Vec::new();
    for _ in 0..count {
        if number(&mut rest)? != CERTIFICATE {
            return None;
        }
        short(&mut rest)?;
        take(&mut rest, 8)?;
        short(&mut rest)?;
        let length = number(&mut rest)? as usize;
        certificates.push(take(&mut rest, length)?.to_vec());
    }
    Some(certificates)
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(taken)
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(take(rest, 4)?.try_into().ok()?))
}

fn short<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u16::from_be_bytes(take(rest, 2)?.try_into().ok()?);
    take(rest, usize::from(length))
}

/// The unencrypted certificates, each after its object identifier: `[0] { OCTET STRING { DER } }`.
fn of_pkcs12(list: &[u8]) -> Vec<Vec<u8>> {
    let places = memchr::memmem::find_iter(list, &X509);
    places.filter_map(|place| certificate_at(&list[place + X509.len()..])).collect()
}

fn certificate_at(bytes: &[u8]) -> Option<Vec<u8>> {
    let inner = tagged(bytes, 0xA0)?;
    tagged(inner, 0x04).filter(|der| der.first() == Some(&0x30)).map(<[u8]>::to_vec)
}

/// The content after a DER tag.
fn tagged(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (&[found, length], rest) = bytes.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    if length < 0x80 {
        return rest.get(..usize::from(length));
    }
    let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7F))?;
    let length = digits.iter().try_fold(0_usize, |sum, digit| Some(sum.checked_mul(256)? + usize::from(*digit)))?;
    rest.get(..length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_back_with_what_was_added() {
        let list = jks(&[vec![0x30, 1, 2], vec![0x30, 3]]);
        let more = with(&list, &[vec![0x30, 9]]).unwrap();
        assert_eq!(of_jks(&more).unwrap(), [vec![0x30, 1, 2], vec![0x30, 3], vec![0x30, 9]]);
        assert!(with(&list[..20], &[]).is_none());
        assert!(with(b"something else", &[]).is_none());
    }

    #[test]
    fn certificates_are_found_in_pkcs12() {
        let der = [0x30, 0x03, 1, 2, 3];
        let mut list = vec![0x30, 0x40, 0x02, 0x01, 0x03];
        list.extend(X509);
        list.extend([0xA0, 0x07, 0x04, 0x05]);
        list.extend(der);
        let more = with(&list, &[vec![0x30, 0x00]]).unwrap();
        assert_eq!(of_jks(&more).unwrap(), [der.to_vec(), vec![0x30, 0x00]]);
    }
}
