//! What is on the pages: a request → an engine's verb → docker's document.

pub mod build;
pub mod containers;
pub mod disk;
pub mod elsewhere;
pub mod images;
pub mod networks;
pub mod system;
pub mod volumes;
