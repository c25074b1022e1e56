//! `rbuild buildx prune`, `rbuild builder prune`

use std::process::ExitCode;

use super::Builder;
use crate::cli::build::values::bytes;
use crate::cli::commands::Global;
use crate::cli::format::human_size;
use crate::cli::image_use::ImageUse;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, confirm, output};
use crate::store::{self, CacheItem, Eviction, Store};

/// Remove what only makes builds faster, the least recently used first
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    builder: Builder,
    /// Also forget how the layers of images were made
    #[arg(short, long)]
    all: bool,
    /// until=DURATION|TIME, type=TYPE, id=PREFIX
    #[arg(long, value_name = "KEY=VALUE", value_parser = crate::cli::filters::form)]
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
    pub kinds: Vec<String>,
    pub ids: Vec<String>,
    /// No more bytes than this; nothing for all.
    pub most: Option<u64>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    args.builder.check()?;
    let store = global.open_store()?;
    let warning = match args.all {
        true => "WARNING! This will remove all build cache.",
        false => "WARNING! This will remove all dangling build cache.",
    };
    let mut selection = Selection { all: args.all, ..Selection::of(&args.filter)? };
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
    pub fn of(filters: &[String]) -> Result<Self, CliError> {
        let mut selection = Self::default();
        filters.iter().try_for_each(|filter| selection.add(filter))?;
        Ok(selection)
    }

    fn add(&mut self, filter: &str) -> Result<(), CliError> {
        match filter.split_once('=') {
            Some(("until" | "unused-for", value)) => self.before = Some(until(value)?),
            Some(("type", value)) => self.kinds.push(value.to_owned()),
            Some(("id", value)) => self.ids.push(value.to_owned()),
            _ => {
                return Err(CliError::new(format!("invalid filter `{filter}`")).hint("there are: until, type, id"));
            }
        }
        Ok(())
    }

    fn takes(&self, item: &CacheItem) -> bool {
        (self.all || !item.shared) && !item.in_use && self.speaks_of(item)
    }

    /// By its filters alone.
    pub fn speaks_of(&self, item: &CacheItem) -> bool {
        let id = item.what.id();
        self.before.is_none_or(|second| item.used_at < second)
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == item.what.kind()))
            && (self.ids.is_empty() || self.ids.iter().any(|wanted| id.starts_with(wanted.as_str())))
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
    let text = if lines.is_empty() { lines } else { format!("Deleted build cache objects:\n{lines}\n") };
    Ok((text, reclaimed))
}

/// The second that `until=` names: so long ago, or a time, as docker takes them.
pub fn until(text: &str) -> Result<i64, CliError> {
    if let Some(seconds) = duration(text) {
        return Ok(store::now() - seconds);
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return Ok(seconds as i64);
    }
    let local = |text: &str| {
        let time: jiff::civil::DateTime = text.parse().ok()?;
        Some(time.to_zoned(jiff::tz::TimeZone::system()).ok()?.timestamp())
    };
    let time: Option<jiff::Timestamp> = text.parse().ok().or_else(|| local(text));
    time.map(|time| time.as_second()).ok_or_else(|| {
        CliError::new(format!("`{text}` is no time"))
            .hint("write a duration such as 24h or 10m30s, or 2006-01-02T15:04:05")
    })
}

/// `24h`, `1h30m`, `90s` as seconds.
fn duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |end| digits + end);
        seconds += number
            * match &rest[digits..unit_end] {
                "d" => 86_400.0,
                "h" => 3_600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 0.001,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    (!text.is_empty()).then_some(seconds as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_durations_or_points() {
        assert_eq!(duration("1h30m"), Some(5400));
        assert_eq!(duration("90s"), Some(90));
        assert_eq!(duration("h"), None);
        assert_eq!(until("1700000000").unwrap(), 1_700_000_000);
        assert_eq!(until("2023-11-14T22:13:20Z").unwrap(), 1_700_000_000);
        assert!(until("soon").is_err());
    }
}
