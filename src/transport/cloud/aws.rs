//! Amazon's credentials: from the environment, the shared files, web identities, and the credential servers of
//! containers and machines.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use reqsign_aws_core::{Credential, DefaultCredentialProvider};
use reqsign_core::{CommandExecute, CommandOutput, Context, Env, Error, FileRead, HttpSend, ProvideCredential};

use super::asking::{Ask, client, message, read, runtime, send};
use super::sigv4::Credentials;
use super::{CloudError, Expiring, Variables};

/// The inputs of the sources.
const NAMES: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_STS",
    "AWS_EXTERNAL_ID",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_SSO_ENDPOINT",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "HOME",
];

/// The credentials of the first source that has any; `None` if none has.
///
/// # Errors
/// If no source has credentials and one that responded refused.
pub fn credentials(variables: Variables<'_>) -> Result<Option<Expiring<Credentials>>, CloudError> {
    credentials_of(NAMES.iter().filter_map(|name| Some(((*name).to_owned(), variables(name)?))).collect())
}

/// The same with an explicit environment.
fn credentials_of(variables: HashMap<String, String>) -> Result<Option<Expiring<Credentials>>, CloudError> {
    let refusal: Arc<Mutex<Option<CloudError>>> = Arc::default();
    let sts = variables.get("AWS_ENDPOINT_URL_STS").or(variables.get("AWS_ENDPOINT_URL")).cloned();
    let sender = Sender { http: client()?, sts, refusal: refusal.clone() };
    let context = Context::new()
        .with_env(Surroundings { variables })
        .with_file_read(Files)
        .with_command_execute(Programs)
        .with_http_send(sender);
    let provider = DefaultCredentialProvider::new();
    let found = runtime()?.block_on(provider.provide_credential(&context)).ok().flatten();
    match found {
        Some(found) => Ok(Some(ours(found))),
        None => refusal.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(None), Err),
    }
}

fn ours(found: Credential) -> Expiring<Credentials> {
    let Credential { access_key_id, secret_access_key, session_token, expires_in } = found;
    Expiring {
        value: Credentials { access_key_id, secret_access_key, session_token },
        until: expires_in.map(reqsign_core::time::Timestamp::as_system_time),
    }
}

#[derive(Debug)]
struct Surroundings {
    variables: HashMap<String, String>,
}

impl Env for Surroundings {
    fn var(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn vars(&self) -> HashMap<String, String> {
        self.variables.clone()
    }

    fn home_dir(&self) -> Option<PathBuf> {
        self.variables.get("HOME").map(PathBuf::from)
    }
}

#[derive(Debug)]
struct Files;

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> reqsign_core::Result<Vec<u8>> {
        read(path).map_err(|error| Error::config_invalid(error.to_string()))
    }
}

/// `credential_process` in the shared configuration.
#[derive(Debug)]
struct Programs;

impl CommandExecute for Programs {
    async fn command_execute(&self, program: &str, arguments: &[&str]) -> reqsign_core::Result<CommandOutput> {
        let output = std::process::Command::new(program).args(arguments).output();
        let output = output.map_err(|error| Error::unexpected(format!("cannot start `{program}`: {error}")))?;
        let status = output.status.code().unwrap_or(-1);
        Ok(CommandOutput { status, stdout: output.stdout, stderr: output.stderr })
    }
}

/// Keeps the refusals of remote servers: a missing metadata server is not unusual.
#[derive(Debug)]
struct Sender {
    http: reqwest::Client,
    /// The address of the token exchange, if it is not Amazon's own.
    sts: Option<String>,
    refusal: Arc<Mutex<Option<CloudError>>>,
}

impl Sender {
    fn ask(&self, request: http::Request<Bytes>) -> Ask<'static> {
        let (parts, body) = request.into_parts();
        let host = parts.uri.host().unwrap_or_default();
        let is_sts = host.starts_with("sts.") && host.contains(".amazonaws.com");
        let url = match &self.sts {
            Some(sts) if is_sts => format!("{}{}", sts.trim_end_matches('/'), parts.uri.path()),
            _ => parts.uri.to_string(),
        };
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let headers = HEADERS.iter().filter_map(|name| Some((*name, header(name)?))).collect();
        // Amazon's link-local services use plain HTTP.
        let is_near = parts.uri.scheme_str() == Some("http");
        Ask { method: parts.method, url, headers, body: body.to_vec(), is_near }
    }

    fn keep(&self, error: CloudError) {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// The headers that the sources' requests have.
const HEADERS: &[&str] = &[
    "accept",
    "authorization",
    "content-type",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-sso_bearer_token",
    "x-amz-target",
    "x-aws-ec2-metadata-token",
    "x-aws-ec2-metadata-token-ttl-seconds",
];

impl HttpSend for Sender {
    async fn http_send(&self, request: http::Request<Bytes>) -> reqsign_core::Result<http::Response<Bytes>> {
        let ask = self.ask(request);
        match send(&self.http, &ask).await {
            Ok(answer) => {
                if !ask.is_near && answer.status >= 400 {
                    let (host, status, message) = (answer.host.clone(), answer.status, message(&answer.body));
                    self.keep(CloudError::Status { host, status, message });
                }
                let response = http::Response::builder().status(answer.status).body(Bytes::from(answer.body));
                response.map_err(|error| Error::unexpected(error.to_string()))
            }
            Err(error) => {
                let text = error.to_string();
                if !ask.is_near {
                    self.keep(error);
                }
                Err(Error::unexpected(text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_comes_first_and_nothing_is_asked_for_it() {
        let of = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            credentials_of(pairs.collect()).unwrap()
        };
        let found = of(&[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_SESSION_TOKEN", "c")]);
        let found = found.unwrap().value;
        assert_eq!((found.access_key_id.as_str(), found.session_token.as_deref()), ("a", Some("c")));
        assert!(of(&[("AWS_EC2_METADATA_DISABLED", "true"), ("HOME", "/nonexistent")]).is_none());
    }

    #[test]
    fn profiles_are_those_of_amazons_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        let text = "[default]\naws_access_key_id = a\naws_secret_access_key=b\n[ci]\naws_access_key_id=c\n\
                    aws_secret_access_key=d=\naws_session_token=e\n";
        std::fs::write(&path, text).unwrap();
        let of = |profile: &str| {
            let variables = [
                ("AWS_SHARED_CREDENTIALS_FILE", path.to_str().unwrap()),
                ("AWS_CONFIG_FILE", "/nonexistent"),
                ("AWS_PROFILE", profile),
                ("AWS_EC2_METADATA_DISABLED", "true"),
            ];
            let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            credentials_of(variables.collect()).unwrap().map(|found| found.value)
        };
        let named = of("ci").unwrap();
        assert_eq!((named.access_key_id.as_str(), named.secret_access_key.as_str()), ("c", "d="));
        assert_eq!(of("default").unwrap().access_key_id, "a");
        assert!(of("none").is_none());
    }
}
