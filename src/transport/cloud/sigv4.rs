//! Signs requests for AWS (AWS Signature Version 4, "Create a signed AWS API request").

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ring::hmac;
use sha2::{Digest as _, Sha256};

use crate::base::hex;

/// The signing key.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Names the key.
    pub access_key_id: String,
    /// Signs.
    pub secret_access_key: String,
    /// Goes with keys that expire.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

/// The parts of a request that are signed.
pub struct Unsigned<'a> {
    pub method: &'a str,
    pub host: &'a str,
    /// Escaped as sent.
    pub path: &'a str,
    /// Escaped as sent, its fields in order, each with an equals sign.
    pub query: &'a str,
    /// The body's SHA-256, in hexadecimal digits.
    pub payload: &'a str,
    pub region: &'a str,
    /// The API's name.
    pub service: &'a str,
    /// The called operation, if a header names it.
    pub target: Option<&'a str>,
}

/// The headers of the signature.
pub fn sign(request: &Unsigned<'_>, credentials: &Credentials, now: Timestamp) -> Vec<(&'static str, String)> {
    let time = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = &time[..8];
    let mut headers = vec![
        ("host", request.host.to_owned()),
        ("x-amz-content-sha256", request.payload.to_owned()),
        ("x-amz-date", time.clone()),
    ];
    if let Some(token) = &credentials.session_token {
        headers.push(("x-amz-security-token", token.clone()));
    }
    if let Some(target) = request.target {
        headers.push(("x-amz-target", target.to_owned()));
    }
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let canonical =
        format!("{}\n{}\n{}\n{lines}\n{names}\n{}", request.method, request.path, request.query, request.payload);
    let scope = format!("{day}/{}/{}/aws4_request", request.region, request.service);
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex::encode(&Sha256::digest(canonical.as_bytes())));
    let mut key = hmac(format!("AWS4{}", credentials.secret_access_key).as_bytes(), day.as_bytes());
    for part in [request.region, request.service, "aws4_request"] {
        key = hmac(key.as_ref(), part.as_bytes());
    }
    let signature = hex::encode(hmac(key.as_ref(), text.as_bytes()).as_ref());
    headers.remove(0);
    headers.push((
        "authorization",
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            credentials.access_key_id
        ),
    ));
    headers
}

/// Escapes a key for a path: everything but unreserved characters and slashes.
pub fn escape_path(key: &str) -> String {
    escape_but(key, b"-._~/")
}

/// Escapes a text for a query.
pub fn escape(text: &str) -> String {
    escape_but(text, b"-._~")
}

fn escape_but(text: &str, plain: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn hmac(key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test cases 1, 2 and 6.
    #[test]
    fn hmac_is_the_rfcs() {
        let of = |key: &[u8], text: &[u8]| hex::encode(hmac(key, text).as_ref());
        assert_eq!(of(&[0x0b; 20], b"Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        assert_eq!(
            of(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            of(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn a_signature_depends_on_all_that_is_signed() {
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: None,
        };
        let now: Timestamp = "2015-08-30T12:36:00Z".parse().unwrap();
        let empty = hex::encode(&Sha256::digest(b""));
        let request = Unsigned {
            method: "GET",
            host: "b.example",
            path: "/a%20b",
            query: "",
            payload: &empty,
            region: "us-east-1",
            service: "s3",
            target: None,
        };
        let signed = |request: &Unsigned<'_>, credentials: &Credentials| sign(request, credentials, now);
        let usual = signed(&request, &credentials);
        let authorization = &usual.last().unwrap().1;
        assert!(authorization.starts_with(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="
        ));
        // The result of Amazon's own library for this request.
        assert!(authorization.ends_with("=40bf4ff096ce051811fdbd2e4a4bf2cd6f735e262facbb7025c3eab213e823bd"));
        assert_eq!(usual[1], ("x-amz-date", "20150830T123600Z".to_owned()));
        for other in [
            Unsigned { method: "PUT", ..request },
            Unsigned { path: "/a", ..request },
            Unsigned { query: "uploads=", ..request },
            Unsigned { region: "eu-west-1", ..request },
            Unsigned { host: "c.example", ..request },
            Unsigned { service: "ecr", ..request },
            Unsigned { target: Some("Api.Call"), ..request },
        ] {
            assert_ne!(signed(&other, &credentials).last(), usual.last());
        }
        let with_token = Credentials { session_token: Some("t".to_owned()), ..credentials.clone() };
        assert!(signed(&request, &with_token).last().unwrap().1.contains("x-amz-security-token"));
        assert_eq!(format!("{with_token:?}"), "Credentials", "no secret is shown");
    }

    #[test]
    fn keys_are_escaped() {
        assert_eq!(escape_path("a/b c+d~é"), "a/b%20c%2Bd~%C3%A9");
        assert_eq!(escape("a/b="), "a%2Fb%3D");
    }
}
