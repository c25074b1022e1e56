//! `rbuild images`

use std::process::ExitCode;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::cli::docker_config::format_or;
use crate::cli::format::{Column, Listing, ago, human_size, shows, truncate_id};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::engine::image::filter::Filters;
use crate::engine::image::info::ImageInfo;
use crate::engine::image::list::{self, ListRequest, Listed};
use crate::engine::image::users::ImageUse;
use crate::image::Reference;
use crate::store::Store;

/// List images
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only images of this repository, or with this name; `*` stands for any letters but a slash
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
    /// Also those that are only part of others: images of an index for other platforms than this one
    #[arg(short, long)]
    all: bool,
    /// Show the digests under which registries have them
    #[arg(long)]
    digests: bool,
    /// dangling=BOOL, label=KEY[=VALUE], before=IMAGE, since=IMAGE, reference=PATTERN
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::base::form)]
    filter: Vec<String>,
    /// `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show whole IDs
    #[arg(long)]
    no_trunc: bool,
    /// Print IDs only
    #[arg(short, long)]
    quiet: bool,
    /// Show the images of each name, one for each platform, below it
    #[arg(long)]
    tree: bool,
}

const COLUMNS: &[Column] = &[
    Column { field: "Containers", heading: "CONTAINERS" },
    Column { field: "CreatedAt", heading: "CREATED AT" },
    Column { field: "CreatedSince", heading: "CREATED" },
    Column { field: "Digest", heading: "DIGEST" },
    Column { field: "ID", heading: "IMAGE ID" },
    Column { field: "Repository", heading: "REPOSITORY" },
    Column { field: "SharedSize", heading: "SHARED SIZE" },
    Column { field: "Size", heading: "SIZE" },
    Column { field: "Tag", heading: "TAG" },
    Column { field: "UniqueSize", heading: "UNIQUE SIZE" },
    Column { field: "VirtualSize", heading: "VIRTUAL SIZE" },
];

impl Args {
    /// Refuses options that do not apply to a tree.
    fn check_tree(&self) -> Result<(), CliError> {
        let others = [
            (self.quiet, "--quiet"),
            (self.no_trunc, "--no-trunc"),
            (self.digests, "--digests"),
            (self.format.is_some(), "--format"),
        ];
        match others.iter().find(|(given, _)| self.tree && *given) {
            // docker's message: the tree has its own columns.
            Some((_, option)) => Err(CliError::new(format!("{option} is not yet supported with --tree"))),
            None => Ok(()),
        }
    }
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    args.check_tree()?;
    let store = global.open_store()?;
    let request = ListRequest { filters: args.filter, name: args.name, all: args.all };
    if args.tree {
        let Listed { images, filters } = list::find(&store, &request)?;
        output::print(&crate::cli::image::tree::render(&store, &images, &filters)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Listed { images, filters } = list::list(&store, &request)?;
    let format = format_or(args.format.as_deref(), args.quiet, |config| config.images_format);
    let format = format.as_deref();
    let shows_digests = args.digests || format.is_some_and(|format| format.contains(".Digest"));
    let shows_users = format.is_some_and(|format| format == "json" || shows(format, "Containers"));
    let users = shows_users.then(|| ImageUse::of(&store)).transpose()?;
    let mut rows = Vec::new();
    for image in &images {
        let names = names(image, &filters, shows_digests);
        let users = users.as_ref().map(|users| users.count(&image.id()));
        rows.extend(names.iter().map(|name| row(&store, image, name, Shown { no_trunc: args.no_trunc, users })));
    }
    let default = match (args.quiet, args.digests) {
        (true, _) => "{{.ID}}",
        (_, true) => "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
        _ => "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
    };
    let raw = |digest: &str| {
        let names = format!("repository: {{{{.Repository}}}}\ntag: {{{{.Tag}}}}\n{digest}image_id: {{{{.ID}}}}\n");
        format!("{names}created_at: {{{{.CreatedAt}}}}\nvirtual_size: {{{{.Size}}}}\n")
    };
    let listing = match format {
        None | Some("table") if args.quiet => Listing::rows(default)?,
        Some("raw") if args.quiet => Listing::rows("image_id: {{.ID}}")?,
        Some("raw") if args.digests => Listing::rows(&raw("digest: {{.Digest}}\n"))?,
        Some("raw") => Listing::rows(&raw(""))?,
        format => Listing::parse(format, default)?,
    };
    output::print(&listing.render(COLUMNS, &rows)?)?;
    Ok(ExitCode::SUCCESS)
}

/// The name in an image's row.
struct Name {
    repository: Option<String>,
    tag: Option<String>,
    digest: Option<String>,
}

/// The names of an image's rows: one for each tag, and, if digests are shown, for each digest of its repository.
fn names(image: &ImageInfo, filters: &Filters, shows_digests: bool) -> Vec<Name> {
    let digest_of = |reference: &Reference| reference.digest().map(|digest| digest.as_str().to_owned());
    let shown = |reference: &&Reference| filters.shows(reference);
    let mut names = Vec::new();
    for tag in image.tags.iter().filter(shown) {
        let repository = tag.familiar_repository();
        let same = image.digests.iter().filter(|digest| digest.familiar_repository() == repository);
        let mut digests: Vec<_> = same.map(digest_of).filter(|_| shows_digests).collect();
        if digests.is_empty() {
            digests.push(None);
        }
        let name = |digest| Name { repository: Some(repository.clone()), tag: tag.tag().map(str::to_owned), digest };
        names.extend(digests.into_iter().map(name));
    }
    for digest in image.digests.iter().filter(shown) {
        let repository = digest.familiar_repository();
        if image.tags.iter().all(|tag| tag.familiar_repository() != repository) {
            names.push(Name { repository: Some(repository), tag: None, digest: digest_of(digest) });
        }
    }
    if image.tags.is_empty() && image.digests.is_empty() {
        names.push(Name { repository: None, tag: None, digest: None });
    }
    names
}

/// The content of a row.
struct Shown {
    no_trunc: bool,
    /// The number of containers that use the image, if it was counted.
    users: Option<usize>,
}

fn row(store: &Store, image: &ImageInfo, name: &Name, shown: Shown) -> Value {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "<none>".to_owned());
    let created = image.config.created;
    let created_at = created.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_zoned(TimeZone::system());
    let id = image.id().to_string();
    let size = image.size(store);
    json!({
        "Containers": shown.users.map_or_else(|| "N/A".to_owned(), |users| users.to_string()),
        "CreatedAt": created_at.strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string(),
        "CreatedSince": ago(created, jiff::Timestamp::now()),
        "Digest": or_none(&name.digest),
        "ID": if shown.no_trunc { id } else { truncate_id(&id) },
        "Repository": or_none(&name.repository),
        "SharedSize": "N/A",
        "Size": human_size(size, 3),
        "Tag": or_none(&name.tag),
        "UniqueSize": "N/A",
        "VirtualSize": human_size(size, 4),
    })
}
