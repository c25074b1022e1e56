//! What can be done with containers.

mod create;
mod describe;
mod error;
mod export;
mod filter;
mod list;
mod logs;
pub mod mounts;
mod prune;
mod remove;
mod resources;
mod status;
mod top;
mod update;

pub use create::{CreateRequest, Created, check_log, check_restart_policy, create, find_image, find_mounted};
pub use describe::describe;
pub use error::RequestError;
pub use export::{export, files};
pub use filter::{Filters as ContainerFilters, KNOWN as FILTERS, STATES};
pub use list::{ListRequest, list, row};
pub use logs::{LineDetails, LogListener, LogRequest, LogStream, open_log};
pub use prune::{FILTERS as PRUNE_FILTERS, Pruned, prune};
pub use remove::{remove, remove_link};
pub use resources::check as check_resources;
pub use status::status;
pub use top::{Processes, top};
pub use update::{UpdateRequest, update};
