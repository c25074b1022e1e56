//! `rbuild pull`

use std::process::ExitCode;

use crate::cli::docker_config::platform_or_default;
use crate::cli::global::Global;
use crate::cli::transfers::{self, Kind};
use crate::cli::{CliError, output};
use crate::image::{Platform, Reference};
use crate::store::{Store, sync_in_background};
use crate::transport::registry::{Client, PARALLEL, PullOptions, RegistryError, Repository, Settings, pull};

/// Download an image from a registry
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "NAME[:TAG|@DIGEST]")]
    name: String,
    /// Download all tags of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Print the image's name only
    #[arg(short, long)]
    quiet: bool,
    /// Of an image for several platforms, take this one [default: $DOCKER_DEFAULT_PLATFORM, or this machine's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// How many layers are downloaded at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = PARALLEL, value_parser = transfers::parallel)]
    parallel: usize,
    #[command(flatten)]
    trust: ContentTrust,
}

/// docker's content trust, which rbuild has not
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct ContentTrust {
    /// `true`, as rbuild knows no signatures of docker's content trust
    #[arg(long, value_name = "true", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    disable_content_trust: Option<bool>,
}

impl ContentTrust {
    /// To check signatures and not to check them is not the same.
    pub fn check(&self) -> Result<(), CliError> {
        let is_asked = self.disable_content_trust == Some(false)
            || self.disable_content_trust.is_none()
                && std::env::var("DOCKER_CONTENT_TRUST").is_ok_and(|text| text == "1");
        if !is_asked {
            return Ok(());
        }
        Err(CliError::new("--disable-content-trust=false: rbuild does not verify docker's content trust")
            .hint("name the image by its digest: NAME@sha256:..."))
    }
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    args.trust.check()?;
    let typed = Reference::parse_without_default_tag(&args.name)?;
    if args.all_tags && (typed.tag().is_some() || typed.digest().is_some()) {
        return Err(CliError::new("tag can't be used with --all-tags/-a"));
    }
    let store = global.open_store()?;
    let repository = Client::new(&Settings::from_environment()?)?.repository(&typed).map_err(with_hint)?;
    let platform = platform_or_default(args.platform.as_ref())?;
    let options = PullOptions { platform, parallel: args.parallel };
    if args.all_tags {
        for tag in repository.tags().map_err(with_hint)? {
            one(&store, &repository, &typed.with_tag(&tag)?, &options, args.quiet)?;
        }
        output::print(&format!("{}\n", typed.repository()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let reference = typed.clone().with_default_tag();
    if typed != reference && !args.quiet {
        output::print("Using default tag: latest\n")?;
    }
    one(&store, &repository, &reference, &options, args.quiet)?;
    output::print(&format!("{reference}\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn one(
    store: &Store,
    repository: &Repository,
    reference: &Reference,
    options: &PullOptions,
    quiet: bool,
) -> Result<(), CliError> {
    let say = |line: String| if quiet { Ok(()) } else { output::print(&format!("{line}\n")) };
    let what = reference.digest().map_or(reference.tag(), |digest| Some(digest.as_str())).unwrap_or_default();
    say(format!("{what}: Pulling from {}", reference.path()))?;
    let display = transfers::display(Kind::Pull, quiet);
    let pulled = pull(store, repository, reference, options, display.as_ref());
    drop(display);
    transfers::tell_mirrors(repository);
    let pulled = pulled.map_err(with_hint)?;
    store.tell("pull", &pulled.id, &reference.familiar());
    if pulled.is_new {
        sync_behind(store);
    }
    say(format!("Digest: {}", pulled.digest))?;
    let familiar = reference.familiar();
    say(match pulled.is_new {
        true => format!("Status: Downloaded newer image for {familiar}"),
        false => format!("Status: Image is up to date for {familiar}"),
    })?;
    Ok(())
}

/// Pulls what a command needs, and tells of it on stderr: what the command itself prints stays apart.
pub(in crate::cli) fn fetch(store: &Store, reference: &Reference, platform: Option<&Platform>) -> Result<(), CliError> {
    let repository = Client::new(&Settings::from_environment()?)?.repository(reference).map_err(with_hint)?;
    let options = PullOptions { platform: platform.cloned(), ..PullOptions::default() };
    let display = transfers::display_on_stderr(Kind::Pull);
    let pulled = pull(store, &repository, reference, &options, display.as_ref());
    drop(display);
    transfers::tell_mirrors(&repository);
    let pulled = pulled.map_err(with_hint)?;
    store.tell("pull", &pulled.id, &reference.familiar());
    sync_behind(store);
    Ok(())
}

/// Has what came written to the disk while the command goes on. Where that fails, it is looked at again after a reboot.
pub(in crate::cli) fn sync_behind(store: &Store) {
    let _ = sync_in_background(store.root(), None);
}

pub(in crate::cli) fn with_hint(error: RegistryError) -> CliError {
    let hint = error.hint();
    CliError::from(error).hint_if(hint)
}
