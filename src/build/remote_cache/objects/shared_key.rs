//! Signs requests for Azure's storage ("Authorize with Shared Key").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// The parts of a request that are signed.
pub struct Unsigned<'a> {
    pub method: &'a str,
    pub length: u64,
    /// The `x-ms-` headers, sorted by name.
    pub headers: &'a [(&'static str, String)],
    /// Escaped as in the request.
    pub path: &'a str,
    /// The fields of the query, sorted by name.
    pub query: &'a [(&'static str, &'static str)],
}

/// The `Authorization` header; `None` if the key is invalid.
pub fn sign(request: &Unsigned<'_>, account: &str, key: &str) -> Option<String> {
    let length = if request.length == 0 { String::new() } else { request.length.to_string() };
    let headers: String = request.headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let query: String = request.query.iter().map(|(name, value)| format!("\n{name}:{value}")).collect();
    // Encoding, language, length, MD5, type, date, four conditions and the range; only the length is sent.
    let text = format!("{}\n\n\n{length}\n\n\n\n\n\n\n\n\n{headers}/{account}{}{query}", request.method, request.path);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(key).ok()?);
    Some(format!("SharedKey {account}:{}", STANDARD.encode(hmac::sign(&key, text.as_bytes()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_depends_on_all_that_is_signed() {
        let headers = [("x-ms-date", "Sun, 06 Nov 1994 08:49:37 GMT".to_owned())];
        let usual = Unsigned { method: "GET", length: 0, headers: &headers, path: "/c/a", query: &[] };
        let key = STANDARD.encode("key");
        let signed = sign(&usual, "me", &key).unwrap();
        assert!(signed.starts_with("SharedKey me:"));
        for other in [
            Unsigned { method: "PUT", ..usual },
            Unsigned { length: 3, ..usual },
            Unsigned { path: "/c/b", ..usual },
            Unsigned { query: &[("restype", "container")], ..usual },
            Unsigned { headers: &[], ..usual },
        ] {
            assert_ne!(sign(&other, "me", &key).unwrap(), signed);
        }
        assert!(sign(&usual, "me", "%").is_none());
    }
}
