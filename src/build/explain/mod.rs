//! Why a step was executed again: the facts on which its result depended, and how two sets of facts differ.
//!
//! Only computes: `solve` collects the facts of a step, `store` keeps them, `cli` shows them. No secret gets here in
//! clear text: see [`Concealer`]. Next to hop 7 of a build.

mod align;
mod conceal;
mod difference;
mod fact;
mod files;
mod reason;
mod report;
mod resources;

pub use align::counterparts;
pub use conceal::{Concealer, looks_secret};
pub use difference::differences;
pub use fact::{Fact, FactKind, StepRecord, Value};
pub use files::{FOLDER, FileChange, FileChangeKind, FileChanges, FileList, FileListBuilder, ListedFile};
pub use reason::{BaseName, Reason, in_words};
pub use report::{BuildReport, Outcome, ReportWarning, Source, StepReport, Timing, text_of};
pub use resources::Resources;
