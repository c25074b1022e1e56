//! Images: information about them, and operations on them.

pub mod build_cache;
pub mod commit;
pub mod describe;
pub mod describe_remote;
pub mod distribution;
mod error;
pub mod filter;
pub mod history;
pub mod import;
pub mod info;
pub mod list;
pub mod load;
pub mod prune;
pub mod pull;
pub mod push;
pub mod remove;
pub mod save;
pub mod search;
pub mod tag;
pub mod users;

pub use error::ImageError;
