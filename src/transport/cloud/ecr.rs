//! Amazon's registries: passwords for credentials (`GetAuthorizationToken`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::asking::{Ask, Asker};
use super::sigv4::{Credentials, Unsigned, sign};
use super::{CloudError, Login, Variables};
use crate::base::hex;

/// One of Amazon's registries, and the API that returns its passwords.
#[derive(Debug, PartialEq, Eq)]
pub struct Registry {
    /// The API's address.
    host: String,
    region: String,
    /// The API's name in signatures.
    service: &'static str,
    target: &'static str,
}

impl Registry {
    /// Recognises a host without its port: `ACCOUNT.dkr.ecr.REGION.amazonaws.com` and its variants.
    pub fn of(host: &str) -> Option<Self> {
        if matches!(host, "public.ecr.aws" | "ecr-public.aws.com") {
            return Some(Self {
                host: "api.ecr-public.us-east-1.amazonaws.com".to_owned(),
                region: "us-east-1".to_owned(),
                service: "ecr-public",
                target: "SpencerFrontendService.GetAuthorizationToken",
            });
        }
        let (account, rest) = host.split_once('.')?;
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (kind, rest) = ["dkr.ecr.", "dkr.ecr-fips.", "dkr-ecr.", "dkr-ecr-fips."]
            .into_iter()
            .find_map(|kind| Some((kind, rest.strip_prefix(kind)?)))?;
        let (region, suffix) = rest.split_once('.')?;
        let is_fips = kind.contains("fips");
        let name = if is_fips { "ecr-fips" } else { "ecr" };
        let host = match suffix {
            "amazonaws.com" | "amazonaws.com.cn" if is_fips => format!("{name}.{region}.{suffix}"),
            "amazonaws.com" | "amazonaws.com.cn" => format!("api.{name}.{region}.{suffix}"),
            "on.aws" => format!("{name}.{region}.api.aws"),
            "on.amazonwebservices.com.cn" => format!("{name}.{region}.api.amazonwebservices.com.cn"),
            _ => return None,
        };
        let target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
        Some(Self { host, region: region.to_owned(), service: "ecr", target })
    }

    /// A public registry.
    pub fn is_public(&self) -> bool {
        self.service == "ecr-public"
    }

    /// A password that is valid for twelve hours.
    pub fn login(&self, credentials: &Credentials, variables: Variables<'_>) -> Result<Login, CloudError> {
        let own = if self.is_public() { "AWS_ENDPOINT_URL_ECR_PUBLIC" } else { "AWS_ENDPOINT_URL_ECR" };
        let endpoint = variables(own).or_else(|| variables("AWS_ENDPOINT_URL"));
        let endpoint = endpoint.unwrap_or_else(|| format!("https://{}", self.host));
        let endpoint = endpoint.trim_end_matches('/');
        let host = endpoint.split_once("://").map_or(endpoint, |(_, host)| host);
        let body = b"{}";
        let payload = hex::encode(&Sha256::digest(body));
        let unsigned = Unsigned {
            method: "POST",
            host,
            path: "/",
            query: "",
            payload: &payload,
            region: &self.region,
            service: self.service,
            target: Some(self.target),
        };
        let mut headers = sign(&unsigned, credentials, Timestamp::now());
        headers.push(("content-type", "application/x-amz-json-1.1".to_owned()));
        let ask =
            Ask { method: Method::POST, url: format!("{endpoint}/"), headers, body: body.to_vec(), is_near: false };
        let Given { data } = Asker::new()?.document(&ask)?;
        let token = match &data {
            Data::Several(all) => all.first().map(|one| &one.token),
            Data::One(one) => Some(&one.token),
        };
        let wrong = |reason: &str| CloudError::BadAnswer { host: host.to_owned(), reason: reason.to_owned() };
        let token = token.ok_or_else(|| wrong("there is no token in it"))?;
        let decoded = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded = decoded.ok_or_else(|| wrong("its token is not in base64"))?;
        let (user, password) = decoded.split_once(':').ok_or_else(|| wrong("its token has no password"))?;
        Ok(Login::Password { user: user.to_owned(), password: password.to_owned() })
    }
}

#[derive(Deserialize)]
struct Given {
    #[serde(rename = "authorizationData")]
    data: Data,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Data {
    Several(Vec<Token>),
    One(Token),
}

#[derive(Deserialize)]
struct Token {
    #[serde(rename = "authorizationToken")]
    token: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_told_by_their_names() {
        let of = |host: &str| Registry::of(host).map(|registry| (registry.host, registry.region));
        for (host, api, region) in [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "api.ecr.eu-west-1.amazonaws.com", "eu-west-1"),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "api.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            ("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", "ecr-fips.us-east-1.amazonaws.com", "us-east-1"),
            ("123456789012.dkr-ecr.us-west-2.on.aws", "ecr.us-west-2.api.aws", "us-west-2"),
            ("public.ecr.aws", "api.ecr-public.us-east-1.amazonaws.com", "us-east-1"),
        ] {
            assert_eq!(of(host), Some((api.to_owned(), region.to_owned())), "{host}");
        }
        for other in [
            "docker.io",
            "ecr.us-east-1.amazonaws.com",
            "1234.dkr.ecr.us-east-1.amazonaws.com",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com.evil.example",
            "123456789012.dkr.ecr.us-east-1.evil.example",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
