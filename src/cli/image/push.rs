//! `rbuild push`

use std::process::ExitCode;

use crate::cli::global::Global;
use crate::cli::transfers::{self, Kind};
use crate::cli::{CliError, output};
use crate::engine::image::push::{PushRequest, push, select};
use crate::image::{Platform, Reference};
use crate::transport::registry::{Client, PARALLEL, PushOptions, Settings};

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
    let request = PushRequest { name: typed.clone(), all_tags: args.all_tags, platform: args.platform };
    request.check().map_err(CliError::of_image)?;
    let say = |line: String| if args.quiet { Ok(()) } else { output::print(&format!("{line}\n")) };
    if !args.all_tags && typed.tag().is_none() {
        say("Using default tag: latest".to_owned())?;
    }
    say(format!("The push refers to repository [{}]", typed.repository()))?;
    let store = global.open_store()?;
    let pushes = select(&store, &request)?;
    let client = Client::new(&Settings::from_environment()?)?;
    let options = PushOptions { parallel: args.parallel, ..PushOptions::default() };
    let display = transfers::display(Kind::Push, args.quiet);
    let pushed = push(&store, &client, &pushes, &options, display.as_ref());
    drop(display);
    for pushed in pushed.map_err(CliError::of_image)? {
        let tag = pushed.name.tag().unwrap_or_default();
        say(format!("{tag}: digest: {} size: {}", pushed.digest, pushed.size))?;
    }
    if args.quiet {
        // With -a, all tags share this name.
        let name = if args.all_tags { typed } else { typed.with_default_tag() };
        output::print(&format!("{name}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}
