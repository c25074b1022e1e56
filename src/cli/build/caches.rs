//! The values of `--cache-from` and `--cache-to`, in buildx's forms.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::values::fields;
use crate::base::{boolean, nanoseconds};
use crate::build::remote_cache::{
    ActionsOptions, BucketOptions, CacheSource, CacheTarget, Credentials, ExportOptions, Mode, ObjectOptions,
    PlaceOptions, READ_LIMIT, Service,
};
use crate::cli::{CliError, output};
use crate::transport::transfer::LayerFormat;

const KINDS: &str = "registry, local, s3, azblob, gcs, gha and inline";

/// The attributes of one cache; each is removed when it is read.
struct Attributes<'a> {
    option: &'static str,
    text: &'a str,
    left: BTreeMap<String, String>,
}

impl<'a> Attributes<'a> {
    /// One for each cache in the text: `a/b:c,d/e` are two references, everything else is one cache.
    fn parse(option: &'static str, text: &'a str) -> Result<Vec<Self>, CliError> {
        let is_references = !text.contains('=');
        if is_references {
            let references = text.split(',').map(str::trim).filter(|reference| !reference.is_empty());
            let of = |reference: &str| {
                BTreeMap::from([("type".to_owned(), "registry".to_owned()), ("ref".to_owned(), reference.to_owned())])
            };
            return Ok(references.map(|reference| Self { option, text, left: of(reference) }).collect());
        }
        let fields = fields(text).map_err(|error| CliError::new(format!("invalid --{option}: {error}")))?;
        Ok(vec![Self { option, text, left: fields.into_iter().collect() }])
    }

    fn wrong(&self, message: impl std::fmt::Display) -> CliError {
        // The text may contain a key.
        let shown: Vec<String> = fields(self.text)
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| match key.as_str() {
                "secret_access_key" | "session_token" | "token" | "ghtoken" => format!("{key}=***"),
                _ if value.is_empty() => key,
                _ => format!("{key}={value}"),
            })
            .collect();
        CliError::new(format!("invalid --{} `{}`: {message}", self.option, shown.join(",")))
    }

    fn take(&mut self, key: &str) -> Option<String> {
        self.left.remove(key).filter(|value| !value.is_empty())
    }

    fn needed(&mut self, key: &str) -> Result<String, CliError> {
        self.take(key).ok_or_else(|| self.wrong(format!("it needs {key}=")))
    }

    fn flag(&mut self, key: &str) -> Result<bool, CliError> {
        match self.left.remove(key).as_deref() {
            None => Ok(false),
            Some("") => Ok(true),
            Some(text) => boolean(text).ok_or_else(|| self.wrong(format!("{key} is true or false, not `{text}`"))),
        }
    }

    /// buildx attributes that enable what is always on here.
    fn always_true(&mut self, key: &str) -> Result<(), CliError> {
        match self.left.remove(key).as_deref() {
            None | Some("") => Ok(()),
            Some(text) if boolean(text) == Some(true) => Ok(()),
            Some(_) => Err(self.wrong(format!("{key} is always true with rbuild"))),
        }
    }

    fn finish(self) -> Result<(), CliError> {
        match self.left.keys().next() {
            Some(key) => Err(self.wrong(format!("it takes no `{key}`"))),
            None => Ok(()),
        }
    }

    fn bucket(&mut self) -> Result<BucketOptions, CliError> {
        let from_environment = std::env::var("AWS_BUCKET").ok().filter(|bucket| !bucket.is_empty());
        let bucket = match self.take("bucket").or(from_environment) {
            Some(bucket) => bucket,
            None => return Err(self.wrong("it needs bucket=")),
        };
        let mut options = BucketOptions::new(&bucket);
        for (key, field) in [
            ("region", &mut options.region),
            ("prefix", &mut options.prefix),
            ("blobs_prefix", &mut options.blobs_prefix),
            ("manifests_prefix", &mut options.manifests_prefix),
            ("name", &mut options.name),
        ] {
            if let Some(value) = self.take(key) {
                *field = value;
            }
        }
        options.endpoint = self.take("endpoint_url").or(options.endpoint);
        options.path_style = self.flag("use_path_style")?;
        options.given = match (self.take("access_key_id"), self.take("secret_access_key"), self.take("session_token")) {
            (None, None, None) => None,
            (Some(access_key_id), Some(secret_access_key), session_token) => {
                Some(Credentials { access_key_id, secret_access_key, session_token })
            }
            _ => return Err(self.wrong("access_key_id and secret_access_key belong together")),
        };
        Ok(options)
    }

    /// GitHub's cache; like buildx, `None` outside of a GitHub job.
    fn actions(&mut self) -> Result<Option<ActionsOptions>, CliError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        match self.take("version").as_deref() {
            None | Some("2") => {}
            Some(other) => {
                return Err(self.wrong(format!("version `{other}` of the service is no longer there; there is 2")));
            }
        }
        // For the API that lists entries, which rbuild does not use.
        let _ = (self.take("repository"), self.take("ghtoken"));
        let scope = self.take("scope").unwrap_or_else(|| ActionsOptions::SCOPE.to_owned());
        if scope.contains([',', '#']) || scope.len() > 256 {
            return Err(self.wrong("scope is a short name without `,` and `#`"));
        }
        let timeout = match self.take("timeout") {
            None => ActionsOptions::TIMEOUT,
            Some(text) => duration(&text).ok_or_else(|| self.wrong("timeout is a duration such as 10m"))?,
        };
        let older = self.take("url");
        let url = self.take("url_v2").or_else(|| variable("ACTIONS_RESULTS_URL")).or(older);
        let token = self.take("token").or_else(|| variable("ACTIONS_RUNTIME_TOKEN"));
        let (Some(url), Some(token)) = (url, token) else {
            output::say(format_args!(
                "warning: --{} type=gha: there is no such cache outside of GitHub's jobs: ACTIONS_RESULTS_URL and \
                 ACTIONS_RUNTIME_TOKEN are not set",
                self.option
            ));
            return Ok(None);
        };
        Ok(Some(ActionsOptions { url, token, scope, timeout }))
    }

    /// Microsoft's storage, with BuildKit's attributes and variables.
    fn azure(&mut self) -> Result<ObjectOptions, CliError> {
        let variable =
            |name: &str| std::env::var(format!("BUILDKIT_AZURE_STORAGE_{name}")).ok().filter(|value| !value.is_empty());
        let account_url = self.take("account_url").or_else(|| variable("ACCOUNT_URL"));
        let account_url = account_url.ok_or_else(|| self.wrong("it needs account_url="))?;
        let host = account_url.split_once("://").map_or(account_url.as_str(), |(_, host)| host);
        let of_host = host.split(['.', '/', ':']).next().unwrap_or_default().to_owned();
        let account = self.take("account_name").or_else(|| variable("ACCOUNT_NAME")).unwrap_or(of_host);
        let container = self.take("container").or_else(|| variable("CONTAINER"));
        let container = container.unwrap_or_else(|| "buildkit-cache".to_owned());
        let key = self.take("secret_access_key");
        let prefix = variable("PREFIX").unwrap_or_default();
        let options = ObjectOptions::new(Service::Azure { account_url, account, container, key });
        Ok(self.named(ObjectOptions { prefix, ..options }))
    }

    /// Google's storage.
    fn google(&mut self) -> Result<ObjectOptions, CliError> {
        let bucket = self.needed("bucket")?;
        Ok(self.named(ObjectOptions::new(Service::Google { bucket })))
    }

    /// The names within a place, which all places have.
    fn named(&mut self, mut options: ObjectOptions) -> ObjectOptions {
        for (key, field) in [
            ("prefix", &mut options.prefix),
            ("blobs_prefix", &mut options.blobs_prefix),
            ("manifests_prefix", &mut options.manifests_prefix),
            ("name", &mut options.name),
        ] {
            if let Some(value) = self.take(key) {
                *field = value;
            }
        }
        options
    }

    /// Performance settings of a place, which do not affect its content.
    fn tuning(&mut self) -> Result<(), CliError> {
        let is_tuning =
            |key: &&String| matches!(key.as_str(), "touch_refresh" | "upload_parallelism") || key.starts_with("retry_");
        let keys: Vec<String> = self.left.keys().filter(is_tuning).cloned().collect();
        for key in keys {
            let Some(value) = self.take(&key) else { continue };
            let is_number = value.parse::<u32>().is_ok();
            let is_duration = nanoseconds(&value).is_some_and(|time| time >= 0);
            let is_time = is_duration && key != "upload_parallelism";
            if !is_number && !is_time {
                return Err(self.wrong(format!("{key}: `{value}` is neither a number nor a duration such as 24h")));
            }
        }
        Ok(())
    }

    fn registry(&mut self) -> Result<PlaceOptions, CliError> {
        let reference = self.needed("ref")?;
        let reference = reference.parse().map_err(|error: crate::image::InvalidReference| self.wrong(error))?;
        Ok(PlaceOptions::Registry(reference))
    }

    fn tag(&mut self) -> String {
        self.take("tag").unwrap_or_else(|| "latest".to_owned())
    }

    fn unknown(&self, kind: &str) -> CliError {
        self.wrong(format!("there is no type `{kind}`; there are {KINDS}"))
    }
}

/// `--cache-from`
pub(super) fn source(text: &str) -> Result<Vec<CacheSource>, CliError> {
    Attributes::parse("cache-from", text)?.into_iter().filter_map(|given| one_source(given).transpose()).collect()
}

fn one_source(mut given: Attributes<'_>) -> Result<Option<CacheSource>, CliError> {
    let kind = given.needed("type")?;
    given.tuning()?;
    let mounts = !given.left.contains_key("mounts") || given.flag("mounts")?;
    let limit = match given.take("timeout") {
        // The timeout applies to each request; also do not wait longer for the list.
        Some(text) if kind == "gha" => {
            let limit = duration(&text).ok_or_else(|| given.wrong("timeout is a duration such as 10m"))?;
            given.left.insert("timeout".to_owned(), text);
            limit
        }
        None => READ_LIMIT,
        Some(text) => {
            let seconds: Option<f32> = text.trim_end_matches('s').parse().ok();
            let limit = seconds.and_then(|seconds| Duration::try_from_secs_f32(seconds).ok());
            limit.ok_or_else(|| given.wrong("timeout is a number of seconds"))?
        }
    };
    let place = match kind.as_str() {
        "registry" => given.registry()?,
        "local" => {
            let path = PathBuf::from(given.needed("src")?);
            let digest = given.take("digest").map(|text| text.parse()).transpose();
            let digest = digest.map_err(|error: crate::base::digest::InvalidDigest| given.wrong(error))?;
            PlaceOptions::Folder { path, tag: given.tag(), digest }
        }
        "s3" => PlaceOptions::Bucket(given.bucket()?),
        "azblob" => PlaceOptions::Objects(Box::new(given.azure()?)),
        "gcs" => PlaceOptions::Objects(Box::new(given.google()?)),
        "gha" => match given.actions()? {
            Some(actions) => PlaceOptions::Actions(actions),
            None => return Ok(None),
        },
        "inline" => return Err(given.wrong("a cache in an image is read with type=registry,ref=IMAGE")),
        other => return Err(given.unknown(other)),
    };
    given.finish()?;
    Ok(Some(CacheSource { place, limit, mounts, max_age: None }))
}

/// `10m`, or a number of seconds.
fn duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f32>() {
        return Duration::try_from_secs_f32(seconds).ok();
    }
    nanoseconds(text).and_then(|time| u64::try_from(time).ok()).map(Duration::from_nanos)
}

/// `--cache-to`
pub(super) fn target(text: &str) -> Result<Vec<CacheTarget>, CliError> {
    let mut targets = Vec::new();
    for given in Attributes::parse("cache-to", text)? {
        targets.extend(one_target(given)?);
    }
    Ok(targets)
}

fn one_target(mut given: Attributes<'_>) -> Result<Vec<CacheTarget>, CliError> {
    let kind = given.needed("type")?;
    given.tuning()?;
    let mode = match given.take("mode").as_deref() {
        None | Some("min") => Mode::Min,
        Some("max") => Mode::Max,
        Some(other) => return Err(given.wrong(format!("there is no mode `{other}`; there are min and max"))),
    };
    if kind == "inline" {
        if mode == Mode::Max {
            return Err(given.wrong("an image has no place for other layers than its own: mode=min"));
        }
        given.finish()?;
        return Ok(vec![CacheTarget::Inline]);
    }
    let compression = compression(&mut given)?;
    let (ignore_error, mounts) = (given.flag("ignore-error")?, given.flag("mounts")?);
    given.always_true("oci-mediatypes")?;
    given.always_true("image-manifest")?;
    let places = match kind.as_str() {
        "registry" => vec![given.registry()?],
        "local" => {
            let path = PathBuf::from(given.needed("dest")?);
            vec![PlaceOptions::Folder { path, tag: given.tag(), digest: None }]
        }
        "s3" => {
            let bucket = given.bucket()?;
            let named = |name: &str| PlaceOptions::Bucket(BucketOptions { name: name.to_owned(), ..bucket.clone() });
            bucket.name.split(';').map(named).collect()
        }
        "azblob" | "gcs" => {
            let options = if kind == "gcs" { given.google()? } else { given.azure()? };
            let named = |name: &str| {
                PlaceOptions::Objects(Box::new(ObjectOptions { name: name.to_owned(), ..options.clone() }))
            };
            options.name.split(';').map(named).collect()
        }
        "gha" => match given.actions()? {
            Some(actions) => vec![PlaceOptions::Actions(actions)],
            None => return Ok(Vec::new()),
        },
        other => return Err(given.unknown(other)),
    };
    given.finish()?;
    let export = |place| CacheTarget::Place(Box::new(ExportOptions { place, mode, compression, ignore_error, mounts }));
    Ok(places.into_iter().map(export).collect())
}

fn compression(given: &mut Attributes<'_>) -> Result<LayerFormat, CliError> {
    let level = given.take("compression-level").map(|text| text.parse::<i32>());
    let level = level.transpose().map_err(|_| given.wrong("compression-level is a number"))?;
    if given.flag("force-compression")? {
        return Err(given.wrong("layers keep the compression in which a cache has them; use another name"));
    }
    match (given.take("compression").as_deref(), level) {
        (None | Some("gzip"), None) => Ok(LayerFormat::Gzip),
        (None | Some("gzip"), Some(level @ 0..=9)) => Ok(LayerFormat::GzipAt(level)),
        (Some("zstd"), None) => Ok(LayerFormat::Zstd),
        (Some("zstd"), Some(level @ 0..=22)) => Ok(LayerFormat::ZstdAt(level)),
        (Some("uncompressed"), None) => Ok(LayerFormat::Tar),
        (None | Some("gzip" | "zstd" | "uncompressed"), Some(_)) => {
            Err(given.wrong("compression-level is 0 to 9 for gzip, and 0 to 22 for zstd"))
        }
        (Some(other), _) => {
            Err(given.wrong(format!("there is no compression `{other}`; there are gzip, zstd and uncompressed")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<String> {
        source(text).unwrap().iter().map(|source| source.place.shown()).collect()
    }

    #[test]
    fn sources() {
        assert_eq!(places("a/b:c"), ["a/b:c"]);
        assert_eq!(places("a/b:c,d/e"), ["a/b:c", "d/e:latest"]);
        assert_eq!(places("type=registry,ref=localhost:5000/x:y"), ["localhost:5000/x:y"]);
        assert_eq!(places("type=local,src=/tmp/c"), ["/tmp/c"]);
        assert_eq!(places("type=s3,bucket=b,region=r,name=n,prefix=p/"), ["s3://b/p/n"]);
        let azure = "type=azblob,account_url=https://me.blob.core.windows.net,container=c,prefix=p,name=n";
        assert_eq!(places(azure), ["azblob://me/c/p/n"]);
        assert_eq!(places("type=gcs,bucket=b"), ["gs://b/buildkit"]);
        assert_eq!(places("type=gha,url_v2=http://h,token=t,timeout=90s"), ["GitHub's cache `buildkit`"]);
        let limited = &source("type=local,src=c,timeout=1.5,mounts=false").unwrap()[0];
        assert_eq!((limited.limit, limited.mounts), (Duration::from_millis(1500), false));
    }

    #[test]
    fn targets() {
        assert_eq!(target("type=inline").unwrap(), [CacheTarget::Inline]);
        let options = |text| match target(text).unwrap().remove(0) {
            CacheTarget::Place(options) => *options,
            CacheTarget::Inline => panic!("{text}"),
        };
        let usual = options("type=local,dest=c");
        assert_eq!((usual.mode, usual.compression, usual.ignore_error), (Mode::Min, LayerFormat::Gzip, false));
        let all = options("type=registry,ref=a/b,mode=max,compression=zstd,ignore-error=true,image-manifest=true");
        assert_eq!((all.mode, all.compression, all.ignore_error), (Mode::Max, LayerFormat::Zstd, true));
        assert_eq!(target("type=s3,bucket=b,region=r,name=one;two").unwrap().len(), 2);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for wrong in [
            "type=azblob,container=c",
            "type=gcs",
            "type=swift,bucket=b",
            "type=gha,version=1,token=t,url=http://h",
            "type=gha,scope=a#b,token=t,url=http://h",
            "type=gha,timeout=soon,token=t,url=http://h",
            "type=local",
            "ref=a/b,mode=max",
            "type=registry,ref=A B",
            "type=registry,ref=a/b,mode=all",
            "type=registry,ref=a/b,compression=estargz",
            "type=registry,ref=a/b,compression-level=30",
            "type=registry,ref=a/b,image-manifest=false",
            "type=inline,mode=max",
            "type=local,dest=c,colour=red",
            "type=s3,bucket=b,access_key_id=only",
        ] {
            assert!(target(wrong).is_err(), "{wrong}");
        }
        let error = source("type=s3,bucket=b,secret_access_key=hunter2,access_key_id=i,nope=1").unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
