//! `rbuild debug`, and `build --debug`: a shell in a step of a build.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{BuildOptions, values};
use crate::build::solve::{Authority, Event, Progress, RunSettings, TaskEvent};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::engine::debug::{self, Begun, DebugError, Program, Request, Which};
use crate::image::Reference;
use crate::store::{self, Store};

/// Open a shell in a failed step of a build, or in any other step
///
/// Opens a shell in the root filesystem of the step, with its environment, user, folder, mounts and network. What is
/// changed there stays for --retry and --commit.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Look into the last build; the word behind it is a STEP
    #[arg(long, conflicts_with = "step")]
    last: bool,
    /// List the steps
    #[arg(long)]
    list: bool,
    /// Execute the step's own command again, on top of what was changed
    #[arg(long, conflicts_with = "command")]
    retry: bool,
    /// Make an image of the step with what was changed in it
    #[arg(long, value_name = "NAME[:TAG]")]
    commit: Option<Reference>,
    /// Image with a static shell, for a root filesystem that has none
    #[arg(long, value_name = "IMAGE")]
    shell_from: Option<String>,
    /// Secret for the step's mounts: `id=ID[,src=FILE|,env=NAME]`
    #[arg(long = "secret", value_name = "SECRET")]
    secrets: Vec<String>,
    /// SSH agent for the step's mounts: `default`, `ID=SOCKET`, or `ID=KEY[,KEY]` with key files
    #[arg(long = "ssh", value_name = "ID[=SOCKET|KEY]")]
    ssh: Vec<String>,
    /// Value of an argument that is not kept, because its name says that it is secret
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]", value_parser = values::pair)]
    build_args: Vec<String>,
    /// Certificate authority that the step trusts beside all others: a file in PEM
    #[arg(long, value_name = "FILE", env = "RBUILD_CA_CERT", hide_env = true)]
    ca_cert: Option<PathBuf>,
    /// How the step is isolated: `auto`, as strongly as it can be had; `full`, or not at all; `chroot`
    #[arg(long, value_name = "auto|full|chroot|emulated")]
    isolation: Option<String>,
    /// The build, as `buildx history ls` has it [default: the last one whose steps are kept]
    #[arg(value_name = "BUILD")]
    build: Option<String>,
    /// The step: a line of the Dockerfile, or a part of its title [default: the one that failed, or the last]
    #[arg(value_name = "STEP")]
    step: Option<String>,
    /// What to run instead of a shell
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    if args.list {
        return list(&store, args.which().build);
    }
    let which = args.which();
    let found = debug::find(&store, which).map_err(debug_error)?;
    if which.build.is_none() && !debug::is_of_last(&store, &found) {
        output::say(format_args!("note: no step of the last build can be entered; this is build {}", found.build()));
    }
    let program = match (args.retry, args.command.is_empty()) {
        (true, _) => Some(Program::Own),
        (false, false) => Some(Program::Command(args.command.clone())),
        (false, true) if args.commit.is_some() => None,
        (false, true) => Some(Program::Shell),
    };
    let mut code = 0;
    if let Some(program) = program {
        let request = Request {
            program,
            settings: args.settings()?,
            build_args: args.build_args(),
            shell_from: args.shell_from.clone(),
            ..request()
        };
        code = debug::run(&store, &found, &request, &Said, |begun| tell(begun, &request)).map_err(debug_error)?;
        // Changes are kept on a best-effort basis.
        let _ = store::sync_in_background(store.root(), global.max_store);
    }
    if let Some(name) = args.commit.as_ref().filter(|_| code == 0) {
        let id = debug::commit(&store, &found, name).map_err(debug_error)?;
        output::print(&format!("{id}\n"))?;
    }
    Ok(ExitCode::from(code))
}

impl Args {
    /// With `--last`, the only word is the step's.
    fn which(&self) -> Which<'_> {
        let (first, second) = (self.build.as_deref(), self.step.as_deref());
        if self.last { Which { build: None, step: first } } else { Which { build: first, step: second } }
    }

    fn settings(&self) -> Result<RunSettings, CliError> {
        Ok(RunSettings {
            secrets: self.secrets.iter().map(|text| values::secret(text)).collect::<Result<_, _>>()?,
            ssh: self.ssh.iter().map(|text| values::ssh(text)).collect::<Result<_, _>>()?,
            devices: super::arguments::device_folders(),
            isolation: values::isolation(self.isolation.as_deref())?,
            authority: self.ca_cert.as_deref().map(Authority::read).transpose()?,
            ..RunSettings::default()
        })
    }

    /// `NAME` alone takes the environment's value.
    fn build_args(&self) -> BTreeMap<String, String> {
        let given = self.build_args.iter().filter_map(|text| match text.split_once('=') {
            Some((name, value)) => Some((name.to_owned(), value.to_owned())),
            None => Some((text.clone(), std::env::var(text).ok()?)),
        });
        given.collect()
    }
}

/// Called after the failure of a build whose user wants a shell: opens it, or explains how. The build's own settings
/// still apply.
pub fn after_failure(store: &Store, options: &BuildOptions) {
    let build = options.reference.rsplit('/').next().unwrap_or_default();
    if !debug::has_failed_step(store, build) {
        return;
    }
    if !is_terminal() {
        output::say(format_args!("hint: `rbuild debug {build}` opens a shell in the step that failed"));
        return;
    }
    let request = Request { settings: options.run.clone(), build_args: options.build_args.clone(), ..request() };
    let opened = debug::find(store, Which { build: Some(build), step: None })
        .and_then(|found| debug::run(store, &found, &request, &Said, |begun| tell(begun, &request)));
    if let Err(error) = opened {
        // The command ends with the build's own error.
        debug_error(error).report();
    }
}

/// Whether a shell can be opened interactively.
pub fn is_terminal() -> bool {
    std::io::stdin().is_terminal() && output::Stream::Output.is_terminal()
}

/// A request for a shell, interactive if possible.
fn request() -> Request {
    let kind = || std::env::var("TERM").unwrap_or_else(|_| "xterm".to_owned());
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut busyboxes: Vec<PathBuf> = std::env::split_paths(&folders).map(|folder| folder.join("busybox")).collect();
    busyboxes.extend(["/bin/busybox", "/usr/lib/initramfs-tools/bin/busybox"].map(PathBuf::from));
    busyboxes.retain(|path| path.is_absolute());
    Request {
        program: Program::Shell,
        settings: RunSettings::default(),
        build_args: BTreeMap::new(),
        shell_from: None,
        busyboxes,
        terminal: is_terminal().then(kind),
    }
}

fn tell(begun: &Begun, request: &Request) {
    for name in &begun.missing {
        output::say(format_args!(
            "warning: the value of `{name}` is not kept, as its name says that it is secret: give it with --build-arg \
             {name}=VALUE"
        ));
    }
    if request.program != Program::Shell {
        return;
    }
    let state = if begun.is_failed { " as it was left when it failed" } else { "" };
    let from = begun.shell_from.as_ref().map(|from| format!("; the shell is that of {from}")).unwrap_or_default();
    output::say(format_args!(
        "in `{}` (line {}){state}: user {}, folder {}{from}",
        begun.title, begun.line, begun.user, begun.folder
    ));
    output::say(format_args!(
        "what is changed stays: `rbuild debug --retry {0}` executes the step on top of it, `--commit NAME` keeps it",
        begun.build
    ));
}

fn list(store: &Store, build: Option<&str>) -> Result<ExitCode, CliError> {
    let (build, steps) = debug::steps(store, build).map_err(debug_error)?;
    let mut text = format!("build {build}\n");
    for step in steps {
        let state = match (step.is_failed, step.is_reached) {
            (true, _) => "failed",
            (_, true) => "done",
            (_, false) => "not reached",
        };
        text.push_str(&format!("{:>5}  {state:<11}  {}\n", step.line, step.title));
    }
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn debug_error(error: DebugError) -> CliError {
    let hint = error.hint();
    match error {
        DebugError::Container(error) => CliError::of_container(error),
        error => CliError::from(error).hint_if(hint),
    }
}

/// Prints messages meanwhile.
struct Said;

impl Progress for Said {
    fn event(&self, _: Event<'_>) {}

    fn task(&self, _: TaskEvent<'_>) {}

    fn warn(&self, text: &str) {
        output::say(format_args!("warning: {text}"));
    }
}
