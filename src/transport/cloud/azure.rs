//! Microsoft's registries: exchanges a token of the environment's or machine's identity at the registry.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::asking::{Ask, Asker, read_text};
use super::sigv4::escape;
use super::{CloudError, Expiring, Login, Variables};

/// The login server of identities.
const AUTHORITY: &str = "https://login.microsoftonline.com/";
/// The metadata server.
const MACHINE: &str = "http://169.254.169.254";
/// The audience of storage tokens, in every cloud.
const STORAGE: &str = "https://storage.azure.com";

/// The type of a workload's assertion, which is its pod's token.
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[derive(Deserialize)]
struct Token {
    access_token: String,
    /// In seconds; a string in a machine's response.
    #[serde(default)]
    expires_in: serde_json::Value,
}

impl Token {
    fn expiring(self) -> Expiring<String> {
        let seconds = self.expires_in.as_u64().or_else(|| self.expires_in.as_str()?.parse().ok());
        let until = seconds.map(|seconds| SystemTime::now() + Duration::from_secs(seconds));
        Expiring { value: self.access_token, until }
    }
}

#[derive(Deserialize)]
struct Exchanged {
    refresh_token: String,
}

/// A login for the registry at `address`, whose name is `service`.
pub fn login(address: &str, service: &str, variables: Variables<'_>) -> Result<Option<Login>, CloudError> {
    let asker = Asker::new()?;
    let Some(token) = token(&asker, resource(service), variables)? else { return Ok(None) };
    let token = token.value;
    let tenant = variables("AZURE_TENANT_ID").unwrap_or_default();
    let mut form = vec![("grant_type", "access_token"), ("service", service), ("access_token", token.as_str())];
    if !tenant.is_empty() {
        form.push(("tenant", tenant.as_str()));
    }
    let Exchanged { refresh_token } = asker.document(&Ask::form(format!("{address}/oauth2/exchange"), &form))?;
    Ok(Some(Login::IdentityToken(refresh_token)))
}

/// A token for Microsoft's storage.
pub fn storage_token(variables: Variables<'_>) -> Result<Option<Expiring<String>>, CloudError> {
    token(&Asker::new()?, STORAGE, variables)
}

/// The token of the first available identity: of a program with a secret, a workload, a service, the machine.
fn token(asker: &Asker, resource: &str, variables: Variables<'_>) -> Result<Option<Expiring<String>>, CloudError> {
    let authority = variables("AZURE_AUTHORITY_HOST").unwrap_or_else(|| AUTHORITY.to_owned());
    let (tenant, client) = (variables("AZURE_TENANT_ID"), variables("AZURE_CLIENT_ID"));
    let scope = format!("{resource}/.default");
    if let (Some(tenant), Some(client)) = (&tenant, &client) {
        let url = format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
        let common = [("grant_type", "client_credentials"), ("client_id", client.as_str()), ("scope", scope.as_str())];
        if let Some(secret) = variables("AZURE_CLIENT_SECRET") {
            let form = [&common[..], &[("client_secret", secret.as_str())]].concat();
            return Ok(Some(asker.document::<Token>(&Ask::form(url, &form))?.expiring()));
        }
        if let Some(path) = variables("AZURE_FEDERATED_TOKEN_FILE") {
            let assertion = read_text(&path)?;
            let own = [("client_assertion_type", ASSERTION), ("client_assertion", assertion.as_str())];
            let form = [&common[..], &own].concat();
            return Ok(Some(asker.document::<Token>(&Ask::form(url, &form))?.expiring()));
        }
    }
    let which = client.map(|client| format!("&client_id={}", escape(&client))).unwrap_or_default();
    let resource = escape(&format!("{resource}/"));
    if let (Some(endpoint), Some(secret)) = (variables("IDENTITY_ENDPOINT"), variables("IDENTITY_HEADER")) {
        let url = format!("{endpoint}?api-version=2019-08-01&resource={resource}{which}");
        let headers = vec![("x-identity-header", secret)];
        return Ok(Some(asker.document::<Token>(&Ask { headers, ..Ask::get(url) })?.expiring()));
    }
    let machine = variables("AZURE_POD_IDENTITY_AUTHORITY_HOST").unwrap_or_else(|| MACHINE.to_owned());
    let path = "metadata/identity/oauth2/token?api-version=2018-02-01";
    let url = format!("{}/{path}&resource={resource}{which}", machine.trim_end_matches('/'));
    let headers = vec![("metadata", "true".to_owned())];
    match asker.document::<Token>(&Ask { headers, is_near: true, ..Ask::get(url) }) {
        Ok(token) => Ok(Some(token.expiring())),
        Err(error) if error.is_absence() => Ok(None),
        // Another cloud's server at the same address, or a machine without an identity.
        Err(CloudError::BadAnswer { .. } | CloudError::Status { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The audience of tokens in the registry's cloud.
fn resource(service: &str) -> &'static str {
    match service.rsplit('.').next() {
        Some("cn") => "https://management.chinacloudapi.cn",
        Some("us") => "https://management.usgovcloudapi.net",
        _ => "https://management.azure.com",
    }
}
