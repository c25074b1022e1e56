//! Warns of contexts of which builds copy only a small part: their ignore file excludes too little.

use crate::base::human_size;

use super::batch::Batch;

impl Batch<'_> {
    /// The warnings after all builds: what one does not use, another may.
    pub fn warnings_of_unused(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (_, context) in self.scanned.entries() {
            // The user did not put together what was fetched.
            let Some(root) = context.root_path().filter(|root| !root.starts_with(self.store.root())) else { continue };
            let unused = context.unused();
            let Some((most, most_bytes)) = unused.most.as_ref().filter(|_| unused.matters()) else { continue };
            let size = |bytes: u64| human_size(bytes, 3);
            warnings.push(format!(
                "{} of the {} in the build context are copied by no instruction, {} of them in `{most}`: an ignore file \
                 can leave it out (`rbuild context ls --why {}` shows what there is)",
                size(unused.bytes),
                size(unused.total),
                size(*most_bytes),
                root.display()
            ));
        }
        warnings
    }
}
