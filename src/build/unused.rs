//! Tells of contexts most of which no build has copied: an ignore file has too little in it.

use crate::base::human_size;

use super::batch::Batch;

impl Batch<'_> {
    /// What there is to say when all builds are done: what one leaves, another may use.
    pub fn warnings_of_unused(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (_, context) in self.scanned.entries() {
            // What was brought here the user did not put together.
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
