//! Google's tokens, from where its libraries look for them ("Application Default Credentials"): a file named by the
//! environment, `gcloud`'s file, the metadata server.

use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::asking::{Ask, Asker, read};
use super::google_file::CredentialFile;
use super::{CloudError, Expiring, Variables};

/// All rights of the identity: registries and buckets check its roles.
pub const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Reachable without a name server.
const METADATA: &str = "169.254.169.254";

/// A token from an OAuth server.
#[derive(Deserialize)]
pub struct Token {
    pub access_token: String,
    #[serde(default)]
    pub expires_in: u64,
}

impl Token {
    pub fn expiring(self) -> Expiring<String> {
        Expiring { value: self.access_token, until: Some(SystemTime::now() + Duration::from_secs(self.expires_in)) }
    }
}

/// A token for the identity in the environment; `None` if there is none and there is no metadata server.
pub fn token(variables: Variables<'_>) -> Result<Option<Expiring<String>>, CloudError> {
    let asker = Asker::new()?;
    if let Some(path) = variables("GOOGLE_APPLICATION_CREDENTIALS") {
        return of_file(&asker, &path).map(Some);
    }
    let settings = variables("CLOUDSDK_CONFIG").or_else(|| Some(format!("{}/.config/gcloud", variables("HOME")?)));
    let known = settings.map(|folder| format!("{folder}/application_default_credentials.json"));
    if let Some(path) = known.filter(|path| Path::new(path).exists()) {
        return of_file(&asker, &path).map(Some);
    }
    if variables("NO_GCE_CHECK").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    of_machine(&asker, &variables("GCE_METADATA_HOST").unwrap_or_else(|| METADATA.to_owned()))
}

fn of_file(asker: &Asker, path: &str) -> Result<Expiring<String>, CloudError> {
    CredentialFile::parse(path, &read(path)?)?.token(asker)
}

/// The service account of the machine, or of the pod by workload identity.
fn of_machine(asker: &Asker, host: &str) -> Result<Option<Expiring<String>>, CloudError> {
    let url = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
    let headers = vec![("metadata-flavor", "Google".to_owned())];
    match asker.document::<Token>(&Ask { headers, is_near: true, ..Ask::get(url) }) {
        Ok(token) => Ok(Some(token.expiring())),
        Err(error) if error.is_absence() => Ok(None),
        // Another cloud's server at the same address.
        Err(CloudError::BadAnswer { .. } | CloudError::Status { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
