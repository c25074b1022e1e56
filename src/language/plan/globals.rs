//! ARGs outside stages: those declared before the first FROM, and the predefined ones (Dockerfile reference, "Automatic
//! platform ARGs in the global scope" and "Predefined ARGs").

use std::collections::BTreeMap;

use crate::image::Platform;
use crate::language::dockerfile::words::Lexer;
use crate::language::dockerfile::{Command, Dockerfile};

use super::epoch::NAME as EPOCH;
use super::error::{PlanError, PlanErrorKind};
use super::expand::{Environment, Expander};
use super::request::{Epoch, PlanRequest};

/// The global ARGs with their values: from the command line, or else their defaults.
pub fn declare(
    dockerfile: &Dockerfile,
    request: &PlanRequest,
    lexer: &Lexer,
    target_name: Option<&str>,
) -> Result<Environment, PlanError> {
    let mut globals = predefined(request, target_name);
    for instruction in &dockerfile.global_args {
        let Command::Arg(declarations) = &instruction.command else { continue };
        let expander = Expander { lexer, lines: instruction.lines };
        for declaration in declarations {
            if let Some(given) = request.build_args.get(&declaration.name) {
                globals.set(&declaration.name, given);
            } else if let Some(default) = &declaration.default {
                let value = expander.word(default, &globals)?;
                globals.set(&declaration.name, &value);
            }
        }
    }
    Ok(globals)
}

/// The resolved SOURCE_DATE_EPOCH, or else a number from the command line or a global ARG's default. Afterwards the
/// global ARG has the seconds, or is removed.
pub fn settle_epoch(request: &PlanRequest, globals: &mut Environment) -> Result<Option<i64>, PlanError> {
    let given = request.build_args.get(EPOCH).map(String::as_str).or_else(|| globals.get(EPOCH));
    let seconds = match (request.epoch, given) {
        (Epoch::Resolved(seconds), _) => seconds,
        (Epoch::AsWritten, None | Some("")) => None,
        (Epoch::AsWritten, Some(text)) => {
            let seconds = text.parse::<i64>().ok();
            Some(seconds.ok_or_else(|| PlanErrorKind::Epoch(text.to_owned()).nowhere())?)
        }
    };
    if globals.get(EPOCH).is_some() {
        match seconds {
            Some(seconds) => globals.set(EPOCH, &seconds.to_string()),
            None => globals.remove(EPOCH),
        }
    }
    Ok(seconds)
}

/// The global ARGs before the first line is read: platforms and the target's name; `--build-arg` overrides each of
/// them.
pub fn predefined(request: &PlanRequest, target_name: Option<&str>) -> Environment {
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

/// The proxies among the build arguments, in upper and lower case, as programs look for them.
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
