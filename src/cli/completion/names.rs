//! Names of existing objects, as candidates.

use super::Candidates;
use super::line::Line;
use super::places;
use super::wanted::{State, Wanted};
use crate::base::signal;
use crate::cli::CliError;
use crate::cli::global::Global;
use crate::container::sandbox::capability_names;
use crate::container::volume::Volumes;
use crate::container::{Containers, Entry, Status, networks_of};
use crate::engine::history;
use crate::engine::image::info;
use crate::store::Store;

/// Tells the shell to complete file names.
pub(super) const FILES: &str = ":files";

/// The candidates of one kind. An error gives none: a failing completion prints nothing.
pub(super) fn lines(wanted: Wanted, found: &Candidates, line: &Line<'_>, global: &Global) -> Vec<String> {
    match wanted {
        Wanted::Words(words) => words.iter().map(|word| format!("{word}\t")).collect(),
        Wanted::Files => vec![FILES.to_owned()],
        Wanted::Stages => places::stages(line),
        Wanted::Capabilities => {
            capability_names().map(|name| format!("{name}\t")).chain(["ALL\t".to_owned()]).collect()
        }
        Wanted::Signals => signal::names().map(|name| format!("{name}\t")).collect(),
        Wanted::CopyPlaces => places::to_copy(&found.typed, global).unwrap_or_default(),
        Wanted::Filters => Vec::new(),
        stored => in_store(stored, global).unwrap_or_default(),
    }
}

/// The store, if it exists: completion does not make one.
pub(super) fn store(global: &Global) -> Result<Option<Store>, CliError> {
    let root = global.store_root()?;
    Ok(if root.join("store.db").exists() { Some(Store::open(&root)?) } else { None })
}

fn in_store(wanted: Wanted, global: &Global) -> Result<Vec<String>, CliError> {
    let Some(store) = store(global)? else { return Ok(Vec::new()) };
    let root = store.root();
    let containers = |state: State, before: &str| -> Result<Vec<String>, CliError> {
        let entries = Containers::of(root).list()?;
        let fitting = entries.iter().filter(|entry| is_in(entry, state));
        let shown = |entry: &Entry| format!("{before}{}\t{}", entry.record.plain_name(), entry.record.config.image);
        Ok(fitting.map(shown).collect())
    };
    match wanted {
        Wanted::Containers(state) => containers(state, ""),
        Wanted::ContainerReferences => containers(State::Any, "container:"),
        Wanted::Images => {
            let images = info::all(&store)?;
            let named =
                images.iter().flat_map(|image| image.tags.iter().map(|tag| format!("{}\timage", tag.familiar())));
            let nameless = images.iter().filter(|image| image.tags.is_empty());
            Ok(named.chain(nameless.map(|image| format!("{}\timage", image.id().short()))).collect())
        }
        Wanted::Builds => {
            let builds = history::list(&store)?;
            Ok(builds.iter().map(|build| format!("{}\t{}", build.id, build.name)).collect())
        }
        Wanted::Networks => {
            Ok(networks_of(root).list()?.iter().map(|record| format!("{}\t{}", record.name, record.driver)).collect())
        }
        Wanted::Volumes => {
            Ok(Volumes::of(root).list()?.iter().map(|record| format!("{}\tvolume", record.name)).collect())
        }
        Wanted::Things => {
            let kinds = [Wanted::Containers(State::Any), Wanted::Images, Wanted::Networks, Wanted::Volumes];
            Ok(kinds.into_iter().flat_map(|kind| in_store(kind, global).unwrap_or_default()).collect())
        }
        _ => Ok(Vec::new()),
    }
}

fn is_in(entry: &Entry, state: State) -> bool {
    let status = entry.state.status;
    match state {
        State::Any => true,
        State::Running => status.is_alive(),
        State::Stopped => !status.is_alive(),
        State::Paused => status == Status::Paused,
    }
}
