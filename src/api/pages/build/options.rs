//! The options of a build, from docker's query.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::api::ApiError;
use crate::api::query::Query;
use crate::build::remote_cache::{CacheSource, PlaceOptions, READ_LIMIT};
use crate::build::solve::{DeviceAccess, JoinedNetwork, RunSettings};
use crate::build::{BuildOptions, ContextSource, DockerfileSource};
use crate::container::cdi;
use crate::container::sandbox::{Limits, ResourceLimit, Seccomp};
use crate::engine::build::check_limits;
use crate::engine::builders::{Builder, new_reference};
use crate::image::{Annotations, Platform, Reference, host_platform};
use crate::language::plan::{NetworkMode, NoCache};
use crate::transport::registry::Settings;

/// Precedes the name of a container whose network is joined.
const PARTNER: &str = "container:";

/// The options; the context is the body if there is no address.
pub fn of(query: &Query, registry: Settings) -> Result<BuildOptions, ApiError> {
    let (network, joined) = network(query.text("networkmode").unwrap_or_default())?;
    check_isolation(query.text("isolation").unwrap_or_default())?;
    check_outputs(query)?;
    let platform = query.text("platform").map(|text| text.parse::<Platform>()).transpose()?;
    let pairs = |name: &str| -> Result<BTreeMap<String, Option<String>>, ApiError> {
        let wrong = |error: ApiError| ApiError::bad_request(format!("error reading {name}: {error}"));
        Ok(query.json(name).map_err(wrong)?.unwrap_or_default())
    };
    // A variable without a value would come from an environment, which the service does not have.
    let given =
        |pairs: BTreeMap<String, Option<String>>| pairs.into_iter().filter_map(|(key, value)| Some((key, value?)));
    Ok(BuildOptions {
        reference: format!("{}{}", Builder::default_prefix(), new_reference()),
        context: ContextSource::Remote(query.text("remote").unwrap_or_default().to_owned()),
        dockerfile: query.text("dockerfile").map_or(DockerfileSource::Default, |path| match path {
            "Dockerfile" => DockerfileSource::Default,
            path => DockerfileSource::Path(PathBuf::from(path)),
        }),
        // Policies belong to buildx: the engine's own builder has none.
        heeds_policies: false,
        named_contexts: Vec::new(),
        tags: tags(query)?,
        build_args: given(pairs("buildargs")?).collect(),
        labels: given(pairs("labels")?).collect(),
        target: query.text("target").map(str::to_owned),
        platform_is_explicit: platform.is_some(),
        platforms: vec![platform.unwrap_or_else(host_platform)],
        no_cache: if query.flag("nocache") { NoCache::Always } else { NoCache::Never },
        pull: query.flag("pull"),
        registry,
        network,
        // Whoever has access to the service may start containers in the host's network anyway.
        allow_host_network: true,
        allow_insecure: false,
        run: RunSettings { joined, ..run_settings(query)? },
        outputs: Vec::new(),
        failed_outputs: Vec::new(),
        watched: None,
        keep: true,
        keep_is_asked: true,
        engine: None,
        load: false,
        push: None,
        push_by_digest: Vec::new(),
        name_canonical: false,
        immutable_tags_may_stay: false,
        force_compression: None,
        docker_media_types: false,
        unpack: false,
        squash: query.flag("squash"),
        reproducible: false,
        annotations: Annotations::default(),
        cache_from: caches(query)?,
        cache_to: Vec::new(),
    })
}

fn tags(query: &Query) -> Result<Vec<Reference>, ApiError> {
    let named = query.all("t").into_iter().filter(|name| !name.is_empty());
    let mut tags: Vec<Reference> = Vec::new();
    for name in named {
        let name: Reference = name.parse()?;
        if name.digest().is_some() {
            return Err(ApiError::bad_request("build tag cannot contain a digest"));
        }
        if !tags.contains(&name) {
            tags.push(name);
        }
    }
    Ok(tags)
}

/// The network mode of steps, and the network that they join instead of the default one.
fn network(mode: &str) -> Result<(NetworkMode, Option<JoinedNetwork>), ApiError> {
    Ok(match mode {
        "" | "default" | "bridge" => (NetworkMode::Default, None),
        "none" => (NetworkMode::None, None),
        "host" => (NetworkMode::Host, None),
        "container:" => return Err(ApiError::bad_request("invalid container format container:<name|id>")),
        other if other.starts_with(PARTNER) => (NetworkMode::Default, None),
        other => (NetworkMode::Default, Some(JoinedNetwork::Named(other.to_owned()))),
    })
}

/// The container whose network steps join.
pub fn partner(query: &Query) -> Option<&str> {
    query.text("networkmode")?.strip_prefix(PARTNER)
}

/// Other systems have other kinds.
fn check_isolation(kind: &str) -> Result<(), ApiError> {
    match kind.to_ascii_lowercase().as_str() {
        "" | "default" => Ok(()),
        _ => Err(ApiError::bad_request(format!("unsupported isolation: {kind:?}"))),
    }
}

/// docker's `ImageBuildOutput`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Output {
    #[serde(rename = "Type")]
    kind: String,
    attrs: Option<BTreeMap<String, String>>,
}

/// The image is stored here. An export to the client would require its session.
fn check_outputs(query: &Query) -> Result<(), ApiError> {
    for output in query.json::<Vec<Output>>("outputs")?.unwrap_or_default() {
        if !matches!(output.kind.as_str(), "image" | "docker" | "moby")
            || output.attrs.is_some_and(|all| !all.is_empty())
        {
            return Err(ApiError::bad_request(format!(
                "output {:?} is not possible in a build by this page: the image is kept here; docker's build plugin has the \
                 other outputs (rbuild docker-plugin install)",
                output.kind
            )));
        }
    }
    Ok(())
}

/// Images with an inline cache.
fn caches(query: &Query) -> Result<Vec<CacheSource>, ApiError> {
    let names = query.json::<Vec<String>>("cachefrom")?.unwrap_or_default();
    let source = |name: String| -> Result<CacheSource, ApiError> {
        Ok(CacheSource {
            place: PlaceOptions::Registry(name.parse()?),
            limit: READ_LIMIT,
            mounts: false,
            max_age: None,
        })
    };
    names.into_iter().map(source).collect()
}

/// docker's `Ulimit`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ulimit {
    name: String,
    soft: i64,
    hard: i64,
}

fn run_settings(query: &Query) -> Result<RunSettings, ApiError> {
    let (seccomp, no_new_privileges) = security(query)?;
    // -1 is unlimited.
    let bound = |number: i64| u64::try_from(number).unwrap_or(u64::MAX);
    let ulimits = query.json::<Vec<Ulimit>>("ulimits")?.unwrap_or_default();
    let ulimit = |limit: Ulimit| ResourceLimit { name: limit.name, soft: bound(limit.soft), hard: bound(limit.hard) };
    Ok(RunSettings {
        extra_hosts: query.all("extrahosts").into_iter().map(host).collect::<Result<_, _>>()?,
        shm_size: positive(query, "shmsize")?,
        ulimits: ulimits.into_iter().map(ulimit).collect(),
        limits: limits(query)?,
        seccomp,
        no_new_privileges,
        devices: DeviceAccess { folders: cdi::FOLDERS.iter().map(PathBuf::from).collect(), ..DeviceAccess::default() },
        ..RunSettings::default()
    })
}

/// `NAME:IP`
fn host(text: &str) -> Result<(String, String), ApiError> {
    let wrong = || ApiError::bad_request(format!("bad format for add-host: {text:?}"));
    let (name, address) = text.split_once('=').or_else(|| text.split_once(':')).ok_or_else(wrong)?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let is_known = address == "host-gateway" || address.parse::<std::net::IpAddr>().is_ok();
    if is_known { Ok((name.to_owned(), address.to_owned())) } else { Err(wrong()) }
}

/// Zero is no limit.
fn positive(query: &Query, name: &str) -> Result<Option<u64>, ApiError> {
    let negative = |_| ApiError::bad_request(format!("invalid value for {name}: it is negative"));
    query.number(name)?.filter(|number| *number != 0).map(|number| u64::try_from(number).map_err(negative)).transpose()
}

fn limits(query: &Query) -> Result<Limits, ApiError> {
    let text = |name: &str| query.text(name).map(str::to_owned);
    let swap = match query.number("memswap")? {
        Some(-1) => Some(u64::MAX),
        _ => positive(query, "memswap")?,
    };
    let limits = Limits {
        memory: positive(query, "memory")?,
        memory_and_swap: swap,
        cpu_shares: positive(query, "cpushares")?,
        cpu_period: positive(query, "cpuperiod")?,
        cpu_quota: if query.number("cpuquota")? == Some(-1) { None } else { positive(query, "cpuquota")? },
        cpuset_cpus: text("cpusetcpus"),
        cpuset_mems: text("cpusetmems"),
        parent: text("cgroupparent"),
        ..Limits::default()
    };
    check_limits(&limits).map_err(|wrong| ApiError::bad_request(wrong.to_string()))?;
    Ok(limits)
}

/// `securityopt`, as far as it applies to a step.
fn security(query: &Query) -> Result<(Seccomp, bool), ApiError> {
    let (mut seccomp, mut no_new_privileges) = (Seccomp::Default, false);
    for text in query.all("securityopt") {
        let (key, value) = text.split_once('=').or_else(|| text.split_once(':')).unwrap_or((text, ""));
        match (key, value) {
            ("", "") | ("apparmor", "unconfined") | ("label", "disable") => {}
            ("no-new-privileges", "" | "true") => no_new_privileges = true,
            ("no-new-privileges", "false") => no_new_privileges = false,
            ("seccomp", "unconfined") => seccomp = Seccomp::Unconfined,
            ("seccomp", "builtin") => seccomp = Seccomp::Default,
            _ => return Err(ApiError::bad_request(format!("invalid security option {text:?}: steps have no such"))),
        }
    }
    Ok((seccomp, no_new_privileges))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(query: &str) -> Result<BuildOptions, ApiError> {
        of(&Query::parse(query), Settings::default())
    }

    #[test]
    fn a_query_is_a_build() {
        let options = options(
            "t=a&t=r.example/b:1&t=a&buildargs={\"A\":\"1\",\"B\":null}&labels={\"l\":\"v\"}&target=x&nocache=True&\
             networkmode=host&extrahosts=h:1.2.3.4&shmsize=1000&memory=67108864&memswap=-1&\
             ulimits=[{\"Name\":\"nofile\",\"Soft\":5,\"Hard\":-1}]&cachefrom=[\"c\"]&rm=0&platform=linux/arm64&\
             cgroupparent=/p&isolation=Default&outputs=[]",
        )
        .unwrap();
        assert_eq!(options.tags.len(), 2);
        assert_eq!(options.build_args, BTreeMap::from([("A".to_owned(), "1".to_owned())]));
        assert_eq!((options.target.as_deref(), options.no_cache), (Some("x"), NoCache::Always));
        assert_eq!(options.run.extra_hosts, [("h".to_owned(), "1.2.3.4".to_owned())]);
        assert_eq!((options.run.limits.memory, options.run.limits.memory_and_swap), (Some(64 << 20), Some(u64::MAX)));
        assert_eq!(options.run.limits.parent.as_deref(), Some("/p"));
        assert_eq!((options.run.ulimits[0].soft, options.run.ulimits[0].hard), (5, u64::MAX));
        assert_eq!((options.cache_from.len(), options.platforms[0].to_string()), (1, "linux/arm64".to_owned()));
    }

    #[test]
    fn networks_that_steps_join() {
        let joined = |mode: &str| network(mode).map(|(_, joined)| joined).ok().flatten();
        assert!(matches!(joined("mine"), Some(JoinedNetwork::Named(name)) if name == "mine"));
        assert!(joined("bridge").is_none() && joined("container:x").is_none());
        assert_eq!(partner(&Query::parse("networkmode=container:x")), Some("x"));
        assert_eq!(partner(&Query::parse("networkmode=mine")), None);
    }

    #[test]
    fn what_makes_no_sense_is_the_clients_fault() {
        for wrong in [
            "t=UPPER",
            "buildargs=nonsense",
            "labels=[]",
            "networkmode=container:",
            "isolation=hyperv",
            "outputs=x",
            "outputs=[{\"Type\":\"local\"}]",
            "outputs=[{\"Type\":\"image\",\"Attrs\":{\"push\":\"true\"}}]",
            "extrahosts=h",
            "memory=-5",
            "memory=1000",
            "ulimits=x",
            "platform=a/b/c/d",
            "securityopt=label=user:x",
            "cachefrom={}",
        ] {
            assert!(options(wrong).is_err_and(|error| error.status == 400), "{wrong}");
        }
    }
}
