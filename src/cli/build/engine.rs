//! Builds for a Docker Engine, as docker's build plugin.

use std::sync::Arc;

use crate::base::io_error::chain;
use crate::build::{BuildOptions, ForEngine};
use crate::cli::global::{BuilderChoice, Global};
use crate::cli::output;
use crate::engine::builders::Builder;
use crate::transport::docker_engine::Engine;

/// The engine that a command works for. If none responds, the result stays in the store, with a message.
pub(in crate::cli) fn engine_of(global: &Global) -> Option<Arc<ForEngine>> {
    match Engine::connect(global.engine.as_ref()?) {
        Ok(engine) => Some(Arc::new(ForEngine::new(engine))),
        Err(error) => {
            output::say(format_args!("warning: {}; what is built stays in rbuild's store", chain(&error)));
            None
        }
    }
}

/// The engine's images are the bases, and the result goes to the engine instead of the store. With a builder from
/// `buildx create`, a result without a requested output goes nowhere, as with buildx. Returns whether this is the case.
pub(in crate::cli) fn work_for(options: &mut BuildOptions, global: &Global, engine: Option<Arc<ForEngine>>) -> bool {
    let goes_nowhere = match &global.builder {
        BuilderChoice::Found(builder) => use_builder(options, builder),
        _ => false,
    };
    if engine.is_some() {
        options.engine = engine;
        options.load = std::mem::take(&mut options.keep);
    }
    goes_nowhere
}

fn use_builder(options: &mut BuildOptions, builder: &Builder) -> bool {
    if let Some(id) = options.reference.rsplit('/').next() {
        options.reference = format!("{}{id}", builder.prefix());
    }
    if !builder.keeps_results() || !options.keep || options.keep_is_asked {
        return false;
    }
    options.keep = false;
    options.push.is_none() && options.outputs.is_empty()
}

/// Warns that the results of `of` go nowhere.
pub(in crate::cli) fn warn_of_no_output(global: &Global, of: &str) {
    if let BuilderChoice::Found(builder) = &global.builder {
        output::say(format_args!(
            "warning: {of}no output is asked for with the builder `{}`, and the result stays in the build cache: \
             --load puts it into the engine, --push into a registry",
            builder.name
        ));
    }
}
