//! What every wing may use: digests, I/O errors with their path, parallel work, names inside foreign trees, and the
//! grammars that docker's inputs share. Those (booleans, durations, times, sizes, filters, comma-separated fields,
//! URLs) are Go's or those of docker's own packages, and each has one parser, wherever it is typed.

pub mod any_case;
mod boolean;
mod csv;
pub mod digest;
mod duration;
mod filters;
pub mod flaw;
pub mod foreign;
pub mod glob;
pub mod hex;
pub mod identity;
pub mod input;
pub mod io_error;
mod natural;
mod nearest;
pub mod once_map;
pub mod outgoing;
pub mod privacy;
pub mod redaction;
pub mod rights;
pub mod side_by_side;
pub mod signal;
mod size;
mod time;
pub mod urls;

pub use boolean::boolean;
pub use csv::{CsvError, fields};
pub use duration::nanoseconds;
pub use filters::{FilterError, Filters, form};
pub use natural::natural_order;
pub use nearest::nearest;
pub use size::{bytes, human_size};
pub use time::{InvalidTime, ago, human_duration, point_in_time, rfc3339};
