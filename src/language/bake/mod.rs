//! Bake: files that say which images are built, and how.
//!
//! Owns the files' languages (HCL, HCL in JSON, compose), and the result: targets, groups and variables. Knows no
//! images, builds nothing and prints nothing. The caller reads files through [`Sources`].

mod check;
mod compose;
mod definition;
mod entries;
mod error;
mod evaluation;
mod files;
mod functions;
mod paths;
mod policy;
mod print;
mod remote;
mod resolve;
mod syntax;
mod target;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;

pub use check::{Ground, check};
pub use definition::Variable;
pub use entries::{CacheEntry, Output, parse_bool};
pub use error::{BakeError, Place};
pub use files::{BakeFile, DEFAULT_NAMES, is_remote};
pub use functions::fields;
pub use print::{listed_json, variables_json};
pub use remote::Remote;
pub use resolve::{Entitlements, Needed, Overrides, Selection};
pub use target::{Config, Target};

/// Access to files that a compose file refers to.
pub trait Sources: Sync {
    /// The content of a file; `None` if it does not exist.
    ///
    /// # Errors
    /// If it cannot be read.
    fn read(&self, path: &str) -> Result<Option<String>, BakeError>;
}

/// The context of the evaluation.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub environment: BTreeMap<String, String>,
    /// Variables that the command line sets.
    pub variables: BTreeMap<String, String>,
    /// Whether variables are looked up in the environment.
    pub reads_environment: bool,
    /// Predefined names.
    pub built_in: BTreeMap<String, String>,
    pub home: String,
    /// Contexts are relative to the file that names them.
    pub has_relative_paths: bool,
}

/// A hint about something that has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub place: Place,
    pub message: String,
}

/// The content of the files.
#[derive(Debug, Default)]
pub struct Bakery {
    pub config: Config,
    /// `None` if no file can have any.
    pub variables: Option<Vec<Variable>>,
    pub notices: Vec<Notice>,
}

/// Reads bake files, in the given order.
///
/// # Errors
/// If one of them is malformed, or an expression in it fails.
pub fn read(files: &[BakeFile], world: &World, sources: &dyn Sources) -> Result<Bakery, BakeError> {
    std::thread::scope(|scope| {
        // Expressions may be deeply nested.
        let thread =
            std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || Reader { files, world }.read(sources));
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(read)) => read,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(source) => Err(BakeError::invalid(format!("cannot start a thread: {source}"))),
        }
    })
}

/// Whether a shell passes a variable of that name to the programs that it starts.
fn is_exportable(name: &str) -> bool {
    !name.starts_with(|letter: char| letter.is_ascii_digit())
        && name.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
}

const STACK: usize = 256 << 20;

struct Reader<'a> {
    files: &'a [BakeFile],
    world: &'a World,
}

impl Reader<'_> {
    fn read(&self, sources: &dyn Sources) -> Result<Bakery, BakeError> {
        let environment = compose::environment(self.world, sources)?;
        let (mut composed, mut bodies) = (Vec::new(), Vec::new());
        for (index, file) in self.files.iter().enumerate() {
            match self.classify(index, file, &environment, sources)? {
                Some(body) => bodies.push(body),
                None => composed.push(file.clone()),
            }
        }
        let mut bakery = Bakery::default();
        if !composed.is_empty() {
            let loader = compose::Loader { environment: &environment, sources, world: self.world };
            bakery.config = loader.load(&composed)?;
            if self.world.has_relative_paths {
                paths::set_compose_bases(&mut bakery.config, &composed);
            }
            bakery.config.deduplicate();
        }
        if !bodies.is_empty() {
            let settings = self.settings();
            let definition = definition::read(bodies, &settings, &mut bakery.config);
            let definition = definition.map_err(|error| self.located(*error))?;
            bakery.variables = Some(definition.variables);
            bakery.notices = definition.warnings.iter().map(|warning| self.notice(warning)).collect();
        }
        if self.world.has_relative_paths {
            paths::rebase(&mut bakery.config, self.files);
        }
        Ok(bakery)
    }

    /// The body of a file in HCL or JSON; `None` for a compose file.
    fn classify(
        &self,
        index: usize,
        file: &BakeFile,
        environment: &BTreeMap<String, String>,
        sources: &dyn Sources,
    ) -> Result<Option<syntax::Body>, BakeError> {
        let parse = |is_json: bool| {
            let parsed =
                if is_json { syntax::parse_json(&file.text, index) } else { syntax::parse_body(&file.text, index) };
            parsed.map_err(|error| self.located(*error))
        };
        let loader = compose::Loader { environment, sources, world: self.world };
        match files::named(&file.name) {
            files::Named::Compose => loader.validate(file).map(|()| None),
            files::Named::Json => parse(true).map(Some),
            files::Named::Hcl => parse(false).map(Some),
            files::Named::Unknown => {
                if loader.validate(file).is_ok() {
                    return Ok(None);
                }
                match parse(false) {
                    Ok(body) => Ok(Some(body)),
                    Err(error) if syntax::is_json_syntax(&file.text) => parse(true).map(Some).or(Err(error)),
                    Err(error) => Err(error),
                }
            }
        }
    }

    fn settings(&self) -> definition::Settings {
        let mut overrides = if self.world.reads_environment { self.world.environment.clone() } else { BTreeMap::new() };
        // Docker's CLI is usually started by a shell, which passes no other names on.
        overrides.retain(|name, _| is_exportable(name));
        overrides.extend(self.world.variables.clone());
        definition::Settings { overrides, built_in: self.world.built_in.clone(), home: self.world.home.clone() }
    }

    fn located(&self, diagnostic: error::Diagnostic) -> BakeError {
        let place = diagnostic.span.and_then(|span| {
            let file = self.files.get(span.file)?;
            Some(Box::new(error::place(&file.name, &file.text, span)))
        });
        BakeError::File { diagnostic, place }
    }

    fn notice(&self, warning: &definition::Warning) -> Notice {
        let empty = BakeFile { name: String::new(), text: String::new() };
        let file = self.files.get(warning.span.file).unwrap_or(&empty);
        Notice { place: error::place(&file.name, &file.text, warning.span), message: warning.message.clone() }
    }
}
