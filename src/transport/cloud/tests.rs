//! Tests the clouds' credential sources against servers in this process that implement their protocols.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::web::{Reply, Request, serve};
use super::{Login, azure, google_token, login};

const REGISTRY: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

type Seen = Arc<Mutex<Vec<Request>>>;

/// A server, and the requests it got.
fn server(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (String, Seen) {
    let seen: Seen = Arc::default();
    let noted = seen.clone();
    let address = serve(move |request| {
        noted.lock().unwrap().push(request.clone());
        answer(request)
    });
    (format!("http://{address}"), seen)
}

fn variables(pairs: &[(&str, String)]) -> impl Fn(&str) -> Option<String> + use<> {
    let pairs: Vec<(String, String)> = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    move |wanted| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
}

fn password(login: Option<Login>) -> (String, String) {
    match login {
        Some(Login::Password { user, password }) => (user, password),
        other => panic!("{other:?}"),
    }
}

/// All of Amazon's services: the password for a registry is the ID of the key that requested it.
fn amazon() -> (String, Seen) {
    let keys = |id: &str, token: &str| {
        format!(
            r#"{{"Code":"Success","AccessKeyId":"{id}","SecretAccessKey":"s","Token":"{token}",
                "Expiration":"2099-01-01T00:00:00Z","LastUpdated":"2026-01-01T00:00:00Z"}}"#
        )
    };
    server(move |request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let token = |name: &str, value: &str| request.header(name) == Some(value);
        match (request.method.as_str(), request.path.as_str()) {
            ("PUT", "/latest/api/token") if request.header("x-aws-ec2-metadata-token-ttl-seconds").is_some() => {
                Reply::new(200, "imds-token")
            }
            ("GET", "/latest/meta-data/iam/security-credentials/")
                if token("x-aws-ec2-metadata-token", "imds-token") =>
            {
                Reply::new(200, "role")
            }
            ("GET", "/latest/meta-data/iam/security-credentials/role")
                if token("x-aws-ec2-metadata-token", "imds-token") =>
            {
                Reply::new(200, keys("MACHINE", "t"))
            }
            ("GET", "/v1/credentials") if token("authorization", "pod-token") => Reply::new(200, keys("POD", "t")),
            ("POST", "/") if body.contains("Action=AssumeRoleWithWebIdentity") => {
                if !body.contains("WebIdentityToken=web-token") {
                    let body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>who?</Message></Error></ErrorResponse>";
                    return Reply::new(403, body);
                }
                Reply::new(
                    200,
                    "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
                     <AccessKeyId>WEB</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
                     <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
                     </AssumeRoleWithWebIdentityResponse>",
                )
            }
            ("POST", "/") if request.header("x-amz-target").is_some() => {
                let signed = request.header("authorization").unwrap_or_default().to_owned();
                let id =
                    signed.split_once("Credential=").and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default();
                let password = STANDARD.encode(format!("AWS:{id}"));
                let is_public = token("x-amz-target", "SpencerFrontendService.GetAuthorizationToken");
                let scope = if is_public { "/us-east-1/ecr-public/" } else { "/eu-west-1/ecr/" };
                match (signed.contains(scope) && signed.contains("x-amz-target"), is_public) {
                    (false, _) => Reply::new(403, r#"{"__type":"SignatureDoesNotMatch"}"#),
                    (true, true) => {
                        Reply::new(200, format!(r#"{{"authorizationData":{{"authorizationToken":"{password}"}}}}"#))
                    }
                    (true, false) => {
                        Reply::new(200, format!(r#"{{"authorizationData":[{{"authorizationToken":"{password}"}}]}}"#))
                    }
                }
            }
            _ => Reply::new(404, ""),
        }
    })
}

#[test]
fn amazons_sources_count_in_their_order() {
    let (amazon, _) = amazon();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let machine = vec![
        ("AWS_ENDPOINT_URL", amazon.clone()),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", amazon.clone()),
        ("HOME", folder.path().to_str().unwrap().to_owned()),
        ("AWS_REGION", "eu-west-1".to_owned()),
    ];
    let pod = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{amazon}/v1/credentials")),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file("pod", "pod-token\n")),
    ];
    let web = [
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r".to_owned()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file("web", "web-token")),
    ];
    let text = "[default]\naws_access_key_id=FILE\naws_secret_access_key=s\n";
    let shared = [("AWS_SHARED_CREDENTIALS_FILE", file("credentials", text))];
    let environment = [("AWS_ACCESS_KEY_ID", "ENV".to_owned()), ("AWS_SECRET_ACCESS_KEY", "s".to_owned())];
    let mut known = machine;
    let mut check = |more: &[(&'static str, String)], id: &str| {
        known.extend_from_slice(more);
        let (user, found) = password(login(REGISTRY, &variables(&known)).unwrap());
        assert_eq!((user.as_str(), found.as_str()), ("AWS", id));
    };
    check(&[], "MACHINE");
    check(&pod, "POD");
    check(&web, "WEB");
    check(&shared, "FILE");
    check(&environment, "ENV");
    let public = login("public.ecr.aws", &variables(&known)).unwrap();
    assert_eq!(password(public).1, "ENV");
}

#[test]
fn what_amazon_refuses_is_told_and_a_machine_that_is_none_is_nobody() {
    let (amazon, seen) = amazon();
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "secret-other-token").unwrap();
    let home = folder.path().to_str().unwrap().to_owned();
    let nowhere = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1".to_owned());
    let endpoint = ("AWS_ENDPOINT_URL", amazon);
    let wrong = [
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r".to_owned()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap().to_owned()),
        nowhere.clone(),
        endpoint.clone(),
        ("HOME", home.clone()),
    ];
    let error = login(REGISTRY, &variables(&wrong)).unwrap_err().to_string();
    assert!(error.contains("answered 403") && !error.contains("secret-other-token"), "{error}");
    // That registry is public.
    assert_eq!(
        login("public.ecr.aws", &variables(&[nowhere.clone(), endpoint.clone(), ("HOME", home.clone())])).unwrap(),
        None
    );
    seen.lock().unwrap().clear();
    assert_eq!(login(REGISTRY, &variables(&[nowhere, endpoint, ("HOME", home)])).unwrap(), None);
    assert!(seen.lock().unwrap().is_empty(), "without credentials no password is asked for");
}

#[test]
fn a_server_that_says_nothing_costs_a_moment() {
    let (silent, _) = server(|_| Reply { delay: std::time::Duration::from_secs(600), ..Reply::new(200, "") });
    let host = silent.trim_start_matches("http://").to_owned();
    let known = [
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", silent.clone()),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", silent),
        ("GCE_METADATA_HOST", host),
        ("HOME", "/nonexistent".to_owned()),
    ];
    for registry in [REGISTRY, "eu.gcr.io", "me.azurecr.io"] {
        assert_eq!(login(registry, &variables(&known)).unwrap(), None, "{registry}");
    }
}

/// A key in Google's format; `None` if openssl is not installed.
fn rsa_key(folder: &Path) -> Option<String> {
    let key = folder.join("key.pem");
    let mut made = Command::new("openssl");
    made.args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out"]);
    if !made.arg(&key).output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: there is no openssl");
        return None;
    }
    Some(std::fs::read_to_string(key).unwrap())
}

fn google() -> (String, Seen) {
    server(|request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let token = |text: &str| {
            Reply::new(200, format!(r#"{{"access_token":"{text}","expires_in":3599,"token_type":"Bearer"}}"#))
        };
        match request.path.as_str() {
            "/computeMetadata/v1/instance/service-accounts/default/token" => match request.header("metadata-flavor") {
                Some("Google") => token("machine"),
                _ => Reply::new(403, ""),
            },
            "/token" if body.contains("jwt-bearer") => {
                let assertion = super::web::unescape(body.split("assertion=").nth(1).unwrap());
                let claims = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap()).unwrap();
                let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
                assert!(claims["iss"] == "me@p.iam" && claims["scope"].as_str().unwrap().ends_with("/cloud-platform"));
                token("account")
            }
            "/token" if body.contains("refresh_token=again") => token("user"),
            "/sts" if body.contains("subject_token=subject") && body.contains("token-exchange") => token("federated"),
            "/impersonate" if request.header("authorization") == Some("Bearer federated") => {
                Reply::new(200, r#"{"accessToken":"impersonated","expireTime":"2099-01-01T00:00:00Z"}"#)
            }
            _ => Reply::new(400, r#"{"error":"invalid_grant","error_description":"no such thing"}"#),
        }
    })
}

#[test]
fn googles_sources_are_files_and_the_machine() {
    let (google, _) = google();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let write = |name: &str, text: String| {
        std::fs::write(path(name), text).unwrap();
        path(name)
    };
    let machine = ("GCE_METADATA_HOST", google.trim_start_matches("http://").to_owned());
    let home = ("HOME", folder.path().to_str().unwrap().to_owned());
    let with = |file: Option<String>| {
        let file = file.map(|file| ("GOOGLE_APPLICATION_CREDENTIALS", file));
        let all: Vec<_> = [machine.clone(), home.clone()].into_iter().chain(file).collect();
        google_token(&variables(&all)).map(|token| token.map(|token| token.value))
    };
    assert_eq!(with(None).unwrap().as_deref(), Some("machine"));
    let found = login("europe-docker.pkg.dev", &variables(&[machine.clone(), home.clone()])).unwrap();
    assert_eq!(password(found), ("oauth2accesstoken".to_owned(), "machine".to_owned()));

    let user = format!(
        r#"{{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"again","token_uri":"{google}/token"}}"#
    );
    assert_eq!(with(Some(write("user.json", user.clone()))).unwrap().as_deref(), Some("user"));
    std::fs::create_dir_all(folder.path().join(".config/gcloud")).unwrap();
    write(".config/gcloud/application_default_credentials.json", user.clone());
    assert_eq!(with(None).unwrap().as_deref(), Some("user"), "what gcloud wrote counts before the machine");

    write("subject", r#"{"value": "subject"}"#.to_owned());
    let external = |more: &str| {
        let source = format!(
            r#"{{"file":"{}","format":{{"type":"json","subject_token_field_name":"value"}}}}"#,
            path("subject")
        );
        format!(
            r#"{{"type":"external_account","audience":"a","subject_token_type":"urn:ietf:params:oauth:token-type:jwt",
                "token_url":"{google}/sts","credential_source":{source}{more}}}"#
        )
    };
    assert_eq!(with(Some(write("external.json", external("")))).unwrap().as_deref(), Some("federated"));
    let other = external(&format!(r#","service_account_impersonation_url":"{google}/impersonate""#));
    assert_eq!(with(Some(write("other.json", other))).unwrap().as_deref(), Some("impersonated"));

    let refused = with(Some(write("refused.json", user.replace("again", "hunter2")))).unwrap_err().to_string();
    assert!(refused.contains("no such thing") && !refused.contains("hunter2"), "{refused}");
    let broken =
        with(Some(write("broken.json", r#"{"type":"other","key":"hunter2"}"#.to_owned()))).unwrap_err().to_string();
    assert!(broken.contains("broken.json") && !broken.contains("hunter2"), "{broken}");
    assert!(with(Some(path("missing.json"))).unwrap_err().to_string().contains("missing.json"));

    let Some(key) = rsa_key(folder.path()) else { return };
    let account = serde_json::json!({"type": "service_account", "client_email": "me@p.iam", "private_key": key,
        "private_key_id": "1", "token_uri": format!("{google}/token")});
    assert_eq!(with(Some(write("account.json", account.to_string()))).unwrap().as_deref(), Some("account"));
}

#[test]
fn azures_tokens_are_exchanged_at_the_registry() {
    let (azure, seen) = server(|request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let token = |text: &str| Reply::new(200, format!(r#"{{"access_token":"{text}","expires_in":"3599"}}"#));
        match request.path.as_str() {
            "/tenant/oauth2/v2.0/token" if body.contains("client_assertion=workload") => token("workload"),
            "/tenant/oauth2/v2.0/token" if body.contains("client_secret=secret") => token("program"),
            "/msi" if request.header("x-identity-header") == Some("header") => token("service"),
            "/metadata/identity/oauth2/token" if request.header("metadata") == Some("true") => token("machine"),
            "/oauth2/exchange" if body.contains("grant_type=access_token&service=me.azurecr.io") => {
                let token = body.split("access_token=").nth(1).unwrap_or_default();
                let token = token.split('&').next().unwrap_or_default();
                Reply::new(200, format!(r#"{{"refresh_token":"for-{token}"}}"#))
            }
            _ => Reply::new(401, r#"{"error":"no"}"#),
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "workload\n").unwrap();
    let mut known = vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", azure.clone()), ("AZURE_AUTHORITY_HOST", azure.clone())];
    let mut check = |more: &[(&'static str, String)], expected: &str| {
        known.extend_from_slice(more);
        let found = azure::login(&azure, "me.azurecr.io", &variables(&known)).unwrap();
        assert!(found == Some(Login::IdentityToken(expected.to_owned())), "{expected}");
    };
    check(&[], "for-machine");
    check(&[("IDENTITY_ENDPOINT", format!("{azure}/msi")), ("IDENTITY_HEADER", "header".to_owned())], "for-service");
    let workload = [
        ("AZURE_TENANT_ID", "tenant".to_owned()),
        ("AZURE_CLIENT_ID", "client".to_owned()),
        ("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap().to_owned()),
    ];
    check(&workload, "for-workload");
    check(&[("AZURE_CLIENT_SECRET", "secret".to_owned())], "for-program");
    let asked = seen.lock().unwrap();
    assert!(asked.iter().any(|request| request.query.contains("resource=https%3A%2F%2Fmanagement.azure.com%2F")));
}
