//! `rbuild run`

mod arguments;
mod devices;
mod image;
pub(in crate::cli) mod modes;
mod mounts;
mod network;
mod options;
mod ports;
#[cfg(test)]
mod table_tests;
mod typed_mounts;
mod values;

use std::process::ExitCode;

use crate::base::io_error::{AtPath as _, IoError};
use crate::base::outgoing::{self, Place};
use crate::base::privacy;
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::container::sandbox::{UsersMode, code_of};
use crate::container::{
    self, Ahead, Attach, Containers, DetachKeys, Entry, Left, Monitor, NetworkMode, SignalPolicy, SignalsKept, Streams,
};
use std::io::Write as _;
use std::path::Path;

pub use arguments::ContainerArgs;
pub(in crate::cli) use options::restart_policy;
pub(in crate::cli) use values::{
    bytes_or_unlimited, environment_file, label_form, processors, ulimit_form, variable, variable_form,
};

/// docker's exit code for a container that could not be run.
pub(in crate::cli) const NOT_RUN: u8 = 125;

/// Run a program in a new container
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// Leave it in the background, and print its ID
    #[arg(short, long)]
    detach: bool,
    /// The keys that end the session and not the program
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Pass signals on to the program
    #[arg(long, value_name = "BOOL", default_value_t = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = clap::ArgAction::Set)]
    sig_proxy: bool,
    #[command(flatten)]
    container: ContainerArgs,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    if args.detach && !args.container.program.attach.is_empty() {
        return Err(CliError::new("conflicting options: cannot specify both --attach and --detach"));
    }
    // Must come first: it is a copy of this process.
    let is_remapped =
        args.container.security.userns.as_deref().is_some_and(|word| word.parse().is_ok_and(UsersMode::is_remap));
    let needs_network = args.container.network.needs_namespace() && !is_remapped;
    let ahead = if needs_network { Ahead::Network } else { Ahead::Nothing };
    let monitor = Monitor::begin(ahead, &global.store_root()?);
    let monitor = monitor.map_err(|error| CliError::of_container(error).exit_code(NOT_RUN))?;
    let detach_keys = detach_keys(args.detach_keys.as_deref())?;
    let usage = if args.detach { Use::Detached } else { Use::Attached };
    let (containers, entry) = make(&args.container, usage, global)?;
    let config = &entry.record.config;
    let streams = Streams {
        interactive: config.attach_stdin,
        terminal: config.tty,
        signals: if args.sig_proxy { SignalPolicy::PassOn } else { SignalPolicy::Ignore },
        ends_with_input: config.attach_stdin && !config.attach_stdout && !config.attach_stderr,
        detach_keys,
    };
    let attach = Attach {
        stdin: config.attach_stdin,
        stdout: config.attach_stdout,
        stderr: config.attach_stderr,
        size: container::window_size().filter(|_| config.tty),
    };
    let signals = if args.detach { None } else { Some(SignalsKept::new()?) };
    let session = monitor.start(&containers, &entry.record.id, attach).map_err(CliError::of_container)?;
    if let Some(warning) = &session.warning {
        output::say(format_args!("rbuild: warning: {warning}"));
    }
    let Some(signals) = signals else {
        output::print(&format!("{}\n", entry.record.id))?;
        return Ok(ExitCode::SUCCESS);
    };
    if streams.ends_with_input {
        output::print(&format!("{}\n", entry.record.id))?;
    }
    let left = session.run(&streams, signals).map_err(CliError::of_container)?;
    if streams.ends_with_input && !matches!(left, Left::Forced) {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(exit_code(&left))
}

/// The exit code of `exec` and `attach`, which may have been left before the end.
pub(in crate::cli) fn exit_code_of_guest(left: &Left) -> ExitCode {
    match left {
        Left::Detached => {
            output::say("read escape sequence");
            ExitCode::FAILURE
        }
        other => exit_code(other),
    }
}

/// The exit code of `run` and `start -a`.
pub(in crate::cli) fn exit_code(left: &Left) -> ExitCode {
    match left {
        Left::Detached | Left::InputEnded => ExitCode::SUCCESS,
        Left::Forced => {
            output::say("got 3 SIGTERM/SIGINTs, forcefully exiting");
            ExitCode::FAILURE
        }
        Left::Ended(ending) => {
            if ending.out_of_memory {
                output::say("rbuild: the container reached its memory limit, and a process of it was killed");
            }
            ExitCode::from(ending.exit_code)
        }
    }
}

pub(in crate::cli) fn detach_keys(text: Option<&str>) -> Result<DetachKeys, CliError> {
    let set = match text {
        Some(text) => text.to_owned(),
        None => crate::cli::docker_config::DockerConfig::read().detach_keys,
    };
    let keys = Some(set).filter(|text| !text.is_empty()).map(|text| DetachKeys::parse(&text)).transpose()?;
    Ok(keys.unwrap_or_default())
}

/// The purpose of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Use {
    /// To be started and attached.
    Attached,
    /// To be started in the background.
    Detached,
    /// To be created only.
    Create,
}

impl Use {
    /// With `run`, docker's code for a container that could not be run, or 126 and 127 for a program that is not
    /// available; with `create`, 1 unless the command line is invalid.
    fn code(self, error: CliError, code: u8) -> CliError {
        if self == Self::Create { error } else { error.exit_code(code) }
    }
}

/// Creates the container.
pub(in crate::cli) fn make(args: &ContainerArgs, usage: Use, global: &Global) -> Result<(Containers, Entry), CliError> {
    let not_run = |error: CliError| usage.code(error, NOT_RUN);
    let options = args.options(usage == Use::Detached).map_err(not_run)?;
    let attached = options.attach.stdin && options.terminal;
    if attached && usage == Use::Attached && !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        return Err(CliError::of_container(container::ContainerError::NoTerminal).exit_code(1));
    }
    let cidfile = args.program.cidfile.as_ref();
    // A dangling link counts as existing too.
    if let Some(path) = cidfile.filter(|path| path.symlink_metadata().is_ok()) {
        let text = format!("the file `{}` of --cidfile is already there", path.display());
        return Err(not_run(CliError::new(text).hint("remove it, or name another")));
    }
    if options.host.network_mode == NetworkMode::Host && (args.network.publish_all || !args.network.publish.is_empty())
    {
        output::say("rbuild: warning: published ports are discarded when using host network mode");
    }
    let store = global.open_store().map_err(not_run)?;
    let image = image::find_image(&store, args).map_err(not_run)?;
    let mut options = options;
    image::find_mounted(&store, &mut options.mounts).map_err(not_run)?;
    let containers = Containers::of(store.root());
    if args.resources.oom_kill_disable && args.resources.memory.is_none() {
        output::say(
            "WARNING: OOM killer is disabled for the container, but no memory limit is set, this can result in \
                     the system running out of resources",
        );
    }
    let failed = |error: container::ContainerError| {
        let code = if usage == Use::Create { 1 } else { error.exit_code() };
        CliError::of_container(error).exit_code(code)
    };
    let entry = container::create(&containers, &image, &options).map_err(failed)?;
    if let Some(path) = cidfile {
        let written = write_id(path, &entry.record.id);
        written.map_err(|error| usage.code(CliError::from(&error), code_of(&error.source)))?;
    }
    Ok((containers, entry))
}

/// Writes the file of `--cidfile`, which must not exist.
fn write_id(path: &Path, id: &str) -> Result<(), IoError> {
    let Place::Name(folder, name) = outgoing::place(path)? else {
        return Err(IoError {
            action: "create",
            path: path.to_owned(),
            source: std::io::ErrorKind::AlreadyExists.into(),
        });
    };
    let mut file = folder.make_file(&name, privacy::callers_file_mode())?;
    let written = folder.set_mode(&name, privacy::callers_file_mode()).map(|()| file.write_all(id.as_bytes()));
    written?.at("write", path)
}
