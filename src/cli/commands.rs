//! The list of commands, and how `rbuild WORDS...` finds its command.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use super::alone::ALONE;
use super::engine::Engine;
use super::global::Global;
use super::start::{self, Needs, Wanted};
use super::words::{self, Line, Vocabulary};
use super::{CliError, anew, kaniko, output, plugin};
use crate::base::privacy;

/// Builds OCI images from Dockerfiles, and runs, saves, loads and pulls them. No daemon.
///
/// When the first word is not a command, rbuild builds: `rbuild -t cat:1.0 .`
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

/// The parsed command line.
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

#[derive(Debug, Subcommand)]
enum Command {
    Attach(super::container::attach::Args),
    Bake(Box<super::bake::Args>),
    Build(Box<super::build::Args>),
    Builder(super::buildx::Args),
    Builds(super::builds::Args),
    Buildx(super::buildx::Args),
    Completion(super::completion::Args),
    Commit(super::container::commit::Args),
    Container(super::container::Args),
    Context(super::context::Args),
    Cp(super::container::cp::Args),
    Explain(super::build::explain::Args),
    Copy(super::image::copy::Args),
    Create(Box<super::container::create::Args>),
    Debug(super::build::debug::Args),
    Diff(super::container::diff::Args),
    DockerPlugin(super::plugin::Args),
    Events(super::system::events::Args),
    Exec(super::container::exec::Args),
    Export(super::container::export::Args),
    History(super::image::history::Args),
    Image(super::image::Args),
    Images(super::image::list::Args),
    Import(super::image::import::Args),
    Info(super::system::info::Args),
    Inspect(super::inspect::Args),
    Kaniko(Box<super::kaniko::Args>),
    Kill(super::container::kill::Args),
    Load(super::image::load::Args),
    Login(super::registry::login::Args),
    Logout(super::registry::logout::Args),
    Manifest(super::manifest::Args),
    Network(super::network::Args),
    Parse(super::build::parse::Args),
    Port(super::container::port::Args),
    Logs(super::container::logs::Args),
    Pause(super::container::pause::PauseArgs),
    Ps(super::container::ps::Args),
    Pull(super::image::pull::Args),
    Push(super::image::push::Args),
    Rename(super::container::rename::Args),
    Restart(super::container::restart::Args),
    Rm(super::container::rm::Args),
    Rmi(super::image::rmi::Args),
    Run(Box<super::container::run::Args>),
    Save(super::image::save::Args),
    Search(super::registry::search::Args),
    Start(super::container::start::Args),
    Stats(super::container::stats::Args),
    Stop(super::container::stop::Args),
    #[command(flatten)]
    OfRbuild(OfRbuild),
    System(super::system::Args),
    Tag(super::image::tag::Args),
    Top(super::container::top::Args),
    Unpause(super::container::pause::UnpauseArgs),
    Update(super::container::update::Args),
    Version(super::system::version::Args),
    Volume(super::volume::Args),
    Wait(super::container::wait::Args),
}

/// What nobody types: scripts, packages and rbuild itself do.
#[derive(Debug, Subcommand)]
enum OfRbuild {
    /// What the scripts of `completion` ask
    #[command(name = "__complete", hide = true)]
    Complete(super::completion::CompleteArgs),
    #[command(hide = true)]
    Man(super::man::Args),
    #[command(name = crate::store::SYNC_COMMAND, hide = true)]
    SyncStore,
}

impl Command {
    /// The command needs no engine. The service is an engine itself, and its own address may be in the environment.
    fn concerns_no_engine(&self) -> bool {
        match self {
            Self::System(args) => args.starts_containers(),
            Self::OfRbuild(_)
            | Self::Completion(_)
            | Self::DockerPlugin(_)
            | Self::Parse(_)
            | Self::Context(_)
            | Self::Kaniko(_) => true,
            _ => false,
        }
    }

    /// Its processes stay, with containers that others use.
    fn starts_containers(&self) -> bool {
        match self {
            Self::Run(_) | Self::Start(_) | Self::Restart(_) => true,
            Self::Build(args) => args.starts_containers(),
            Self::Container(args) => args.starts_containers(),
            Self::System(args) => args.starts_containers(),
            _ => false,
        }
    }

    fn needs(&self) -> Needs {
        let rights = match self {
            Self::Parse(_) | Self::Login(_) | Self::Logout(_) | Self::Search(_) | Self::DockerPlugin(_) => {
                Wanted::Never
            }
            Self::Build(args) if args.may_change_nothing() => Wanted::Perhaps,
            Self::Build(_) | Self::Kaniko(_) => Wanted::Always,
            _ => Wanted::ForLayers,
        };
        Needs { store: self.uses_store(), starts_containers: self.starts_containers(), rights }
    }

    /// The command uses the store's content.
    fn uses_store(&self) -> bool {
        !matches!(
            self,
            Self::Parse(_)
                | Self::Login(_)
                | Self::Logout(_)
                | Self::Search(_)
                | Self::Completion(_)
                | Self::OfRbuild(OfRbuild::Complete(_) | OfRbuild::Man(_))
                | Self::DockerPlugin(_)
                | Self::Version(_)
        )
    }
}

/// The full definition of all commands, for help, manual pages and completions.
pub fn definition() -> clap::Command {
    Command::augment_subcommands(Program::command())
}

/// The part of the definition that is needed to parse this command's arguments.
fn definition_for(word: &str) -> clap::Command {
    match ALONE.iter().find(|(name, _)| *name == word) {
        Some((name, define)) => Program::command().subcommand(define(clap::Command::new(*name))),
        None => definition(),
    }
}

/// The main function: parses the arguments, runs the command, prints its error.
pub fn main() -> ExitCode {
    privacy::begin();
    let mut typed: Vec<OsString> = std::env::args_os().collect();
    if plugin::is_called() {
        if let Some(facts) = plugin::metadata(&typed) {
            return output::print(&facts).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
        }
        typed = plugin::are_words_of(typed);
        plugin::begin_with_docker();
    }
    if kaniko::is_called() {
        typed = kaniko::are_words_of(typed, Command::has_subcommand);
    }
    match read(&typed).and_then(|asked| asked.map_or(Ok(ExitCode::SUCCESS), run)) {
        Ok(code) => code,
        Err(error) => error.report(),
    }
}

fn run(mut cli: Cli) -> Result<ExitCode, CliError> {
    let refusal = start::prepare(&mut cli.global, cli.command.needs())?;
    dispatch(cli.command, &cli.global).map_err(|error| start::in_place_of_this_process(error, refusal))
}

/// The parsed command; `None` if it was help or the version, which are printed.
fn read(typed: &[OsString]) -> Result<Option<Cli>, CliError> {
    let vocabulary = Vocabulary {
        program: Program::command,
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
            output::print(&super::system::version::line())?;
            Ok(None)
        }
    }
}

fn dispatch(command: Command, global: &Global) -> Result<ExitCode, CliError> {
    match command {
        Command::Attach(args) => super::container::attach::run(args, global),
        Command::Bake(args) => super::bake::run(&args, global),
        Command::Build(args) => super::build::run(*args, global),
        Command::Builder(args) | Command::Buildx(args) => super::buildx::run(args, global),
        Command::Builds(args) => super::builds::run(&args, global),
        Command::Context(args) => super::context::run(args, global),
        Command::Commit(args) => super::container::commit::run(args, global),
        Command::Cp(args) => super::container::cp::run(args, global),
        Command::Debug(args) => super::build::debug::run(args, global),
        Command::Diff(args) => super::container::diff::run(args, global),
        Command::DockerPlugin(args) => super::plugin::run(&args),
        Command::Events(args) => super::system::events::run(args, global),
        Command::Stats(args) => super::container::stats::run(args, global),
        Command::Container(args) => super::container::run(args, global),
        Command::Explain(args) => super::build::explain::run(args, global),
        Command::Copy(args) => super::image::copy::run(args, global),
        Command::Create(args) => super::container::create::run(*args, global),
        Command::Exec(args) => super::container::exec::run(args, global),
        Command::Export(args) => super::container::export::run(args, global),
        Command::History(args) => super::image::history::run(args, global),
        Command::Image(args) => super::image::run(args, global),
        Command::Images(args) => super::image::list::run(args, global),
        Command::Import(args) => super::image::import::run(args, global),
        Command::Info(args) => super::system::info::run(args, global),
        Command::Inspect(args) => super::inspect::run(args, global),
        Command::Kaniko(args) => super::kaniko::run(&args, global),
        Command::Kill(args) => super::container::kill::run(args, global),
        Command::Logs(args) => super::container::logs::run(args, global),
        Command::Load(args) => super::image::load::run(args, global),
        Command::Login(args) => super::registry::login::run(args, global),
        Command::Logout(args) => super::registry::logout::run(args, global),
        Command::Manifest(args) => super::manifest::run(args, global),
        Command::Completion(args) => super::completion::run(&args),
        Command::Network(args) => super::network::run(args, global),
        Command::Port(args) => super::container::port::run(args, global),
        Command::Volume(args) => super::volume::run(args, global),
        Command::Parse(args) => super::build::parse::run(args, global),
        Command::Pause(args) => super::container::pause::pause(args, global),
        Command::Ps(args) => super::container::ps::run(args, global),
        Command::Pull(args) => super::image::pull::run(args, global),
        Command::Push(args) => super::image::push::run(args, global),
        Command::Rename(args) => super::container::rename::run(args, global),
        Command::Restart(args) => super::container::restart::run(args, global),
        Command::Rm(args) => super::container::rm::run(args, global),
        Command::Rmi(args) => super::image::rmi::run(args, global),
        Command::Run(args) => super::container::run::run(*args, global),
        Command::Save(args) => super::image::save::run(args, global),
        Command::Search(args) => super::registry::search::run(args, global),
        Command::Start(args) => super::container::start::run(args, global),
        Command::Stop(args) => super::container::stop::run(args, global),
        Command::OfRbuild(command) => command.run(global),
        Command::System(args) => super::system::run(args, global),
        Command::Tag(args) => super::image::tag::run(args, global),
        Command::Top(args) => super::container::top::run(args, global),
        Command::Unpause(args) => super::container::pause::unpause(args, global),
        Command::Update(args) => super::container::update::run(args, global),
        Command::Wait(args) => super::container::wait::run(args, global),
        Command::Version(args) => super::system::version::run(args, global),
    }
}

impl OfRbuild {
    fn run(self, global: &Global) -> Result<ExitCode, CliError> {
        match self {
            Self::Complete(args) => super::completion::complete(&args, global),
            Self::Man(args) => super::man::run(&args),
            Self::SyncStore => sync_store(global),
        }
    }
}

/// Runs in the background after a build: does not make a store again that was removed meanwhile.
fn sync_store(global: &Global) -> Result<ExitCode, CliError> {
    if global.store_root()?.join("store.db").exists() {
        let store = global.open_store()?;
        store.sync()?;
        store.trim_explanations()?;
        if let Some(limit) = global.max_store {
            super::buildx::max_store::keep(&store, limit)?;
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
