//! Responses to challenges: passwords, and tokens of token servers, which are cached until they expire.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;

use super::challenge::{Challenge, challenge_of};
use super::failure::message_of;
use super::request::{Service, read_bounded};
use super::{Asked, Endpoint, Failure};
use crate::transport::registry::RegistryError;
use crate::transport::registry::credential::Credential;

/// The size limit of a token server's response.
const TOKEN_LIMIT: u64 = 1 << 20;
/// The lifetime of a token whose server does not specify one (distribution's token specification).
const DEFAULT_LIFE: u64 = 60;
const CLIENT_ID: &str = "rbuild";

/// The access that a request needs, as a token scope: `repository:a/b:pull,push`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(String);

impl Scope {
    pub fn pull(repository: &str) -> Self {
        Self(format!("repository:{repository}:pull"))
    }

    pub fn push(repository: &str) -> Self {
        Self(format!("repository:{repository}:pull,push"))
    }

    pub fn delete(repository: &str) -> Self {
        Self(format!("repository:{repository}:delete,pull,push"))
    }

    pub fn catalog() -> Self {
        Self("registry:catalog:*".to_owned())
    }

    /// `repository:a/b`, without the actions.
    fn resource(text: &str) -> &str {
        text.rsplit_once(':').map_or(text, |(resource, _)| resource)
    }
}

/// The authentication state for one registry.
#[derive(Default)]
pub struct Session {
    challenge: Option<Challenge>,
    /// By repository: they may differ within a registry.
    credentials: HashMap<String, Credential>,
    /// By repository and actions.
    tokens: HashMap<(String, Vec<Scope>), Token>,
}

struct Token {
    header: HeaderValue,
    renew_at: Instant,
}

/// Servers write `null` for missing values, and the time as any kind of number.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    #[serde(default)]
    expires_in: serde_json::Value,
    refresh_token: Option<String>,
}

impl TokenAnswer {
    /// The token's lifetime; invalid values are ignored.
    fn life(&self) -> Duration {
        let text = self.expires_in.as_str().and_then(|text| text.parse().ok());
        let seconds = self.expires_in.as_f64().or(text).filter(|seconds| *seconds >= 1.0);
        Duration::from_secs(seconds.map_or(DEFAULT_LIFE, |seconds| seconds.min(86_400.0) as u64))
    }
}

/// A response that asks for authentication.
pub struct Refusal {
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Session {
    fn denied(&self, asked: &Asked<'_>, body: &[u8]) -> Failure {
        denied(asked, self.credentials.get(&asked.endpoint.repository), body)
    }

    /// Whether what was sent comes from a token server, which may return a better token next time.
    fn makes_tokens(&self, asked: &Asked<'_>) -> bool {
        let credential = self.credentials.get(&asked.endpoint.repository);
        !matches!(credential, Some(Credential::RegistryToken(_))) && self.challenge != Some(Challenge::Basic)
    }
}

impl Service {
    /// The value of `Authorization`, if it is known what the registry wants.
    pub async fn authorization(&self, asked: &Asked<'_>, scopes: &[Scope]) -> Result<Option<HeaderValue>, Failure> {
        let session = self.session(&asked.endpoint.host);
        let mut session = session.lock().await;
        match session.challenge.clone() {
            None => Ok(None),
            Some(challenge) => self.respond(asked, &mut session, &challenge, scopes).await,
        }
    }

    /// Responds to the challenge of a refusal; fails if there is nothing better than `refused`, which was sent.
    pub async fn answer_challenge(
        &self,
        asked: &Asked<'_>,
        refusal: &Refusal,
        scopes: &[Scope],
        refused: Option<&HeaderValue>,
    ) -> Result<HeaderValue, Failure> {
        let host = &asked.endpoint.host;
        let session = self.session(host);
        let mut session = session.lock().await;
        let challenge = match challenge_of(&refusal.headers) {
            Some(Ok(challenge)) => challenge,
            Some(Err(scheme)) => {
                return Err(Failure::Final(RegistryError::UnknownChallenge { host: host.clone(), scheme }));
            }
            None => return Err(session.denied(asked, &refusal.body)),
        };
        if let Some(refused) = refused {
            session.tokens.retain(|_, token| token.header != *refused);
        }
        session.challenge = Some(challenge.clone());
        match self.respond(asked, &mut session, &challenge, scopes).await? {
            // The same password again.
            Some(header) if Some(&header) == refused && !session.makes_tokens(asked) => {
                Err(session.denied(asked, &refusal.body))
            }
            Some(header) => Ok(header),
            None => Err(session.denied(asked, &refusal.body)),
        }
    }

    async fn respond(
        &self,
        asked: &Asked<'_>,
        session: &mut Session,
        challenge: &Challenge,
        scopes: &[Scope],
    ) -> Result<Option<HeaderValue>, Failure> {
        let credential = self.credential(asked.endpoint, session)?;
        if let Credential::RegistryToken(token) = &credential {
            return Ok(bearer(token));
        }
        let Challenge::Bearer { realm, service, scope } = challenge else {
            return Ok(match &credential {
                Credential::Password { user, password } => Some(basic(user, password)),
                _ => None,
            });
        };
        let mut sorted = scopes.to_vec();
        sorted.sort();
        let key = (asked.endpoint.repository.clone(), sorted);
        if let Some(token) = session.tokens.get(&key).filter(|token| Instant::now() < token.renew_at) {
            return Ok(Some(token.header.clone()));
        }
        let wanted = all_scopes(scopes, scope.as_deref());
        let query = TokenQuery { asked, realm, service: service.as_deref(), scopes: &wanted };
        let token = self.fetch_token(&query, &credential).await?;
        let header = token.header.clone();
        session.tokens.insert(key, token);
        Ok(Some(header))
    }

    fn credential(&self, endpoint: &Endpoint, session: &mut Session) -> Result<Credential, Failure> {
        if let Some(known) = session.credentials.get(&endpoint.repository) {
            return Ok(known.clone());
        }
        let found = self.find_credential(endpoint).map_err(Failure::Final)?;
        session.credentials.insert(endpoint.repository.clone(), found.clone());
        Ok(found)
    }

    async fn fetch_token(&self, query: &TokenQuery<'_>, credential: &Credential) -> Result<Token, Failure> {
        let host = &query.asked.endpoint.host;
        let is_secret = *credential != Credential::Anonymous;
        if is_secret && query.realm.scheme() != "https" && !self.allows_plain_http(query.realm) {
            let realm = crate::transport::registry::error::redact(query.realm.as_str());
            return Err(Failure::Final(RegistryError::UnsafeRealm { host: host.clone(), realm }));
        }
        let http = self.http_for(query.realm)?;
        let request = match credential {
            Credential::IdentityToken(token) => {
                let form = query.form(token);
                http.post(query.realm.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)
            }
            Credential::Password { user, password } => {
                http.get(query.url(Some(user))).header(AUTHORIZATION, basic(user, password))
            }
            Credential::Anonymous | Credential::RegistryToken(_) => http.get(query.url(None)),
        };
        let method = if matches!(credential, Credential::IdentityToken(_)) { "POST" } else { "GET" };
        let asked = Asked { method, url: query.realm.as_str(), blob: None, ..*query.asked };
        let response = self.await_headers(&asked, self.limits().stall, request.send()).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_bounded(self, &asked, "the token", response, TOKEN_LIMIT).await?;
        match status.as_u16() {
            200..300 => {}
            401 | 403 => return Err(denied(query.asked, Some(credential), &body)),
            _ => return Err(Failure::of_status(&asked, status, &body, super::retry::retry_after(&headers))),
        }
        parse_token(&body).ok_or_else(|| {
            Failure::Final(RegistryError::BadAnswer {
                host: host.clone(),
                method,
                url: crate::transport::registry::error::redact(query.realm.as_str()),
                reason: "it holds no token".to_owned(),
            })
        })
    }

    /// Exchanges a password for an identity token at the registry's token server, as `docker login` does. `None` if
    /// there is no token server, or if it returns none.
    pub async fn identity_token(&self, asked: &Asked<'_>) -> Result<Option<String>, Failure> {
        let session = self.session(&asked.endpoint.host);
        let session = session.lock().await;
        let (Some(Challenge::Bearer { realm, service, .. }), Some(Credential::Password { user, password })) =
            (&session.challenge, session.credentials.get(&asked.endpoint.repository))
        else {
            return Ok(None);
        };
        let query = TokenQuery { asked, realm, service: service.as_deref(), scopes: &[] };
        let mut url = query.url(Some(user));
        url.query_pairs_mut().append_pair("offline_token", "true");
        let request = self.http_for(realm)?.get(url).header(AUTHORIZATION, basic(user, password));
        let response = self.await_headers(asked, self.limits().stall, request.send()).await?;
        if !response.status().is_success() {
            return Ok(None);
        }
        let body = read_bounded(self, asked, "the token", response, TOKEN_LIMIT).await?;
        let answer: Option<TokenAnswer> = serde_json::from_slice(&body).ok();
        Ok(answer.and_then(|answer| answer.refresh_token).filter(|token| !token.is_empty()))
    }
}

/// A request to a token server.
struct TokenQuery<'a> {
    asked: &'a Asked<'a>,
    realm: &'a Url,
    service: Option<&'a str>,
    scopes: &'a [String],
}

impl TokenQuery<'_> {
    fn url(&self, account: Option<&str>) -> Url {
        let mut url = self.realm.clone();
        let mut pairs = url.query_pairs_mut();
        pairs.extend_pairs(account.map(|account| ("account", account)));
        pairs.append_pair("client_id", CLIENT_ID);
        pairs.extend_pairs(self.service.map(|service| ("service", service)));
        pairs.extend_pairs(self.scopes.iter().map(|scope| ("scope", scope)));
        drop(pairs);
        url
    }

    /// OAuth 2's way to use a refresh token (RFC 6749, 6).
    fn form(&self, refresh_token: &str) -> String {
        let mut url = self.realm.clone();
        url.query_pairs_mut()
            .clear()
            .append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", refresh_token)
            .append_pair("client_id", CLIENT_ID)
            .append_pair("service", self.service.unwrap_or_default())
            .append_pair("scope", &self.scopes.join(" "));
        url.query().unwrap_or_default().to_owned()
    }
}

/// The requested scopes, and those that the registry asked for in addition.
fn all_scopes(wanted: &[Scope], asked_for: Option<&str>) -> Vec<String> {
    let mut scopes: Vec<String> = wanted.iter().map(|scope| scope.0.clone()).collect();
    for scope in asked_for.into_iter().flat_map(str::split_whitespace) {
        if !scopes.iter().any(|known| Scope::resource(known) == Scope::resource(scope)) {
            scopes.push(scope.to_owned());
        }
    }
    scopes
}

fn parse_token(body: &[u8]) -> Option<Token> {
    let answer: TokenAnswer = serde_json::from_slice(body).ok()?;
    let life = answer.life();
    let token = [answer.token, answer.access_token].into_iter().flatten().find(|token| !token.is_empty())?;
    let header = bearer(&token)?;
    // With some margin, so that requests started with it are still accepted.
    Some(Token { header, renew_at: Instant::now() + life.mul_f64(0.8) })
}

fn bearer(token: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

fn basic(user: &str, password: &str) -> HeaderValue {
    let text = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let mut header = HeaderValue::try_from(text).expect("base64 is a header value");
    header.set_sensitive(true);
    header
}

/// `body` is the server's message.
fn denied(asked: &Asked<'_>, credential: Option<&Credential>, body: &[u8]) -> Failure {
    let (host, name, message) = (asked.endpoint.host.clone(), asked.name.to_owned(), message_of(body));
    Failure::Final(match credential {
        None | Some(Credential::Anonymous) => RegistryError::Denied { host, name, message },
        Some(_) => RegistryError::WrongCredentials { host, name, message },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_asked_for_once() {
        let wanted = [Scope::push("a/b"), Scope::pull("c/d")];
        let of = |asked_for| all_scopes(&wanted, asked_for);
        let own = ["repository:a/b:pull,push", "repository:c/d:pull"];
        assert_eq!(of(None), own);
        assert_eq!(of(Some("repository:a/b:pull")), own);
        assert_eq!(of(Some("repository:mirror/a/b:pull")).last().unwrap(), "repository:mirror/a/b:pull");
    }

    #[test]
    fn tokens_go_by_either_name() {
        for body in [r#"{"token":"t"}"#, r#"{"access_token":"t","expires_in":300}"#] {
            assert_eq!(parse_token(body.as_bytes()).unwrap().header, "Bearer t");
        }
        for body in ["{}", "", r#"{"token":"a\nb"}"#, r#"{"token":null,"access_token":""}"#, r#"{"token":7}"#] {
            assert!(parse_token(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn a_life_that_makes_no_sense_is_the_usual_one() {
        for (life, seconds) in [
            ("300", 300),
            ("3e2", 300),
            ("\"300\"", 300),
            ("299.9", 299),
            ("99999999999999999999", 86_400),
            ("null", 60),
            ("0", 60),
            ("-1", 60),
            ("\"soon\"", 60),
        ] {
            let body = format!(r#"{{"token":null,"access_token":"t","expires_in":{life}}}"#);
            let answer: TokenAnswer = serde_json::from_str(&body).unwrap();
            assert_eq!(answer.life().as_secs(), seconds, "{life}");
            assert!(parse_token(body.as_bytes()).is_some(), "{life}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let credential = Credential::Password { user: "u".into(), password: "hunter2".into() };
        assert_eq!(format!("{credential:?} {:?}", basic("u", "hunter2")), "Password Sensitive");
    }
}
