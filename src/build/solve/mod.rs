//! Executes a plan: takes results from the cache and executes the other steps, concurrently if the plan allows it.
//!
//! Owns cache keys, the scheduler and the kinds of steps, one file each. Must not know syscalls or terminals; its
//! interfaces are the store, the contexts and [`Progress`]. Hops 6 to 9 of a build.

mod agent;
mod authority;
mod below;
mod cache_mounts;
mod cancel;
mod chroot;
mod context_tree;
mod copy;
mod devices;
mod directory;
mod entered;
mod error;
mod executed;
mod explain;
mod foreign;
mod java_certificates;
mod key;
mod layers;
mod mounts;
mod network;
mod output;
mod progress;
mod remote;
mod results;
mod resume;
mod run;
mod scheduler;
mod settings;
mod trust;
mod working_roots;

pub use agent::{SshAgents, SshSource};
pub use authority::Authority;
pub use cancel::Cancellation;
pub(crate) use entered::{EnteredStep, LeftBehind, Start, enter};
pub use error::{OpenContextError, SolveError, StepError};
pub(crate) use executed::Executed;
pub(crate) use explain::{Explained, Explainer};
pub(crate) use network::BuildNetwork;
pub use progress::{Event, Progress, TaskEvent};
pub(crate) use remote::{RemoteRecord, RemoteRecords};
pub(crate) use results::{FailedStep, NothingKept, Results};
pub(crate) use scheduler::{Solved, solve};
pub(crate) use settings::{Contexts, Solver, Work};
pub use settings::{DeviceAccess, JoinedNetwork, RunSettings, Secret};
pub(crate) use working_roots::WorkingRoots;
