//! What can be believed: that every step that is executed says why, and that nothing wrong is ever served.

#[path = "../common/mod.rs"]
mod common;

mod causes;
mod damage;
mod space;
mod stale;
