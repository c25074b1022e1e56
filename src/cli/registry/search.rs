//! `rbuild search`

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::base;
use crate::cli::format::{Column, Listing};
use crate::cli::global::Global;
use crate::cli::image::pull::with_hint;
use crate::cli::{CliError, output};
use crate::transport::registry::{Client, Found, Settings};

/// Search Docker Hub, or another registry's catalogue, for images
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A word; with a registry before it, such as `localhost:5000/word`, that one is searched
    #[arg(value_name = "TERM")]
    term: String,
    /// Show at most this many
    #[arg(long, value_name = "NUMBER", default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..=100))]
    limit: u16,
    /// is-official=BOOL, is-automated=BOOL, stars=NUMBER
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::base::form)]
    filter: Vec<String>,
    /// `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show whole descriptions
    #[arg(long)]
    no_trunc: bool,
}

const COLUMNS: &[Column] = &[
    Column { field: "Name", heading: "NAME" },
    Column { field: "Description", heading: "DESCRIPTION" },
    Column { field: "StarCount", heading: "STARS" },
    Column { field: "IsOfficial", heading: "OFFICIAL" },
    Column { field: "IsAutomated", heading: "AUTOMATED" },
];

/// How much of a description docker shows.
const DESCRIPTION_WIDTH: usize = 45;

pub fn run(args: Args, _: &Global) -> Result<ExitCode, CliError> {
    let filters = Filters::parse(&args.filter)?;
    let (host, word) = split(&args.term);
    let client = Client::new(&Settings::from_environment()?)?;
    let found = client.search(host, word, usize::from(args.limit)).map_err(with_hint)?;
    let rows: Vec<Value> =
        found.iter().filter(|found| filters.keep(found)).map(|found| row(found, args.no_trunc)).collect();
    let default = "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}";
    let listing = Listing::parse(args.format.as_deref(), default)?;
    output::print(&listing.render(COLUMNS, &rows)?)?;
    Ok(ExitCode::SUCCESS)
}

/// The registry and the word.
fn split(term: &str) -> (&str, &str) {
    match term.split_once('/') {
        Some(("docker.io" | "index.docker.io", word)) => ("docker.io", word),
        Some((host, word)) if host == "localhost" || host.contains(['.', ':']) => (host, word),
        _ => ("docker.io", term),
    }
}

fn row(found: &Found, no_trunc: bool) -> Value {
    let line = found.description.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_long = !no_trunc && line.chars().count() > DESCRIPTION_WIDTH;
    let description = if is_long { line.chars().take(DESCRIPTION_WIDTH - 1).chain(['…']).collect() } else { line };
    let mark = |is_so: bool| if is_so { "[OK]" } else { "" };
    json!({
        "Name": found.name,
        "Description": description,
        "StarCount": found.star_count.to_string(),
        "IsOfficial": mark(found.is_official),
        "IsAutomated": mark(found.is_automated),
    })
}

#[derive(Default)]
struct Filters {
    official: Option<bool>,
    automated: Option<bool>,
    stars: u64,
}

impl Filters {
    fn parse(words: &[String]) -> Result<Self, CliError> {
        let filters = base::Filters::parse(words, &["is-official", "is-automated", "stars"])?;
        let mut stars = 0;
        for text in filters.values("stars") {
            let wrong = |_| CliError::new(format!("invalid filter 'stars={text}': it is a number"));
            stars = text.parse::<u64>().map_err(wrong)?.max(stars);
        }
        Ok(Self { official: filters.boolean("is-official")?, automated: filters.boolean("is-automated")?, stars })
    }

    fn keep(&self, found: &Found) -> bool {
        self.official.is_none_or(|wanted| wanted == found.is_official)
            && self.automated.is_none_or(|wanted| wanted == found.is_automated)
            && found.star_count >= self.stars
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_stands_before_the_word() {
        assert_eq!(split("nginx"), ("docker.io", "nginx"));
        assert_eq!(split("bitnami/nginx"), ("docker.io", "bitnami/nginx"));
        assert_eq!(split("localhost:5000/a/b"), ("localhost:5000", "a/b"));
        assert_eq!(split("r.example/"), ("r.example", ""));
    }

    #[test]
    fn filters_are_all_to_agree() {
        let filters = Filters::parse(&["stars=3".to_owned(), "is-official=true".to_owned()]).unwrap();
        let found = |star_count, is_official| Found { star_count, is_official, ..Found::default() };
        assert!(filters.keep(&found(3, true)));
        assert!(!filters.keep(&found(2, true)) && !filters.keep(&found(3, false)));
        assert!(Filters::parse(&["size=3".to_owned()]).is_err());
    }
}
