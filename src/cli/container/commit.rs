//! `rbuild commit`

use std::process::ExitCode;

use crate::cli::container::each;
use crate::cli::global::Global;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, output};
use crate::container::Commit;
use crate::engine::image::commit::{CommitRequest, commit};
use crate::engine::image::tag::check_target;
use crate::image::Reference;

/// Create an image from a container
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
    args.name.iter().try_for_each(check_target)?;
    let store = global.open_store()?;
    let work = Work::of_things(&format!("committing {}", args.container), None);
    let request = CommitRequest {
        container: args.container,
        name: args.name,
        commit: Commit { author: args.author, message: args.message, pause: args.pause },
        changes: args.change,
        config: serde_json::Value::Null,
    };
    let committed = commit(&store, &request).map_err(|error| CliError::of_image(error).exit_code(1))?;
    drop(work);
    if let Some(reason) = committed.not_paused {
        each::warn_not_paused(&request.container, &reason);
    }
    output::print(&format!("{}\n", committed.image))?;
    Ok(ExitCode::SUCCESS)
}
