//! Which cloud a registry belongs to, and the credentials for it.

use super::{CloudError, Variables, aws, azure, ecr, google};

/// Credentials for a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    Password {
        user: String,
        password: String,
    },
    /// In place of a password.
    IdentityToken(String),
}

/// Never shows the secrets.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login")
    }
}

/// Google's user name for tokens.
const GOOGLE_USER: &str = "oauth2accesstoken";

/// Whether the registry belongs to a cloud with identities.
pub fn has_identities(host: &str) -> bool {
    let name = name(host);
    ecr::Registry::of(name).is_some() || is_google(name) || is_azure(name)
}

/// The host without its port.
fn name(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// The credentials of this machine, pod or job for the registry, whose host may have a port. `None` if the registry
/// belongs to no cloud, or if there is no identity.
pub fn login(host: &str, variables: Variables<'_>) -> Result<Option<Login>, CloudError> {
    let name = name(host);
    if let Some(registry) = ecr::Registry::of(name) {
        let found = aws::credentials(variables)?;
        let login = found.map(|found| registry.login(&found.value, variables)).transpose();
        // Without a password, public images can still be pulled.
        return if registry.is_public() { Ok(login.unwrap_or_default()) } else { login };
    }
    if is_google(name) {
        let token = google::token(variables)?;
        let login = |password| Login::Password { user: GOOGLE_USER.to_owned(), password };
        return Ok(token.map(|token| login(token.value)));
    }
    if is_azure(name) {
        return azure::login(&format!("https://{host}"), name, variables);
    }
    Ok(None)
}

fn is_google(host: &str) -> bool {
    host == "gcr.io" || host.ends_with(".gcr.io") || host.ends_with(".pkg.dev")
}

fn is_azure(host: &str) -> bool {
    [".azurecr.io", ".azurecr.cn", ".azurecr.us"].iter().any(|suffix| host.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clouds_registries_ask_for_an_identity() {
        for host in ["docker.io", "ghcr.io", "gcr.io.example", "azurecr.io", "localhost:5000", "pkg.dev"] {
            let asked = |name: &str| panic!("{host} asks for {name}");
            assert_eq!(login(host, &asked).unwrap(), None);
            assert!(!has_identities(host));
        }
        assert!(is_google("gcr.io") && is_google("eu.gcr.io") && is_google("europe-west1-docker.pkg.dev"));
        assert!(is_azure("me.azurecr.io") && !is_azure("me.azurecr.io.example"));
    }
}
