//! A build that docker asks its plugin for.

use std::sync::Arc;

use crate::base::io_error::chain;
use crate::build::{BuildOptions, ForEngine};
use crate::cli::global::Global;
use crate::cli::output;
use crate::transport::docker_engine::Engine;

/// The engine's images are the bases, and what would go into the store goes to the engine. Where none answers, it stays in
/// the store, which is said.
pub(in crate::cli) fn work_for(options: &mut BuildOptions, global: &Global) {
    let Some(address) = &global.engine else { return };
    match Engine::connect(address) {
        Ok(engine) => {
            options.engine = Some(Arc::new(ForEngine::new(engine)));
            options.load = std::mem::take(&mut options.keep);
        }
        Err(error) => output::say(format_args!("warning: {}; what is built stays in rbuild's store", chain(&error))),
    }
}
