//! The layers below a step that only puts files on top of its parent: it needs their folders, links and user names, so
//! an outline is sufficient for layers that are not local.

use std::sync::Arc;

use crate::base::digest::DiffId;
use crate::store::snapshot::{Lower, Outline, Owner, SnapshotError, Stack, View, owner_of, unknown_owner};

use super::error::StepError;
use super::settings::Solver;

impl Solver<'_> {
    /// The layers of the parent, and the user that `owner` names in them.
    pub(super) fn below(&self, parent: &Stack, owner: Option<&str>) -> Result<(Vec<Lower>, Option<Owner>), StepError> {
        let layers = parent.outlined(self.work()?.store, &|diff_id| self.outline(diff_id))?;
        match self.owner_in(&layers, owner) {
            // The users are not in the usual files.
            Err(SnapshotError::OnlyOutlined { .. }) => {
                let layers: Vec<Lower> = parent.unpacked(self.work()?.store)?.into_iter().map(Lower::Folder).collect();
                let owner = self.owner_in(&layers, owner)?;
                Ok((layers, owner))
            }
            owner => Ok((layers, owner?)),
        }
    }

    fn owner_in(&self, layers: &[Lower], owner: Option<&str>) -> Result<Option<Owner>, SnapshotError> {
        let Some(text) = owner.filter(|text| !text.is_empty()) else {
            return owner.map(|text| owner_of(&View::over(layers)?, text)).transpose();
        };
        let view = View::over(layers)?;
        let owner = owner_of(&view, text)?;
        if let Some(name) = unknown_owner(&view, text)? {
            let (uid, gid) = (owner.uid, owner.gid);
            self.progress.warn(&format!("nobody in the image is called `{name}`: the files are given to {uid}:{gid}"));
        }
        Ok(Some(owner))
    }

    /// The outline of a layer that is not local, from the store or a cache.
    fn outline(&self, diff_id: &DiffId) -> Option<Arc<Outline>> {
        if let Some(outline) = self.store.outline(diff_id).ok().flatten().and_then(|bytes| Outline::parse(&bytes)) {
            return Some(Arc::new(outline));
        }
        let store = self.work().ok()?.store;
        let fetched = self.remote.outline(diff_id)?.and_then(|bytes| {
            let outline = Outline::parse(&bytes).ok_or_else(|| "it is none".to_owned())?;
            store.add_outline(diff_id, &bytes).map_err(|error| error.to_string())?;
            Ok(outline)
        });
        match fetched {
            Ok(outline) => Some(Arc::new(outline)),
            Err(why) => {
                self.progress.warn(&format!("the outline of layer {diff_id} is not used: {why}"));
                None
            }
        }
    }
}
