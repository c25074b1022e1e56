//! Why a step was executed again: what its result depended on, kept as facts, and how two sets of facts differ.
//!
//! Only computes. What a step's facts are is said by `solve`, where they are kept by `store`, how they are shown by `cli`.
//! No secret comes in here in clear: see [`Concealer`]. Beside hop 7 of a build.

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
pub use difference::{Differences, differences};
pub use fact::{Fact, FactKind, StepRecord, Value};
pub use files::{FOLDER, FileChange, FileChangeKind, FileChanges, FileList, FileListBuilder, ListedFile};
pub use reason::{BaseName, Reason, in_words};
pub use report::{BuildReport, Outcome, ReportWarning, Source, StepReport, Timing, text_of};
pub use resources::Resources;
