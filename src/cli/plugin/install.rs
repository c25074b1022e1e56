//! `rbuild docker-plugin install|uninstall|status`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use super::call::NAME;
use crate::base::io_error::AtPath;
use crate::cli::{CliError, output};
use crate::transport::docker_engine::{Address, Engine, settings_folder};

/// The new name of another plugin meanwhile. docker only accepts plugins with the prefix `docker-`.
const KEPT: &str = "kept-by-rbuild.docker-buildx";

/// The folders of docker's plugins for all users, in docker's order.
const SYSTEM: &[&str] = &[
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];

/// Install rbuild as docker's build plugin, for `docker build` and Compose
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Debug, Subcommand)]
enum PluginCommand {
    /// Make rbuild the plugin; an existing one is kept under another name
    Install(Place),
    /// Show which plugin docker uses, and which engine gets the results
    Status,
    /// Remove rbuild, and restore the plugin that was there before
    Uninstall(Place),
}

#[derive(Debug, clap::Args)]
struct Place {
    /// For all users of this machine, in /usr/local/lib/docker/cli-plugins
    #[arg(long, conflicts_with = "user")]
    system: bool,
    /// For this user, in ~/.docker/cli-plugins (the default)
    #[arg(long)]
    user: bool,
}

impl Place {
    fn folder(&self) -> Result<PathBuf, CliError> {
        if self.system {
            return Ok(PathBuf::from(SYSTEM[0]));
        }
        let folder = user_folder();
        folder.ok_or_else(|| {
            CliError::new("there is nowhere to put the plugin: neither DOCKER_CONFIG nor HOME is set")
                .hint("install it for all users with --system")
        })
    }
}

pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    match &args.command {
        PluginCommand::Install(place) => install(&place.folder()?),
        PluginCommand::Uninstall(place) => uninstall(&place.folder()?),
        PluginCommand::Status => status(),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn install(folder: &Path) -> Result<(), CliError> {
    let program = std::env::current_exe().at("find", "rbuild itself")?;
    std::fs::create_dir_all(folder).at("create", folder)?;
    let (link, kept) = (folder.join(NAME), folder.join(KEPT));
    match found_at(&link)? {
        Found::Nothing => {}
        Found::Ours(_) => std::fs::remove_file(&link).at("remove", &link)?,
        Found::Other if kept.symlink_metadata().is_ok() => {
            return Err(CliError::new(format!(
                "`{}` is another plugin, and so is `{}`",
                link.display(),
                kept.display()
            ))
            .hint("remove one of them, then install again"));
        }
        Found::Other => {
            std::fs::rename(&link, &kept).at("rename", &link)?;
            output::print(&format!("The plugin that was there is kept as {}\n", kept.display()))?;
        }
    }
    std::os::unix::fs::symlink(&program, &link).at("create", &link)?;
    output::print(&format!("{} -> {}\n", link.display(), program.display()))?;
    output::print("`docker build` and `docker compose build` build by rbuild now.\n")?;
    warn_of_another(&link)
}

fn uninstall(folder: &Path) -> Result<(), CliError> {
    let (link, kept) = (folder.join(NAME), folder.join(KEPT));
    match found_at(&link)? {
        Found::Ours(_) => std::fs::remove_file(&link).at("remove", &link)?,
        Found::Nothing if kept.symlink_metadata().is_ok() => {}
        Found::Nothing => return Err(CliError::new(format!("there is no plugin `{}`", link.display()))),
        Found::Other => return Err(CliError::new(format!("`{}` is not rbuild; nothing is changed", link.display()))),
    }
    if kept.symlink_metadata().is_ok() {
        std::fs::rename(&kept, &link).at("rename", &kept)?;
        output::print(&format!("{} is again what it was before\n", link.display()))?;
    } else {
        output::print(&format!("{} is gone\n", link.display()))?;
    }
    Ok(())
}

fn status() -> Result<(), CliError> {
    let mut is_used = true;
    let mut lines = String::new();
    for folder in folders() {
        let link = folder.join(NAME);
        let what = match found_at(&link)? {
            Found::Nothing => continue,
            Found::Ours(program) if program.exists() => format!("rbuild ({})", program.display()),
            Found::Ours(program) => format!("a link to rbuild, which is not at {}", program.display()),
            Found::Other => "another plugin".to_owned(),
        };
        let use_of_it = if std::mem::take(&mut is_used) { "docker uses it" } else { "hidden by the one above" };
        lines += &format!("{}: {what}; {use_of_it}\n", link.display());
    }
    if lines.is_empty() {
        lines = "docker has no build plugin; `rbuild docker-plugin install` makes rbuild the one\n".to_owned();
    }
    let engine = Address::meant(None, None).and_then(|address| Engine::connect(&address));
    lines += &match engine {
        Ok(engine) => format!("Results go to the Docker Engine at {}\n", engine.place()),
        Err(error) => format!("Results stay in rbuild's store: {}\n", crate::base::io_error::chain(&error)),
    };
    output::print(&lines)?;
    Ok(())
}

/// Warns of a plugin in a folder that docker searches first.
fn warn_of_another(installed: &Path) -> Result<(), CliError> {
    for folder in folders() {
        let link = folder.join(NAME);
        if link == installed {
            break;
        }
        if !matches!(found_at(&link)?, Found::Nothing) {
            output::say(format_args!("warning: docker uses `{}`, which it finds first", link.display()));
            break;
        }
    }
    Ok(())
}

/// docker's folders of plugins, in its order.
fn folders() -> impl Iterator<Item = PathBuf> {
    user_folder().into_iter().chain(SYSTEM.iter().map(PathBuf::from))
}

fn user_folder() -> Option<PathBuf> {
    Some(settings_folder()?.join("cli-plugins"))
}

enum Found {
    Nothing,
    /// A link to a program called rbuild.
    Ours(PathBuf),
    Other,
}

fn found_at(link: &Path) -> Result<Found, CliError> {
    match link.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        status => status.at("look at", link)?,
    };
    let target = std::fs::read_link(link).ok();
    let ours = target.filter(|target| {
        let is_called_so = target.file_name().is_some_and(|name| name == "rbuild");
        is_called_so || std::env::current_exe().is_ok_and(|own| own == *target)
    });
    Ok(ours.map_or(Found::Other, Found::Ours))
}
