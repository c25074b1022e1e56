//! The grammars that docker's inputs share: truth values, durations, points in time, sizes, filters and comma-separated
//! fields, each read in one way wherever it is typed. They are Go's, or those of docker's own packages.

mod boolean;
mod csv;
mod duration;
mod filters;
pub mod glob;
mod natural;
mod size;
mod time;

pub use boolean::boolean;
pub use csv::{CsvError, fields};
pub use duration::nanoseconds;
pub use filters::{FilterError, Filters, form};
pub use natural::natural_order;
pub use size::bytes;
pub use time::{InvalidTime, point_in_time};
