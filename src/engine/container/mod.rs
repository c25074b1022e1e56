//! What can be done with containers.

mod boot;
mod create;
mod describe;
mod error;
mod exec;
mod export;
mod filter;
mod list;
mod logs;
mod modes;
pub mod mounts;
mod prune;
mod remove;
mod resources;
mod start;
mod status;
mod stop;
mod top;
mod update;

pub use boot::{ShutDown, brought_back, shut_down};
pub use create::{CreateRequest, Created, check_log, check_restart_policy, create, find_image, find_mounted};
pub use describe::describe;
pub use error::RequestError;
pub use exec::{ExecWay, check_exec, check_exec_start, exec};
pub use export::{export, files};
pub use filter::{Filters as ContainerFilters, KNOWN as FILTERS, STATES};
pub use list::{ListRequest, list, row};
pub use logs::{LineDetails, LogListener, LogRequest, LogStream, open_log};
pub use prune::{FILTERS as PRUNE_FILTERS, Pruned, prune};
pub use remove::{remove, remove_link};
pub use resources::check as check_resources;
pub use start::{Started, Starting, ahead_of, is_startable};
pub use status::status;
pub use stop::{kill, restart, signal_of, stop};
pub use top::{Processes, top};
pub use update::{UpdateRequest, update};
