//! What every wing may use: digests, I/O errors with their path, parallel work, names inside foreign trees, and the
//! grammars that docker's inputs share. Those (booleans, durations, times, sizes, filters, comma-separated fields,
//! URLs) are Go's or those of docker's own packages, and each has one parser, wherever it is typed.

pub(crate) mod any_case;
mod boolean;
mod csv;
pub mod digest;
mod duration;
mod filters;
pub(crate) mod flaw;
#[doc(hidden)]
pub mod foreign;
pub(crate) mod framed;
pub(crate) mod glob;
pub(crate) mod hex;
pub(crate) mod identity;
pub(crate) mod input;
pub mod io_error;
mod natural;
mod nearest;
pub(crate) mod once_map;
pub(crate) mod outgoing;
pub(crate) mod privacy;
pub(crate) mod redaction;
pub mod rights;
pub(crate) mod side_by_side;
pub(crate) mod signal;
mod size;
mod time;
#[doc(hidden)]
pub mod urls;

pub use boolean::boolean;
pub use csv::{CsvError, fields};
pub use duration::nanoseconds;
pub use filters::{FilterError, Filters, form};
pub use natural::natural_order;
pub use nearest::nearest;
pub use size::{bytes, human_size};
pub use time::{InvalidTime, ago, human_duration, point_in_time, rfc3339};
