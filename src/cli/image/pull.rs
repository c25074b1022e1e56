//! `rbuild pull`

use std::process::ExitCode;

use crate::cli::CliError;
use crate::cli::docker_config::platform_or_default;
use crate::cli::global::Global;
use crate::cli::output::{self, Stream};
use crate::cli::transfers::{self, Kind};
use crate::engine::image::ImageError;
use crate::engine::image::pull::{PullRequest, PullWatcher, pull};
use crate::image::{Platform, Reference};
use crate::store::Store;
use crate::transport::registry::{Client, PARALLEL, Progress, Pulled, RegistryError, Repository, Settings, Silent};

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
    /// Refuses a request for signature checks instead of ignoring it.
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
        return Err(ImageError::TagAndAllTags.into());
    }
    let store = global.open_store()?;
    let client = Client::new(&Settings::from_environment()?)?;
    let request = PullRequest {
        name: typed.clone(),
        all_tags: args.all_tags,
        platform: platform_or_default(args.platform.as_ref())?,
        parallel: args.parallel,
    };
    let reference = typed.clone().with_default_tag();
    let shown = Shown { quiet: args.quiet, stream: Stream::Output };
    if typed != reference && !args.all_tags {
        shown.say("Using default tag: latest".to_owned());
    }
    let pulled = pull(&store, &client, &request, &shown).map_err(CliError::of_image)?;
    shown.status(if args.all_tags { &typed } else { &reference }, &pulled);
    let name = if args.all_tags { typed.repository() } else { reference.to_string() };
    output::print(&format!("{name}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// docker's output of a pull.
struct Shown {
    quiet: bool,
    stream: Stream,
}

impl Shown {
    /// Ignores a closed pipe; the last line of the command reports it.
    fn say(&self, line: String) {
        match self.stream {
            _ if self.quiet => {}
            Stream::Output => drop(output::print(&format!("{line}\n"))),
            Stream::Error => output::say(line),
        }
    }

    /// Printed once for all tags.
    fn status(&self, name: &Reference, pulled: &[Pulled]) {
        let familiar = name.familiar();
        self.say(match pulled.iter().any(|pulled| pulled.is_new) {
            true => format!("Status: Downloaded newer image for {familiar}"),
            false => format!("Status: Image is up to date for {familiar}"),
        });
    }
}

impl PullWatcher for Shown {
    fn begins(&self, reference: &Reference) {
        let what = reference.digest().map_or(reference.tag(), |digest| Some(digest.as_str())).unwrap_or_default();
        self.say(format!("{what}: Pulling from {}", reference.path()));
    }

    fn layers(&self, _: &Reference) -> Box<dyn Progress + '_> {
        match self.stream {
            _ if self.quiet => Box::new(Silent),
            Stream::Output => transfers::display(Kind::Pull, false),
            Stream::Error => transfers::display_on_stderr(Kind::Pull),
        }
    }

    fn ends(&self, repository: &Repository) {
        transfers::tell_mirrors(repository);
    }

    fn pulled(&self, _: &Reference, pulled: &Pulled) {
        self.say(format!("Digest: {}", pulled.digest));
    }
}

/// Pulls an image that a command needs, with messages on stderr, separate from the command's output.
pub(in crate::cli) fn fetch(
    store: &Store,
    reference: &Reference,
    platform: Option<&Platform>,
    quiet: bool,
) -> Result<(), CliError> {
    let client = Client::new(&Settings::from_environment()?)?;
    let request = PullRequest { platform: platform.cloned(), ..PullRequest::new(reference.clone()) };
    let shown = Shown { quiet, stream: Stream::Error };
    let pulled = pull(store, &client, &request, &shown).map_err(CliError::of_image)?;
    shown.status(reference, &pulled);
    Ok(())
}

pub(in crate::cli) fn with_hint(error: RegistryError) -> CliError {
    let hint = error.hint();
    CliError::from(error).hint_if(hint)
}
