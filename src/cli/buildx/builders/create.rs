//! `buildx create`: creates a name for the builder, with its settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::beside;
use crate::base::{fields, input};
use crate::cli::buildx::Builder;
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::engine::builders::{BuilderError, Builders, DEFAULT, NewBuilder, Node, SETTINGS, Scope};
use crate::image::Platform;
use crate::transport::registry::BuildkitRegistries;

/// buildx's default flag for buildkitd; here only `build --allow` decides.
const NETWORK: &str = "--allow-insecure-entitlement=network.host";
const ENTITLEMENT: &str = "--allow-insecure-entitlement";
/// The only driver option that affects a builder without a container.
const DEFAULT_LOAD: &str = "default-load";

/// What the driver `docker-container` knows besides.
const DRIVER_OPTIONS: [&str; 12] = [
    "cgroup-parent",
    "cpu-period",
    "cpu-quota",
    "cpu-shares",
    "cpuset-cpus",
    "cpuset-mems",
    DEFAULT_LOAD,
    "image",
    "memory",
    "memory-swap",
    "network",
    "restart-policy",
];

/// Make a builder: a name for this program, under which builds are made
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    builder: Builder,
    /// Change a builder that is there: it has one node, which this names
    #[arg(long)]
    append: bool,
    /// Taken: the builder needs no start
    #[arg(long)]
    bootstrap: bool,
    /// What BuildKit's daemon would be told: builds go by what it says of registries, the rest is kept and shown
    #[arg(long, value_name = "FILE")]
    buildkitd_config: Option<PathBuf>,
    /// The older name of --buildkitd-config.
    #[arg(long, value_name = "FILE", hide = true, conflicts_with = "buildkitd_config")]
    config: Option<PathBuf>,
    /// Kept and shown; `build --allow` alone says what is allowed
    #[arg(long, value_name = "FLAGS", allow_hyphen_values = true)]
    buildkitd_flags: Option<String>,
    /// docker-container, the default: a result that is not asked for stays in the build cache
    #[arg(long, value_name = "DRIVER")]
    driver: Option<String>,
    /// default-load=true: builds load their result; others are kept and shown
    #[arg(long, value_name = "NAME=VALUE")]
    driver_opt: Vec<String>,
    /// Refused: a builder has one node
    #[arg(long)]
    leave: bool,
    /// The builder's name [default: one that is made up]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The node's name [default: the builder's, with a 0]
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Platforms that the builder is for, which are shown
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    platform: Vec<Platform>,
    /// Let builds use it
    #[arg(long = "use")]
    use_it: bool,
    #[arg(value_name = "CONTEXT")]
    context: Option<String>,
}

/// Creates the builder, and prints its name as buildx does.
pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let builders = beside(global)?;
    if args.leave {
        return Err(CliError::new("--leave: a builder of rbuild's has one node, which can't leave it")
            .hint("remove the builder with `docker buildx rm`"));
    }
    let endpoint = endpoint(args.context.as_deref(), global, &builders)?;
    let name = args.name.filter(|name| !name.is_empty());
    if args.append {
        let Some(name) = &name else {
            return Err(CliError::new("--append needs the name of a builder: --name NAME"));
        };
        builders.find(name).map_err(super::super::unknown)?;
    }
    let changes = args.append || args.node.is_some();
    let driver_opts = driver_options(&args.driver_opt)?;
    let mut says_more = false;
    let is_heard = |option: &String| option == DEFAULT_LOAD;
    let settings = args.buildkitd_config.or(args.config);
    let files = match &settings {
        Some(path) => {
            let content = input::named(path)?;
            says_more = says_more_than_registries(path, &content)?;
            Some(BTreeMap::from([(SETTINGS.to_owned(), BASE64.encode(content))]))
        }
        None => None,
    };
    let unheard = [
        (driver_opts.keys().any(|option| !is_heard(option)), "--driver-opt"),
        (says_more, "what else than registries is in --buildkitd-config"),
        (
            args.buildkitd_flags.as_deref().is_some_and(|flags| words(flags).any(|word| !is_entitlement(word))),
            "--buildkitd-flags",
        ),
    ];
    let unheard: Vec<&str> = unheard.into_iter().filter_map(|(given, name)| given.then_some(name)).collect();
    let node = Node {
        name: args.node.unwrap_or_default(),
        endpoint,
        platforms: Some(args.platform).filter(|platforms| !platforms.is_empty()),
        driver_opts: Some(driver_opts).filter(|options| !options.is_empty()),
        flags: Some(flags(args.buildkitd_flags.as_deref().unwrap_or_default())),
        files,
    };
    let wanted = NewBuilder { name, driver: args.driver.filter(|driver| !driver.is_empty()), node, changes };
    let made = builders.create(wanted).map_err(refused)?;
    if args.use_it {
        builders.choose(&made.name, Scope::default())?;
    }
    if !unheard.is_empty() {
        output::say(format_args!(
            "note: {} of the builder `{}`: kept, and without effect: builds are made by rbuild itself, not in a container",
            unheard.join(", "),
            made.name
        ));
    }
    output::print(&format!("{}\n", made.name))?;
    Ok(ExitCode::SUCCESS)
}

/// Checks the registry settings in a configuration file, which builds use. Returns whether it has other settings.
fn says_more_than_registries(path: &Path, content: &[u8]) -> Result<bool, CliError> {
    let registries = BuildkitRegistries::parse(path, &String::from_utf8_lossy(content))?;
    for file in registries.certificate_files() {
        input::named(file)?;
    }
    Ok(registries.says_more)
}

fn refused(error: BuilderError) -> CliError {
    let hint = match &error {
        BuilderError::Exists { name } => Some(format!("change it with `--node {name}0`, or leave out `--name`")),
        BuilderError::NoDriver { .. } => Some("leave out `--driver`".to_owned()),
        _ => None,
    };
    CliError::from(error).hint_if(hint)
}

/// The recorded endpoint of the builder: a context or a socket of this machine.
fn endpoint(typed: Option<&str>, global: &Global, builders: &Builders) -> Result<String, CliError> {
    let Some(typed) = typed.filter(|typed| !typed.is_empty()) else { return Ok(String::new()) };
    let used = global.engine_in_use()?;
    let is_used = typed == used.shown || used.context.as_deref().unwrap_or(DEFAULT) == typed;
    if is_used || typed.starts_with("unix://") {
        return Ok(typed.to_owned());
    }
    let what = if builders.find(typed).is_ok_and(|found| found.dynamic) { "another context" } else { "another engine" };
    Err(CliError::new(format!("`{typed}` means {what}, and rbuild builds on this machine"))
        .hint("leave it out; results go to the engine that `docker` itself speaks to"))
}

/// `NAME=VALUE[,NAME=VALUE]`, repeatable.
fn driver_options(texts: &[String]) -> Result<BTreeMap<String, String>, CliError> {
    let mut options = BTreeMap::new();
    for text in texts {
        let fields = fields(text).map_err(|error| CliError::new(format!("--driver-opt {text}: {error}")))?;
        for field in fields {
            let Some((name, value)) = field.split_once('=') else {
                return Err(CliError::new(format!("invalid value `{field}` of --driver-opt, expecting NAME=VALUE")));
            };
            if !DRIVER_OPTIONS.contains(&name) && !name.starts_with("env.") {
                return Err(CliError::new(format!("invalid driver option {name} for docker-container driver"))
                    .hint(format!("there are env.NAME, {}", DRIVER_OPTIONS.join(", "))));
            }
            options.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(options)
}

/// The flags one by one, with the one that buildx adds.
fn flags(text: &str) -> Vec<String> {
    let mut flags: Vec<String> = words(text).map(str::to_owned).collect();
    if !flags.iter().any(|flag| flag.contains("network.host")) {
        flags.push(NETWORK.to_owned());
    }
    flags
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

/// What `--allow` permits anyway: the flag, or its value as a separate word.
fn is_entitlement(word: &str) -> bool {
    word.starts_with(ENTITLEMENT) || matches!(word, "network.host" | "security.insecure" | "device")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_drivers_and_flags() {
        let options = driver_options(&["image=1,env.b=x=y".to_owned(), "\"env.c=1,2\"".to_owned()]).ok();
        let wanted = [("image", "1"), ("env.b", "x=y"), ("env.c", "1,2")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(options, Some(wanted.into()));
        assert!(driver_options(&["a".to_owned()]).is_err() && driver_options(&["netwrok=host".to_owned()]).is_err());
        assert_eq!(flags("--debug"), ["--debug", NETWORK]);
        assert_eq!(flags(NETWORK), [NETWORK]);
        let setup = "--allow-insecure-entitlement security.insecure --allow-insecure-entitlement network.host";
        assert!(words(setup).all(is_entitlement) && !is_entitlement("--debug"));
    }
}
