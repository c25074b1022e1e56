//! ARGs that every Dockerfile has without declaring them globally (Dockerfile reference, "Automatic platform ARGs in
//! the global scope" and "Predefined ARGs").

use std::collections::BTreeMap;

use crate::image::Platform;

use super::expand::Environment;
use super::request::PlanRequest;

/// The global ARGs before the first line is read: platforms and the target's name, each of which `--build-arg` overrides.
pub fn global_args(request: &PlanRequest, target_name: Option<&str>) -> Environment {
    let mut args = Environment::default();
    let mut set = |name: &str, value: &str| {
        args.set(name, request.build_args.get(name).map_or(value, String::as_str));
    };
    for (prefix, platform) in [("BUILD", &request.build_platform), ("TARGET", &request.platform)] {
        for (suffix, value) in platform_args(platform) {
            set(&format!("{prefix}{suffix}"), &value);
        }
    }
    set("TARGETSTAGE", target_name.unwrap_or("default"));
    args
}

fn platform_args(platform: &Platform) -> [(&'static str, String); 5] {
    [
        ("PLATFORM", platform.to_string()),
        ("OS", platform.os.clone()),
        ("OSVERSION", platform.os_version.clone()),
        ("ARCH", platform.architecture.clone()),
        ("VARIANT", platform.variant.clone()),
    ]
}

/// The proxies among the build arguments, in both spellings, as processes look for them.
pub(super) fn proxies(build_args: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"] {
        let given = build_args.iter().rfind(|(key, _)| key.eq_ignore_ascii_case(name));
        if let Some((_, value)) = given {
            found.push((name.to_owned(), value.clone()));
            found.push((name.to_ascii_lowercase(), value.clone()));
        }
    }
    found
}
