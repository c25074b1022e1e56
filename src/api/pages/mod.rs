//! What is on the pages: a request → an engine's verb → docker's document.

pub mod elsewhere;
pub mod system;
