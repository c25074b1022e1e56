//! The handlers of the endpoints: a request → a verb of the engine → docker's document.

pub mod build;
pub mod containers;
pub mod disk;
pub mod elsewhere;
pub mod images;
pub mod networks;
pub mod system;
pub mod volumes;
