//! What a registry says it wants to see, in `WWW-Authenticate`.

use http_auth::ChallengeParser;
use reqwest::Url;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// How to authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    Basic,
    /// A token of the server at `realm`.
    Bearer {
        realm: Url,
        service: Option<String>,
        scope: Option<String>,
    },
}

/// The challenge of an answer: of several the one for tokens. `Err` is the name of a scheme that is not known.
pub fn challenge_of(headers: &HeaderMap) -> Option<Result<Challenge, String>> {
    let mut found: Option<Result<Challenge, String>> = None;
    for header in headers.get_all(WWW_AUTHENTICATE) {
        let Ok(text) = header.to_str() else { continue };
        for challenge in ChallengeParser::new(text).map_while(Result::ok) {
            let value = |name: &str| {
                let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped())
            };
            let realm = value("realm").and_then(|realm| Url::parse(&realm).ok());
            match (challenge.scheme.to_ascii_lowercase().as_str(), realm) {
                ("bearer", Some(realm)) => {
                    return Some(Ok(Challenge::Bearer { realm, service: value("service"), scope: value("scope") }));
                }
                ("basic", _) => found = Some(Ok(Challenge::Basic)),
                _ if found.is_none() => found = Some(Err(challenge.scheme.to_owned())),
                _ => {}
            }
        }
    }
    found
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
    fn what_is_not_known_is_named() {
        assert_eq!(of(r#"Negotiate realm="x""#), Some(Err("Negotiate".to_owned())));
        assert_eq!(challenge_of(&HeaderMap::new()), None);
    }
}
