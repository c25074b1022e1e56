//! `rbuild push`

use std::process::ExitCode;

use crate::cli::global::Global;
use crate::cli::image::pull::with_hint;
use crate::cli::transfers::{self, Kind};
use crate::cli::{CliError, output};
use crate::image::{Platform, Reference, best_match};
use crate::store::{Store, Tag};
use crate::transport::registry::{Client, PARALLEL, Push, PushOptions, Settings, push};
use crate::transport::transfer::Outgoing;

/// Upload an image to a registry
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "NAME[:TAG]")]
    name: String,
    /// Upload all tags of the name
    #[arg(short, long)]
    all_tags: bool,
    /// Print the image's name only
    #[arg(short, long)]
    quiet: bool,
    /// Of an image for several platforms, upload only this one
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// How many layers are uploaded at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = PARALLEL, value_parser = transfers::parallel)]
    parallel: usize,
    #[command(flatten)]
    trust: crate::cli::image::pull::ContentTrust,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    args.trust.check()?;
    let typed = Reference::parse_without_default_tag(&args.name)?;
    if typed.digest().is_some() {
        return Err(CliError::new("cannot push a digest reference").hint("give the image a name with `rbuild tag`"));
    }
    if args.all_tags && typed.tag().is_some() {
        return Err(CliError::new("tag can't be used with --all-tags/-a"));
    }
    let store = global.open_store()?;
    let tags = tags(&store, &typed, args.all_tags)?;
    let pushes = tags.iter().map(|tag| chosen(&store, tag, args.platform.as_ref())).collect::<Result<Vec<_>, _>>()?;
    let client = Client::new(&Settings::from_environment()?)?;
    let say = |line: String| if args.quiet { Ok(()) } else { output::print(&format!("{line}\n")) };
    if !args.all_tags && typed.tag().is_none() {
        say("Using default tag: latest".to_owned())?;
    }
    say(format!("The push refers to repository [{}]", typed.repository()))?;
    let options = PushOptions { parallel: args.parallel, ..PushOptions::default() };
    let display = transfers::display(Kind::Push, args.quiet);
    let pushed = push(&store, &client, &pushes, &options, display.as_ref());
    drop(display);
    for pushed in pushed.map_err(with_hint)? {
        let tag = pushed.name.tag().unwrap_or_default();
        say(format!("{tag}: digest: {} size: {}", pushed.digest, pushed.size))?;
        if args.quiet {
            output::print(&format!("{}\n", pushed.name))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tags(store: &Store, name: &Reference, all: bool) -> Result<Vec<Tag>, CliError> {
    let missing = |what: &str| CliError::new(format!("an image does not exist locally with the tag: {what}"));
    if !all {
        let name = name.clone().with_default_tag();
        return store.whole_tag(&name.to_string())?.map(|tag| vec![tag]).ok_or_else(|| missing(&name.familiar()));
    }
    let prefix = format!("{}:", name.repository());
    let mut tags = store.tags()?;
    tags.retain(|tag| tag.name.starts_with(&prefix));
    if tags.is_empty() { Err(missing(&name.familiar_repository())) } else { Ok(tags) }
}

fn chosen(store: &Store, tag: &Tag, platform: Option<&Platform>) -> Result<Push, CliError> {
    let name: Reference = tag.name.parse()?;
    let image = Outgoing::of_tag(tag)?;
    let Some(wanted) = platform else { return Ok(Push { name, image }) };
    let platforms = image.images().iter().map(|id| store.platform_of(id)).collect::<Result<Vec<_>, _>>()?;
    let Some(best) = best_match(wanted, &platforms) else {
        let offered = platforms.iter().map(Platform::to_string).collect::<Vec<_>>().join(", ");
        return Err(CliError::new(format!("`{}` has no image for {wanted}; it has {offered}", name.familiar())));
    };
    let image = Outgoing { id: image.images()[best], index: Vec::new(), ..image };
    Ok(Push { name, image })
}
