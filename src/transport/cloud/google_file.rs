//! Credential files of Google's tools: keys of service accounts, logged-in users, and external identities (workload
//! identity federation).

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;

use super::asking::{Ask, Asker, read_text, without_text};
use super::google::{SCOPE, Token};
use super::{CloudError, Expiring};

const TOKEN_SERVER: &str = "https://oauth2.googleapis.com/token";
const HOUR: Duration = Duration::from_secs(3600);

pub struct CredentialFile {
    path: String,
    content: Content,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Content {
    ServiceAccount(ServiceAccount),
    AuthorizedUser { client_id: String, client_secret: String, refresh_token: String, token_uri: Option<String> },
    ExternalAccount(Box<ExternalAccount>),
}

#[derive(Deserialize)]
struct ServiceAccount {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

#[derive(Deserialize)]
struct ExternalAccount {
    audience: String,
    subject_token_type: String,
    token_url: String,
    service_account_impersonation_url: Option<String>,
    credential_source: Source,
}

/// The location of the external identity's token.
#[derive(Deserialize)]
struct Source {
    file: Option<String>,
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    format: Format,
}

#[derive(Default, Deserialize)]
struct Format {
    /// `text` or `json`
    #[serde(rename = "type")]
    kind: Option<String>,
    subject_token_field_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Impersonated {
    access_token: String,
}

impl CredentialFile {
    pub fn parse(path: &str, bytes: &[u8]) -> Result<Self, CloudError> {
        let wrong = |error| CloudError::File { path: path.into(), reason: without_text(&error) };
        Ok(Self { path: path.to_owned(), content: serde_json::from_slice(bytes).map_err(wrong)? })
    }

    /// A token that is valid for at most an hour.
    pub fn token(&self, asker: &Asker) -> Result<Expiring<String>, CloudError> {
        match &self.content {
            Content::ServiceAccount(account) => {
                let server = account.token_uri.as_deref().unwrap_or(TOKEN_SERVER);
                let assertion = self.assertion(account, server)?;
                let kind = "urn:ietf:params:oauth:grant-type:jwt-bearer";
                let form = [("grant_type", kind), ("assertion", assertion.as_str())];
                Ok(asker.document::<Token>(&Ask::form(server.to_owned(), &form))?.expiring())
            }
            Content::AuthorizedUser { client_id, client_secret, refresh_token, token_uri } => {
                let server = token_uri.clone().unwrap_or_else(|| TOKEN_SERVER.to_owned());
                let form = [
                    ("grant_type", "refresh_token"),
                    ("client_id", client_id),
                    ("client_secret", client_secret),
                    ("refresh_token", refresh_token),
                ];
                Ok(asker.document::<Token>(&Ask::form(server, &form))?.expiring())
            }
            Content::ExternalAccount(account) => self.exchanged(asker, account),
        }
    }

    fn wrong(&self, reason: &str) -> CloudError {
        CloudError::File { path: self.path.as_str().into(), reason: reason.to_owned() }
    }

    /// An assertion of the service account, signed with its key (RFC 7523).
    fn assertion(&self, account: &ServiceAccount, server: &str) -> Result<String, CloudError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": account.private_key_id});
        let claims = json!({
            "iss": account.client_email,
            "scope": SCOPE,
            "aud": server,
            "iat": now,
            "exp": now + HOUR.as_secs(),
        });
        let encoded = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", encoded(&header), encoded(&claims));
        let key = PrivatePkcs8KeyDer::from_pem_slice(account.private_key.as_bytes())
            .map_err(|_| self.wrong("its private_key is not a PKCS #8 key in PEM"))?;
        let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der())
            .map_err(|_| self.wrong("its private_key is not an RSA key"))?;
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| self.wrong("its private_key signs nothing"))?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Exchanges another identity's token (RFC 8693), and that for one of a service account if configured.
    fn exchanged(&self, asker: &Asker, account: &ExternalAccount) -> Result<Expiring<String>, CloudError> {
        let subject = self.subject(asker, &account.credential_source)?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("audience", account.audience.as_str()),
            ("scope", SCOPE),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token", subject.as_str()),
            ("subject_token_type", account.subject_token_type.as_str()),
        ];
        let token = asker.document::<Token>(&Ask::form(account.token_url.clone(), &form))?;
        let Some(url) = &account.service_account_impersonation_url else { return Ok(token.expiring()) };
        let ask = Ask {
            method: Method::POST,
            headers: vec![
                ("authorization", format!("Bearer {}", token.access_token)),
                ("content-type", "application/json".to_owned()),
            ],
            body: json!({"scope": [SCOPE], "lifetime": "3600s"}).to_string().into_bytes(),
            ..Ask::get(url.clone())
        };
        let Impersonated { access_token } = asker.document(&ask)?;
        Ok(Token { access_token, expires_in: HOUR.as_secs() }.expiring())
    }

    fn subject(&self, asker: &Asker, source: &Source) -> Result<String, CloudError> {
        let text = match (&source.file, &source.url) {
            (Some(file), _) => read_text(file)?,
            (None, Some(url)) => {
                let headers = source.headers.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
                let answer = asker.ask(&Ask { headers, ..Ask::get(url.clone()) })?;
                if answer.status != 200 {
                    let message = super::asking::message(&answer.body);
                    return Err(CloudError::Status { host: answer.host, status: answer.status, message });
                }
                String::from_utf8_lossy(&answer.body).trim().to_owned()
            }
            (None, None) => return Err(self.wrong("its credential_source is neither a file nor an address")),
        };
        if source.format.kind.as_deref() != Some("json") {
            return Ok(text);
        }
        let name = source.format.subject_token_field_name.as_deref().unwrap_or("access_token");
        let document: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let token = document.get(name).and_then(|token| token.as_str());
        token.map(str::to_owned).ok_or_else(|| self.wrong("the token of its credential_source is not where it says"))
    }
}
