//! Which cloud a registry belongs to, and what it is shown.

use super::{CloudError, Variables, aws, azure, ecr, google};

/// What to log in to a registry with.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    Password {
        user: String,
        password: String,
    },
    /// In a password's place.
    IdentityToken(String),
}

/// Never the secrets.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login")
    }
}

/// Google's name for whoever shows a token.
const GOOGLE_USER: &str = "oauth2accesstoken";

/// Whether a registry is of a cloud that knows identities.
pub fn has_identities(host: &str) -> bool {
    let name = name(host);
    ecr::Registry::of(name).is_some() || is_google(name) || is_azure(name)
}

/// The host without its port.
fn name(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// What the registry's cloud says that this machine, pod or job is; nothing where the registry is of no cloud, or where
/// nothing is known here. The host may have a port.
pub fn login(host: &str, variables: Variables<'_>) -> Result<Option<Login>, CloudError> {
    let name = name(host);
    if let Some(registry) = ecr::Registry::of(name) {
        let found = aws::credentials(variables)?;
        let login = found.map(|found| registry.login(&found.value, variables)).transpose();
        // Whoever may not have a password for it pulls without one.
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
