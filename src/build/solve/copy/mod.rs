//! `COPY` and `ADD`: files from a context, another step's root filesystem, a heredoc or the network.
//!
//! First everything to be copied is listed with its content digests, which gives the cache key; only on a miss is it
//! placed in a new layer.

mod archive;
mod checkout;
mod cursor;
mod earlier;
mod gather;
mod list;
mod listing;
mod place;
mod placed;
mod remote;
mod source;
mod stacked;
mod taken;

use crate::base::digest::{CacheKey, FieldHasher};
use crate::base::io_error::AtPath as _;
use crate::build::context::SelectOptions;
use crate::language::plan::{CopySource, CopyStep, Part, StepId, TreeSource};
use crate::store::snapshot::{Draft, Lower, Stack};

pub(super) use source::{Facts, Files};

use super::error::StepError;
use super::key;
use super::layers::{Kept, LayerRequest, Made, NewLayer};
use super::resume::Resume;
use super::settings::Solver;
use cursor::Lookup;
use earlier::{Copied, Earlier};
use gather::Gathered;
use list::Listing;
use place::Placer;

impl Solver<'_> {
    /// `inputs`: the parent, then the stacks of the sources that are steps, in order.
    pub(super) fn copy(
        &self,
        made: &Made<'_>,
        id: StepId,
        step: &CopyStep,
        inputs: &[Stack],
        ignore_cache: bool,
    ) -> Result<Stack, StepError> {
        let parent = inputs.first().cloned().unwrap_or_default();
        let sources = inputs.get(1..).unwrap_or_default();
        let shortcut = shortcut_key(step, &parent, sources);
        if let Some(key) = shortcut
            && !ignore_cache
            && let Some(stack) = self.known_by_shortcut(made, id, key, &parent)?
        {
            return Ok(stack);
        }
        let gathered = self.gather(step, sources, Some(&parent))?;
        let key = key::copy(step, &parent, &gather::digest(&gathered));
        let facts = || {
            let mut facts = self.explainer.copy_facts(id, step);
            facts.extend(gathered.iter().map(|source| self.source_fact(source)));
            facts
        };
        let times = [step.epoch, step.latest_time];
        let request = LayerRequest { step: id, parent: &parent, key, times, ignore_cache, facts: Some(&facts) };
        let stack = self.place(made, &request, step, &gathered)?;
        if let Some(key) = shortcut {
            self.also_known_as(made, id, key, &stack)?;
        }
        Ok(stack)
    }

    /// The result of a step that was recorded under a key that does not require reading files.
    pub(super) fn known_by_shortcut(
        &self,
        made: &Made<'_>,
        id: StepId,
        key: CacheKey,
        parent: &Stack,
    ) -> Result<Option<Stack>, StepError> {
        let Some(layer) = self.recorded(&key)? else { return Ok(None) };
        self.explainer.taken(id, key, Some(&layer));
        self.progress.event(super::Event::Cached { step: id });
        made.found(key, layer);
        Ok(Some(self.stack_with(parent, &layer)))
    }

    /// Also records the result under such a key.
    pub(super) fn also_known_as(
        &self,
        made: &Made<'_>,
        id: StepId,
        key: CacheKey,
        stack: &Stack,
    ) -> Result<(), StepError> {
        let Some(layer) = stack.layers.last() else { return Ok(()) };
        let store = self.work()?.store;
        store.add_cache_record(&key, &layer.diff_id)?;
        self.explainer.also_known_as(store, id, &key);
        if let Some(layer) = store.step_layer(&layer.diff_id)? {
            made.found(key, layer);
        }
        Ok(())
    }

    /// A digest of what is at `source` in the stack, without times; `None` if that does not exist.
    pub(super) fn tree_content(&self, stack: &Stack, source: &str) -> Result<Option<[u8; 32]>, StepError> {
        // For a path with pattern characters, hashes everything it could match.
        let source = if source.contains(['*', '?', '[', '\\']) { "/" } else { source };
        match self.gather(&super::mounts::whole_tree(source), std::slice::from_ref(stack), None) {
            Ok(gathered) => Ok(gathered.first().map(|source| source.digest)),
            Err(error) => match error.split() {
                (_, error) if matches!(*error, StepError::SourceNotFound { .. }) => Ok(None),
                (_, error) => Err(*error),
            },
        }
    }

    /// Makes a layer of what a copy takes from contexts, on an empty stack, as a part of the step `id`; also returns
    /// the digest under which its files are listed.
    pub(super) fn copy_quietly(
        &self,
        made: &Made<'_>,
        id: StepId,
        step: &CopyStep,
    ) -> Result<(Stack, Option<[u8; 32]>), StepError> {
        let parent = Stack::default();
        let gathered = self.gather(step, &[], None)?;
        let key = key::copy(step, &parent, &gather::digest(&gathered));
        let request =
            LayerRequest { step: id, parent: &parent, key, times: [None; 2], ignore_cache: false, facts: None };
        let stack = self.place(made, &request, step, &gathered)?;
        gathered.iter().for_each(|source| self.keep_list(source));
        Ok((stack, gathered.first().map(|source| source.digest)))
    }

    fn place(
        &self,
        made: &Made<'_>,
        request: &LayerRequest<'_>,
        step: &CopyStep,
        gathered: &[Gathered],
    ) -> Result<Stack, StepError> {
        let parent = request.parent;
        self.layer(made, request, |staging, directory| {
            let store = self.work()?.store;
            let nothing = Stack::default();
            let looked_at = if key::looks_below(step) { parent } else { &nothing };
            let below = self.below(looked_at, step.chown.as_deref());
            let (below, owner) = below.map_err(|error| error.about(Part::Owner))?;
            let below = if step.link { Vec::new() } else { below };
            let list = earlier::list_name(self, step)?;
            let earlier = match &list {
                Some(list) => Earlier::load(store, list)?,
                None => None,
            };
            let resume = || list.as_ref().map(|list| Resume::load(store, list)).transpose();
            let listing = |name| Listing::new(staging.path().join(name));
            let earlier = match earlier {
                Some(earlier) if earlier.is_whole && earlier.below == request.below() => {
                    let draft = Draft::over(&[&below[..], &[Lower::Folder(earlier.root.clone())]].concat(), directory)?;
                    let draft = draft.no_later_than(step.latest_time);
                    let mut placer = Placer::new(draft, step, owner).listed(listing("differing"));
                    if stacked::place_differing(&mut placer, gathered, &earlier.list)? {
                        let known = stacked::Known::new(&placer.finish()?.0, &earlier.list);
                        let base = Some(earlier.diff_id);
                        return Ok(NewLayer { known: Box::new(known), base, kept: None, resume: resume()? });
                    }
                    std::fs::remove_dir_all(directory).at("remove", directory)?;
                    std::fs::create_dir(directory).at("create", directory)?;
                    Some(earlier)
                }
                earlier => earlier,
            };
            let draft = Draft::over(&below, directory)?.no_later_than(step.latest_time);
            let mut placer = Placer::new(draft, step, owner).listed(listing("copied")).with_earlier(earlier);
            for (number, gathered) in gathered.iter().enumerate() {
                if self.cancellation.is_cancelled() {
                    return Err(StepError::Cancelled);
                }
                placer.place(gathered).map_err(|error| match error {
                    StepError::NotDirectory { .. } | StepError::IsDirectory { .. } => error.about(Part::Destination),
                    error => error.about(Part::Source(number)),
                })?;
            }
            let (files, is_whole) = placer.finish()?;
            let known = Box::new(Lookup::new(&files));
            let copied = Copied { list: files, is_whole, below: request.below() };
            let save = |name: String| -> Kept<'_> {
                Box::new(move |diff_id| Ok(earlier::save(store, &name, diff_id, &copied)?))
            };
            Ok(NewLayer { known, base: None, resume: resume()?, kept: list.map(save) })
        })
    }

    fn gather(&self, step: &CopyStep, stacks: &[Stack], parent: Option<&Stack>) -> Result<Vec<Gathered>, StepError> {
        let mut stacks = stacks.iter();
        let mut gathered = Vec::new();
        for (number, source) in step.sources.iter().enumerate() {
            let stack = match source {
                CopySource::Path { tree: TreeSource::Step(_), .. } => stacks.next(),
                _ => None,
            };
            let is_parent = |stack: &Stack| parent.is_some_and(|parent| parent.tree_digest() == stack.tree_digest());
            let options = gather::options(step, stack.is_some_and(is_parent))?;
            let one = self.gather_source(step, source, (stack, options));
            gathered.push(one.map_err(|error| error.about(Part::Source(number)))?);
        }
        Ok(gathered)
    }

    fn gather_source(
        &self,
        step: &CopyStep,
        source: &CopySource,
        (stack, options): (Option<&Stack>, SelectOptions),
    ) -> Result<Gathered, StepError> {
        match source {
            CopySource::Path { tree, path, unpack } => {
                let files = Files::open(self, tree, stack)?;
                if let (TreeSource::Context(name), Files::Context(context)) = (tree, &files) {
                    taken::check_pattern(self, step, (name.as_deref(), context), path)?;
                }
                gather::from_tree(self, options, files, path, *unpack)
            }
            CopySource::Inline { name, content } => Ok(gather::inline(name, content, step.epoch)),
            CopySource::Http { url, checksum, unpack } => self.download(url, checksum.as_deref(), *unpack),
            CopySource::Git { url, checksum, keep_git_dir } => {
                self.clone_repository(step, url, checksum.as_deref(), *keep_git_dir)
            }
        }
    }
}

/// Fills the empty folder `folder` with the content of `source` in the stack.
pub(super) fn fill_folder(
    solver: &Solver<'_>,
    stack: &Stack,
    source: &str,
    folder: &std::path::Path,
) -> Result<(), StepError> {
    let step = super::mounts::whole_tree(source);
    let gathered = solver.gather(&step, std::slice::from_ref(stack), None)?;
    let mut placer = Placer::new(Draft::new(&[], folder)?, &step, None);
    for gathered in &gathered {
        placer.place(gathered)?;
    }
    placer.finish()?;
    Ok(())
}

/// A key that does not require reading files, for copies whose sources are all results of steps: it uses the digests of
/// their trees.
fn shortcut_key(step: &CopyStep, parent: &Stack, stacks: &[Stack]) -> Option<CacheKey> {
    let mut hasher = FieldHasher::new("copied-trees-1");
    let mut stacks = stacks.iter();
    for source in &step.sources {
        let CopySource::Path { tree: TreeSource::Step(_), path, unpack } = source else { return None };
        hasher.field(&stacks.next()?.tree_digest()).field(path.as_bytes()).number(u64::from(*unpack));
    }
    key::strings(&mut hasher, &step.excludes);
    Some(key::copy(step, parent, &hasher.finish()))
}
