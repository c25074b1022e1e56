//! `rbuild buildx prune`, `rbuild builder prune`

use std::process::ExitCode;

use super::Builder;
use crate::base::{Filters, bytes};
use crate::cli::format::human_size;
use crate::cli::global::Global;
use crate::cli::image::users::ImageUse;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, confirm, output};
use crate::container::tell_of_prune;
use crate::store::{CacheItem, Eviction, Store};

/// Remove what only makes builds faster, the least recently used first
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    builder: Builder,
    /// Also forget how the layers of images were made
    #[arg(short, long)]
    all: bool,
    /// until=DURATION|TIME, type=TYPE, id=PREFIX, inuse=, shared= or private=BOOL
    #[arg(long, value_name = "KEY=VALUE", value_parser = crate::base::form)]
    filter: Vec<String>,
    /// Don't ask
    #[arg(short, long)]
    force: bool,
    /// This much of the cache stays
    #[arg(long, visible_alias = "keep-storage", value_name = "BYTES", value_parser = bytes)]
    reserved_space: Option<u64>,
    /// Remove only until the cache takes no more than this
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_used_space: Option<u64>,
    /// Remove only until this much of the disk is free
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    min_free_space: Option<u64>,
    /// Taken: what is removed is listed in any case
    #[arg(long)]
    verbose: bool,
}

/// What is to be removed.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    pub all: bool,
    /// Only what was not used since this second.
    pub before: Option<i64>,
    pub in_use: Option<bool>,
    pub shared: Option<bool>,
    /// `type` and `id`.
    pub filters: Filters,
    /// No more bytes than this; nothing for all.
    pub most: Option<u64>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    args.builder.check()?;
    // A wrong filter stops here, before anything is asked or removed.
    let mut selection = Selection { all: args.all, ..Selection::of(&args.filter)? };
    let store = global.open_store()?;
    let warning = match args.all {
        true => "WARNING! This will remove all build cache.",
        false => "WARNING! This will remove all dangling build cache.",
    };
    if !args.force && !confirm::ask(warning)? {
        return Ok(ExitCode::SUCCESS);
    }
    selection.most = args.most(&store)?;
    let (text, reclaimed) = prune(&store, &selection, "builder prune")?;
    output::print(&format!("{text}Total reclaimed space: {}\n", human_size(reclaimed, 4)))?;
    Ok(ExitCode::SUCCESS)
}

impl Args {
    /// How many bytes have to go; nothing when no bound was given.
    fn most(&self, store: &Store) -> Result<Option<u64>, CliError> {
        if self.reserved_space.is_none() && self.max_used_space.is_none() && self.min_free_space.is_none() {
            return Ok(None);
        }
        let used: u64 =
            store.cache_items(&store.usage()?, &ImageUse::of(store)?.layers())?.iter().map(|item| item.size).sum();
        let reserved = self.reserved_space.unwrap_or(0);
        let over_most = self.max_used_space.map(|most| used.saturating_sub(most));
        let free = store.free_space()?;
        let too_little_free = self.min_free_space.map(|wanted| wanted.saturating_sub(free));
        let wanted = match (over_most, too_little_free) {
            (None, None) => used,
            (a, b) => a.unwrap_or(0).max(b.unwrap_or(0)),
        };
        Ok(Some(wanted.min(used.saturating_sub(reserved))))
    }
}

impl Selection {
    /// `unused-for` is an older word for `until`.
    pub fn of(words: &[String]) -> Result<Self, CliError> {
        let words: Vec<String> = words.iter().map(|word| word.replacen("unused-for=", "until=", 1)).collect();
        let filters = Filters::parse(&words, &["until", "type", "id", "inuse", "shared", "private"])?;
        let private = filters.boolean("private")?.map(|is_private| !is_private);
        Ok(Self {
            before: filters.until()?.map(jiff::Timestamp::as_second),
            in_use: filters.boolean("inuse")?,
            shared: filters.boolean("shared")?.or(private),
            filters,
            ..Self::default()
        })
    }

    fn takes(&self, item: &CacheItem) -> bool {
        (self.all || !item.shared) && !item.in_use && self.speaks_of(item)
    }

    /// By its filters alone.
    pub fn speaks_of(&self, item: &CacheItem) -> bool {
        let id = item.what.id();
        self.before.is_none_or(|second| item.used_at < second)
            && self.in_use.is_none_or(|wanted| wanted == item.in_use)
            && self.shared.is_none_or(|wanted| wanted == item.shared)
            && self.filters.exactly("type", item.what.kind())
            && self.filters.any("id", |wanted| id.starts_with(wanted))
    }
}

/// Removes what is selected; gives docker's lines, and the bytes that are free now.
pub fn prune(store: &Store, selection: &Selection, by: &str) -> Result<(String, u64), CliError> {
    store.hold_nothing();
    let items = store.cache_items(&store.usage()?, &ImageUse::of(store)?.layers())?;
    let containers = || ImageUse::of(store).ok().map(|containers| containers.layers());
    let mut eviction = Eviction::new(by, &containers);
    let work = Work::of_things("removing build cache", None);
    let (mut lines, mut reclaimed) = (String::new(), 0);
    for item in items.iter().filter(|item| selection.takes(item)) {
        if selection.most.is_some_and(|most| reclaimed >= most) {
            break;
        }
        if store.remove_cache_item(item, &mut eviction)? {
            work.count();
            reclaimed += item.size;
            lines += &format!("{}\n", item.what.id());
        }
    }
    tell_of_prune(store.root(), "builder", reclaimed);
    let text = if lines.is_empty() { lines } else { format!("Deleted build cache objects:\n{lines}\n") };
    Ok((text, reclaimed))
}
