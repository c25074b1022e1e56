//! `rbuild login`, `logout` and `search`.

pub mod login;
pub mod logout;
pub mod search;
