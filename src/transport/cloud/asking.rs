//! Short requests to token servers.

use std::time::Duration;

use reqwest::{Client, Method, Url};
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;

use super::CloudError;

/// A link-local server responds at once, or does not exist.
const NEAR: Duration = Duration::from_secs(1);
const FAR: Duration = Duration::from_secs(10);
/// Tokens are a few thousand bytes long.
const ANSWER_LIMIT: usize = 1 << 20;
/// How much of a server's error message is shown.
const MESSAGE_LIMIT: usize = 300;

/// A request.
pub struct Ask<'a> {
    pub method: Method,
    pub url: String,
    pub headers: Vec<(&'a str, String)>,
    pub body: Vec<u8>,
    /// The server is link-local.
    pub is_near: bool,
}

impl Ask<'_> {
    pub fn get(url: String) -> Self {
        Self { method: Method::GET, url, headers: Vec::new(), body: Vec::new(), is_near: false }
    }

    /// A form, as in OAuth.
    pub fn form(url: String, fields: &[(&str, &str)]) -> Self {
        use super::sigv4::escape;
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
        let headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
        Self { method: Method::POST, url, headers, body: fields.join("&").into_bytes(), is_near: false }
    }
}

/// A response of any status.
pub struct Answer {
    pub host: String,
    pub status: u16,
    pub body: Vec<u8>,
}

/// Sends the request and blocks. For threads that may wait, and on which nothing else waits for the network.
pub struct Asker {
    http: Client,
    runtime: Runtime,
}

impl Asker {
    pub fn new() -> Result<Self, CloudError> {
        Ok(Self { http: client()?, runtime: runtime()? })
    }

    /// The response, whatever its status.
    pub fn ask(&self, ask: &Ask<'_>) -> Result<Answer, CloudError> {
        self.runtime.block_on(send(&self.http, ask))
    }

    /// The document of a successful response.
    pub fn document<T: DeserializeOwned>(&self, ask: &Ask<'_>) -> Result<T, CloudError> {
        let Answer { host, status, body } = self.ask(ask)?;
        if !(200..300).contains(&status) {
            return Err(CloudError::Status { host, status, message: message(&body) });
        }
        serde_json::from_slice(&body).map_err(|error| CloudError::BadAnswer { host, reason: without_text(&error) })
    }
}

pub fn runtime() -> Result<Runtime, CloudError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CloudError::Runtime)
}

/// Does not follow redirects: its secrets are for one server.
pub fn client() -> Result<Client, CloudError> {
    // Another part of the program may have chosen the provider already; it is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("rbuild/", env!("CARGO_PKG_VERSION")));
    client.build().map_err(CloudError::Client)
}

/// The request, with limits on time and size.
pub async fn send(http: &Client, ask: &Ask<'_>) -> Result<Answer, CloudError> {
    let url = Url::parse(&ask.url).map_err(|_| CloudError::Address { url: ask.url.clone() })?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let mut request = http.request(ask.method.clone(), url).timeout(if ask.is_near { NEAR } else { FAR });
    for (name, value) in &ask.headers {
        request = request.header(*name, value);
    }
    if !ask.body.is_empty() || ask.method != Method::GET {
        request = request.body(ask.body.clone());
    }
    let failed = |host: &str, source: reqwest::Error| match source.is_timeout() {
        true => CloudError::Silent { host: host.to_owned() },
        false => CloudError::Unreachable { host: host.to_owned(), source: source.without_url() },
    };
    let mut response = request.send().await.map_err(|source| failed(&host, source))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|source| failed(&host, source))? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_LIMIT {
            return Err(CloudError::BadAnswer { host, reason: "it does not end".to_owned() });
        }
    }
    Ok(Answer { host, status, body })
}

/// A server's error message, from JSON's usual fields or verbatim.
pub fn message(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let document: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let field = |name: &str| document.as_ref()?.get(name)?.as_str().map(str::to_owned);
    let known = ["error_description", "message", "Message", "error", "__type"].into_iter().find_map(field);
    let said = known.unwrap_or_else(|| text.into_owned());
    let said: String = said.chars().filter(|character| !character.is_control()).take(MESSAGE_LIMIT).collect();
    if said.is_empty() { "no reason is given".to_owned() } else { said }
}

/// Why a document is invalid, without any of its content: it may contain a secret.
pub fn without_text(error: &serde_json::Error) -> String {
    format!("{:?} error at line {}, column {}", error.classify(), error.line(), error.column())
}

/// Reads a file whose path comes from the environment or another file.
pub fn read(path: &str) -> Result<Vec<u8>, CloudError> {
    let failed = |source| CloudError::Read { path: path.into(), source };
    let read = crate::base::input::named(std::path::Path::new(path));
    read.map_err(|error| failed(std::io::Error::other(error.to_string())))
}

/// The same as text, without the newline at the end of the file.
pub fn read_text(path: &str) -> Result<String, CloudError> {
    Ok(String::from_utf8_lossy(&read(path)?).trim().to_owned())
}
