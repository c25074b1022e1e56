//! The list of commands, and how `rbuild WORDS...` finds its command.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use super::alone::ALONE;
use super::engine::Engine;
use super::words::{self, Line, Vocabulary};
use super::{CliError, anew, output, plugin};
use crate::base::privacy;
use crate::base::rights;
use crate::build::remote_cache::Origins;
use crate::container::networks_of;
use crate::container::sandbox::{Household, SandboxError, user_namespace};
use crate::engine::check::{self, Severity};
use crate::store::{self, Store, StoreError};
use crate::transport::docker_engine;

/// Builds OCI images from Dockerfiles, and runs, saves, loads and pulls them. No daemon.
///
/// When the first word is no command, it is `build`: `rbuild -t cat:1.0 .`
#[derive(Debug, Parser)]
#[command(
    name = "rbuild",
    max_term_width = 120,
    args_override_self = true,
    disable_help_subcommand = true,
    subcommand_required = true
)]
struct Program {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    engine: Engine,
}

/// What was typed.
struct Cli {
    global: Global,
    engine: Engine,
    command: Command,
}

impl Cli {
    fn from_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        let Program { global, engine } = Program::from_arg_matches(matches)?;
        Ok(Self { global, engine, command: Command::from_arg_matches(matches)? })
    }
}

/// Options that every command takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// The store [default: $XDG_DATA_HOME/rbuild, or /var/lib/rbuild for root]
    #[arg(long, global = true, env = "RBUILD_ROOT", value_name = "DIR", hide_env_values = true)]
    pub root: Option<PathBuf>,
    /// How much room the store may take: after a build the least recently used of the build cache is removed
    #[arg(long, global = true, env = "RBUILD_MAX_STORE", value_name = "BYTES", hide_env_values = true,
          value_parser = crate::base::bytes)]
    pub max_store: Option<u64>,
    /// The Docker Engine that docker's build plugin works for.
    #[arg(skip)]
    pub engine: Option<docker_engine::Address>,
}

impl Global {
    /// Where the store is.
    pub fn store_root(&self) -> Result<PathBuf, CliError> {
        if let Some(root) = &self.root {
            return Ok(root.clone());
        }
        if rustix::process::geteuid().is_root() {
            return Ok(PathBuf::from("/var/lib/rbuild"));
        }
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let data = folder("XDG_DATA_HOME").or_else(|| Some(folder("HOME")?.join(".local/share")));
        let data = data.ok_or_else(|| {
            CliError::new("there is no place for the store: neither XDG_DATA_HOME nor HOME is set")
                .hint("name a folder with --root or RBUILD_ROOT")
        })?;
        Ok(data.join("rbuild"))
    }

    pub fn open_store(&self) -> Result<Store, CliError> {
        let store = Store::open(&self.store_root()?).map_err(store_error)?;
        store.set_origin(Arc::new(Origins::default()));
        if store.is_new_to_boot() {
            look_after_power_loss(&store)?;
        }
        Ok(store)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    Attach(super::attach::Args),
    Bake(Box<super::bake::Args>),
    Build(Box<super::build::Args>),
    Builder(super::buildx::Args),
    Buildx(super::buildx::Args),
    /// What the scripts of `completion` ask
    #[command(name = "__complete", hide = true)]
    Complete(super::completion::CompleteArgs),
    Completion(super::completion::Args),
    Commit(super::commit::Args),
    Container(super::container::Args),
    Context(super::context::Args),
    Cp(super::cp::Args),
    Explain(super::explain::Args),
    Copy(super::copy::Args),
    Create(Box<super::create::Args>),
    Diff(super::diff::Args),
    DockerPlugin(super::plugin::Args),
    Events(super::events::Args),
    Exec(super::exec::Args),
    Export(super::export::Args),
    History(super::history::Args),
    Image(super::image::Args),
    Images(super::images::Args),
    Import(super::import::Args),
    Info(super::info::Args),
    Inspect(super::inspect::Args),
    Kill(super::kill::Args),
    Load(super::load::Args),
    Login(super::login::Args),
    Logout(super::logout::Args),
    Manifest(super::manifest::Args),
    #[command(hide = true)]
    Man(super::man::Args),
    Network(super::network::Args),
    Parse(super::parse::Args),
    Port(super::port::Args),
    Logs(super::logs::Args),
    Pause(super::pause::PauseArgs),
    Ps(super::ps::Args),
    Pull(super::pull::Args),
    Push(super::push::Args),
    Rename(super::rename::Args),
    Restart(super::restart::Args),
    Rm(super::rm::Args),
    Rmi(super::rmi::Args),
    Run(Box<super::run::Args>),
    Save(super::save::Args),
    Search(super::search::Args),
    Start(super::start::Args),
    Stats(super::stats::Args),
    Stop(super::stop::Args),
    #[command(name = crate::store::SYNC_COMMAND, hide = true)]
    SyncStore,
    System(super::system::Args),
    Tag(super::tag::Args),
    Top(super::top::Args),
    Unpause(super::pause::UnpauseArgs),
    Update(super::update::Args),
    Version(super::version::Args),
    Volume(super::volume::Args),
    Wait(super::wait::Args),
}

impl Command {
    /// It says what there is, or speaks of no engine.
    fn concerns_no_engine(&self) -> bool {
        matches!(
            self,
            Self::Complete(_)
                | Self::Completion(_)
                | Self::Man(_)
                | Self::DockerPlugin(_)
                | Self::Parse(_)
                | Self::SyncStore
                | Self::Context(_)
        )
    }

    /// Processes of it stay, with containers that others reach.
    fn starts_containers(&self) -> bool {
        match self {
            Self::Run(_) | Self::Start(_) | Self::Restart(_) => true,
            Self::Container(args) => args.starts_containers(),
            _ => false,
        }
    }

    /// What is in the store matters to it.
    fn uses_store(&self) -> bool {
        !matches!(
            self,
            Self::Parse(_)
                | Self::Login(_)
                | Self::Logout(_)
                | Self::Search(_)
                | Self::Completion(_)
                | Self::Complete(_)
                | Self::Man(_)
                | Self::DockerPlugin(_)
                | Self::Version(_)
        )
    }
}

fn store_error(error: StoreError) -> CliError {
    let hint = error.hint();
    CliError::from(error).hint_if(hint)
}

/// What all commands take: help, manual pages and completions are made of it.
pub fn definition() -> clap::Command {
    Command::augment_subcommands(Program::command())
}

/// What is needed of it to read arguments whose command is that word.
fn definition_for(word: &str) -> clap::Command {
    match ALONE.iter().find(|(name, _)| *name == word) {
        Some((name, define)) => Program::command().subcommand(define(clap::Command::new(*name))),
        None => definition(),
    }
}

/// The program: reads the arguments, runs the command, prints its error.
pub fn main() -> ExitCode {
    crate::container::sandbox::init_if_requested();
    privacy::begin();
    let mut typed: Vec<OsString> = std::env::args_os().collect();
    if plugin::is_called() {
        if let Some(facts) = plugin::metadata(&typed) {
            return output::print(&facts).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
        }
        typed = plugin::are_words_of(typed);
        plugin::begin_with_docker();
    }
    match read(&typed).and_then(|asked| asked.map_or(Ok(ExitCode::SUCCESS), |cli| dispatch(become_root(cli)?))) {
        Ok(code) => code,
        Err(error) => error.report(),
    }
}

/// What was asked for; nothing when that was help or the version, which are printed.
fn read(typed: &[OsString]) -> Result<Option<Cli>, CliError> {
    let vocabulary = Vocabulary {
        program: Program::command(),
        is_command: Command::has_subcommand,
        can_be_built: super::build::can_be_built,
        define: definition_for,
        all: definition,
    };
    match vocabulary.read(typed)? {
        Line::Run(typed) => {
            let mut cli = Cli::from_matches(&typed.matches()?)?;
            cli.engine.check()?;
            if let Some(folder) = &cli.engine.config {
                anew::begin_with_settings(folder)?;
            }
            if plugin::is_called() {
                cli.global.engine = Some(cli.engine.address()?);
            } else if !cli.command.concerns_no_engine() {
                cli.engine.is_this_one()?;
            }
            Ok(Some(cli))
        }
        Line::Help { definition, path, kind, is_answer } => {
            output::help(&words::help(definition, &path, kind), is_answer)?;
            Ok(None)
        }
        Line::Version => {
            output::print(&super::version::line())?;
            Ok(None)
        }
    }
}

/// An ordinary user becomes root of a user namespace, in which layers can have files of many owners: of the one that the
/// store's running containers are in, over which one has no rights from outside. Where the store is must be known before.
fn become_root(mut cli: Cli) -> Result<Cli, CliError> {
    if cli.command.uses_store() {
        look_at_owner(&cli.global.store_root()?, cli.command.starts_containers())?;
    }
    if rustix::process::geteuid().is_root()
        || matches!(
            cli.command,
            Command::Parse(_) | Command::Login(_) | Command::Logout(_) | Command::Search(_) | Command::DockerPlugin(_)
        )
    {
        return Ok(cli);
    }
    let root = cli.global.store_root()?;
    // Monitors have another working folder.
    let root = std::path::absolute(&root).unwrap_or(root);
    cli.global.root = Some(root.clone());
    if matches!(&cli.command, Command::Build(args) if args.may_change_nothing()) && !anew::has_begun() {
        rights::put_off(anew::begin);
        return Ok(cli);
    }
    let household = Household::of(&root);
    if cli.command.starts_containers() {
        household.enter().map_err(|error| namespace_error(error).exit_code(125))?;
    } else if household.visit()?.is_none()
        && let Err(error) = user_namespace::enter()
    {
        // Where there can be none, images are moved and looked at all the same.
        if user_namespace::refused().is_none() || matches!(cli.command, Command::Build(_)) || anew::has_begun() {
            return Err(namespace_error(error));
        }
        rights::go_without(anew::begin);
        return Ok(cli);
    }
    // What can't be taken away now is left to the next command.
    let _ = networks_of(&root).tidy();
    Ok(cli)
}

fn namespace_error(error: SandboxError) -> CliError {
    match error {
        SandboxError::Unsupported(unsupported) => CliError::of_unsupported(unsupported),
        error => error.into(),
    }
}

/// The store has to be this user's before anything in it is believed, or made: by processes that last, before it is
/// opened as a store.
fn look_at_owner(root: &Path, is_made: bool) -> Result<(), CliError> {
    let weakness = if is_made { store::claim(root) } else { store::look_at(root) }.map_err(store_error)?;
    if let Some(weakness) = weakness.filter(|_| !anew::has_begun()) {
        let (store, folder) = (root.display(), weakness.folder.display());
        let whose = weakness.owner.map_or("everybody".to_owned(), |owner| format!("user {owner}"));
        output::say(format!(
            "warning: {whose} can put another store in the place of `{store}`, because it is in `{folder}`; keep it in \
             a folder that only you and root may change"
        ));
    }
    Ok(())
}

fn dispatch(cli: Cli) -> Result<ExitCode, CliError> {
    let global = &cli.global;
    match cli.command {
        Command::Attach(args) => super::attach::run(args, global),
        Command::Bake(args) => super::bake::run(&args, global),
        Command::Build(args) => super::build::run(*args, global),
        Command::Builder(args) | Command::Buildx(args) => super::buildx::run(args, global),
        Command::Context(args) => super::context::run(args),
        Command::Commit(args) => super::commit::run(args, global),
        Command::Cp(args) => super::cp::run(args, global),
        Command::Diff(args) => super::diff::run(args, global),
        Command::DockerPlugin(args) => super::plugin::run(&args),
        Command::Events(args) => super::events::run(args, global),
        Command::Stats(args) => super::stats::run(args, global),
        Command::Container(args) => super::container::run(args, global),
        Command::Explain(args) => super::explain::run(args, global),
        Command::Copy(args) => super::copy::run(args, global),
        Command::Create(args) => super::create::run(*args, global),
        Command::Exec(args) => super::exec::run(args, global),
        Command::Export(args) => super::export::run(args, global),
        Command::History(args) => super::history::run(args, global),
        Command::Image(args) => super::image::run(args, global),
        Command::Images(args) => super::images::run(args, global),
        Command::Import(args) => super::import::run(args, global),
        Command::Info(args) => super::info::run(args, global),
        Command::Inspect(args) => super::inspect::run(args, global),
        Command::Kill(args) => super::kill::run(args, global),
        Command::Logs(args) => super::logs::run(args, global),
        Command::Load(args) => super::load::run(args, global),
        Command::Login(args) => super::login::run(args, global),
        Command::Logout(args) => super::logout::run(args, global),
        Command::Manifest(args) => super::manifest::run(args, global),
        Command::Complete(args) => super::completion::complete(&args, global),
        Command::Completion(args) => super::completion::run(&args),
        Command::Man(args) => super::man::run(&args),
        Command::Network(args) => super::network::run(args, global),
        Command::Port(args) => super::port::run(args, global),
        Command::Volume(args) => super::volume::run(args, global),
        Command::Parse(args) => super::parse::run(args, global),
        Command::Pause(args) => super::pause::pause(args, global),
        Command::Ps(args) => super::ps::run(args, global),
        Command::Pull(args) => super::pull::run(args, global),
        Command::Push(args) => super::push::run(args, global),
        Command::Rename(args) => super::rename::run(args, global),
        Command::Restart(args) => super::restart::run(args, global),
        Command::Rm(args) => super::rm::run(args, global),
        Command::Rmi(args) => super::rmi::run(args, global),
        Command::Run(args) => super::run::run(*args, global),
        Command::Save(args) => super::save::run(args, global),
        Command::Search(args) => super::search::run(args, global),
        Command::Start(args) => super::start::run(args, global),
        Command::Stop(args) => super::stop::run(args, global),
        Command::SyncStore => sync_store(global),
        Command::System(args) => super::system::run(args, global),
        Command::Tag(args) => super::tag::run(args, global),
        Command::Top(args) => super::top::run(args, global),
        Command::Unpause(args) => super::pause::unpause(args, global),
        Command::Update(args) => super::update::run(args, global),
        Command::Wait(args) => super::wait::run(args, global),
        Command::Version(args) => super::version::run(args, global),
    }
}

/// Tells what was lost when the machine went down; what proved right needs no words.
fn look_after_power_loss(store: &Store) -> Result<(), CliError> {
    rights::want();
    for finding in check::after_boot(store.root())? {
        if finding.severity == Severity::Damage {
            let mended = finding.repair.as_deref().unwrap_or("`rbuild system check` says more");
            output::say(format_args!(
                "warning: lost when the machine went down: {}: {}; {mended}",
                finding.subject, finding.fault
            ));
        }
    }
    Ok(())
}

/// Called behind a build's back: a store that was removed meanwhile is not made anew.
fn sync_store(global: &Global) -> Result<ExitCode, CliError> {
    if global.store_root()?.join("store.db").exists() {
        let store = global.open_store()?;
        store.sync()?;
        store.trim_explanations()?;
        if let Some(limit) = global.max_store {
            super::max_store::keep(&store, limit)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_alone_is_defined_as_among_all() {
        for (name, _) in ALONE {
            let help = |mut all: clap::Command| {
                all.build();
                let command = all.find_subcommand_mut(name).expect("it is defined");
                command.render_long_help().to_string()
            };
            if *name != crate::store::SYNC_COMMAND {
                assert_eq!(help(definition_for(name)), help(definition()), "{name}");
            }
        }
    }
}
