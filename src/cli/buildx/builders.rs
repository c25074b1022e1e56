//! The builders of buildx, of which rbuild has one: this program, on this machine.

use std::process::ExitCode;

use serde_json::json;

use super::{BUILDER, Builder, ONE, check_name};
use crate::cli::format::{Column, Listing};
use crate::cli::{CliError, output};
use crate::image::host_platform;

/// What buildx calls the way in which a builder is reached; it is no way of buildx's own.
const DRIVER: &str = "rbuild";
/// It can be used; nothing has to be started first.
const STATUS: &str = "running";

/// Show the builder that builds would use after this: there is one, and none is made
#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    #[command(flatten)]
    builder: Builder,
    /// Taken: the builder is used in any case
    #[arg(long = "use")]
    use_it: bool,
    /// Taken: the builder needs no start
    #[arg(long)]
    bootstrap: bool,
    /// docker, docker-container or rbuild: all of them are this program
    #[arg(long, value_name = "DRIVER")]
    driver: Option<String>,
    /// The name that it would have; builds find the builder as `default`
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[arg(long, hide = true)]
    append: bool,
    #[arg(long, hide = true)]
    leave: bool,
    #[arg(long, hide = true, value_name = "NAME")]
    node: Option<String>,
    #[arg(long, hide = true, value_name = "FILE", visible_alias = "config")]
    buildkitd_config: Option<String>,
    #[arg(long, hide = true, value_name = "FLAGS")]
    buildkitd_flags: Option<String>,
    #[arg(long, hide = true, value_name = "OPTION")]
    driver_opt: Vec<String>,
    #[arg(long, hide = true, value_name = "PLATFORM")]
    platform: Vec<String>,
    #[arg(value_name = "CONTEXT")]
    context: Option<String>,
}

/// Show the builder
#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    #[command(flatten)]
    builder: Builder,
    /// Taken: the builder needs no start
    #[arg(long)]
    bootstrap: bool,
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// List the builders: there is one
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    builder: Builder,
    /// `table`, `json` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Taken: nothing is cut
    #[arg(long)]
    no_trunc: bool,
}

/// Remove builders: the one there is stays
#[derive(Debug, clap::Args)]
pub struct RemoveArgs {
    #[command(flatten)]
    builder: Builder,
    /// All builders that don't run; there is none
    #[arg(long)]
    all_inactive: bool,
    /// Don't ask
    #[arg(short, long)]
    force: bool,
    #[arg(long, hide = true)]
    keep_daemon: bool,
    #[arg(long, hide = true)]
    keep_state: bool,
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Stop the builder: nothing of it runs between builds
#[derive(Debug, clap::Args)]
pub struct StopArgs {
    #[command(flatten)]
    builder: Builder,
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Set the builder for builds: it is always `default`
#[derive(Debug, clap::Args)]
pub struct UseArgs {
    #[command(flatten)]
    builder: Builder,
    /// Taken: there is one for all
    #[arg(long = "default")]
    for_context: bool,
    /// Taken: there is one for all
    #[arg(long)]
    global: bool,
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// What was asked for, where it is what there is; nothing is made.
pub fn create(args: &CreateArgs) -> Result<ExitCode, CliError> {
    args.builder.check()?;
    let refused = [
        (args.append, "--append"),
        (args.leave, "--leave"),
        (args.node.is_some(), "--node"),
        (args.buildkitd_config.is_some(), "--buildkitd-config"),
        (args.buildkitd_flags.is_some(), "--buildkitd-flags"),
        (!args.driver_opt.is_empty(), "--driver-opt"),
        (!args.platform.is_empty(), "--platform"),
    ];
    if let Some((_, option)) = refused.iter().find(|(given, _)| *given) {
        return Err(CliError::new(format!("{option}: a builder can't be set up, as nothing is made")).hint(ONE));
    }
    if let Some(driver) =
        args.driver.as_deref().filter(|driver| !matches!(*driver, "docker" | "docker-container" | DRIVER))
    {
        return Err(CliError::new(format!("--driver {driver}: rbuild builds on this machine only")).hint(ONE));
    }
    if let Some(context) = args.context.as_deref().filter(|context| *context != BUILDER) {
        return Err(
            CliError::new(format!("`{context}` means another engine, and rbuild builds on this machine")).hint(ONE)
        );
    }
    if args.name.as_deref().is_some_and(|name| name != BUILDER) || !args.use_it {
        output::say(format!("note: no builder was made: {ONE}"));
    }
    output::print(&format!("{BUILDER}\n"))?;
    Ok(ExitCode::SUCCESS)
}

pub fn inspect(args: &InspectArgs) -> Result<ExitCode, CliError> {
    args.builder.check()?;
    args.name.as_deref().map_or(Ok(()), check_name)?;
    let version = env!("CARGO_PKG_VERSION");
    output::print(&format!(
        "Name:   {BUILDER}\nDriver: {DRIVER}\n\nNodes:\nName:             {BUILDER}\nEndpoint:         {BUILDER}\n\
         Status:           {STATUS}\nBuildKit version: none: rbuild {version}\nPlatforms:        {}\n",
        host_platform()
    ))?;
    Ok(ExitCode::SUCCESS)
}

const COLUMNS: &[Column] = &[
    Column { field: "Name", heading: "NAME/NODE" },
    Column { field: "DriverEndpoint", heading: "DRIVER/ENDPOINT" },
    Column { field: "Status", heading: "STATUS" },
    Column { field: "Buildkit", heading: "BUILDKIT" },
    Column { field: "Platforms", heading: "PLATFORMS" },
];

/// A row for the builder and one for its node, as buildx has them; to a program the builder alone.
pub fn list(args: &ListArgs) -> Result<ExitCode, CliError> {
    args.builder.check()?;
    let (version, platform) = (env!("CARGO_PKG_VERSION"), host_platform().to_string());
    if args.format.as_deref() == Some("json") {
        let node = json!({"Name": BUILDER, "Endpoint": BUILDER, "Status": STATUS, "Platforms": [platform]});
        let builder = json!({"Name": BUILDER, "Driver": DRIVER, "Current": true, "Dynamic": true, "Nodes": [node]});
        output::print(&format!("{builder}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |name: &str, endpoint: &str, status: &str, buildkit: &str, platforms: &str| {
        json!({
            "Name": name, "DriverEndpoint": endpoint, "Status": status, "Buildkit": buildkit, "Platforms": platforms,
        })
    };
    let rows = [
        row(&format!("{BUILDER}*"), DRIVER, "", "", ""),
        row(
            &format!(" \\_ {BUILDER}"),
            &format!(" \\_ {BUILDER}"),
            STATUS,
            &format!("none: rbuild {version}"),
            &platform,
        ),
    ];
    let default = "{{.Name}}\t{{.DriverEndpoint}}\t{{.Status}}\t{{.Buildkit}}\t{{.Platforms}}";
    output::print(&Listing::parse(args.format.as_deref(), default)?.render(COLUMNS, &rows)?)?;
    Ok(ExitCode::SUCCESS)
}

pub fn remove(args: &RemoveArgs) -> Result<ExitCode, CliError> {
    args.builder.check()?;
    args.names.iter().try_for_each(|name| check_name(name))?;
    if args.all_inactive && args.names.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(CliError::new(format!("the builder `{BUILDER}` can't be removed")).hint(ONE))
}

pub fn stop(args: &StopArgs) -> Result<ExitCode, CliError> {
    args.builder.check()?;
    args.names.iter().try_for_each(|name| check_name(name))?;
    Ok(ExitCode::SUCCESS)
}

pub fn use_builder(args: &UseArgs) -> Result<ExitCode, CliError> {
    args.builder.check()?;
    args.name.as_deref().map_or(Ok(()), check_name)?;
    Ok(ExitCode::SUCCESS)
}
