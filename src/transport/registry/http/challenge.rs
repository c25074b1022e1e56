//! The authentication that a registry asks for, in `WWW-Authenticate`.

use reqwest::Url;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// How to authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    Basic,
    /// A token from the server at `realm`.
    Bearer {
        realm: Url,
        service: Option<String>,
        scope: Option<String>,
    },
}

/// A scheme with its parameters.
struct Offer {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Offer {
    fn value(&self, name: &str) -> Option<String> {
        let found = self.parameters.iter().find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty());
        found.map(|(_, value)| value.clone())
    }
}

/// The challenge of a response: of several, the one for tokens. `Err` has the name of an unknown scheme.
pub fn challenge_of(headers: &HeaderMap) -> Option<Result<Challenge, String>> {
    let mut found: Option<Result<Challenge, String>> = None;
    for header in headers.get_all(WWW_AUTHENTICATE) {
        for offer in offers(&String::from_utf8_lossy(header.as_bytes())) {
            let realm = offer.value("realm").and_then(|realm| Url::parse(&realm).ok());
            match (offer.scheme.to_ascii_lowercase().as_str(), realm) {
                ("bearer", Some(realm)) => {
                    let (service, scope) = (offer.value("service"), offer.value("scope"));
                    return Some(Ok(Challenge::Bearer { realm, service, scope }));
                }
                ("basic", _) => found = Some(Ok(Challenge::Basic)),
                _ if found.is_none() => found = Some(Err(offer.scheme)),
                _ => {}
            }
        }
    }
    found
}

/// The challenges of the header (RFC 9110, 11.6.1), parsed as leniently as by other clients: with tabs, without commas,
/// with unquoted values, skipping whatever makes no sense.
fn offers(text: &str) -> Vec<Offer> {
    let is_space = |letter: char| letter.is_whitespace() || letter == ',';
    let mut offers: Vec<Offer> = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let end = rest.find(|letter| is_space(letter) || letter == '=').unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        rest = match behind.trim_start().strip_prefix('=') {
            Some(behind) => {
                let (value, behind) = value(behind.trim_start());
                if let Some(offer) = offers.last_mut() {
                    offer.parameters.push((word.to_owned(), value));
                }
                behind
            }
            None => {
                offers.push(Offer { scheme: word.to_owned(), parameters: Vec::new() });
                behind
            }
        };
        rest = rest.trim_start_matches(is_space);
    }
    offers
}

/// A quoted text or a word, and the rest. An unclosed quote extends to the end.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|letter: char| letter.is_whitespace() || letter == ',').unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, escaped)| escaped)),
            _ => value.push(letter),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Result<Challenge, String>> {
        challenge_of(&[(WWW_AUTHENTICATE, text.parse().unwrap())].into_iter().collect())
    }

    #[test]
    fn tokens_are_preferred() {
        let bearer = r#"Bearer realm="https://a.example/token",service="r",scope="repository:a/b:pull,push""#;
        let Some(Ok(Challenge::Bearer { realm, service, scope })) = of(bearer) else { panic!("{bearer}") };
        assert_eq!(realm.as_str(), "https://a.example/token");
        assert_eq!((service.as_deref(), scope.as_deref()), (Some("r"), Some("repository:a/b:pull,push")));
        assert_eq!(of(r#"Basic realm="r""#), Some(Ok(Challenge::Basic)));
        assert!(matches!(of(&format!(r#"Basic realm="r", {bearer}"#)), Some(Ok(Challenge::Bearer { .. }))));
    }

    #[test]
    fn odd_challenges_are_read_as_other_clients_read_them() {
        for text in [
            "Bearer\trealm=\"https://a.example/token\",\tservice=\"r\"",
            "bearer realm = \"https://a.example/token\" , service = \"r\" ,",
            "BEARER realm=https://a.example/token,service=r",
            "Bearer realm=\"https://a.example/token\" service=\"r\"",
            "Bearer realm=\"https:\\/\\/a.example/token\",service=\"r\",error=",
            "Bearer realm=\"https://a.example/token\",service=\"r",
            "Negotiate, NTLM TlRMTVNTUAAB==, Bearer realm=\"https://a.example/token\",service=\"r\", Basic realm=\"x\"",
            ", ,Bearer , realm=\"https://a.example/token\",, Service=\"r\",scope=\"\"",
        ] {
            let Some(Ok(Challenge::Bearer { realm, service, scope })) = of(text) else { panic!("{text}") };
            assert_eq!(realm.as_str(), "https://a.example/token", "{text}");
            assert_eq!((service.as_deref(), scope), (Some("r"), None), "{text}");
        }
        for text in ["Basic", "basic realm", "Basic realm=\"caf\u{e9}\"", "Digest qop=\"auth\", Basic"] {
            let header = reqwest::header::HeaderValue::from_bytes(text.as_bytes()).unwrap();
            let headers = [(WWW_AUTHENTICATE, header)].into_iter().collect();
            assert_eq!(challenge_of(&headers), Some(Ok(Challenge::Basic)), "{text}");
        }
        for text in ["", ",", "=", "=\"", "\"", "a=\"\\"] {
            assert!(!matches!(of(text), Some(Ok(_))), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_named() {
        assert_eq!(of(r#"Negotiate realm="x""#), Some(Err("Negotiate".to_owned())));
        assert_eq!(challenge_of(&HeaderMap::new()), None);
    }
}
