//! `rbuild commit`

use std::process::ExitCode;

use crate::cli::container::each;
use crate::cli::global::Global;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, output};
use crate::container::{self, Commit, Containers};
use crate::image::Reference;
use crate::language::plan::apply_changes;

/// Make an image of a container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name, an ID or the beginning of one
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// What to call the image
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<Reference>,
    /// Who made it
    #[arg(short, long, value_name = "AUTHOR", default_value = "", hide_default_value = true)]
    author: String,
    /// An instruction to apply to the image's config: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD,
    /// STOPSIGNAL, USER, VOLUME or WORKDIR
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// The comment in the image's history
    #[arg(short, long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    message: String,
    /// Let the container wait meanwhile
    #[arg(short, long, value_name = "BOOL", default_value_t = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = clap::ArgAction::Set)]
    pause: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    if args.name.as_ref().is_some_and(|name| name.digest().is_some()) {
        return Err(CliError::new("refusing to create a tag with a digest reference"));
    }
    let store = global.open_store()?;
    let all = Containers::of(store.root());
    let entry = each::find(&all, &args.container)?;
    let commit = Commit { author: args.author, message: args.message, pause: args.pause };
    let work = Work::of_things(&format!("committing {}", args.container), None);
    let committed = container::commit(&store, &entry, &commit, |config| -> Result<_, CliError> {
        let run = apply_changes(config, &args.change)?;
        Ok(crate::image::ImageConfig { config: run, ..config.clone() })
    })?;
    let id = committed.image;
    store.tell("create", &id, &id.to_string());
    if let Some(name) = &args.name {
        store.set_tag(&name.to_string(), &id)?;
    }
    store.sync()?;
    drop(work);
    if let Some(reason) = committed.not_paused {
        each::warn_not_paused(&args.container, &reason);
    }
    let name = args.name.as_ref().map(Reference::familiar).unwrap_or_default();
    all.tell(&entry, "commit", &[("comment", &commit.message), ("imageID", &id.to_string()), ("imageRef", &name)]);
    output::print(&format!("{id}\n"))?;
    Ok(ExitCode::SUCCESS)
}
